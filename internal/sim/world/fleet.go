package world

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"syscall"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/driver/fake"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/sim"
	"github.com/hotstick/hotstick/internal/sim/checker"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/trace"
)

// level is one patch level and how it was meant.
type level struct {
	sim.Level
	// bad is what it does to hosts; empty for a good one. share is to how many of a
	// hundred.
	bad   string
	share int
}

// The ways in which a level can be bad.
var illnesses = []string{"killer", "slow killer", "ill", "warns", "stalls", "refused", "unreadable", "panic on revert"}

const patchName = "fix"

// levels of one patch: rollouts climb them.
const levelCount = 4

func (w *World) makeSupply(r *rand.Rand) {
	builds := sim.Builds()[:2+r.IntN(4)]
	w.modules, w.byName, w.driverOf = map[hotstick.Digest][]byte{}, map[moduleKey]hotstick.Digest{}, map[string]string{}
	for i := range levelCount {
		l := level{Level: sim.NewLevel(sim.LevelSpec{Name: patchName, Level: i + 1, Summary: "made up",
			CVEs: []string{fmt.Sprintf("CVE-2026-%d", 1000+i)}, Function: "unix_ioctl", Builds: builds})}
		if chance(r, w.badLevels()) {
			l.bad, l.share = illnesses[r.IntN(len(illnesses))], []int{100, 50, 10}[r.IntN(3)]
		}
		w.addLevel(l)
	}
	if w.opt.Mixed {
		w.mix(stream(w.seed, "mixed", 0), builds)
	}
	w.touches()
	var patches []hotstick.Patch
	for _, l := range w.levels {
		// The last level is published in the middle of the run, if at all.
		if l.Patch.Ref.Level < levelCount {
			patches = append(patches, l.Patch)
		}
	}
	w.catalog = catalog.NewView(1, began.Add(24*time.Hour), w.trust(1), patches)
}

func (w *World) addLevel(l level) {
	w.levels = append(w.levels, l)
	for d, data := range l.Modules {
		w.modules[d] = data
	}
	for _, a := range l.Patch.Artifacts {
		w.byName[moduleKey{a.Build, a.Module}] = a.Digest
	}
}

// badLevels is how many levels of a hundred are bad. Beside a thief most are good: what
// stops by itself needs nobody to stop it.
func (w *World) badLevels() int {
	if w.opt.Evil != "" {
		return 10
	}
	return 40
}

// behave says what a level does on one host.
func (l level) behave(r *rand.Rand) (fake.Behaviour, bool) {
	b := fake.Behaviour{Functions: []string{"vmlinux:unix_ioctl,1"}, Transition: time.Duration(50+r.IntN(1500)) * time.Millisecond}
	if r.IntN(100) >= l.share {
		return b, false
	}
	switch l.bad {
	case "killer":
		b.Crash, b.CrashAfter = true, time.Duration(r.IntN(3000))*time.Millisecond
	case "slow killer":
		b.Crash, b.CrashAfter = true, time.Duration(5+r.IntN(60))*time.Second
	case "ill":
		b.Ill = "sockets fail"
	case "warns":
		b.Warns = "unix_ioctl"
	case "stalls":
		b.Stall = true
	case "refused":
		b.Refuse = hotstick.ReasonKernelRefused
		if l.Patch.Driver != fake.Name { // whose tools go past our driver
			b.Errno = syscall.EINVAL
		}
	case "unreadable":
		b.Unreadable = true
	case "panic on revert":
		return b, true
	}
	return b, false
}

// addHost makes a machine that is up and runs nothing yet.
func (w *World) addHost(i int) {
	r := stream(w.seed, "host", i)
	member := sim.Fleet(i+1, w.seed)[i]
	builds := w.levels[0].Patch.Artifacts
	member.Name = fmt.Sprintf("host-%02d", i)
	member.Build = builds[r.IntN(len(builds))].Build
	zones := 1 + int(w.seed%3)
	if w.opt.Evil != "" {
		zones = 2 // so that a plan may list a part of the fleet
	}
	member.Labels = map[string]string{
		"rack": fmt.Sprintf("r%d", i/(4+int(w.seed%4))), "zone": string(rune('a' + i%zones)), "pair": fmt.Sprintf("p%02d", i/2)}
	n := &node{w: w, random: stream(w.seed, "node", i), docs: documents{nonces: map[hotstick.Digest]string{}}}
	n.key = w.seedKey("host", i)
	n.id = hotstick.NewHostID(n.key.Public())
	n.shelf = &shelf{n: n, bytes: map[hotstick.Digest][]byte{}}
	n.disk = newDisk(n.durable)
	n.m = &machine{w: w, n: n, Hardware: sim.Hardware{Member: member}, age: time.Duration(10+r.IntN(300)) * time.Second,
		seen: map[string]hotstick.Effect{}, onRevert: map[string]bool{}}
	w.mixedHost(n, i)
	if w.opt.Touched {
		n.things = newThings(n, stream(w.seed, "things", i))
	}
	behaviours := map[string]fake.Behaviour{}
	for _, l := range w.levels {
		b, onRevert := l.behave(r)
		a, has := l.Patch.Artifact(member.Build)
		if !has {
			continue
		}
		behaviours[a.Module] = b
		if onRevert {
			n.m.onRevert[a.Module] = true
		}
	}
	n.m.Kernel = fake.New(fake.Config{Name: fmt.Sprintf("%d-%s", w.seed, member.Name), Build: member.Build, Clock: w.time,
		Transition: 200 * time.Millisecond, Behaviours: behaviours, OnDown: n.wentDown})
	n.does = behaviours
	w.nodes = append(w.nodes, n)
	w.byID[n.id] = n
}

// newcomers is how many hosts may come into the fleet during a run.
const newcomers = 3

// begin lets the machine's programs run for the first time.
func (n *node) begin() {
	n.tell(trace.Event{Kind: trace.KindBoot, Cause: checker.DownClean})
	n.boot()
	n.settle()
	for _, l := range n.w.levels {
		if n.w.opt.spoil {
			n.tell(trace.Event{Kind: trace.KindLearned, Patch: l.Patch.Ref, To: "ban"})
		}
	}
}

// welcome takes a new host into the fleet.
func (w *World) welcome() {
	if len(w.spare) == 0 {
		return
	}
	n := w.spare[0]
	if w.enrol([]*node{n}); w.broken {
		return
	}
	w.spare, w.nodes = w.spare[1:], append(w.nodes, n)
	n.m.Kernel.Boot()
	n.begin()
	w.some("newcomer")
}

// enrol makes hosts known to the servers.
func (w *World) enrol(nodes []*node) {
	err := w.memory.Update(context.Background(), func(tx store.Tx) error {
		for _, n := range nodes {
			if err := tx.Hosts().Put(store.Host{ID: n.id, Name: n.name(), Identity: n.key.Public(), Enrolled: tx.Now()}); err != nil {
				return err
			}
			if _, err := tx.Events().Append(store.Event{Kind: inventory.HostFacts, Host: n.id}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		w.fail("cannot enrol: %v", err)
	}
}

// wentDown is told by the kernel that the machine went down.
func (n *node) wentDown(c fake.Crash) {
	cause := "panic"
	if c.Trace == "" {
		cause = "power"
	}
	n.goDown(cause)
	n.w.after(time.Duration(2+n.random.IntN(8))*time.Second, n.comeUp)
}

// goDown ends everything that runs on the machine.
func (n *node) goDown(cause string) {
	if n.m.down {
		return
	}
	boot, _ := n.m.Boot()
	n.m.before += n.m.Uptime()
	n.w.emit(trace.Event{Node: "kernel", Kind: trace.KindDown, Host: n.id, Boot: boot, Cause: cause})
	n.w.some("down " + cause)
	if a := n.truth.attempt; a != nil {
		n.w.some("down while " + string(a.Phase))
	}
	n.m.down, n.m.seen = true, map[string]hotstick.Effect{}
	n.loader, n.core = nil, nil
	if n.vendor != nil {
		n.vendor.die()
	}
	n.life.agent++
	n.life.loader++
	n.life.boot++
	n.flight++
	n.life.hung = false
}

// comeUp boots the machine again.
func (n *node) comeUp() {
	if !n.m.down || n.gone || n.off > n.w.now {
		return
	}
	n.m.age = 0
	n.m.down = false
	if n.things != nil {
		n.things.boot()
	}
	n.m.Kernel.Boot()
	n.tell(trace.Event{Kind: trace.KindBoot, Cause: "unclean"})
	n.boot()
	n.settle()
}

// switchOff takes the machine's power away for minutes.
func (n *node) switchOff(d time.Duration) {
	if n.m.down || n.gone {
		return
	}
	n.off = n.w.now + d
	n.m.Kernel.Crash("")
	n.w.after(d, n.comeUp)
	n.w.some("off for minutes")
}

// shutDown is a clean reboot.
func (n *node) shutDown() {
	if n.m.down {
		return
	}
	if n.loader != nil && !n.life.hung {
		func() {
			defer n.caught()
			if err := n.loader.Stop(); err != nil {
				n.w.some("no clean mark")
			}
		}()
	}
	cause := "clean"
	if !n.truth.ledger.Boot.Clean {
		cause = "power"
	}
	n.goDown(cause)
	n.w.after(time.Duration(3+n.random.IntN(10))*time.Second, n.comeUp)
}

func hashFile(f *os.File) (hotstick.Digest, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	data, err := io.ReadAll(f)
	if err != nil {
		return "", err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	return hotstick.NewDigest(data), nil
}

// seedKey makes a key that only seed, purpose and index decide.
func (w *World) seedKey(purpose string, index int) *statement.Key {
	sum := sha256.Sum256(fmt.Appendf(nil, "hotstick simulated key %d %s %d", w.seed, purpose, index))
	key, err := statement.NewKey(sum[:])
	if err != nil {
		w.fail("cannot make a key: %v", err)
	}
	return key
}
