package exposure

import (
	"cmp"
	"slices"
	"strings"

	"github.com/hotstick/hotstick"
)

// Answer says where a host stands with a CVE, why, and by whose word.
type Answer struct {
	CVE    string
	State  hotstick.ExposureState
	Reason hotstick.ExposureReason
	// Kernel is the booted kernel, and Memory the level in memory where the system tells one.
	Kernel Kernel
	Memory string
	// Patch closes it; zero if none does.
	Patch hotstick.PatchRef
	// Disputed: sources disagree on whether it is open; see Says.
	Disputed bool
	// Says are all sources that speak of the CVE in the kernel's product, those that decide
	// first.
	Says []Saying
}

// Saying is what one source says of the booted kernel.
type Saying struct {
	Source  hotstick.AdvisorySource
	Product hotstick.KernelProduct
	Reason  hotstick.ExposureReason
	// Introduced and Fixed are the range that the reason follows from.
	Introduced, Fixed string
	Justification     hotstick.Justification
	Module            string
	// Vendor: it is the vendor's own word. Decides: nobody's beats it.
	Vendor, Decides bool
}

// Stand is where a host stands with a CVE; false if nobody knows the host, or no source
// speaks of the CVE.
func (f *Fleet) Stand(host hotstick.HostID, cve string) (hotstick.ExposureReason, bool) {
	m, there := f.member(host)
	i, spoken := f.index.column(cve)
	if !there || !spoken {
		return "", false
	}
	return f.rows[m.class].cell(i).reason(), true
}

func (f *Fleet) member(host hotstick.HostID) (member, bool) {
	i, there := slices.BinarySearchFunc(f.hosts, member{id: host}, byID)
	if !there {
		return member{}, false
	}
	return f.hosts[i], true
}

// Explain says why a host stands where it stands; false as for [Fleet.Stand].
func (f *Fleet) Explain(host hotstick.HostID, cve string) (Answer, bool) {
	m, there := f.member(host)
	i, spoken := f.index.column(cve)
	if !there || !spoken {
		return Answer{}, false
	}
	c, verdict := f.classes[m.class], f.rows[m.class].cell(i)
	a := Answer{CVE: cve, State: verdict.reason().State(), Reason: verdict.reason(), Disputed: verdict&disputed != 0, Kernel: c.Kernel, Memory: c.Memory}
	if a.Reason == hotstick.ClosedByPatch {
		a.Patch, _ = f.index.patches.closed(c.Patches, cve)
	}
	text := c.Kernel.Version
	if a.Reason == hotstick.ClosedByLevel {
		text = c.Memory
	}
	places := f.index.places(c.Kernel.Product, text)
	said, p := claims(places, i)
	if len(said) == 0 {
		a.Says = f.index.silence(c.Kernel.Product, f.index.absent(c.Kernel.Product, places, i), i)
	}
	vendor, worst := slices.ContainsFunc(said, func(c claim) bool { return c.vendor }), neverOtherSystem
	for _, c := range said {
		if c.vendor || !vendor {
			worst = min(worst, c.judge(p))
		}
	}
	for _, c := range said {
		v := c.judge(p)
		s := Saying{Source: c.said.Source, Product: c.said.Product, Reason: v.reason(), Justification: c.said.Justification, Module: c.said.Module,
			Vendor: c.vendor, Decides: (c.vendor || !vendor) && v == worst}
		s.Introduced, s.Fixed = c.follows(p, v)
		a.Says = append(a.Says, s)
	}
	slices.SortStableFunc(a.Says, func(a, b Saying) int {
		return cmp.Or(first(a.Decides, b.Decides), first(a.Vendor, b.Vendor), strings.Compare(a.Source.Feed, b.Source.Feed), strings.Compare(a.Source.Document, b.Source.Document))
	})
	return a, true
}

// follows is the range that a verdict follows from: the one that the version is in, or the
// highest that it is above.
func (c *claim) follows(p place, v cell) (introduced, fixed string) {
	if v != exposedInRange && v != exposedNoFix && v != closedByBoot {
		return "", ""
	}
	highest := int32(-1)
	for _, s := range c.ranges {
		r := c.said.Ranges[s.of]
		switch above := s.begun(p); {
		case v.exposed() && above && !s.over(p) && (v == exposedNoFix) == (s.to == open):
			return r.Introduced, r.Fixed
		case v == closedByBoot && above && s.to != open && p.line.rank[s.to] > highest:
			highest, introduced, fixed = p.line.rank[s.to], r.Introduced, r.Fixed
		}
	}
	return introduced, fixed
}

func first(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// Count is how many hosts stand where with a CVE.
type Count map[hotstick.ExposureReason]int

// Open is how many count as open: the exposed, and those of which nobody knows. The two are
// counted apart too, or what nobody looked into would hide what somebody has found.
func (c Count) Open() int { return c.Exposed() + c.Unknown() }

// Exposed is how many have the hole.
func (c Count) Exposed() int { return c.in(hotstick.Exposed) }

// Unknown is how many may have it.
func (c Count) Unknown() int { return c.in(hotstick.ExposureUnknown) }

func (c Count) in(state hotstick.ExposureState) (n int) {
	for reason, hosts := range c {
		if reason.State() == state {
			n += hosts
		}
	}
	return n
}

// Counts says by CVE how many hosts stand where.
func (f *Fleet) Counts() map[string]Count {
	size := make([]int, len(f.classes))
	for _, m := range f.hosts {
		size[m.class]++
	}
	sums := make([][neverOtherSystem + 1]int, len(f.index.cves))
	for class, r := range f.rows {
		if size[class] == 0 {
			continue
		}
		for cve := range f.index.cves {
			sums[cve][r.cell(cve)&^disputed] += size[class]
		}
	}
	counts := make(map[string]Count, len(sums))
	for cve, name := range f.index.cves {
		if f.index.spoke[cve] == 0 {
			continue
		}
		c := Count{}
		for rank, n := range sums[cve] {
			if n > 0 {
				c[reasons[rank]] = n
			}
		}
		counts[name] = c
	}
	return counts
}

// Hosts lists the hosts that count as open to a CVE, sorted.
func (f *Fleet) Hosts(cve string) (open []hotstick.HostID) {
	i, spoken := f.index.column(cve)
	if !spoken {
		return nil
	}
	for _, m := range f.hosts {
		if f.rows[m.class].cell(i).open() {
			open = append(open, m.id)
		}
	}
	return open
}
