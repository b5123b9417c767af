package rollout

import (
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/gate"
)

// Rollout is one plan as the decider keeps it between decisions, so that a
// decision after one report touches only what that report changed. It is made
// from a [View] by [Open] and may be thrown away and made again at any time: the
// same knowledge gives the same decisions, whichever way it came.
//
// A Rollout is not safe for concurrent use.
type Rollout struct {
	view  View
	index map[hotstick.HostID]int
	last  *step
}

// Open takes up a plan.
func Open(v View) *Rollout {
	r := &Rollout{view: v, index: make(map[hotstick.HostID]int, len(v.Hosts))}
	for i, h := range v.Hosts {
		r.index[h.Listed.Host] = i
	}
	return r
}

// SetFrame replaces what holds for the whole plan.
func (r *Rollout) SetFrame(f Frame) { r.view.Frame = f }

// SetHost replaces what is known of one listed host, or adds a late one.
func (r *Rollout) SetHost(h Host) {
	if i, ok := r.index[h.Listed.Host]; ok {
		r.view.Hosts[i] = h
		return
	}
	r.index[h.Listed.Host] = len(r.view.Hosts)
	r.view.Hosts = append(r.view.Hosts, h)
}

// SetOutsider replaces what is known of a host outside the plan; down is false
// for one that came back.
func (r *Rollout) SetOutsider(o Outsider, down bool) {
	kept := r.view.Outsiders[:0]
	for _, x := range r.view.Outsiders {
		if x.Host != o.Host {
			kept = append(kept, x)
		}
	}
	if down {
		kept = append(kept, o)
	}
	r.view.Outsiders = kept
}

// TakeSlot notes a slot that another plan holds; FreeSlots forgets all that it
// holds for a host. The plan's own slots follow from its decisions.
func (r *Rollout) TakeSlot(s Slot) { r.view.Slots = append(r.view.Slots, s) }

// FreeSlots forgets the slots that a plan holds for a host.
func (r *Rollout) FreeSlots(plan hotstick.PlanID, host hotstick.HostID) {
	kept := r.view.Slots[:0]
	for _, s := range r.view.Slots {
		if s.Plan != plan || s.Host != host {
			kept = append(kept, s)
		}
	}
	r.view.Slots = kept
}

// Next decides what to do now, and takes it for done: whoever cannot commit the
// decision must throw the Rollout away. Where nothing is to be done the decision
// is empty and says when to look again.
func (r *Rollout) Next(now time.Time) Decision { return r.next(now) }

// Host returns what is known of a listed host.
func (r *Rollout) Host(id hotstick.HostID) (Host, bool) {
	i, ok := r.index[id]
	if !ok {
		return Host{}, false
	}
	return r.view.Hosts[i], true
}

// Why says what keeps one host from moving; nil if nothing does.
func (r *Rollout) Why(id hotstick.HostID, now time.Time) *hotstick.Reason { return r.why(id, now) }

// Stuck says what keeps the rollout as a whole from moving; nil while it moves or
// where it has nothing left to do.
func (r *Rollout) Stuck(now time.Time) *hotstick.Reason { return nil }

// WaveStatus is where one wave stands.
type WaveStatus struct {
	Gate gate.Verdict
	// Closed is why no further host of it may start; nil if it is open or over.
	Closed *hotstick.Reason
	// Absent counts its hosts that are passed over for now, such as silent ones.
	Absent int
}

// Waves says where each wave stands.
func (r *Rollout) Waves(now time.Time) []WaveStatus { return nil }

// LaneStatus is where one lane stands.
type LaneStatus struct {
	Build  hotstick.KernelBuild
	States map[hotstick.HostState]int
	// Wave is the furthest wave that is open for the lane.
	Wave int
	// Held is why the lane does not go on by itself; nil if it does.
	Held *hotstick.Reason
}

// Lanes says where each lane stands, in the order of the plan's lanes.
func (r *Rollout) Lanes(now time.Time) []LaneStatus { return nil }

// DomainStatus is one failure domain and its budget.
type DomainStatus struct {
	Domain, Value string
	// Used counts hosts that hold slots, for whichever plan, and Ill those that are
	// down for another cause and count as well.
	Used, Ill, Limit int
	Quorum           bool
	// MixedSince is since when a quorum domain runs both levels; nil if it does not.
	MixedSince *time.Time
}

// Domains lists the domains of which anything is used or ill, and every quorum
// domain that is partly done.
func (r *Rollout) Domains(now time.Time) []DomainStatus { return nil }

// Next decides once, from scratch.
func Next(v View, now time.Time) Decision { return Open(v).Next(now) }
