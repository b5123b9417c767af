package rollout

import (
	"maps"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/planted"
)

// RebootPatience is how long a level that did not come back after a boot is left to the
// host's own permit before a plan puts it back. It is longer than the time for which
// unclean boots keep a loader from re-applying, so that no plan works round that.
const RebootPatience = 35 * time.Minute

// driftPatience is how long after a loader's word that somebody took its level away the
// check-ins may take that show it: the host drifts from the second one on.
const driftPatience = 5 * time.Minute

// drifted reports whether somebody else took the plan's level away on a host, and the
// plan's signatures let it be put back there. What is foreign, and what another kernel
// build lacks, no plan of before can mend; and what went down with the level, or lost it
// on its own readings, is not drift.
func (r *Rollout) drifted(h *Host) bool {
	if h.Drift == nil || h.Drift.Expected != r.patchOf(h) || !h.Crashed.IsZero() ||
		h.Reapplied >= r.plan.Reapply && !planted.Bug("reapplies-for-ever") {
		return false
	}
	if h.State != hotstick.Confirmed && !removed(h) {
		return false
	}
	switch h.Drift.Kind {
	case hotstick.DriftRemoved, hotstick.DriftDisabled, hotstick.DriftRebooted, hotstick.DriftSnapshot:
		return true
	}
	return false
}

// removed reports whether a host's loader said that somebody else took the level away
// after it was confirmed.
func removed(h *Host) bool {
	return h.State == hotstick.Failed && causeOf(h.Reason) == hotstick.ReasonRemovedOutside
}

// awaitsReapply reports whether what a host says is no reading yet, for its level is to
// be put back: somebody's hand says nothing of the patch. Where nothing puts it back until
// somebody acts, nobody waits for the host.
func (r *Rollout) awaitsReapply(h *Host, silent bool, e *edges) bool {
	if !removed(h) || h.Reapplied >= r.plan.Reapply || r.leaveOut(h) != nil || r.absence(h, silent, e) != nil {
		return false
	}
	if h.Drift == nil {
		return !e.past(h.Updated.Add(driftPatience))
	}
	return r.drifted(h)
}

// noteDrift adds a host to those on which the plan may put its level back, or takes it
// from them.
func (r *Rollout) noteDrift(i int32, n int) {
	switch {
	case n < 0:
		delete(r.drifts, i)
	case r.plan.Reapply > 0 && r.drifted(&r.hosts[i]):
		r.drifts[i] = true
	}
}

// Drifting lists the hosts that are known to have lost the plan's level to somebody else.
func (r *Rollout) Drifting() []hotstick.HostID {
	var out []hotstick.HostID
	for i := range r.hosts {
		if r.hosts[i].Drift != nil {
			out = append(out, r.hosts[i].Listed.Host)
		}
	}
	return out
}

// mayReapply reports whether a drifted host may be given another attempt now: all that
// keeps a host from its first keeps it from this one.
func (r *Rollout) mayReapply(i int32, e *edges) bool {
	h := &r.hosts[i]
	silent := h.LastSeen.IsZero() || e.past(h.LastSeen.Add(r.frame.Limits.SilentAfter))
	switch {
	case h.Busy || h.Elsewhere || r.leaveOut(h) != nil || r.absence(h, silent, e) != nil || r.unheard(h, e):
		return false
	case h.Drift.Kind == hotstick.DriftRebooted:
		return e.past(h.Drift.Since.Add(RebootPatience))
	}
	return true
}

// reapply lets hosts wait for another attempt on which somebody else took the level
// away. Windows, budgets, gates and the host's loader judge it like any other.
func (s *step) reapply() {
	r := s.r
	for _, i := range slices.Sorted(maps.Keys(r.drifts)) {
		if s.left <= 0 {
			return
		}
		if !r.mayReapply(i, &edges{now: r.now}) {
			continue
		}
		kind := r.hosts[i].Drift.Kind
		s.change(i, hotstick.Waiting, hotstick.Reason{Code: hotstick.ReasonDrifted, Subject: string(kind)})
		s.d.Changes[len(s.d.Changes)-1].Reapply = true
		r.alter(i, func(h *Host) { h.Reapplied++ })
	}
}

// reopens reports whether a plan that is completed may run again, now or later, to put
// its level back.
func (r *Rollout) reopens() bool {
	return r.built && r.frame.Status == hotstick.Completed && len(r.drifts) > 0 && r.now.Before(r.plan.NotAfter)
}

// reopen lets a completed plan run again if it can put its level back on some host now,
// and nothing speaks against the patch meanwhile. That is all it decides: what starts
// then starts in a plan that runs.
func (s *step) reopen() {
	r := s.r
	if !r.reopens() || r.blocked() != nil || len(r.failing()) > 0 {
		return
	}
	for _, i := range slices.Sorted(maps.Keys(r.drifts)) {
		if r.mayReapply(i, &edges{now: r.now}) {
			h := &r.hosts[i]
			s.end(hotstick.Running, &hotstick.Reason{Code: hotstick.ReasonDrifted, Subject: h.Listed.Name, Detail: string(h.Drift.Kind)})
			r.frame.Reopened = true
			return
		}
	}
}

// takesBack reports whether the plan takes in a host again that it passed over. One that
// runs only to put its level back takes in whom it was to be put back on.
func (r *Rollout) takesBack(h *Host) bool { return !r.frame.Reopened || h.Reapplied > 0 }

// awaitsReturn reports whether a host that is passed over for now may come back.
func (r *Rollout) awaitsReturn() bool {
	if r.returning == 0 || !r.frame.Reopened {
		return r.returning > 0
	}
	return slices.ContainsFunc(r.hosts, func(h Host) bool { return r.takesBack(&h) && r.mayReturn(&h) })
}

// checkDrifts says when a host might be given another attempt that may not now.
func (r *Rollout) checkDrifts(at func(time.Time)) {
	if r.frame.Status.Over() && !r.reopens() {
		return
	}
	if r.reopens() {
		at(r.plan.NotAfter)
		for _, f := range r.frame.Freezes {
			at(f.Until)
		}
	}
	for _, i := range slices.Sorted(maps.Keys(r.drifts)) {
		e := &edges{now: r.now}
		if r.mayReapply(i, e); e.next != 0 {
			at(time.Unix(0, e.next).UTC())
		}
		at(r.calendarOf(&r.hosts[i]).edge)
	}
}
