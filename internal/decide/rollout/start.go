package rollout

import (
	"fmt"
	"slices"

	"github.com/hotstick/hotstick"
)

// start admits every waiting host whose wave is open and whose domains have room,
// in the order of the plan's host list. Candidates are the first hosts of the open
// pens, and of the queues of domains that have room and of patches that may put more at
// risk; who turns out to wait for another of them moves to that one's queue. So a host that cannot start is not
// looked at again before what it waits for has changed.
func (s *step) start() {
	r := s.r
	r.refresh()
	for len(s.d.Starts) < batch && !r.fleetFull() && r.mayRisk() {
		q := r.source()
		if q == nil {
			return
		}
		i := q.top()
		if p := r.penOf(i); !p.pen.open {
			r.move(i, p)
			continue
		}
		if c := r.cureOf(i); !r.mayRiskOf(c) {
			r.move(i, &c.parked)
			continue
		}
		if d := r.blockedBy(i); d != nil {
			r.move(i, &d.parked)
			continue
		}
		s.admit(i)
		r.calm()
	}
}

// refresh brings all that follows from gates and domains up to date.
func (r *Rollout) refresh() {
	r.fronts()
	r.halve()
	r.calm()
	for _, k := range r.kinds {
		k.overdue = r.mixedTooLong(k)
	}
}

// fleetFull reports whether a domain that holds every host is full.
func (r *Rollout) fleetFull() bool {
	for _, k := range r.kinds {
		if d := k.domains["all"]; k.name == hotstick.FleetDomain && d != nil && !r.room(d) {
			return true
		}
	}
	return false
}

// source is the queue whose first host comes first of all that could start; nil if
// there is none.
func (r *Rollout) source() *queue {
	var best *queue
	for r.hot.len() > 0 {
		q := r.hot.top()
		d := q.domain
		if q.pen != nil && q.pen.open || d != nil && r.room(d) && r.mayBegin(d) {
			best = q
			break
		}
		r.hot.remove(q.hot)
	}
	for _, k := range r.kinds {
		if k.begin.len() > 0 && r.mayBegin(k.begin.top()) {
			if q := &k.begin.top().parked; best == nil || r.headBefore(q, best) {
				best = q
			}
		}
	}
	for _, c := range r.cures {
		if q := &c.parked; q.len() > 0 && r.mayRiskOf(c) && (best == nil || r.headBefore(q, best)) {
			best = q
		}
	}
	return best
}

// mayBegin reports whether a domain may be worked on as far as the other domains
// of its kind go.
func (r *Rollout) mayBegin(d *domain) bool {
	k := d.kind
	return !k.quorum || d.partlyAt >= 0 || len(k.partly) < k.open && !k.overdue
}

// blockedBy is the first domain of a host that has no room or may not begin; nil
// if it may start.
func (r *Rollout) blockedBy(i int32) *domain {
	for _, d := range r.at[i].domains {
		if d != nil && (!r.room(d) || !r.mayBegin(d)) {
			return d
		}
	}
	return nil
}

// move puts a host into another queue.
func (r *Rollout) move(i int32, to *queue) {
	r.dequeue(i)
	r.queueIn(to, i)
}

// halve brings the limits in line with what the gates say of costs.
func (r *Rollout) halve() {
	if slow := r.slow(); slow != r.halved {
		r.halved = slow
		for _, k := range r.kinds {
			for _, d := range k.domains {
				r.stir(d)
			}
		}
	}
}

func (s *step) admit(i int32) {
	r, id := s.r, s.r.hosts[i].Listed.Host
	slots := r.take(i)
	r.alter(i, func(h *Host) {
		h.Attempt++
		h.State, h.Updated, h.Granted = hotstick.Admitted, r.now, nil
		h.Reason, h.Evidence, h.Timing = &hotstick.Reason{Code: hotstick.ReasonAwaitingGrant}, nil, hotstick.Timing{}
	})
	s.d.Starts = append(s.d.Starts, Start{Host: id, Attempt: r.hosts[i].Attempt, Slots: slots})
}

// take gives a host a slot in each of its domains.
func (r *Rollout) take(i int32) []Slot {
	id := r.hosts[i].Listed.Host
	var slots []Slot
	for _, d := range r.at[i].domains {
		if d != nil {
			slots = append(slots, Slot{Domain: d.kind.name, Value: d.value, Index: d.indexes.free(), Plan: r.id, Host: id})
		}
	}
	r.changeSlots(id, append(slices.Clip(r.held[id]), slots...))
	return slots
}

// fullReason says why a domain lets nobody start.
func (r *Rollout) fullReason(d *domain) *hotstick.Reason {
	if r.room(d) {
		why := &hotstick.Reason{Code: hotstick.ReasonDomainUnfinished, Subject: d.String()}
		if k := d.kind; len(k.partly) > 0 {
			first := k.partly[0]
			for _, other := range k.partly {
				if other.before(first) {
					first = other
				}
			}
			why.Detail = fmt.Sprintf("%s is partly done", first)
		}
		return why
	}
	limit := r.limit(d)
	why := &hotstick.Reason{Code: hotstick.ReasonBudget, Subject: d.String(),
		Detail: fmt.Sprintf("%d of %d in use", d.used+d.extra, limit)}
	down := d.down
	switch {
	case r.halved && d.used+d.extra < d.limit:
		why.Code = hotstick.ReasonSlow
	case down >= limit:
		why.Code = hotstick.ReasonDomainIll
		why.Detail = fmt.Sprintf("%d down, of at most %d", down, limit)
	}
	if name := r.lostIn(d); name != "" {
		why.Cause = hotstick.ReasonSilentAfter
		why.Detail = fmt.Sprintf("%s keeps its slot until it is written off (%s)", name, why.Detail)
	}
	return why
}

// lostIn names the first lost host of a domain; empty if there is none.
func (r *Rollout) lostIn(d *domain) string {
	first := int32(-1)
	for _, i := range r.lost.items {
		if slices.Contains(r.at[i].domains, d) && (first < 0 || r.before(i, first)) {
			first = i
		}
	}
	if first < 0 {
		return ""
	}
	return r.hosts[first].Listed.Name
}
