package rollout

import (
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/gate"
)

func (r *Rollout) next(now time.Time) Decision {
	v := r.view
	s := newStep(v, now)
	switch {
	case v.Status == hotstick.Proposed || v.Status == hotstick.Approved:
		s.expire()
	case v.Status.Over():
		s.wind()
	default:
		s.drive()
	}
	s.release()
	r.last, r.view = s, s.v
	if s.d.Status != "" {
		r.view.Status, r.view.Reason = s.d.Status, s.d.Reason
	}
	for _, id := range s.d.Release {
		r.FreeSlots(r.view.ID, id)
	}
	return s.d
}

func (r *Rollout) why(id hotstick.HostID, now time.Time) *hotstick.Reason {
	copied := r.view
	copied.Hosts = slices.Clone(r.view.Hosts)
	copied.Slots = slices.Clone(r.view.Slots)
	s := newStep(copied, now)
	if why := s.blocked(); why != nil {
		return why
	}
	if !now.Before(r.view.Plan.NotAfter) {
		return &hotstick.Reason{Code: hotstick.ReasonPlanExpired}
	}
	i, ok := r.index[id]
	if !ok || r.view.Hosts[i].State != hotstick.Waiting {
		return nil
	}
	return s.waits(r.view.Hosts[i])
}

// step is one call of Next: the view, what was derived from it, and the decision
// as it grows.
type step struct {
	v   View
	now time.Time
	d   Decision
	// gates holds the verdict of each wave's hosts of one lane; the empty key is
	// the wave as a whole.
	gates []map[hotstick.KernelBuild]gate.Verdict
	// rate is why the losses of the whole plan fail it, or nil.
	rate *hotstick.Reason
	// canary marks waves in which some lane has its first host.
	canary []bool
	// settled marks waves whose hosts are all terminal or lost.
	settled []bool
	// bakeEnds is when each wave's newest confirmed host ends its bake.
	bakeEnds []time.Time
	used     map[slotKey]bool
	// shut remembers why a wave is closed for a lane, so that large waves ask once.
	shut map[waveLane]*hotstick.Reason
}

type waveLane struct {
	wave int
	lane hotstick.KernelBuild
}

type slotKey struct {
	domain, value string
	index         int
}

// whole is the lane key of a wave as a whole; no kernel build is empty.
var whole hotstick.KernelBuild

func newStep(v View, now time.Time) *step {
	v.Hosts = slices.Clone(v.Hosts) // the step changes hosts as it decides
	v.Slots = slices.Clone(v.Slots)
	s := &step{v: v, now: now, used: map[slotKey]bool{}, shut: map[waveLane]*hotstick.Reason{}}
	for _, slot := range v.Slots {
		s.used[slotKey{slot.Domain, slot.Value, slot.Index}] = true
	}
	s.judge()
	return s
}

// judge runs every wave's gate, per lane and as a whole.
func (s *step) judge() {
	accs := make([]map[hotstick.KernelBuild]gate.Accumulator, len(s.v.Plan.Waves))
	rates := gate.NewRateTest(s.v.Plan.Gate)
	s.canary = make([]bool, len(accs))
	s.settled = make([]bool, len(accs))
	s.bakeEnds = make([]time.Time, len(accs))
	for i := range accs {
		accs[i] = map[hotstick.KernelBuild]gate.Accumulator{whole: gate.New(0, s.v.Plan.Gate)}
		s.settled[i] = true
	}
	seen := s.firstWaves()
	for _, h := range s.v.Hosts {
		w := h.Listed.Wave
		for _, lane := range []hotstick.KernelBuild{whole, h.Listed.Build} {
			acc, known := accs[w][lane]
			if !known {
				acc = gate.New(0, s.v.Plan.Gate)
			}
			acc.Needed++
			accs[w][lane] = gate.Observe(acc, reading(h))
		}
		rates = rates.Observe(reading(h))
		s.canary[w] = s.canary[w] || seen[h.Listed.Build] == w
		s.bakeEnds[w] = later(s.bakeEnds[w], s.bakeEnd(h))
		s.settled[w] = s.settled[w] && (h.State.Terminal() || h.State == hotstick.Lost)
	}
	s.rate = rates.Judge()
	s.gates = make([]map[hotstick.KernelBuild]gate.Verdict, len(accs))
	for i, lanes := range accs {
		s.gates[i] = map[hotstick.KernelBuild]gate.Verdict{}
		bake := time.Duration(s.v.Plan.Waves[i].BakeSeconds) * time.Second
		for lane, acc := range lanes {
			s.gates[i][lane] = gate.Judge(acc, bake, s.now)
		}
		s.d.Gates = append(s.d.Gates, s.gates[i][whole])
	}
}

// firstWaves returns the first wave in which each lane has a host.
func (s *step) firstWaves() map[hotstick.KernelBuild]int {
	first := map[hotstick.KernelBuild]int{}
	for _, h := range s.v.Hosts {
		if w, ok := first[h.Listed.Build]; !ok || h.Listed.Wave < w {
			first[h.Listed.Build] = h.Listed.Wave
		}
	}
	return first
}

func reading(h Host) gate.Reading {
	return gate.Reading{
		Host: h.Listed.Host, Name: h.Listed.Name, State: h.State,
		Reason: h.Reason, Fingerprint: fingerprint(h), At: h.Updated, Seen: h.LastSeen,
		Transition: time.Duration(h.Timing.TransitionMillis) * time.Millisecond,
	}
}

// fingerprint groups losses of one kind: the cause and what it speaks of, such
// as the function in which the kernel stopped.
func fingerprint(h Host) string {
	if h.Reason == nil || h.Reason.Subject == "" {
		return ""
	}
	return string(h.Reason.Code) + " " + h.Reason.Subject
}

// drive is the step of a plan that is running or held.
func (s *step) drive() {
	s.lose()
	if v, bad := s.failed(); bad {
		s.fail(v)
		s.wind()
		return
	}
	if s.expire() {
		s.wind()
		return
	}
	if s.v.Reverting {
		s.sendBack()
	}
	if why := s.blocked(); why != nil {
		s.unadmit(*why)
		return
	}
	s.start()
	s.complete()
}

// failed finds the first gate that judged the patch bad.
func (s *step) failed() (gate.Verdict, bool) {
	for _, lanes := range s.gates {
		if v := lanes[whole]; v.Outcome == gate.Fail {
			return v, true
		}
	}
	if s.rate != nil {
		return gate.Verdict{Outcome: gate.Fail, Reason: *s.rate}, true
	}
	return gate.Verdict{}, false
}

func (s *step) fail(v gate.Verdict) {
	reason := v.Reason
	s.d.Status, s.d.Reason = hotstick.Halted, &reason
	s.d.Revert = !s.v.Reverting
	s.v.Status, s.v.Reason, s.v.Reverting = hotstick.Halted, &reason, true
	if !s.v.Banned {
		s.d.Ban = &reason
	}
}

// blocked says why nothing of this plan may start now, or nil.
func (s *step) blocked() *hotstick.Reason {
	switch {
	case s.v.Status == hotstick.Proposed:
		return &hotstick.Reason{Code: hotstick.ReasonNotApproved}
	case s.v.Status == hotstick.Approved:
		return &hotstick.Reason{Code: hotstick.ReasonNotStarted}
	case s.v.Status == hotstick.Halted:
		return &hotstick.Reason{Code: hotstick.ReasonPlanHalted, Cause: causeOf(s.v.Reason)}
	case s.v.Status == hotstick.Expired:
		return &hotstick.Reason{Code: hotstick.ReasonPlanExpired}
	case s.v.Banned:
		return &hotstick.Reason{Code: hotstick.ReasonBanned, Subject: s.v.Plan.Patch.String()}
	case s.v.StopAll:
		return &hotstick.Reason{Code: hotstick.ReasonStopAll}
	case s.v.Status == hotstick.Held:
		return &hotstick.Reason{Code: hotstick.ReasonPlanHeld, Cause: causeOf(s.v.Reason)}
	}
	return nil
}

// expire ends a plan whose signed life is over.
func (s *step) expire() bool {
	if s.now.Before(s.v.Plan.NotAfter) {
		s.check(s.v.Plan.NotAfter)
		return false
	}
	s.d.Status, s.d.Reason = hotstick.Expired, &hotstick.Reason{Code: hotstick.ReasonPlanExpired}
	s.v.Status = hotstick.Expired
	return true
}

// wind lets a plan that is over come to rest: nothing is admitted any more, and
// reverts go on.
func (s *step) wind() {
	s.lose()
	if s.v.Reverting {
		s.sendBack()
	}
	if why := s.blocked(); why != nil {
		s.unadmit(*why)
	}
}

// complete ends a running plan of which every host is terminal.
func (s *step) complete() {
	if len(s.d.Starts) > 0 {
		return
	}
	for _, h := range s.v.Hosts {
		if !h.State.Terminal() || h.State == hotstick.Interrupted {
			return
		}
	}
	s.d.Status = hotstick.Completed
}

// lose marks hosts that started, or may have, and then fell silent.
func (s *step) lose() {
	for i, h := range s.v.Hosts {
		if !mayBeRunning(h) {
			continue
		}
		limit := h.LastSeen.Add(s.v.Limits.SilentAfter)
		if s.now.Before(limit) {
			s.check(limit)
			continue
		}
		s.change(i, hotstick.Lost, hotstick.Reason{Code: hotstick.ReasonSilentAfter})
	}
}

func mayBeRunning(h Host) bool {
	switch h.State {
	case hotstick.Armed, hotstick.Applying, hotstick.Probation, hotstick.Reverting:
		return true
	case hotstick.Admitted:
		return h.Granted != nil
	}
	return false
}

// unadmit takes back admissions whose grants can no longer start a host.
func (s *step) unadmit(why hotstick.Reason) {
	for i, h := range s.v.Hosts {
		if h.State != hotstick.Admitted {
			continue
		}
		if h.Granted != nil {
			end := h.Granted.Add(s.v.Limits.GrantLife)
			// A host that is silent since may have started: lose() decides.
			if s.now.Before(end) || h.LastSeen.Before(end) {
				s.check(end)
				continue
			}
		}
		s.change(i, hotstick.Waiting, why)
	}
}

// change records a host's step and applies it to the view, so that later rules
// of the same decision see it.
func (s *step) change(i int, state hotstick.HostState, why hotstick.Reason) {
	h := &s.v.Hosts[i]
	if !h.State.CanBecome(state) {
		return
	}
	s.d.Changes = append(s.d.Changes, Change{Host: h.Listed.Host, State: state, Reason: why})
	h.State, h.Reason, h.Updated = state, &why, s.now
}

// release frees the slots of hosts that can no longer be disturbed.
func (s *step) release() {
	held := map[hotstick.HostID]bool{}
	for _, slot := range s.v.Slots {
		if slot.Plan == s.v.ID {
			held[slot.Host] = true
		}
	}
	for _, h := range s.v.Hosts {
		if held[h.Listed.Host] && !h.State.HoldsSlot() {
			s.d.Release = append(s.d.Release, h.Listed.Host)
		}
	}
}

// check asks to be called again at t, if nothing asked for an earlier time.
func (s *step) check(t time.Time) {
	if t.After(s.now) && (s.d.Check.IsZero() || t.Before(s.d.Check)) {
		s.d.Check = t
	}
}

func causeOf(r *hotstick.Reason) hotstick.ReasonCode {
	if r == nil {
		return ""
	}
	return r.Code
}
