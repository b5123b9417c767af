package rollout

import (
	"fmt"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/gate"
)

// cure is one of the plan's patches, with all that speaks for it and against it: what
// hosts say of one patch says nothing of another. A plan that has one patch for all has
// one cure.
type cure struct {
	patch hotstick.PatchRef
	// first is the wave in which somebody gets it first; -1 if the plan lists nobody.
	first int
	// all is the gate over its hosts, waves are those over its hosts of each wave, which in
	// a plan of one patch are the waves' own, and rate is its test of losses.
	all   tally
	waves []*tally
	rate  gate.RateTest
	// evidence counts its hosts that run the level; risked those that are admitted or
	// under way, and not on their way back.
	evidence, risked int
	// stopped: nobody may arm it any more.
	stopped bool
	// blamed counts hosts that are wanted back for what a gate said of it, called those for a
	// recall of it, and holding those that have it, or wait for it, and that nobody wants
	// back yet; of these gone are those that run something else by now. Who was called once
	// counts as called whatever it runs by now, for it tells that the recall had begun.
	blamed, called, holding, gone int
	// parked are hosts that could start if more of them might be at risk.
	parked queue
}

// several reports whether the plan has more than one patch, so that one may go on
// without another.
func (r *Rollout) several() bool { return len(r.cures) > 1 }

func (r *Rollout) cureOf(i int32) *cure { return r.lanes[r.at[i].lane].cure }

// cureFor returns the cure of a patch, and makes it where there is none.
func (r *Rollout) cureFor(patch hotstick.PatchRef) *cure {
	for _, c := range r.cures {
		if c.patch == patch {
			return c
		}
	}
	c := &cure{patch: patch, first: -1, all: tally{acc: gate.New(0, r.plan.Gate)}, parked: r.newQueue(),
		rate: gate.NewRateTest(r.plan.Gate, time.Duration(r.plan.ProbationSeconds)*time.Second)}
	c.parked.cure = c
	c.stopped = slices.ContainsFunc(r.frame.Stopped, func(s Stopped) bool { return s.Patch == patch })
	for _, w := range r.waves {
		t := &w.tally
		if r.plan.CVE != "" {
			t = &tally{acc: gate.New(0, r.plan.Gate)}
		}
		c.waves = append(c.waves, t)
	}
	r.cures = append(r.cures, c)
	return c
}

// buildCures makes a cure of each of the plan's patches, and finds where each goes first.
func (r *Rollout) buildCures() {
	for _, patch := range r.plan.Patches() {
		r.cureFor(patch)
	}
	for i := range r.hosts {
		h := &r.hosts[i]
		if c := r.cureFor(r.patchOf(h)); !h.Late && (c.first < 0 || h.Listed.Wave < c.first) {
			c.first = h.Listed.Wave
		}
	}
}

// countHolder adds a host to, or takes it from, those that have the cure's patch or are
// wanted back from it.
func (c *cure) countHolder(h *Host, n int) {
	switch {
	case mayHold(h):
		c.holding += n
		if movedOn(h, c.patch) {
			c.gone += n
		}
	case wantedFor(h, hotstick.ReasonGateFailed):
		c.blamed += n
	case wantedFor(h, hotstick.ReasonRecalled):
		c.called += n
	}
}

// apart is the cure's own gate of a wave; nil where it is the wave's.
func (c *cure) apart(w *wave) *tally {
	if t := c.waves[w.index]; t != &w.tally {
		return t
	}
	return nil
}

// each calls f for the cure's hosts of a wave.
func (c *cure) each(w *wave) func(func(int32)) {
	return func(f func(int32)) {
		for _, in := range w.cells {
			if in.lane.cure == c {
				in.each(f)
			}
		}
	}
}

// mayRisk reports whether one more host may be at risk in the whole plan: no more are
// than run a level of it already, or than a gate needs to judge by. Waves alone do not see
// to that, for in many lanes they open at once. Where several patches could each begin,
// one host goes before all others.
func (r *Rollout) mayRisk() bool {
	if r.several() && r.evidence == 0 {
		return r.risked == 0
	}
	return r.risked < max(r.readings, r.evidence)
}

// mayRiskOf reports whether one more host may be at risk with a patch, where the plan has
// several: one goes first, then never more at once than have shown it good, and one.
// Waves hold hosts of all patches, so they do not see to that. While nobody has shown it
// good, one who was lost or refused it keeps the others for a person.
func (r *Rollout) mayRiskOf(c *cure) bool {
	switch {
	case !r.several():
		return true
	case c.evidence > 0:
		return c.risked <= c.evidence
	}
	return c.risked == 0 && r.heldBy(c) == nil
}

// heldBy is what a host that was lost, or refused its patch, says of it; nil for none.
func (r *Rollout) heldBy(c *cure) *hotstick.Reason {
	if c.all.acc.Failures == 0 {
		return nil
	}
	v := gate.Judge(c.all.acc, 0, r.now)
	if code := v.Reason.Code; v.Outcome == gate.Fail || code == hotstick.ReasonCanaryLost || code == hotstick.ReasonLaneHeld {
		return &v.Reason
	}
	return nil
}

// overRisk says why no more hosts may be at risk, or nil.
func (r *Rollout) overRisk(c *cure) *hotstick.Reason {
	switch {
	case !r.mayRisk():
		return &hotstick.Reason{Code: hotstick.ReasonUnderWay, Detail: fmt.Sprintf("%d of the plan's hosts are under way, %d run the level", r.risked, r.evidence)}
	case !r.mayRiskOf(c) && c.evidence == 0 && r.heldBy(c) != nil:
		return r.heldBy(c)
	case !r.mayRiskOf(c):
		return &hotstick.Reason{Code: hotstick.ReasonUnderWay, Subject: c.patch.String(),
			Detail: fmt.Sprintf("%d of its hosts are under way, %d run it", c.risked, c.evidence)}
	}
	return nil
}

// goesFirst says why the first host of all, or the first with a lane's patch, keeps the
// lane's later waves closed, or nil; failed: for it was lost or refused.
//
// Each patch rests on a first host of its own. So where nobody is left who could go
// before all others, for what he had was stopped, the others' first hosts go, one after
// the other.
func (r *Rollout) goesFirst(j int, l *lane, passed bool) (why *hotstick.Reason, failed bool) {
	w, c := r.waves[j], l.cure
	if j == c.first && c.waves[j].acc.Needed > 0 {
		return r.closedBy(w, c.waves[j], c.each(w), l, c.evidence, passed)
	}
	if j > 0 || w.acc.Needed == 0 {
		return nil, false
	}
	why, failed = r.closedBy(w, &w.tally, w.each, l, r.evidence, passed)
	if why != nil && !failed && c.first > j && why.Code == hotstick.ReasonLaneHeld && why.Cause == hotstick.ReasonNoReadings {
		return nil, false
	}
	return why, failed
}

// blame is a patch that was judged bad.
type blame struct {
	patch  hotstick.PatchRef
	reason hotstick.Reason
}

// failing are the patches that a gate judged bad, of a wave's hosts or of all that got
// it, or the rate of its losses. Each is judged by its own hosts alone.
func (r *Rollout) failing() []blame {
	var out []blame
	for _, c := range r.cures {
		if c.stopped {
			continue
		}
		if why := r.fails(c); why != nil {
			out = append(out, blame{c.patch, *why})
		}
	}
	return out
}

func (r *Rollout) fails(c *cure) *hotstick.Reason {
	for j := range len(c.waves) + 1 {
		t := &c.all
		if j < len(c.waves) {
			t = c.waves[j]
		}
		if t.acc.Failures == 0 {
			continue
		}
		if v := gate.Judge(t.acc, 0, r.now); v.Outcome == gate.Fail {
			return &v.Reason
		}
	}
	return c.rate.Judge()
}

// confirmedHosts counts the plan's confirmed hosts, those of stopped patches left out.
func (r *Rollout) confirmedHosts() int {
	n := 0
	for _, c := range r.cures {
		n += c.all.acc.Confirmed
	}
	return n
}

// judgeApart is the verdict on a wave whose hosts get several patches: the gravest of what its
// hosts say of each.
func (r *Rollout) judgeApart(w *wave, whole gate.Verdict) gate.Verdict {
	grave := map[gate.Outcome]int{gate.Pass: 1, gate.Slow: 2, gate.Hold: 3, gate.Fail: 4}
	worst := gate.Verdict{}
	for _, c := range r.cures {
		t := c.waves[w.index]
		if c.stopped || t.acc.Needed == 0 {
			continue
		}
		t.acc.LastConfirmed = r.newest(t, c.each(w))
		if v := gate.Judge(t.acc, w.bake(), r.now); grave[v.Outcome] > grave[worst.Outcome] {
			worst = v
		}
	}
	if worst.Outcome != "" {
		whole.Outcome, whole.Reason, whole.EarliestAt = worst.Outcome, worst.Reason, worst.EarliestAt
	}
	return whole
}
