package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"cel.dev/cel-go/common/types"

	"github.com/hotstick/hotstick/internal/strictyaml"
)

// check compiles every expression and looks for what contradicts itself. It returns
// all that is wrong.
func (s *Set) check() Problems {
	seen := map[string]bool{}
	var all Problems
	once := func(b *strictyaml.Binder) {
		if seen[b.Document] {
			b.Wrong("name", "", "cannot use two documents %s", b.Document)
		}
		seen[b.Document] = true
	}
	for _, c := range s.calendars {
		once(c.Binder)
		c.check()
		all = append(all, c.Problems...)
	}
	for _, f := range s.freezes {
		once(f.Binder)
		f.check(s)
		all = append(all, f.Problems...)
	}
	for _, p := range s.policies {
		once(p.Binder)
		p.check(s)
		all = append(all, p.Problems...)
	}
	return all
}

// compile compiles the expression at a path. An absent one is a problem if it is
// wanted; one that is never true is one always.
func (s *Set) compile(b *strictyaml.Binder, path string, text expression, wanted bool) condition {
	if b.Bad(path) {
		return condition{}
	}
	if text == "" {
		if wanted {
			b.Wrong(path, "empty is never all; write true for every host", "cannot go on without an expression")
		}
		return condition{}
	}
	c, wrong := s.language.compile(text)
	if wrong != nil {
		b.Report(within(b, path, string(text), wrong), hintOf(wrong.message), "cannot use the expression: %s", wrong.message)
		return condition{}
	}
	if c.constant(false) {
		b.Wrong(path, "a rule that nothing can keep selects nothing", "cannot use an expression that is never true")
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
func within(b *strictyaml.Binder, path, expression string, m *mistake) strictyaml.Position {
	at := b.Place(path)
	lines := strings.Split(expression, "\n")
	if m.line < 1 || m.line > len(lines) {
		return at
	}
	line := strings.TrimSpace(lines[m.line-1])
	lead := len(lines[m.line-1]) - len(strings.TrimLeft(lines[m.line-1], " \t"))
	for n := at.Line; line != "" && n < at.Line+len(lines)+1; n++ {
		from := 0
		if n == at.Line {
			from = min(at.Column-1, len(b.Text.Line(n)))
		}
		if i := strings.Index(b.Text.Line(n)[from:], line); i >= 0 {
			return strictyaml.Position{Line: n, Column: from + i + m.column - lead}
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
		c.Wrong("", "add windows:", "cannot use a calendar without windows")
	}
	if string(c.Name) == always {
		c.Wrong("name", "", "cannot name a calendar %s: that is the one that is always open", always)
	}
	for i, w := range c.Windows {
		path := fmt.Sprintf("windows[%d]", i)
		switch {
		case w.Start.IsZero():
			c.Wrong(path, "add start: YYYY-MM-DD HH:MM", "cannot use a window without a start")
		case w.Start.day:
			c.Wrong(path+".start", "write YYYY-MM-DD HH:MM", "cannot use a window that starts at no hour")
		case w.Duration < span(time.Minute):
			c.Wrong(path+".duration", "", "cannot use a window of %s: want at least a minute", w.Duration)
		case w.Rule.option == nil && !w.Until.IsZero():
			c.Wrong(path+".until", "add a rule, or leave until out", "cannot use until in a window that does not come back")
		case !w.Until.IsZero() && w.last().Before(w.Start.Time):
			c.Wrong(path+".until", "", "cannot use a window that ends before it begins")
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
		c.Wrong(path+".rule", "", "cannot use a rule that never comes true")
	case !first.Equal(w.Start.Time):
		c.Wrong(path+".start", "write start: "+first.Format("2006-01-02 15:04"), "cannot use a start that its own rule does not make")
	}
}

func (f *freezeRule) check(s *Set) {
	f.when = s.compile(f.Binder, "when", f.When, false)
	switch {
	case f.From.IsZero() || f.Until.IsZero():
		f.Wrong("", "add from: and until:", "cannot use a freeze without its two ends")
	case !f.interval().Until.After(f.interval().From):
		f.Wrong("until", "", "cannot use a freeze that ends before it begins")
	}
	if f.Reason == "" {
		f.Wrong("", "add reason:, it is shown to whoever waits", "cannot use a freeze without a reason")
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
		p.applies = s.compile(p.Binder, "applies.when", p.Applies.When, true)
		if p.Applies.Urgency < 0 || p.Applies.Urgency > 100 {
			p.Wrong("applies.urgency", "", "cannot use an urgency of %d: want 0 to 100", p.Applies.Urgency)
		}
		for _, part := range p.applies.parts {
			if part.host {
				p.Wrong("applies.when", "a policy is chosen for a patch; choose hosts under eligible", "cannot look at a host here")
				break
			}
		}
	}
	p.last = s.compile(p.Binder, "last", p.Last, false)
	names := map[label]bool{}
	for i, r := range p.Eligible {
		path := fmt.Sprintf("eligible[%d]", i)
		p.named(names, path, r.Name)
		p.eligible = append(p.eligible, s.compile(p.Binder, path+".when", r.When, true))
	}
	p.checkDemands(s, names)
	clear(names)
	for i, r := range p.Rings {
		path := fmt.Sprintf("rings[%d]", i)
		p.named(names, path, r.Name)
		p.rings = append(p.rings, s.compile(p.Binder, path+".when", r.When, true))
		if i > 0 && r.After < p.Rings[i-1].After {
			p.Wrong(path+".after", "", "cannot start ring %s after %s: the ring before it starts after %s", r.Name, r.After, p.Rings[i-1].After)
		}
	}
	p.reachable("rings", p.rings)
	for i, w := range p.Windows {
		path := fmt.Sprintf("windows[%d]", i)
		if !slices.ContainsFunc(s.calendars, func(c *calendarRule) bool { return c.Name == w.Calendar }) && string(w.Calendar) != always {
			p.Wrong(path+".calendar", "calendars stand in the same text; "+always+" is built in", "cannot find the calendar %q", w.Calendar)
		}
		p.windows = append(p.windows, s.compile(p.Binder, path+".when", w.When, true))
	}
	p.reachable("windows", p.windows)
	if n := max(len(p.Eligible), len(p.Demands), len(p.Rings), len(p.Windows)); n > maxRules {
		p.Wrong("", "", "cannot use %d rules, demands, rings or windows: the limit is %d", n, maxRules)
	}
}

// named wants a name, each once.
func (p *policyRule) named(names map[label]bool, path string, name label) {
	switch {
	case name == "":
		p.Wrong(path, "add name:", "cannot use an entry without a name")
	case names[name]:
		p.Wrong(path+".name", "", "cannot use the name %q twice", name)
	}
	names[name] = true
}

// reachable reports entries behind one that is always true: the first that holds is
// taken, so they would never be.
func (p *policyRule) reachable(list string, conditions []condition) {
	for i, c := range conditions {
		if c.constant(true) && i < len(conditions)-1 {
			p.Wrong(fmt.Sprintf("%s[%d]", list, i+1), "the first that holds is taken; put the one for all the rest last", "cannot come to this entry: the one before it holds for every host")
			return
		}
	}
}
