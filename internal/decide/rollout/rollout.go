package rollout

import (
	"slices"
	"time"

	"github.com/hotstick/hotstick"
)

// Rollout is one plan as the decider keeps it between decisions, so that a
// decision after one report touches only what that report changed. It is made
// from a [View] by [Open] and may be thrown away and made again at any time: the
// same knowledge gives the same decisions, whichever way it came.
//
// A Rollout is not safe for concurrent use.
type Rollout struct {
	plan  hotstick.Plan
	id    hotstick.PlanID
	frame Frame
	hosts []Host
	index map[hotstick.HostID]int32
	// held are the slots of all plans, by the host that they are held for.
	held      map[hotstick.HostID][]Slot
	outsiders map[hotstick.HostID]Outsider
	// built: the book below was derived from what is above and holds for the time
	// now. It is thrown away where the clock went back, or a limit changed.
	built bool
	now   time.Time
	book
}

// Open takes up a plan. The view is copied as far as it changes later.
func Open(v View) *Rollout {
	r := &Rollout{plan: v.Plan, id: v.ID, frame: v.Frame, hosts: slices.Clone(v.Hosts),
		index: make(map[hotstick.HostID]int32, len(v.Hosts)), held: map[hotstick.HostID][]Slot{},
		outsiders: make(map[hotstick.HostID]Outsider, len(v.Outsiders))}
	for i := range r.hosts {
		r.index[r.hosts[i].Listed.Host] = int32(i)
	}
	for _, s := range v.Slots {
		r.held[s.Host] = append(r.held[s.Host], s)
	}
	for _, o := range v.Outsiders {
		r.outsiders[o.Host] = o
	}
	return r
}

// SetFrame replaces what holds for the whole plan.
func (r *Rollout) SetFrame(f Frame) {
	if f.Limits != r.frame.Limits || !sameTime(f.Started, r.frame.Started) || !slices.Equal(f.Crashes, r.frame.Crashes) ||
		!slices.Equal(f.Stopped, r.frame.Stopped) {
		r.built = false
	}
	r.frame = f
	if r.built {
		r.stirLanes()
	}
}

// SetHost replaces what is known of one listed host, or adds a late one.
func (r *Rollout) SetHost(h Host) {
	i, known := r.index[h.Listed.Host]
	switch {
	case known && r.built:
		r.alter(i, func(have *Host) { *have = h })
	case known:
		r.hosts[i] = h
	default:
		i = int32(len(r.hosts))
		r.index[h.Listed.Host] = i
		r.hosts = append(r.hosts, h)
		if r.built {
			r.enter(i)
			r.place(i)
			r.stirLanes()
		}
	}
}

// SetOutsider replaces what is known of a host outside the plan; down is false
// for one that came back.
func (r *Rollout) SetOutsider(o Outsider, down bool) {
	if have, ok := r.outsiders[o.Host]; ok {
		delete(r.outsiders, o.Host)
		if r.built {
			r.countOutsider(have, -1)
		}
	}
	if down {
		r.outsiders[o.Host] = o
		if r.built {
			r.countOutsider(o, 1)
		}
	}
}

// TakeSlot notes a slot that another plan holds; FreeSlots forgets all that it
// holds for a host. The plan's own slots follow from its decisions.
func (r *Rollout) TakeSlot(s Slot) { r.changeSlots(s.Host, append(slices.Clip(r.held[s.Host]), s)) }

// FreeSlots forgets the slots that a plan holds for a host.
func (r *Rollout) FreeSlots(plan hotstick.PlanID, host hotstick.HostID) {
	var kept []Slot
	for _, s := range r.held[host] {
		if s.Plan != plan {
			kept = append(kept, s)
		}
	}
	if len(kept) != len(r.held[host]) {
		r.changeSlots(host, kept)
	}
}

// changeSlots replaces the slots that are held for a host. What it counts for in
// its domains follows.
func (r *Rollout) changeSlots(host hotstick.HostID, slots []Slot) {
	outsider, out := r.outsiders[host]
	if r.built && out {
		r.countOutsider(outsider, -1)
	}
	old := r.held[host]
	if len(slots) == 0 {
		delete(r.held, host)
	} else {
		r.held[host] = slots
	}
	if !r.built {
		return
	}
	for _, s := range old {
		r.countSlot(s, -1)
	}
	for _, s := range slots {
		r.countSlot(s, 1)
	}
	if out {
		r.countOutsider(outsider, 1)
	}
	if i, ok := r.index[host]; ok {
		r.settle(i)
	}
}

// Host returns what is known of a listed host.
func (r *Rollout) Host(id hotstick.HostID) (Host, bool) {
	i, ok := r.index[id]
	if !ok {
		return Host{}, false
	}
	return r.hosts[i], true
}

// Frame returns what holds for the whole plan.
func (r *Rollout) Frame() Frame { return r.frame }

// Next decides what to do now, and takes it for done: whoever cannot commit the
// decision must throw the Rollout away. Where nothing is to be done the decision
// is empty and says when to look again; after one that is not empty, ask again at
// once.
func (r *Rollout) Next(now time.Time) Decision {
	r.advance(now)
	s := &step{r: r, left: batch}
	s.d.Gates = r.verdicts()
	s.release(false)
	switch {
	case r.frame.Status == hotstick.Proposed || r.frame.Status == hotstick.Approved:
		if !s.recall() {
			s.expire()
		}
	case r.frame.Status.Over():
		s.wind()
		s.reopen()
	default:
		s.drive()
	}
	s.release(true)
	s.d.Check = r.check()
	return s.d
}

// AtRest reports whether nothing is left in a plan that is over: no host is lost, for
// one that is heard of again may have to go back, and none that took the level is
// still wanted back; nor does the plan have to put its level back somewhere.
func (r *Rollout) AtRest() bool {
	if r.reopens() {
		return false
	}
	for _, l := range r.lanes {
		if l.states[hotstick.Lost] > 0 || r.frame.Reverting && l.states[hotstick.Confirmed] > 0 {
			return false
		}
	}
	return r.wantedBack == 0 && !r.owes()
}

// Next decides once, from scratch.
func Next(v View, now time.Time) Decision { return Open(v).Next(now) }

func sameTime(a, b *time.Time) bool {
	return a == b || a != nil && b != nil && a.Equal(*b)
}
