package policy_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/policy"
)

const twoRules = "apiVersion: hotstick/policy/v1\nkind: Policy\nname: p\neligible:\n  - {name: web, when: host.labels.role == \"web\"}\n" +
	"  - {name: near, when: host.labels.site == \"s1\"}\nplan: {life: 10d}\n"

// except is a waiver of policy p for every host.
func except(name string, days int, rules ...string) policy.Waiver {
	return policy.Waiver{Name: name, Policy: "p", Rules: rules, LeaveOut: len(rules) == 0, Hosts: "true", Why: "they said so",
		By: []hotstick.Person{"ada", "bob"}, Until: noon.AddDate(0, 0, days)}
}

func TestWhomWaiversLetIn(t *testing.T) {
	with := func(w policy.Waiver, edit func(*policy.Waiver)) policy.Waiver { edit(&w); return w }
	set := mustParse(t, twoRules)
	for _, tt := range []struct {
		name    string
		waivers []policy.Waiver
		host    policy.Host
		subject string
		cal     string
	}{
		{"no waiver", nil, machine("role=db", "site=s1"), "web", ""},
		{"one that outlives the plan", []policy.Waiver{except("long", 30, "web")}, machine("role=db", "site=s1"), "", ""},
		{"one that ends before the plan", []policy.Waiver{except("short", 3, "web")}, machine("role=db", "site=s1"), "", "always until short ends"},
		{"one that the host does not need", []policy.Waiver{except("short", 3, "web")}, machine("role=web", "site=s1"), "", ""},
		{"of two the one that holds longer", []policy.Waiver{except("short", 3, "web"), except("mid", 5, "web")}, machine("role=db", "site=s1"), "", "always until mid ends"},
		{"of two that are needed the first to end", []policy.Waiver{except("mid", 5, "web"), except("short", 3, "near")}, machine("role=db"), "", "always until short ends"},
		{"of one rule where two are broken", []policy.Waiver{except("short", 3, "near")}, machine("role=db"), "web", ""},
		{"of another policy", []policy.Waiver{with(except("a", 30, "web"), func(w *policy.Waiver) { w.Policy = "q" })}, machine("role=db", "site=s1"), "web", ""},
		{"of this text", []policy.Waiver{with(except("a", 30, "web"), func(w *policy.Waiver) { w.Text = set.Digest() })}, machine("role=db", "site=s1"), "", ""},
		{"of another text", []policy.Waiver{with(except("a", 30, "web"), func(w *policy.Waiver) { w.Text = hotstick.NewDigest(nil) })}, machine("role=db", "site=s1"), "web", ""},
		{"that has ended", []policy.Waiver{except("a", 0, "web")}, machine("role=db", "site=s1"), "web", ""},
		{"for other hosts", []policy.Waiver{with(except("a", 30, "web"), func(w *policy.Waiver) { w.Hosts = `host.labels.role == "build"` })}, machine("role=db", "site=s1"), "web", ""},
		{"that lets in and one that keeps out", []policy.Waiver{except("in", 30, "web"), except("out", 3)}, machine("role=db", "site=s1"), "out", ""},
	} {
		p, err := set.Compile("p", noon, tt.waivers...)
		if err != nil {
			t.Fatal(explain(err))
		}
		v := p.For(policy.Patch{}, noon).Judge(tt.host)
		subject := ""
		if v.Reason != nil {
			subject = v.Reason.Subject
		}
		if subject != tt.subject || v.Calendar != tt.cal {
			t.Errorf("%s: left out by %q, calendar %q", tt.name, subject, v.Calendar)
		}
		for _, c := range p.Shape().Calendars {
			if name, ok := strings.CutPrefix(c.Name, "always until "); ok && strings.HasPrefix(name, "short") && !c.Opens[0].Until.Equal(noon.AddDate(0, 0, 3)) {
				t.Errorf("%s: %s opens until %s", tt.name, c.Name, c.Opens[0].Until)
			}
		}
	}
}

// A host that a waiver keeps out waits for its end, and the reason says whose it is.
// A demand is waived as a rule is, by its name, and the host that needs it starts
// before the waiver ends.
func TestAWaiverOfADemandLetsIn(t *testing.T) {
	set := mustParse(t, "apiVersion: hotstick/policy/v1\nkind: Policy\nname: p\ndemand_reversibility:\n  - {name: back, class: live, when: true}\nplan: {life: 10d}\n")
	p, err := set.Compile("p", noon, except("short", 3, "back"))
	if err != nil {
		t.Fatal(explain(err))
	}
	if len(p.Notes()) != 0 {
		t.Errorf("notes are %+v", p.Notes())
	}
	oneWay := policy.Patch{Driver: "klp", Reversibility: "reboot"}
	v, trace := p.For(oneWay, noon).Explain(machine("role=db"))
	if v.Reason != nil || v.Calendar != "always until short ends" {
		t.Errorf("verdict is %+v, %+v", v, v.Reason)
	}
	if s := trace.Steps[1]; s.List != "way_back" || s.Held || s.Waiver == nil || s.Waiver.Name != "short" {
		t.Errorf("the second step is %+v", s)
	}
	p, err = set.Compile("p", noon)
	if err != nil {
		t.Fatal(explain(err))
	}
	if v := p.For(oneWay, noon).Judge(machine("role=db")); v.Reason == nil || v.Reason.Code != hotstick.ReasonNotReversible {
		t.Errorf("without the waiver the verdict is %+v", v.Reason)
	}
}

func TestWhoSignedAWaiverStandsInTheReason(t *testing.T) {
	p := mustCompile(t, twoRules, "p", noon, except("out", 3))
	v := p.For(policy.Patch{}, noon).Judge(machine("role=web", "site=s1"))
	if v.Reason == nil || v.Reason.Code != hotstick.ReasonWaived || v.Reason.Detail != "they said so (signed by ada, bob)" || !v.Reason.Until.Equal(noon.AddDate(0, 0, 3)) {
		t.Errorf("the reason is %+v", v.Reason)
	}
	_, trace := mustCompile(t, twoRules, "p", noon, except("in", 3, "web")).For(policy.Patch{}, noon).Explain(machine("role=db", "site=s1"))
	if x := trace.Steps[0].Waiver; x == nil || x.Name != "in" || len(x.By) != 2 || !x.Until.Equal(noon.AddDate(0, 0, 3)) {
		t.Errorf("the trace shows %+v", x)
	}
}

// A calendar that first opens when the waiver has ended lets nobody start.
func TestAWindowAfterTheWaiversEndIsNone(t *testing.T) {
	text := twoRules + "windows:\n  - {calendar: late, when: true}\n---\napiVersion: hotstick/policy/v1\nkind: Calendar\nname: late\nwindows:\n" +
		"  - {start: " + noon.AddDate(0, 0, 5).Format("2006-01-02 15:04") + ", duration: 2h}\n"
	p := mustCompile(t, text, "p", noon, except("short", 3, "web"))
	v := p.For(policy.Patch{}, noon).Judge(machine("role=db", "site=s1"))
	if v.Reason == nil || v.Reason.Code != hotstick.ReasonWindowClosed || !strings.Contains(v.Reason.Detail, "the waiver short ends") || v.Reason.Validate() != nil {
		t.Errorf("the reason is %+v", v.Reason)
	}
}

func TestAWaiverThatCannotBeJudged(t *testing.T) {
	broken := except("broken", 3, "web")
	broken.Hosts = "host.nothing"
	_, err := mustParse(t, twoRules).Compile("p", noon, broken)
	var problems policy.Problems
	if !errors.As(err, &problems) || !strings.Contains(problems[0].Message, "the waiver broken") {
		t.Errorf("got %v", err)
	}
	stray := mustCompile(t, twoRules, "p", noon, except("stray", 3, "web", "gone"))
	if n := stray.Notes(); len(n) != 1 || !n[0].Warning || !strings.Contains(n[0].Message, `"gone"`) {
		t.Errorf("notes are %+v", n)
	}
	// One that keeps out and costs too much keeps out; one that lets in lets nobody in.
	many := machine("site=s1")
	for i := range 40 {
		many.Labels["k"+strings.Repeat("x", i)] = "v"
	}
	for _, w := range []policy.Waiver{except("out", 3), except("in", 3, "web")} {
		w.Hosts = `host.labels.all(a, host.labels.all(b, host.labels.all(c, host.labels.all(d, a + b + c + d != "x"))))`
		v := mustCompile(t, twoRules, "p", noon, w).For(policy.Patch{}, noon).Judge(many)
		if v.Reason == nil || w.LeaveOut && !strings.Contains(v.Reason.Detail, "cannot judge") {
			t.Errorf("%s: %+v", w.Name, v.Reason)
		}
	}
}

func TestManyShortWaiversDoNotSpoilAPolicy(t *testing.T) {
	var many []policy.Waiver
	for i := range 2 * hotstick.MaxCalendars {
		w := except("w", 3, "web")
		w.Name, w.Until = "w"+time.Duration(i).String(), w.Until.Add(time.Duration(i)*time.Minute)
		many = append(many, w)
	}
	if _, err := mustParse(t, twoRules).Compile("p", noon, many...); err != nil {
		t.Error(explain(err))
	}
}
