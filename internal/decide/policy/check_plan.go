package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
)

func (p *policyRule) checkWaves() {
	w := p.Waves
	if p.Written("waves.stand_ins") && (w.StandIns < 1 || w.StandIns > hotstick.MaxStandIns) {
		p.Wrong("waves.stand_ins", "", "cannot give a canary %d stand-ins: want 1 to %d", w.StandIns, hotstick.MaxStandIns)
	}
	for i, n := range w.Widen {
		path := fmt.Sprintf("waves.widen[%d]", i)
		switch {
		case n < 1 || n > 100:
			p.Wrong(path, "", "cannot widen to %d %%: want 1 to 100", n)
		case i > 0 && n <= w.Widen[i-1]:
			p.Wrong(path, "", "cannot widen to %d %% after %d %%: each step goes further", n, w.Widen[i-1])
		case i == len(w.Widen)-1 && n != 100:
			p.Wrong(path, "end with 100", "cannot end at %d %%: the hosts left would never be reached", n)
		}
	}
	for _, domain := range sortedKeys(w.Spread) {
		if w.Spread[domain] < 1 {
			p.Wrong("waves.spread."+domain, "", "cannot spread %d hosts of a %s over a wave: want at least one", w.Spread[domain], domain)
		}
	}
	for i, a := range w.Representative {
		if slices.Contains(w.Representative[:i], a) {
			p.Wrong(fmt.Sprintf("waves.representative[%d]", i), "", "cannot use the label %q twice", a)
		}
	}
}

func (p *policyRule) checkBudgets() {
	if len(p.Budgets) > hotstick.MaxPlanBudgets {
		p.Wrong("budgets", "", "cannot use %d budgets: the limit is %d", len(p.Budgets), hotstick.MaxPlanBudgets)
	}
	seen := map[line]bool{}
	for i, b := range p.Budgets {
		path := fmt.Sprintf("budgets[%d]", i)
		switch {
		case b.Domain == "":
			p.Wrong(path, "add domain:, a label's key or fleet", "cannot use a budget of no domain")
		case seen[b.Domain]:
			p.Wrong(path+".domain", "", "cannot use two budgets of domain %q", b.Domain)
		case (b.Max == nil) == (b.Percent == nil):
			p.Wrong(path, "", "cannot use the budget of domain %q: want either max or percent", b.Domain)
		case b.Max != nil && *b.Max < 1:
			p.Wrong(path+".max", "hold the rollout, or leave the hosts out, if none may be disturbed", "cannot use a budget of %d hosts", *b.Max)
		case b.Percent != nil && (*b.Percent < 1 || *b.Percent > 100):
			p.Wrong(path+".percent", "", "cannot use a budget of %d %%: want 1 to 100", *b.Percent)
		case b.Open != nil && *b.Open < 1:
			p.Wrong(path+".open", "", "cannot open %d domains: want at least one", *b.Open)
		case !b.Quorum && (b.Open != nil || b.Mixed > 0):
			p.Wrong(path, "add quorum: true", "cannot use open or mixed for domain %q: they are for quorum domains", b.Domain)
		}
		seen[b.Domain] = true
	}
}

func (p *policyRule) checkPlan() {
	life := p.life()
	if p.Plan.Life != 0 && (p.Plan.Life < span(time.Minute) || p.Plan.Life > span(maxLife)) {
		p.Wrong("plan.life", "", "cannot use a life of %s: want 1m to %s", p.Plan.Life, span(maxLife))
	}
	if p.Plan.Approvals < 0 || p.Plan.Approvals > hotstick.MaxPlanApprovals {
		p.Wrong("plan.approvals", "", "cannot ask for %d approvals: want 0 to %d", p.Plan.Approvals, hotstick.MaxPlanApprovals)
	}
	written := p.Written("plan.reapplies")
	switch n := p.Plan.Reapplies; {
	case written && p.Drift != driftReapply:
		p.Wrong("plan.reapplies", "add drift: reapply", "cannot use reapplies where drift is only reported")
	case written && (n < 1 || n > hotstick.MaxReapply):
		p.Wrong("plan.reapplies", "", "cannot re-apply %d times on a host: want 1 to %d", n, hotstick.MaxReapply)
	}
	if p.Plan.Late != nil && len(p.Plan.Late.Labels) == 0 {
		p.Wrong("plan.late", "an empty selection is never all hosts", "cannot use a rule for late hosts without labels")
	}
	b := p.Waves.Bake
	shortest := b.First + span(max(len(p.Waves.Widen)-1, 0))*b.Widening
	for i, r := range p.Rings {
		if r.After+shortest >= span(life) {
			p.Wrong(fmt.Sprintf("rings[%d].after", i), "make plan.life longer", "cannot finish ring %s within the plan's life of %s", r.Name, span(life))
		}
	}
	if len(p.Rings) == 0 && shortest >= span(life) {
		p.Wrong("plan.life", "make plan.life longer, or the bakes shorter", "cannot finish within a life of %s: the bakes alone take %s", span(life), shortest)
	}
	p.checkAttempt()
	g := p.Gate
	numbers := map[string]int{"gate.background_ppm": g.BackgroundPPM, "gate.false_alarm_ppm": g.FalseAlarmPPM, "gate.min_readings": g.MinReadings}
	for _, path := range sortedKeys(numbers) {
		if p.Written(path) && (numbers[path] < 1 || numbers[path] > 1_000_000) {
			p.Wrong(path, "leave the key out for the default", "cannot use %d: want 1 to 1000000", numbers[path])
		}
	}
}

// checkAttempt refuses zeros that were written: they would mean the planner's
// defaults and not what they say.
func (p *policyRule) checkAttempt() {
	spans := map[string]span{
		"attempt.probation": p.Attempt.Probation, "attempt.transition": p.Attempt.Transition, "plan.life": p.Plan.Life,
		"waves.bake.first": p.Waves.Bake.First, "waves.bake.canaries": p.Waves.Bake.Canaries, "waves.bake.widening": p.Waves.Bake.Widening,
		"gate.fresh": p.Gate.Fresh, "gate.slow_transition": p.Gate.SlowTransition,
	}
	for driver, limit := range p.Attempt.TransitionBy {
		spans["attempt.transition_by."+driver] = limit
		if !slices.Contains(hotstick.Drivers(), driver) {
			p.Wrong("attempt.transition_by."+driver, "the drivers are "+strings.Join(hotstick.Drivers(), ", "), "cannot find a driver %q", driver)
		}
	}
	for _, path := range sortedKeys(spans) {
		if p.Written(path) && spans[path] == 0 {
			p.Wrong(path, "leave the key out for the default", "cannot use zero here")
		}
	}
}

// reapply is how often plans of this policy put a level back on one host.
func (p *policyRule) reapply() int {
	if p.Drift != driftReapply {
		return 0
	}
	return max(p.Plan.Reapplies, 1)
}

// life is how long plans of this policy live.
func (p *policyRule) life() time.Duration {
	if p.Plan.Life > 0 {
		return time.Duration(p.Plan.Life)
	}
	return defaultLife
}

func (p *policyRule) checkTests(s *Set) {
	seen := map[line]bool{}
	for i, t := range p.Tests {
		path := fmt.Sprintf("tests[%d]", i)
		switch {
		case t.Name == "":
			p.Wrong(path, "add name:", "cannot use a test without a name")
		case seen[t.Name]:
			p.Wrong(path+".name", "", "cannot use two tests %q", t.Name)
		case t.At.IsZero():
			p.Wrong(path, "add at: 2026-11-21T12:00:00Z", "cannot use a test without its time")
		case t.Expect == expect{}:
			p.Wrong(path, "add expect: {eligible: true}", "cannot use a test that expects nothing")
		case t.Expect.Ring != nil && !slices.ContainsFunc(p.Rings, func(r ring) bool { return r.Name == *t.Expect.Ring }):
			p.Wrong(path+".expect.ring", "", "cannot find the ring %q", *t.Expect.Ring)
		}
		seen[t.Name] = true
	}
}
