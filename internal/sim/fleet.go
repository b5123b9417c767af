package sim

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"

	"github.com/hotstick/hotstick"
)

// Member is what a fleet says of one of its hosts before it runs.
type Member struct {
	Name   string
	Build  hotstick.KernelBuild
	Labels map[string]string
	// Distribution is what the host's os-release would say.
	Distribution string
}

// kernelKind is one kernel build of the made-up fleet and its share of it.
type kernelKind struct {
	release, distribution string
	weight                int
}

// The builds: two lines of one distribution, old and new, and two others, so
// that lanes, canaries and left-out hosts can be seen.
var kernelKinds = []kernelKind{
	{"6.1.0-47-amd64", "Debian GNU/Linux 12 (bookworm)", 36},
	{"6.1.0-56-amd64", "Debian GNU/Linux 12 (bookworm)", 26},
	{"6.12.43+deb12-amd64", "Debian GNU/Linux 12 (bookworm)", 16},
	{"5.14.0-427.13.1.el9_4.x86_64", "Rocky Linux 9.4 (Blue Onyx)", 12},
	{"6.4.0-150600.23.7-default", "openSUSE Leap 15.6", 7},
	{"6.8.0-45-generic", "Ubuntu 24.04 LTS", 3},
}

// Builds returns the kernel builds of every made-up fleet, the most common first.
func Builds() []hotstick.KernelBuild {
	var list []hotstick.KernelBuild
	for _, k := range kernelKinds {
		list = append(list, k.build())
	}
	return list
}

// build derives the build ID from the release, so that it is the same in every
// process.
func (k kernelKind) build() hotstick.KernelBuild {
	sum := sha256.Sum256([]byte("simulated kernel " + k.release))
	return hotstick.KernelBuild{Release: k.release, Arch: "x86_64", BuildID: hex.EncodeToString(sum[:20])}
}

// roles and their share of the fleet, with the word that hosts are named by.
var roles = []struct {
	name   string
	weight int
}{{"web", 40}, {"app", 25}, {"db", 15}, {"cache", 12}, {"queue", 6}, {"ldap", 2}}

// Limits of the made-up rooms.
const (
	hostsPerRack = 10
	racksPerZone = 7
)

// Fleet makes n members from a seed. Racks hold ten hosts and zones seven racks;
// the few directory servers are labelled critical, so they go last.
func Fleet(n int, seed uint64) []Member {
	r := rand.New(rand.NewPCG(seed, 0x686f74737469636b))
	count := map[string]int{}
	members := make([]Member, 0, n)
	for i := range n {
		role := roles[pick(r, len(roles), func(i int) int { return roles[i].weight })].name
		// Every build occurs, also in a small fleet: the first hosts take one each.
		kind := i
		if i >= len(kernelKinds) {
			kind = pick(r, len(kernelKinds), func(i int) int { return kernelKinds[i].weight })
		}
		count[role]++
		rack := i / hostsPerRack
		m := Member{
			Name:         fmt.Sprintf("%s-%03d", role, count[role]),
			Build:        kernelKinds[kind].build(),
			Distribution: kernelKinds[kind].distribution,
			Labels: map[string]string{
				"role": role,
				"rack": fmt.Sprintf("r%02d", rack+1),
				"zone": string(rune('a' + rack/racksPerZone%26)),
			},
		}
		if role == "ldap" {
			m.Labels["critical"] = "true"
		}
		members = append(members, m)
	}
	return members
}

// pick draws an index by weight.
func pick(r *rand.Rand, n int, weight func(int) int) int {
	total := 0
	for i := range n {
		total += weight(i)
	}
	at := r.IntN(total)
	for i := range n {
		if at -= weight(i); at < 0 {
			return i
		}
	}
	return n - 1
}
