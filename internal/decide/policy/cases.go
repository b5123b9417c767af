package policy

import (
	"fmt"
	"time"
)

// Result is how one row of a policy's own table of tests came out.
type Result struct {
	Policy string `json:"policy"`
	Name   string `json:"name"`
	Line   int    `json:"line"`
	Passed bool   `json:"passed"`
	// Differences say what was expected and what came instead.
	Differences []string `json:"differences,omitempty"`
}

// Test runs the tests of every policy of the text whose name match accepts; a nil
// match accepts all. Each is compiled for its own time. It fails only where a policy
// cannot be compiled for a test's time.
func (s *Set) Test(match func(policy, test string) bool) ([]Result, error) {
	var results []Result
	for _, p := range s.policies {
		for i, c := range p.Tests {
			if match != nil && !match(string(p.Name), string(c.Name)) {
				continue
			}
			compiled, err := s.Compile(string(p.Name), c.At.Time)
			if err != nil {
				return nil, err
			}
			r := Result{Policy: string(p.Name), Name: string(c.Name), Line: p.Place(fmt.Sprintf("tests[%d]", i)).Line}
			r.Differences = compiled.compare(c)
			r.Passed = len(r.Differences) == 0
			results = append(results, r)
		}
	}
	return results, nil
}

// compare runs one test and lists what came out otherwise.
func (p *Policy) compare(c testCase) []string {
	v := p.For(c.Patch.at(c.At.Time), c.At.Time).Judge(c.Host.filled())
	var out []string
	differ := func(what, want, got string) {
		if want != got {
			out = append(out, fmt.Sprintf("%s: want %s, got %s", what, want, got))
		}
	}
	e := c.Expect
	if e.Eligible != nil {
		differ("eligible", fmt.Sprint(*e.Eligible), fmt.Sprint(v.Reason == nil))
	}
	reason, ring, calendar := "none", "none", always
	if v.Reason != nil {
		reason, calendar = v.Reason.Subject, "none"
	} else if rings := p.Rings(); len(rings) > 0 {
		ring = rings[v.Ring]
	}
	if v.Calendar != "" {
		calendar = v.Calendar
	}
	if e.Ring != nil {
		differ("ring", string(*e.Ring), ring)
	}
	if e.Calendar != nil {
		differ("calendar", string(*e.Calendar), calendar)
	}
	if e.Last != nil {
		differ("last", fmt.Sprint(*e.Last), fmt.Sprint(v.Last))
	}
	if e.Reason != nil {
		differ("reason", string(*e.Reason), reason)
	}
	if e.Opens != nil {
		differ("opens", e.Opens.Format(time.RFC3339), p.firstStart(v))
	}
	if len(out) > 0 && v.Reason != nil {
		out = append(out, fmt.Sprintf("left out by %s: %s", v.Reason.Subject, v.Reason.Detail))
	}
	return out
}

// firstStart is when a host with this verdict may start for the first time.
func (p *Policy) firstStart(v Verdict) string {
	if v.Reason != nil {
		return "never"
	}
	for _, c := range p.Shape().Calendars {
		if c.Name == v.Calendar {
			return c.Opens[0].From.UTC().Format(time.RFC3339)
		}
	}
	return p.life.From.Format(time.RFC3339)
}

// at is the patch of a test, published its age before a time.
func (t testPatch) at(now time.Time) Patch {
	p := Patch{Name: t.Name, Level: t.Level, CVEs: t.CVEs, Driver: t.Driver, Reversibility: t.Reversibility, Replace: t.Replace,
		Class: t.Class, Severity: t.Severity, Evidence: t.Evidence}
	if t.Age > 0 {
		p.Published = now.Add(-time.Duration(t.Age))
	}
	return p
}

// filled is the host with its maps made, as [NewHost] makes them.
func (h Host) filled() Host {
	if h.Labels == nil {
		h.Labels = map[string]string{}
	}
	if h.Drivers == nil {
		h.Drivers = map[string]string{}
	}
	if h.WayBack == nil {
		h.WayBack = map[string]string{}
	}
	return h
}
