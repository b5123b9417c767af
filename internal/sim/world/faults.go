package world

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/kernel/kmod"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/loader/link"
	"github.com/hotstick/hotstick/internal/sim/checker"
)

const panicText = "[   99.000000] Kernel panic - not syncing: hardware\n[   99.000001] Call Trace:\n[   99.000002]  mce_panic+0x1/0x2\n"

// partition cuts a third of the fleet off, both ways.
func (w *World) partition(s Step) {
	for i, n := range w.nodes {
		if uint64(i)%3 == s.N%3 {
			n.cable.up, n.cable.back = w.now+s.For, w.now+s.For
		}
	}
	w.some("partition")
}

// mute lets no answer through to a quarter of the fleet, for longer than grants
// live: the servers hear the hosts, and not the other way round.
func (w *World) mute(s Step, n *node) {
	for i, other := range w.nodes {
		if other == n || uint64(i)%4 == s.N%4 {
			other.cable.back = w.now + 3*s.For
		}
	}
}

func (n *node) killAgent(again time.Duration) {
	if n.m.down {
		return
	}
	n.core = nil
	n.life.agent++
	n.flight++
	n.w.fault(checker.FaultAgentDown, n)
	life, boot := n.life.agent, n.life.boot
	n.w.after(again, func() {
		if n.life.agent == life && n.life.boot == boot && !n.m.down {
			n.startAgent()
		}
	})
}

func (n *node) kill(again time.Duration) {
	if n.m.down || n.loader == nil {
		return
	}
	if n.truth.attempt != nil {
		n.w.some("loader killed in an attempt")
	}
	n.killLoader(again)
}

func (w *World) killServer(s Step) {
	w.servers[int(s.N%uint64(len(w.servers)))].away(s.For / 4)
}

// killServers takes all servers away, longer than a host may be silent.
func (w *World) killServers(s Step) {
	for _, victim := range w.servers {
		victim.away(w.limits.SilentAfter + s.For)
	}
}

// away kills the server and starts it again after d.
func (s *server) away(d time.Duration) {
	if !s.up {
		return
	}
	s.kill()
	s.w.after(d, func() {
		if !s.up {
			s.start()
		}
	})
}

func (w *World) rackPower(n *node) {
	for _, other := range w.nodes {
		if other.m.Member.Labels["rack"] == n.m.Member.Labels["rack"] && !other.m.down {
			other.goDown(checker.DownRack)
			other.m.Kernel.Crash("")
			w.after(time.Duration(3+other.random.IntN(20))*time.Second, other.comeUp)
		}
	}
	w.some("rack power")
}

// hang stops everything on the machine until a watchdog takes it down.
func (n *node) hang(d time.Duration) {
	if n.m.down {
		return
	}
	n.life.hung = true
	boot := n.life.boot
	n.w.fault(faultLoaderDown, n)
	n.w.after(d, func() {
		if n.life.boot == boot && n.life.hung {
			n.m.Kernel.Crash("")
		}
	})
}

// foreignLoad is a hand outside that loads a live patch of its own.
func (n *node) foreignLoad() {
	if n.m.down {
		return
	}
	data := kmod.Compose(kmod.Info{Name: "vendor_fix", Vermagic: n.m.Member.Build.Release + " SMP preempt mod_unload modversions ",
		Livepatch: true, License: "GPL", Arch: n.m.Member.Build.Arch, SrcVersion: "0123456789ABCDEF01234567"})
	f, err := os.CreateTemp("", "hotstick-sim-*.ko")
	if err != nil {
		n.w.fail("cannot make a foreign patch: %v", err)
		return
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := f.Write(data); err != nil {
		n.w.fail("cannot make a foreign patch: %v", err)
		return
	}
	n.w.fault(checker.FaultForeign, n)
	// What the kernel says to it is its affair.
	if err := n.m.Kernel.Calls().Finit(f); err == nil {
		n.w.some("foreign patch loaded")
	}
}

// foreignRemoval is a hand outside that takes our level out of effect.
func (n *node) foreignRemoval() {
	if n.m.down {
		return
	}
	n.w.fault(checker.FaultForeign, n)
	for _, module := range sorted(n.m.seen) {
		if n.m.seen[module] == hotstick.InEffect && n.m.Kernel.Calls().Disable(module) == nil {
			n.w.some("level removed by hand")
			return
		}
	}
}

// confirmedOn is the first host from a step's on whose level is in effect, for a hand that
// takes one away; the step's own if there is none. Where it must be at rest, no attempt is
// under way there.
func (w *World) confirmedOn(s Step, atRest bool) *node {
	for i := range w.nodes {
		n := w.nodes[(s.Host+i)%len(w.nodes)]
		if n.m.down || atRest && n.truth.attempt != nil {
			continue
		}
		for _, module := range sorted(n.m.seen) {
			if n.m.seen[module] == hotstick.InEffect && module != "vendor_fix" {
				return n
			}
		}
	}
	return w.nodes[s.Host%len(w.nodes)]
}

// rmmod is a hand outside that takes our level out of the kernel.
func (n *node) rmmod() {
	n.foreignRemoval()
	boot := n.life.boot
	n.w.after(20*time.Second, func() {
		if n.m.down || n.life.boot != boot {
			return
		}
		for _, module := range sorted(n.m.seen) {
			if n.m.seen[module] == hotstick.Disabled && n.m.Kernel.Calls().Delete(module) == nil {
				n.w.some("level unloaded by hand")
				return
			}
		}
	})
}

// snapshot puts the machine back to an earlier moment: it boots again, and its ledger is
// an older one.
func (n *node) snapshot(seed uint64) {
	if n.m.down {
		return
	}
	n.restoreLedger(seed)
	n.m.Kernel.Crash("")
	n.w.some("snapshot restored")
}

// jump moves the wall clock by up to ten years either way.
func (n *node) jump(seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	const tenYears = 10 * 365 * 24 * time.Hour
	n.m.skew = time.Duration(r.Int64N(int64(2*tenYears))) - tenYears
	n.w.fault(checker.FaultClock, n)
}

// setClock moves the wall clock of the servers' machine by a minute to ten years
// either way, until somebody puts it right.
func (w *World) setClock(s Step) {
	r := s.stream()
	by := time.Minute << r.IntN(23)
	if chance(r, 50) {
		by = -by
	}
	w.set = by
	w.after(s.For, func() { w.set = 0 })
}

func (n *node) diskFull(d time.Duration) {
	n.disk.fault.full = true
	n.w.fault(checker.FaultDisk, n)
	n.w.after(d, func() {
		n.disk.fault.full = false
		n.w.fault(checker.FaultDiskOver, n)
	})
}

// pull pulls the loader's plug, or the machine's, in the middle of one of the next
// writes.
func (n *node) pull(s Step, before bool) {
	f := &n.disk.fault
	f.plug, f.before, f.power = 1+int(s.N%4), before, s.N%8 < 4
}

func (n *node) diskSync(d time.Duration) {
	n.disk.fault.sync = true
	n.w.fault(checker.FaultDisk, n)
	n.w.after(d, func() {
		n.disk.fault.sync = false
		n.w.fault(checker.FaultDiskOver, n)
	})
}

func (w *World) storeFull(d time.Duration) {
	w.tap.failing = true
	w.fault(checker.FaultStore, nil)
	w.after(d, func() {
		w.tap.failing = false
		w.fault(checker.FaultStoreOver, nil)
		w.servers[0].wake()
	})
}

// restoreLedger puts an older copy of the ledger back, as from a backup.
func (n *node) restoreLedger(seed uint64) {
	if len(n.disk.older) == 0 || n.m.down {
		return
	}
	n.loader = nil
	n.life.loader++
	old := n.disk.older[int(seed%uint64(len(n.disk.older)))]
	l, err := ledger.Decode(old)
	if err != nil {
		n.w.fail("cannot read an older ledger: %v", err)
		return
	}
	n.disk.ledger, n.disk.doubt = old, false
	n.w.fault(checker.FaultLedger, n)
	n.truth = ledgerTruth{known: true, ledger: l, attempt: l.Attempt}
	n.startLoader()
}

// replay hands the loader every document that it, and another host, ever got: its
// agent was taken over.
func (n *node) replay(other *node) {
	if n.loader == nil || n.life.hung || n.m.down {
		return
	}
	var all []json.RawMessage
	for _, raw := range append(append([][]byte(nil), n.docs.old...), other.docs.old...) {
		all = append(all, raw)
	}
	n.hand(all)
}

// hand gives documents to the loader past its agent.
func (n *node) hand(documents []json.RawMessage) {
	n.w.some("documents replayed")
	if _, err := (port{n}).Exchange(context.Background(), link.Request{Documents: documents}); err != nil {
		n.w.some("replay unheard")
	}
}
