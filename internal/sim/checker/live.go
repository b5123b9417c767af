package checker

import (
	"fmt"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/trace"
)

// Liveness is looked at only after faults have stopped for good, when the run
// ends.
func liveRules() []Rule {
	return []Rule{
		{ID: "L1", Name: "finishes", check: atEnd(finishes),
			Text: "A plan that was started, and of which no host came to harm, comes to its end: completed, halted or expired."},
		{ID: "L2", Name: "no stuck transition", check: atEnd(noStuck),
			Text: "A transition that stalls is reversed within its limit; none of ours runs at the end."},
		{ID: "L3", Name: "bad patch is halted", check: atEnd(badHalted),
			Text: "A plan of which a server knows that a host crashed in the patch's own code is halted."},
		{ID: "L4", Name: "view is truth", check: atEnd(viewIsTruth),
			Text: "After all is healed the server's row of each host says what last truly happened there."},
		{ID: "L5", Name: "probation ends", check: atEnd(probationEnds),
			Text: "No attempt is open at the end."},
		{ID: "L6", Name: "slots come free", check: atEnd(slotsFree),
			Text: "No slot is held at the end for a host that is not disturbed."},
	}
}

func atEnd(find func(*fleet) string) func(*fleet, *trace.Event) (bool, string) {
	return func(f *fleet, e *trace.Event) (bool, string) {
		if e.Kind != trace.KindFault || e.Cause != FaultRunEnd || f.faultsEnd == 0 {
			return false, ""
		}
		return true, find(f)
	}
}

func finishes(f *fleet) string {
	for _, p := range f.planOrder {
		if p.status == hotstick.Running && !f.banning(p) && p.body.Plan.Epoch >= f.epoch() && p.unhurt() {
			text := fmt.Sprintf("plan %s (%s) is still running", p.id.Short(), p.body.Plan.Closes())
			if lost := f.lostIn(p); lost != "" {
				text += ": " + lost + " is lost in another plan"
			}
			return text
		}
	}
	return ""
}

// lostIn names a listed host that some other plan holds for lost.
func (f *fleet) lostIn(p *plan) string {
	for _, listed := range p.body.Hosts {
		for _, other := range f.planOrder {
			if l := other.lines[listed.Host]; l != nil && l.state == hotstick.Lost {
				return listed.Name
			}
		}
	}
	return ""
}

// unhurt: no row of the plan tells of anything for which a rollout may hold and
// wait for a person.
func (p *plan) unhurt() bool {
	for _, l := range p.lines {
		switch l.state {
		case hotstick.Reverted, hotstick.Failed, hotstick.Quarantined, hotstick.Skipped, hotstick.Lost:
			return false
		}
	}
	return true
}

// epoch is the newest that any host knows.
func (f *fleet) epoch() uint64 {
	newest := uint64(0)
	for _, h := range f.hostOrder {
		newest = max(newest, h.epoch)
	}
	return newest
}

func noStuck(f *fleet) string {
	for _, h := range f.hostOrder {
		for d, s := range h.kernel {
			if !h.up || f.artifacts[d].Stays {
				continue
			}
			if s == string(hotstick.TransitionIn) || s == string(hotstick.TransitionOut) {
				return fmt.Sprintf("%s: %s is %s", h.name, f.artifacts[d].Module, s)
			}
		}
	}
	return ""
}

func badHalted(f *fleet) string {
	for _, p := range f.planOrder {
		for _, listed := range p.body.Hosts {
			l := p.lines[listed.Host]
			if l != nil && l.state == hotstick.Quarantined && l.cause == string(hotstick.ReasonCrashNamed) && !p.status.Over() && !p.stopped(f, listed.Host) && !(p.again && p.status == hotstick.Held) {
				return fmt.Sprintf("%s crashed in the patch and plan %s is %s", listed.Name, p.id.Short(), p.status)
			}
		}
	}
	return ""
}

func viewIsTruth(f *fleet) string {
	for _, p := range f.planOrder {
		for _, listed := range p.body.Hosts {
			l, h := p.lines[listed.Host], f.hosts[listed.Host]
			if l == nil || h == nil || h.writtenOff || l.attempt == 0 {
				continue
			}
			newest, at := hotstick.HostState(""), int64(-1)
			for key, t := range p.order {
				if key.host == listed.Host && key.attempt == l.attempt && t > at {
					newest, at = key.state, t
				}
			}
			// A row that waits for another attempt since somebody took the level away says so.
			// And what a ledger that was put back tells of an attempt that had ended, the
			// servers have heard under its number before.
			told := l.state == hotstick.Waiting && l.cause == string(hotstick.ReasonDrifted) || h.putBack && newest == hotstick.Quarantined
			if newest != "" && newest != l.state && l.state != hotstick.Skipped && !told && !spared(newest, l.state) &&
				!(l.state == hotstick.Failed && (l.cause == string(hotstick.ReasonRevertFailed) || l.cause == string(hotstick.ReasonRemovedOutside))) {
				return fmt.Sprintf("the server says that %s is %s in plan %s; in truth it is %s", listed.Name, l.state, p.id.Short(), newest)
			}
		}
	}
	return ""
}

// spared: an attempt that was cut short waits for another one, and a host that
// struck together with others of its domain is judged interrupted.
func spared(truth, row hotstick.HostState) bool {
	return (truth == hotstick.Interrupted || truth == hotstick.Quarantined) && (row == hotstick.Waiting || row == hotstick.Interrupted)
}

func probationEnds(f *fleet) string {
	for _, h := range f.hostOrder {
		if h.open != nil && h.up && !h.writtenOff {
			return fmt.Sprintf("%s is still %s", h.name, h.open.phase)
		}
	}
	return ""
}

func slotsFree(f *fleet) string {
	for _, p := range f.planOrder {
		for _, listed := range p.body.Hosts {
			l := p.lines[listed.Host]
			if l == nil || len(l.slots) == 0 || f.host(listed.Host).open != nil || l.state.HoldsSlot() {
				continue
			}
			return fmt.Sprintf("%s is %s in plan %s and holds a slot", listed.Name, l.state, p.id.Short())
		}
	}
	return ""
}
