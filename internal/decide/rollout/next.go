package rollout

import (
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/planted"
)

// batch bounds how many hosts one decision changes, and how many it starts, so
// that no bad report waits long for a commit before it, nor a halt for its own.
// The next decision goes on at once.
const batch = 100

// step is one call of Next: the decision as it grows.
type step struct {
	r *Rollout
	d Decision
	// left is how many hosts may still be changed.
	left int
}

// drive is the step of a plan that is running or held. Who is wanted back goes before
// anybody else is named for it, and what a gate says now does not wait for that either.
func (s *step) drive() {
	s.urgent()
	s.sendBack()
	naming := s.callBack()
	if !naming && s.recall() {
		s.wind()
		return
	}
	if bad := s.r.failing(); len(bad) > 0 && !s.r.frame.Reopened {
		if s.sparing(bad) {
			return
		}
		s.fail(bad[0].reason)
		s.wind()
		return
	} else if len(bad) > 0 && s.r.frame.Status == hotstick.Running {
		s.end(hotstick.Held, &bad[0].reason)
	}
	if naming {
		return
	}
	if s.expire() {
		s.wind()
		return
	}
	if why := s.r.blocked(); why != nil {
		s.unadmit(*why)
		return
	}
	s.shutWindows()
	s.reapply()
	s.pass()
	s.release(true)
	s.start()
	s.complete()
}

func (s *step) fail(reason hotstick.Reason) {
	f := &s.r.frame
	s.left = batch
	s.d.Status, s.d.Reason = hotstick.Halted, &reason
	s.d.Revert = !f.Reverting
	f.Status, f.Reason, f.Reverting = hotstick.Halted, &reason, true
	if !f.Banned {
		s.d.Ban, f.Banned = &reason, true
	}
}

// recall ends a plan whose patch is recalled.
func (s *step) recall() bool {
	f := &s.r.frame
	if f.Recalled == nil {
		return false
	}
	s.left = batch
	s.d.Revert = f.Recalled.Action == hotstick.RecallRevert && f.Started != nil && !f.Reverting
	f.Reverting = f.Reverting || s.d.Revert
	s.end(hotstick.Halted, recallReason(*f.Recalled))
	return true
}

func recallReason(r hotstick.Recall) *hotstick.Reason {
	return &hotstick.Reason{Code: hotstick.ReasonRecalled, Subject: r.Patch.String(), Detail: r.Reason}
}

// blocked says why nothing of this plan may start now, or nil.
func (r *Rollout) blocked() *hotstick.Reason {
	f := &r.frame
	switch {
	case f.Status == hotstick.Proposed:
		return &hotstick.Reason{Code: hotstick.ReasonNotApproved}
	case f.Status == hotstick.Approved:
		return &hotstick.Reason{Code: hotstick.ReasonNotStarted}
	case f.Status == hotstick.Halted:
		return &hotstick.Reason{Code: hotstick.ReasonPlanHalted, Cause: causeOf(f.Reason)}
	case f.Status == hotstick.Expired || !r.now.Before(r.plan.NotAfter):
		return &hotstick.Reason{Code: hotstick.ReasonPlanExpired}
	case f.Banned:
		return &hotstick.Reason{Code: hotstick.ReasonBanned, Subject: r.plan.Closes()}
	case f.Recalled != nil:
		return recallReason(*f.Recalled)
	case f.StopAll:
		return &hotstick.Reason{Code: hotstick.ReasonStopAll}
	case f.Outdated:
		return &hotstick.Reason{Code: hotstick.ReasonStaleEpoch}
	case f.Limits.Away > 0 && 2*f.Limits.Away >= f.Limits.SilentAfter:
		// It was away for as long as hosts may be silent, and cannot tell yet who is down.
		return &hotstick.Reason{Code: hotstick.ReasonServerRestarting}
	case f.Unreconciled:
		return &hotstick.Reason{Code: hotstick.ReasonUnreconciled}
	case f.Reverting:
		return &hotstick.Reason{Code: hotstick.ReasonRevertOrdered, Cause: causeOf(f.Reason)}
	case f.Status == hotstick.Held:
		return &hotstick.Reason{Code: hotstick.ReasonPlanHeld, Cause: causeOf(f.Reason)}
	}
	return r.frozen()
}

// expire ends a plan whose signed life is over. What is skipped then is a gap, but
// the plan's work is done if nothing else is left.
func (s *step) expire() bool {
	r := s.r
	if r.now.Before(r.plan.NotAfter) {
		return false
	}
	status, why := hotstick.Expired, &hotstick.Reason{Code: hotstick.ReasonPlanExpired}
	if r.frame.Status == hotstick.Running && r.unfinished == 0 && r.evidence > 0 && !r.frame.Reverting {
		status, why = hotstick.Completed, nil
	}
	s.end(status, why)
	return true
}

// complete ends a running plan of which every host is terminal and none can come
// back.
func (s *step) complete() {
	r := s.r
	if len(s.d.Starts) == 0 && r.unfinished == 0 && !r.awaitsReturn() && r.wantedBack == 0 {
		s.end(hotstick.Completed, nil)
	}
}

func (s *step) end(status hotstick.PlanStatus, why *hotstick.Reason) {
	s.d.Status, s.d.Reason = status, why
	s.r.frame.Status, s.r.frame.Reason = status, why
}

// wind lets a plan that is over come to rest: nothing is admitted any more, and
// reverts go on.
func (s *step) wind() {
	s.urgent()
	s.sendBack()
	s.callBack()
	if why := s.r.blocked(); why != nil {
		s.unadmit(*why)
	}
}

// urgent takes the steps that depend on no status: hosts that started and fell
// silent are lost and those that are back no longer, attempts that their loaders
// have forgotten are over, admissions that were not and cannot be used are taken
// back, and hosts under way that an operator wants back are ordered so.
func (s *step) urgent() {
	r := s.r
	s.each(&r.urgent, func(i int32, h *Host) {
		why := r.cause(i)
		switch r.at[i].phase {
		case missing:
			s.change(i, hotstick.Lost, why)
		case resurfaced:
			if why.Code == hotstick.ReasonRevertOrdered {
				s.change(i, hotstick.Reverting, why)
			} else {
				s.change(i, hotstick.Interrupted, why)
			}
		case forgotten:
			if h.State == hotstick.Reverting {
				s.change(i, hotstick.Failed, hotstick.Reason{Code: hotstick.ReasonRevertFailed, Cause: why.Code})
			} else {
				s.change(i, hotstick.Interrupted, why)
			}
		case dropped:
			s.change(i, hotstick.Waiting, why)
		case ordered:
			s.change(i, hotstick.Reverting, why)
		}
	})
}

// pass lets hosts go that cannot start, takes in those that are back, and puts
// stand-ins in place, until nothing changes: who is passed over may open the next
// wave.
func (s *step) pass() {
	for {
		s.r.fronts()
		n := len(s.d.Changes) + len(s.d.StandIns)
		s.tasks()
		s.skip()
		s.r.fronts()
		s.staff()
		if n == len(s.d.Changes)+len(s.d.StandIns) {
			return
		}
	}
}

func (s *step) tasks() {
	r := s.r
	s.each(&r.tasks, func(i int32, h *Host) {
		why := r.cause(i)
		switch r.at[i].phase {
		case leaving:
			s.change(i, hotstick.Skipped, why)
		case returned:
			if r.takesBack(h) {
				s.change(i, hotstick.Waiting, why)
			}
		case retry:
			s.change(i, hotstick.Waiting, why)
		}
	})
}

// skip passes over the absent hosts of open waves.
func (s *step) skip() {
	r := s.r
	var all []int32
	for _, c := range r.skipping {
		c.stirred = false
		if c.open {
			all = append(all, c.absent.items...)
		}
	}
	r.skipping = r.skipping[:0]
	slices.SortFunc(all, r.compare)
	for _, i := range all {
		if s.left <= 0 {
			r.stirCell(r.at[i].cell)
			continue
		}
		s.change(i, hotstick.Skipped, r.cause(i))
	}
}

// unadmit takes back admissions whose grants can no longer start a host. A server
// that still listens takes nothing back: another one may know more, and would admit
// the same hosts again.
func (s *step) unadmit(why hotstick.Reason) {
	r := s.r
	if why.Code == hotstick.ReasonServerRestarting {
		return
	}
	s.each(&r.admitted, func(i int32, h *Host) {
		if r.unusable(h, &edges{now: r.now}) {
			s.change(i, hotstick.Waiting, why)
		}
	})
}

// shutWindows takes back admissions of hosts whose window has closed.
func (s *step) shutWindows() {
	r := s.r
	if len(r.calendars) == 1 {
		return
	}
	s.each(&r.admitted, func(i int32, h *Host) {
		if why := r.calendarOf(h).closed(); why != nil && r.unusable(h, &edges{now: r.now}) {
			s.change(i, hotstick.Waiting, *why)
		}
	})
}

// each calls f for the hosts of a queue in their order, until enough of them are
// changed; f may move them.
func (s *step) each(q *queue, f func(int32, *Host)) {
	if q.len() == 0 {
		return
	}
	all := slices.Clone(q.items)
	slices.SortFunc(all, s.r.compare)
	for _, i := range all {
		if s.left <= 0 {
			return
		}
		f(i, &s.r.hosts[i])
	}
}

func (r *Rollout) compare(a, b int32) int {
	switch {
	case a == b:
		return 0
	case r.before(a, b):
		return -1
	}
	return 1
}

// change records a host's step and takes it, so that later rules of the same
// decision see it.
func (s *step) change(i int32, state hotstick.HostState, why hotstick.Reason) {
	r := s.r
	if !r.hosts[i].State.CanBecome(state) {
		return
	}
	s.left--
	s.d.Changes = append(s.d.Changes, Change{Host: r.hosts[i].Listed.Host, State: state, Reason: why})
	r.alter(i, func(h *Host) {
		h.State, h.Reason, h.Updated = state, &why, r.now
		if state == hotstick.Waiting {
			h.Granted = nil
		}
	})
}

// release frees the slots of hosts that can no longer be disturbed. Who may be sent
// back in this decision keeps its slots until that is decided.
func (s *step) release(sent bool) {
	r := s.r
	var kept []int32
	slices.SortFunc(r.release, r.compare)
	for _, i := range r.release {
		if !sent && r.at[i].phase.goesBack() && r.wanted(i) {
			kept = append(kept, i)
			continue
		}
		r.at[i].freeing = false
		if h := &r.hosts[i]; (!h.State.HoldsSlot() || planted.Bug("probation-frees-slot") && h.State == hotstick.Probation) && r.ownSlots(i) {
			s.d.Release = append(s.d.Release, h.Listed.Host)
			r.FreeSlots(r.id, h.Listed.Host)
		}
	}
	r.release = append(r.release[:0], kept...)
}

// check is when to decide again if nothing else happens.
func (r *Rollout) check() time.Time {
	var next time.Time
	at := func(t time.Time) {
		if t.After(r.now) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	due := func(h *heap[int32]) {
		if h.len() > 0 {
			at(time.Unix(0, r.at[h.top()].until).UTC())
		}
	}
	due(&r.dueMoving)
	if r.blocked() != nil {
		for _, i := range r.admitted.items {
			if g := r.hosts[i].Granted; g != nil {
				at(g.Add(r.frame.Limits.GrantLife))
			}
		}
	}
	if r.patient.len() > 0 && r.reverting() {
		at(time.Unix(0, r.patient.top().patience).UTC())
	}
	if r.reverting() || !r.frame.Status.Over() {
		due(&r.dueResting)
	}
	r.checkDrifts(at)
	if r.frame.Status.Over() {
		return next
	}
	at(r.plan.NotAfter)
	for _, c := range r.calendars {
		at(c.edge)
	}
	for _, f := range r.frame.Freezes {
		at(f.From)
		at(f.Until)
	}
	if r.blocked() != nil {
		return next
	}
	r.fronts()
	for _, l := range r.lanes {
		at(l.until)
	}
	at(r.delayed)
	return next
}

// reverting reports whether confirmed hosts wait to go back.
func (r *Rollout) reverting() bool {
	return r.wantedBack > 0 || r.frame.Reverting && r.confirmedHosts() > 0
}
