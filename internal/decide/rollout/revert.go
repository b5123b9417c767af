package rollout

import (
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/planted"
)

// revertShare is the part of a domain's listed hosts that may be sent back at once;
// one host always may.
const revertShare = 4

// sendBack orders hosts that took the patch back to the level before. Hosts that
// are under way may always go; confirmed ones go within the reverts' own budget.
func (s *step) sendBack() {
	r := s.r
	if r.frame.Reverting {
		s.each(&r.moving, func(i int32, h *Host) {
			if h.State != hotstick.Reverting {
				s.change(i, hotstick.Reverting, r.backReason(h))
			}
		})
	}
	r.calm()
	for r.patient.len() > 0 && r.patient.top().patience <= r.now.UnixNano() {
		d := r.patient.top()
		r.patient.remove(d.patientAt)
		r.stir(d)
		r.calm()
	}
	for s.left > 0 {
		q := r.sender()
		if q == nil {
			return
		}
		i := q.top()
		if d := r.sendBlockedBy(i); d != nil {
			r.move(i, &d.sent)
			continue
		}
		s.change(i, hotstick.Reverting, r.backReason(&r.hosts[i]))
		if !r.ownSlots(i) {
			s.d.Changes[len(s.d.Changes)-1].Slots = r.take(i)
		}
		r.calm()
	}
}

// sender is the queue whose first host comes first of all that could go back; nil
// if there is none.
func (r *Rollout) sender() *queue {
	var best *queue
	for r.sources.len() > 0 {
		q := r.sources.top()
		switch {
		case !r.mayGoBack(q.domain):
			r.sources.remove(q.hot)
			continue
		case !r.wanted(q.top()): // the operators changed their minds
			r.move(q.top(), &r.confirmed)
			continue
		}
		best = q
		break
	}
	queues := []*queue{&r.recalled, &r.confirmed}
	if !r.frame.Reverting {
		queues = queues[:1]
	}
	for _, q := range queues {
		if q.len() > 0 && (best == nil || r.headBefore(q, best)) {
			best = q
		}
	}
	return best
}

// wanted reports whether a confirmed host is to go back.
func (r *Rollout) wanted(i int32) bool { return r.frame.Reverting || r.hosts[i].Recall != nil }

// sendBlockedBy is the first domain of a host that lets no more hosts go back.
func (r *Rollout) sendBlockedBy(i int32) *domain {
	for _, d := range r.at[i].domains {
		if d != nil && !r.mayGoBack(d) {
			return d
		}
	}
	return nil
}

// mayGoBack reports whether one more host of a domain may be sent back.
func (r *Rollout) mayGoBack(d *domain) bool {
	switch {
	case d.back+d.down < d.sendLimit || planted.Bug("revert-ignores-budget"):
		return true
	case d.back > 0:
		return false
	}
	// Only members that are down are in the way.
	return !d.kind.quorum || !r.now.Before(r.downSince(d).Add(RevertPatience))
}

// downSince is when the newest of a domain's down members went down.
func (r *Rollout) downSince(d *domain) time.Time {
	var since time.Time
	for _, i := range d.members {
		if r.at[i].down&(1<<d.kind.at) == 0 {
			continue
		}
		h := &r.hosts[i]
		at := h.LastSeen
		if !at.IsZero() {
			at = at.Add(r.frame.Limits.SilentAfter)
		}
		if h.State == hotstick.Lost || stranded(h) {
			at = h.Updated
		}
		if h.IllSince.After(at) {
			at = h.IllSince
		}
		if at.After(since) {
			since = at
		}
	}
	for _, o := range r.outsiders {
		if o.Domains[d.kind.name] == d.value && o.Since.After(since) {
			since = o.Since
		}
	}
	return since
}

// offerBack makes the hosts that wait to go back in a domain candidates, where it
// has room, and notes when it would have some.
func (r *Rollout) offerBack(d *domain) {
	wants := d.sent.len() > 0
	may := wants && r.mayGoBack(d)
	if may && d.sent.hot < 0 {
		r.sources.push(&d.sent)
	}
	if d.patientAt >= 0 {
		r.patient.remove(d.patientAt)
	}
	if wants && !may && d.back == 0 {
		d.patience = r.downSince(d).Add(RevertPatience).UnixNano()
		r.patient.push(d)
	}
}
