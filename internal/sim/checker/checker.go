package checker

import (
	"fmt"
	"io"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/trace"
)

// Report is what became of a trace.
type Report struct {
	Events     int         `json:"events"`
	Violations []Violation `json:"violations,omitempty"`
	// Looked is how often each rule had something to look at.
	Looked map[string]int `json:"looked"`
}

// Violation is one broken rule: the first time that it was broken.
type Violation struct {
	Rule string `json:"rule"`
	// Text says what was broken and how.
	Text string `json:"text"`
	// At is the number of the event in the trace, from 0.
	At    int         `json:"at"`
	Event trace.Event `json:"event"`
	// History is what the host or plan concerned went through before.
	History []trace.Event `json:"history,omitempty"`
}

// String tells the violation with its history, for people.
func (v Violation) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s broken at event %d: %s\n", v.Rule, v.At, v.Text)
	for _, e := range append(v.History, v.Event) {
		b.WriteString("  " + line1(e) + "\n")
	}
	return b.String()
}

// line1 writes an event on one line for people.
func line1(e trace.Event) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%10.3fs %-10s %-11s", float64(e.T)/1e9, e.Node, e.Kind)
	add := func(name, value string) {
		if value != "" {
			b.WriteString(" " + name + "=" + value)
		}
	}
	add("host", string(e.Host))
	if e.Plan != "" {
		add("plan", e.Plan.Short())
	}
	if e.Attempt > 0 {
		add("attempt", fmt.Sprint(e.Attempt))
	}
	if !e.Patch.IsZero() {
		add("patch", e.Patch.String())
	}
	if e.From+e.To != "" {
		b.WriteString(" " + e.From + "→" + e.To)
	}
	add("cause", e.Cause)
	add("boot", clip(e.Boot, 8))
	for _, kind := range []string{"fleet", "rack", "zone", "pair"} {
		add(kind, e.Domains[kind])
	}
	add("detail", clip(e.Detail, 60))
	return b.String()
}

func clip(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}

// Checker takes events one by one.
type Checker struct {
	fleet  *fleet
	report Report
	rules  []Rule
	broken map[string]bool
	recent *history
}

// New returns a checker of all rules.
func New() *Checker {
	return &Checker{fleet: newFleet(), rules: Rules(), broken: map[string]bool{}, recent: newHistory(),
		report: Report{Looked: map[string]int{}}}
}

// Take checks one event and reports whether it broke a rule that held until now.
func (c *Checker) Take(e trace.Event) bool {
	before := len(c.report.Violations)
	c.fleet.now = e.T
	for i := range c.rules {
		r := &c.rules[i]
		if r.check == nil || c.broken[r.ID] {
			continue
		}
		looked, text := r.check(c.fleet, &e)
		if looked {
			c.report.Looked[r.ID]++
		}
		if text != "" {
			c.broken[r.ID] = true
			c.report.Violations = append(c.report.Violations, Violation{Rule: r.ID + " " + r.Name, Text: text,
				At: c.report.Events, Event: e, History: c.recent.of(e)})
		}
	}
	c.fleet.apply(&e)
	c.recent.keep(e)
	c.report.Events++
	return len(c.report.Violations) > before
}

// Report returns what was found so far.
func (c *Checker) Report() Report { return c.report }

// Run checks a trace of JSON lines. The error says that it is none.
func Run(r io.Reader) (Report, error) {
	c := New()
	err := trace.Read(r, func(e trace.Event) error {
		c.Take(e)
		return nil
	})
	if err != nil {
		return c.report, fmt.Errorf("cannot check the trace: %w", err)
	}
	return c.report, nil
}

// history keeps the newest events of each host and plan.
type history struct {
	hosts map[hotstick.HostID][]trace.Event
	plans map[hotstick.PlanID][]trace.Event
}

const kept = 30

func newHistory() *history {
	return &history{hosts: map[hotstick.HostID][]trace.Event{}, plans: map[hotstick.PlanID][]trace.Event{}}
}

func (h *history) keep(e trace.Event) {
	if e.Kind == trace.KindLeaf || e.Kind == trace.KindShown {
		return
	}
	e.Body = nil
	switch {
	case e.Host != "":
		h.hosts[e.Host] = last(append(h.hosts[e.Host], e))
	case e.Plan != "":
		h.plans[e.Plan] = last(append(h.plans[e.Plan], e))
	}
}

func last(events []trace.Event) []trace.Event {
	if len(events) < 2*kept {
		return events
	}
	return append([]trace.Event(nil), events[len(events)-kept:]...)
}

// of returns the history of the event's host, or else of its plan.
func (h *history) of(e trace.Event) []trace.Event {
	events := h.plans[e.Plan]
	if e.Host != "" {
		events = h.hosts[e.Host]
	}
	return append([]trace.Event(nil), events[max(0, len(events)-kept):]...)
}
