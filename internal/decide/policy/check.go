package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"cel.dev/cel-go/common/types"

	"github.com/hotstick/hotstick"
)

// check compiles every expression and looks for what contradicts itself. It returns
// all that is wrong.
func (s *Set) check() Problems {
	seen := map[string]bool{}
	var all Problems
	once := func(b *binder) {
		if seen[b.document] {
			b.wrong("name", "", "cannot use two documents %s", b.document)
		}
		seen[b.document] = true
	}
	for _, c := range s.calendars {
		once(c.binder)
		c.check()
		all = append(all, c.problems...)
	}
	for _, f := range s.freezes {
		once(f.binder)
		f.check(s)
		all = append(all, f.problems...)
	}
	for _, p := range s.policies {
		once(p.binder)
		p.check(s)
		all = append(all, p.problems...)
	}
	for _, w := range s.waivers {
		once(w.binder)
		w.check(s)
		all = append(all, w.problems...)
	}
	return all
}

// compile compiles the expression at a path. An absent one is a problem if it is
// wanted; one that is never true is one always.
func (s *Set) compile(b *binder, path string, text expression, wanted bool) condition {
	if b.bad[path] {
		return condition{}
	}
	if text == "" {
		if wanted {
			b.wrong(path, "empty is never all; write true for every host", "cannot go on without an expression")
		}
		return condition{}
	}
	c, wrong := s.language.compile(text)
	if wrong != nil {
		b.report(b.within(path, string(text), wrong), hintOf(wrong.message), "cannot use the expression: %s", wrong.message)
		return condition{}
	}
	if c.constant(false) {
		b.wrong(path, "a rule that nothing can keep selects nothing", "cannot use an expression that is never true")
	}
	return c
}

// hintOf helps with the mistakes that people make most.
func hintOf(message string) string {
	if strings.Contains(message, "undefined field") {
		return "the fields of host and patch are listed in docs/reference/policy.md"
	}
	if strings.Contains(message, "undeclared reference") {
		return "an expression sees host, patch and now"
	}
	return ""
}

// within is where a mistake in the expression at a path stands in the text. YAML
// folds and indents, so the expression's line is looked for in the source.
func (b *binder) within(path, expression string, m *mistake) position {
	at := b.place(path)
	lines := strings.Split(expression, "\n")
	if m.line < 1 || m.line > len(lines) {
		return at
	}
	line := strings.TrimSpace(lines[m.line-1])
	lead := len(lines[m.line-1]) - len(strings.TrimLeft(lines[m.line-1], " \t"))
	for n := at.line; line != "" && n < at.line+len(lines)+1; n++ {
		from := 0
		if n == at.line {
			from = min(at.column-1, len(b.text.line(n)))
		}
		if i := strings.Index(b.text.line(n)[from:], line); i >= 0 {
			return position{n, from + i + m.column - lead}
		}
	}
	return at
}

// constant tells whether a condition has this value for every host, patch and time.
func (c condition) constant(value bool) bool {
	if len(c.parts) == 0 {
		return false
	}
	every := true
	for _, p := range c.parts {
		out, _, err := p.program.Eval(map[string]any{})
		known := err == nil && out == types.Bool(value)
		if known && !value {
			return true
		}
		every = every && known
	}
	return every && value
}

func (c *calendarRule) check() {
	if len(c.Windows) == 0 {
		c.wrong("", "add windows:", "cannot use a calendar without windows")
	}
	if string(c.Name) == always {
		c.wrong("name", "", "cannot name a calendar %s: that is the one that is always open", always)
	}
	for i, w := range c.Windows {
		path := fmt.Sprintf("windows[%d]", i)
		switch {
		case w.Start.IsZero():
			c.wrong(path, "add start: YYYY-MM-DD HH:MM", "cannot use a window without a start")
		case w.Start.day:
			c.wrong(path+".start", "write YYYY-MM-DD HH:MM", "cannot use a window that starts at no hour")
		case w.Duration < span(time.Minute):
			c.wrong(path+".duration", "", "cannot use a window of %s: want at least a minute", w.Duration)
		case w.Rule.option == nil && !w.Until.IsZero():
			c.wrong(path+".until", "add a rule, or leave until out", "cannot use until in a window that does not come back")
		case !w.Until.IsZero() && w.last().Before(w.Start.Time):
			c.wrong(path+".until", "", "cannot use a window that ends before it begins")
		case w.Rule.option != nil:
			c.checkRule(w, path)
		}
	}
}

// checkRule wants the written start to be one of the rule's own, for RFC 5545 does
// not say what else it would mean.
func (c *calendarRule) checkRule(w recurring, path string) {
	w.Until = wall{}
	first, ok := w.first()
	switch {
	case !ok:
		c.wrong(path+".rule", "", "cannot use a rule that never comes true")
	case !first.Equal(w.Start.Time):
		c.wrong(path+".start", "write start: "+first.Format("2006-01-02 15:04"), "cannot use a start that its own rule does not make")
	}
}

func (f *freezeRule) check(s *Set) {
	f.when = s.compile(f.binder, "when", f.When, false)
	switch {
	case f.From.IsZero() || f.Until.IsZero():
		f.wrong("", "add from: and until:", "cannot use a freeze without its two ends")
	case !f.interval().Until.After(f.interval().From):
		f.wrong("until", "", "cannot use a freeze that ends before it begins")
	}
	if f.Reason == "" {
		f.wrong("", "add reason:, it is shown to whoever waits", "cannot use a freeze without a reason")
	}
}

func (w *waiverRule) check(s *Set) {
	w.when = s.compile(w.binder, "when", w.When, true)
	switch {
	case w.By == "" || w.Reason == "" || w.Until.IsZero():
		w.wrong("", "add by:, reason: and until:", "cannot use a waiver without somebody, a reason and an end")
	case w.LeaveOut == (len(w.Rules) > 0):
		w.wrong("rules", "rules: lets hosts in that do not keep them; leave_out: true keeps hosts out", "cannot use a waiver: want either rules or leave_out")
	}
	p, ok := s.find(string(w.Policy))
	if !ok {
		w.wrong("policy", "", "cannot find the policy %q in this text", w.Policy)
		return
	}
	for i, name := range w.Rules {
		if !slices.ContainsFunc(p.Eligible, func(r rule) bool { return r.Name == name }) {
			w.wrong(fmt.Sprintf("rules[%d]", i), "", "cannot find the rule %q in policy %s", name, p.Name)
		}
	}
}

func (s *Set) find(name string) (*policyRule, bool) {
	i := slices.IndexFunc(s.policies, func(p *policyRule) bool { return string(p.Name) == name })
	if i < 0 {
		return nil, false
	}
	return s.policies[i], true
}

func (p *policyRule) check(s *Set) {
	p.checkConditions(s)
	p.checkWaves()
	p.checkBudgets()
	p.checkPlan()
	p.checkTests(s)
}

func (p *policyRule) checkConditions(s *Set) {
	if p.Applies != nil {
		p.applies = s.compile(p.binder, "applies.when", p.Applies.When, true)
		if p.Applies.Urgency < 0 || p.Applies.Urgency > 100 {
			p.wrong("applies.urgency", "", "cannot use an urgency of %d: want 0 to 100", p.Applies.Urgency)
		}
		for _, part := range p.applies.parts {
			if part.host {
				p.wrong("applies.when", "a policy is chosen for a patch; choose hosts under eligible", "cannot look at a host here")
				break
			}
		}
	}
	p.last = s.compile(p.binder, "last", p.Last, false)
	names := map[label]bool{}
	for i, r := range p.Eligible {
		path := fmt.Sprintf("eligible[%d]", i)
		p.named(names, path, r.Name)
		p.eligible = append(p.eligible, s.compile(p.binder, path+".when", r.When, true))
	}
	clear(names)
	for i, r := range p.Rings {
		path := fmt.Sprintf("rings[%d]", i)
		p.named(names, path, r.Name)
		p.rings = append(p.rings, s.compile(p.binder, path+".when", r.When, true))
		if i > 0 && r.After < p.Rings[i-1].After {
			p.wrong(path+".after", "", "cannot start ring %s after %s: the ring before it starts after %s", r.Name, r.After, p.Rings[i-1].After)
		}
	}
	p.reachable("rings", p.rings)
	for i, w := range p.Windows {
		path := fmt.Sprintf("windows[%d]", i)
		if !slices.ContainsFunc(s.calendars, func(c *calendarRule) bool { return c.Name == w.Calendar }) && string(w.Calendar) != always {
			p.wrong(path+".calendar", "calendars stand in the same text; "+always+" is built in", "cannot find the calendar %q", w.Calendar)
		}
		p.windows = append(p.windows, s.compile(p.binder, path+".when", w.When, true))
	}
	p.reachable("windows", p.windows)
	if n := max(len(p.Eligible), len(p.Rings), len(p.Windows)); n > maxRules {
		p.wrong("", "", "cannot use %d rules, rings or windows: the limit is %d", n, maxRules)
	}
}

// named wants a name, each once.
func (p *policyRule) named(names map[label]bool, path string, name label) {
	switch {
	case name == "":
		p.wrong(path, "add name:", "cannot use an entry without a name")
	case names[name]:
		p.wrong(path+".name", "", "cannot use the name %q twice", name)
	}
	names[name] = true
}

// reachable reports entries behind one that is always true: the first that holds is
// taken, so they would never be.
func (p *policyRule) reachable(list string, conditions []condition) {
	for i, c := range conditions {
		if c.constant(true) && i < len(conditions)-1 {
			p.wrong(fmt.Sprintf("%s[%d]", list, i+1), "the first that holds is taken; put the one for all the rest last", "cannot come to this entry: the one before it holds for every host")
			return
		}
	}
}

func (p *policyRule) checkWaves() {
	w := p.Waves
	if _, written := p.places["waves.stand_ins"]; written && (w.StandIns < 1 || w.StandIns > hotstick.MaxStandIns) {
		p.wrong("waves.stand_ins", "", "cannot give a canary %d stand-ins: want 1 to %d", w.StandIns, hotstick.MaxStandIns)
	}
	for i, n := range w.Widen {
		path := fmt.Sprintf("waves.widen[%d]", i)
		switch {
		case n < 1 || n > 100:
			p.wrong(path, "", "cannot widen to %d %%: want 1 to 100", n)
		case i > 0 && n <= w.Widen[i-1]:
			p.wrong(path, "", "cannot widen to %d %% after %d %%: each step goes further", n, w.Widen[i-1])
		case i == len(w.Widen)-1 && n != 100:
			p.wrong(path, "end with 100", "cannot end at %d %%: the hosts left would never be reached", n)
		}
	}
	for _, domain := range sortedKeys(w.Spread) {
		if w.Spread[domain] < 1 {
			p.wrong("waves.spread."+domain, "", "cannot spread %d hosts of a %s over a wave: want at least one", w.Spread[domain], domain)
		}
	}
	for i, a := range w.Representative {
		if slices.Contains(w.Representative[:i], a) {
			p.wrong(fmt.Sprintf("waves.representative[%d]", i), "", "cannot use the label %q twice", a)
		}
	}
}

func (p *policyRule) checkBudgets() {
	if len(p.Budgets) > hotstick.MaxPlanBudgets {
		p.wrong("budgets", "", "cannot use %d budgets: the limit is %d", len(p.Budgets), hotstick.MaxPlanBudgets)
	}
	seen := map[line]bool{}
	for i, b := range p.Budgets {
		path := fmt.Sprintf("budgets[%d]", i)
		switch {
		case b.Domain == "":
			p.wrong(path, "add domain:, a label's key or fleet", "cannot use a budget of no domain")
		case seen[b.Domain]:
			p.wrong(path+".domain", "", "cannot use two budgets of domain %q", b.Domain)
		case (b.Max == nil) == (b.Percent == nil):
			p.wrong(path, "", "cannot use the budget of domain %q: want either max or percent", b.Domain)
		case b.Max != nil && *b.Max < 1:
			p.wrong(path+".max", "hold the rollout, or leave the hosts out, if none may be disturbed", "cannot use a budget of %d hosts", *b.Max)
		case b.Percent != nil && (*b.Percent < 1 || *b.Percent > 100):
			p.wrong(path+".percent", "", "cannot use a budget of %d %%: want 1 to 100", *b.Percent)
		case b.Open != nil && *b.Open < 1:
			p.wrong(path+".open", "", "cannot open %d domains: want at least one", *b.Open)
		case !b.Quorum && (b.Open != nil || b.Mixed > 0):
			p.wrong(path, "add quorum: true", "cannot use open or mixed for domain %q: they are for quorum domains", b.Domain)
		}
		seen[b.Domain] = true
	}
}

func (p *policyRule) checkPlan() {
	life := p.life()
	if p.Plan.Life != 0 && (p.Plan.Life < span(time.Minute) || p.Plan.Life > span(maxLife)) {
		p.wrong("plan.life", "", "cannot use a life of %s: want 1m to %s", p.Plan.Life, span(maxLife))
	}
	if p.Plan.Approvals < 0 || p.Plan.Approvals > hotstick.MaxPlanApprovals {
		p.wrong("plan.approvals", "", "cannot ask for %d approvals: want 0 to %d", p.Plan.Approvals, hotstick.MaxPlanApprovals)
	}
	if p.Plan.Late != nil && len(p.Plan.Late.Labels) == 0 {
		p.wrong("plan.late", "an empty selection is never all hosts", "cannot use a rule for late hosts without labels")
	}
	b := p.Waves.Bake
	shortest := b.First + span(max(len(p.Waves.Widen)-1, 0))*b.Widening
	for i, r := range p.Rings {
		if r.After+shortest >= span(life) {
			p.wrong(fmt.Sprintf("rings[%d].after", i), "make plan.life longer", "cannot finish ring %s within the plan's life of %s", r.Name, span(life))
		}
	}
	if len(p.Rings) == 0 && shortest >= span(life) {
		p.wrong("plan.life", "make plan.life longer, or the bakes shorter", "cannot finish within a life of %s: the bakes alone take %s", span(life), shortest)
	}
	p.checkAttempt()
	g := p.Gate
	numbers := map[string]int{"gate.background_ppm": g.BackgroundPPM, "gate.false_alarm_ppm": g.FalseAlarmPPM, "gate.min_readings": g.MinReadings}
	for _, path := range sortedKeys(numbers) {
		if _, written := p.places[path]; written && (numbers[path] < 1 || numbers[path] > 1_000_000) {
			p.wrong(path, "leave the key out for the default", "cannot use %d: want 1 to 1000000", numbers[path])
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
	for _, path := range sortedKeys(spans) {
		if _, written := p.places[path]; written && spans[path] == 0 {
			p.wrong(path, "leave the key out for the default", "cannot use zero here")
		}
	}
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
			p.wrong(path, "add name:", "cannot use a test without a name")
		case seen[t.Name]:
			p.wrong(path+".name", "", "cannot use two tests %q", t.Name)
		case t.At.IsZero():
			p.wrong(path, "add at: 2026-11-21T12:00:00Z", "cannot use a test without its time")
		case t.Expect == expect{}:
			p.wrong(path, "add expect: {eligible: true}", "cannot use a test that expects nothing")
		case t.Expect.Ring != nil && !slices.ContainsFunc(p.Rings, func(r ring) bool { return r.Name == *t.Expect.Ring }):
			p.wrong(path+".expect.ring", "", "cannot find the ring %q", *t.Expect.Ring)
		}
		seen[t.Name] = true
	}
}
