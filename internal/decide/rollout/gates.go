package rollout

import (
	"fmt"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/gate"
	"github.com/hotstick/hotstick/internal/planted"
)

// tally is a gate with what is needed to keep it exact.
type tally struct {
	acc     gate.Accumulator
	members []int32
	// latest is when the newest host was confirmed; lapsed: it has to be found anew.
	latest time.Time
	lapsed bool
	// seen is the newest check-in of a member.
	seen time.Time
	// weighed: failing is what a lost or refused host of it holds, nil for none.
	weighed bool
	failing *hotstick.Reason
}

// reweigh fills the gates of a cell and its wave anew, and that of its patch there: what a gate forgets of a
// host that left, it takes for the worse.
func (r *Rollout) reweigh(c *cell) {
	again := func(t *tally, each func(func(int32))) {
		needed := t.acc.Needed
		*t = tally{acc: gate.New(needed, r.plan.Gate), members: t.members}
		each(func(i int32) { t.add(r.reading(i)) })
	}
	again(&c.tally, c.each)
	again(&c.wave.tally, c.wave.each)
	if t := c.lane.cure.apart(c.wave); t != nil {
		again(t, c.lane.cure.each(c.wave))
	}
}

// observe adds a host's reading to its gates, or takes it back.
func (r *Rollout) observe(i int32, n int) {
	rd, s := r.reading(i), &r.at[i]
	c := r.cureOf(i)
	for _, t := range [...]*tally{&s.cell.tally, &s.cell.wave.tally, &c.all, c.apart(s.cell.wave)} {
		if t == nil {
			continue
		}
		t.weighed = false
		if n > 0 {
			t.add(rd)
			continue
		}
		t.acc = gate.Forget(t.acc, rd)
		t.lapsed = t.lapsed || rd.State == hotstick.Confirmed && rd.At.Equal(t.latest)
	}
	if n > 0 {
		c.rate = c.rate.Observe(rd)
	} else {
		c.rate = c.rate.Forget(rd)
	}
}

func (t *tally) add(rd gate.Reading) {
	t.acc = gate.Observe(t.acc, rd)
	if rd.State == hotstick.Confirmed && !rd.At.Before(t.latest) {
		t.latest, t.lapsed = rd.At, false
	}
	for _, at := range [...]time.Time{rd.At, rd.Seen} {
		if at.After(t.seen) {
			t.seen = at
		}
	}
}

// newest is when the newest of the members was confirmed; zero if none is.
func (r *Rollout) newest(t *tally, members func(func(int32))) time.Time {
	if t.lapsed {
		t.lapsed, t.latest = false, time.Time{}
		members(func(i int32) {
			if h := &r.hosts[i]; h.State == hotstick.Confirmed && h.Updated.After(t.latest) {
				t.latest = h.Updated
			}
		})
	}
	return t.latest
}

func (c *cell) each(f func(int32)) {
	for _, i := range c.members {
		f(i)
	}
}

func (w *wave) each(f func(int32)) {
	for _, c := range w.cells {
		c.each(f)
	}
}

// bake is how long later waves wait after a wave's last host was confirmed.
func (w *wave) bake() time.Duration {
	if w.Proven && !w.canary || planted.Bug("bake-skipped") {
		return 0
	}
	return time.Duration(w.BakeSeconds) * time.Second
}

func (r *Rollout) judgeWave(w *wave) gate.Verdict {
	w.acc.LastConfirmed = r.newest(&w.tally, w.each)
	v := gate.Judge(w.acc, w.bake(), r.now)
	if r.several() {
		return r.judgeApart(w, v)
	}
	return v
}

// verdicts judges every wave, for the screens.
func (r *Rollout) verdicts() []gate.Verdict {
	out := make([]gate.Verdict, len(r.waves))
	for i, w := range r.waves {
		out[i] = r.judgeWave(w)
	}
	return out
}

// closedBy says why a gate keeps later waves closed, or nil.
func (r *Rollout) closedBy(w *wave, t *tally, members func(func(int32)), l *lane, evidence int, passed bool) (why *hotstick.Reason, failed bool) {
	if passed && t.weighed {
		return t.failing, true
	}
	t.acc.LastConfirmed = r.newest(t, members)
	v := gate.Judge(t.acc, w.bake(), r.now)
	t.weighed, t.failing = true, nil
	switch code := v.Reason.Code; {
	case v.Outcome == gate.Fail || code == hotstick.ReasonCanaryLost || code == hotstick.ReasonLaneHeld:
		t.failing = &v.Reason
		return t.failing, true
	case passed:
		return nil, false
	case v.Opens() && t.acc.Confirmed == 0 && evidence < v.Enough:
		// Nobody of it is left: as many must have shown the level good elsewhere.
		return &hotstick.Reason{Code: hotstick.ReasonLaneHeld, Subject: w.Name, Cause: hotstick.ReasonNoReadings,
			Detail: fmt.Sprintf("%d of %d elsewhere", evidence, v.Enough)}, false
	case v.Opens():
		l.again(t.seen.Add(r.fresh).Add(1)) // then the readings are stale
		return nil, false
	case code == hotstick.ReasonNoReadings && t.acc.Open == 0: // nobody is left to give one
		return &hotstick.Reason{Code: hotstick.ReasonLaneHeld, Subject: w.Name, Cause: hotstick.ReasonNoReadings, Detail: r.endedBadly(members)}, false
	case code == hotstick.ReasonNoReadings || code == hotstick.ReasonUnderWay:
		return &hotstick.Reason{Code: hotstick.ReasonWaveNotOpen, Subject: w.Name}, false
	}
	if v.EarliestAt != nil {
		l.again(*v.EarliestAt)
	}
	if v.Reason.Subject == "" {
		v.Reason.Subject = w.Name
	}
	return &v.Reason, false
}

// endedBadly names the first of the members that an operator may dismiss; empty if
// there is none.
func (r *Rollout) endedBadly(members func(func(int32))) string {
	first := int32(-1)
	members(func(i int32) {
		if MayDismiss(r.hosts[i].State) && (first < 0 || i < first) {
			first = i
		}
	})
	if first < 0 {
		return ""
	}
	return r.hosts[first].Listed.Name
}

// slow reports whether a cost is above its limit: over all that got a patch, or in the
// furthest wave that has started.
func (r *Rollout) slow() bool {
	for _, c := range r.cures {
		if gate.Judge(c.all.acc, 0, r.now).Costly {
			return true
		}
	}
	for _, w := range slices.Backward(r.waves) {
		if w.acc.Started > 0 {
			return gate.Judge(w.acc, 0, r.now).Costly
		}
	}
	return false
}

// reading is what one host says of the patch, to the gates.
func (r *Rollout) reading(i int32) gate.Reading {
	h := &r.hosts[i]
	state, why, out := h.State, h.Reason, skippedFor(h, hotstick.ReasonDismissed)
	if out {
		state, why = dismissed(h)
	}
	rd := gate.Reading{Host: h.Listed.Host, Name: h.Listed.Name, State: state, Reason: why, Dismissed: out,
		Fingerprint: gate.Fingerprint(why, h.Evidence), Domain: gate.Domain(h.Listed.Domains), At: h.Updated, Crashed: h.Crashed, Seen: h.LastSeen,
		Transition: time.Duration(h.Timing.TransitionMillis) * time.Millisecond}
	if r.lanes[r.at[i].lane].slow {
		rd.Transition = 0
	}
	switch {
	case !out && r.stopped(h) != nil:
		rd.State, rd.Reason, rd.Crashed = hotstick.Skipped, &hotstick.Reason{Code: hotstick.ReasonRecalled}, time.Time{}
	case !out && r.at[i].replaced && idle(h):
		rd.State, rd.Reason = hotstick.Skipped, &hotstick.Reason{Code: hotstick.ReasonStandingBy}
	case state == hotstick.Failed && hostCause(why):
		rd.State = hotstick.Skipped
	case !out && r.at[i].awaits:
		rd.State = hotstick.Waiting
	}
	if rd.State == hotstick.Skipped && h.Excluded != nil && h.Excluded.Code == hotstick.ReasonExcluded {
		rd.Reason = h.Excluded // who is out by an operator's word is not missed, whatever else is with it
	}
	return rd
}
