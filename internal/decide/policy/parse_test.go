package policy_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick/internal/decide/policy"
)

const (
	head     = "apiVersion: hotstick/policy/v1\nkind: Policy\nname: p\n"
	calendar = "apiVersion: hotstick/policy/v1\nkind: Calendar\nname: c\n"
	freeze   = "apiVersion: hotstick/policy/v1\nkind: Freeze\nname: f\n"
)

func TestWhatIsRefusedAndWhere(t *testing.T) {
	tests := []struct{ what, text, at, says string }{
		{"nothing", "", "0:0", "no document"},
		{"only a comment", "# x\n", "0:0", "no document"},
		{"no policy", calendar + "windows: [{start: 2026-01-05 02:00, duration: 1h}]\n", "0:0", "kind Policy"},
		{"another version", "apiVersion: hotstick/policy/v2\nkind: Policy\nname: p\n", "1:13", "this version knows"},
		{"no version", "kind: Policy\nname: p\n", "1:1", "apiVersion"},
		{"another kind", "apiVersion: hotstick/policy/v1\nkind: Polcy\nname: p\n", "2:7", "cannot read kind"},
		{"no name", "apiVersion: hotstick/policy/v1\nkind: Policy\n", "1:1", "without a name"},
		{"a name that is none", "apiVersion: hotstick/policy/v1\nkind: Policy\nname: Big One\n", "3:7", "lower-case"},
		{"a list", "- a\n", "1:1", "want a mapping"},
		{"broken YAML", head + "rings: [\n", "4:8", ""},
		{"an unknown key", head + "wave: {manual: true}\n", "4:1", `unknown key "wave"`},
		{"an unknown key below", head + "waves:\n  bake: {frist: 5m}\n", "5:10", `unknown key "frist"`},
		{"a repeated key", head + "last: 'true'\nlast: 'true'\n", "5:1", "already defined"},
		{"an empty value", head + "waves:\n", "4:8", "empty value"},
		{"an empty list", head + "rings: []\n", "4:8", "empty list"},
		{"an anchor", head + "waves: &w {manual: true}\n", "4:8", "anchors"},
		{"an alias", head + "waves: *w\n", "4:8", ""},
		{"a tag", head + "last: !!str true\n", "4:7", "tags"},
		{"a merge key", head + "waves:\n  <<: {manual: true}\n", "5:3", "anchors"},
		{"a number that is none", head + "plan: {approvals: two}\n", "4:19", "whole number"},
		{"a number of another kind", head + "plan: {approvals: 0x2}\n", "4:19", "whole number"},
		{"a word for true", head + "waves: {manual: yes}\n", "4:17", "true or false"},
		{"a time that is none", head + "attempt: {probation: 10}\n", "4:22", "length of time"},
		{"a time without end", head + "attempt: {probation: 99999d}\n", "4:22", "ten years"},
		{"a time of zero", head + "attempt: {probation: 0s}\n", "4:22", "zero"},
		{"a bake of zero", head + "waves: {bake: {first: 0s}}\n", "4:23", "zero"},

		{"an empty expression", head + "last: ''\n", "4:7", "empty is never all"},
		{"a blank expression", head + "last: '  '\n", "4:7", "empty is never all"},
		{"a rule without one", head + "eligible:\n  - name: a\n", "5:5", "without an expression"},
		{"an unknown field", head + "last: host.nmae == 'x'\n", "4:11", "undefined field"},
		{"an unknown variable", head + "last: hots.name == 'x'\n", "4:7", "undeclared reference"},
		{"an expression that is no answer", head + "last: host.name\n", "4:7", "true or false"},
		{"an expression in a quoted scalar", head + "last: 'host.nmae == \"x\"'\n", "4:12", "undefined field"},
		{"an expression on a line of its own", head + "last: |\n  host.arch == 'a' &&\n  host.nmae == 'x'\n", "6:7", "undefined field"},
		{"an expression that is never true", head + "eligible:\n  - {name: a, when: 'false'}\n", "5:21", "never true"},
		{"one that is never true by its parts", head + "eligible:\n  - {name: a, when: 'host.arch == \"a\" && 1 > 2'}\n", "5:21", "never true"},
		{"an expression too long", head + "last: host.name == '" + strings.Repeat("x", 5000) + "'\n", "4:7", "longer than"},
		{"a policy that applies to hosts", head + "applies: {when: host.name == 'x'}\n", "4:17", "cannot look at a host"},

		{"two rules of a name", head + "eligible:\n  - {name: a, when: true}\n  - {name: a, when: true}\n", "6:12", "twice"},
		{"a drift that is neither", head + "drift: fix\n", "4:8", "want report or reapply"},
		{"re-applies where drift is reported", head + "drift: report\nplan: {reapplies: 2}\n", "5:19", "only reported"},
		{"re-applies without an end", head + "drift: reapply\nplan: {reapplies: 6}\n", "5:19", "want 1 to 5"},
		{"a demand of no class", head + "demand_reversibility:\n  - {name: a, when: true}\n", "5:5", "cannot use a demand without a class"},
		{"a demand of an unknown class", head + "demand_reversibility:\n  - {name: a, class: never, when: true}\n", "5:22", "want live, downgrade or reboot"},
		{"a demand that has a rule's name", head + "eligible:\n  - {name: a, when: host.name == 'x'}\ndemand_reversibility:\n  - {name: a, class: live, when: true}\n", "7:12", "twice"},
		{"a demand that cannot be reached", head + "demand_reversibility:\n  - {name: a, class: live, when: true}\n  - {name: b, class: downgrade, when: true}\n", "6:5", "cannot come to"},
		{"a ring that cannot be reached", head + "rings:\n  - {name: a, when: true, after: 0s}\n  - {name: b, when: true, after: 1d}\n", "6:5", "cannot come to"},
		{"rings that shrink", head + "rings:\n  - {name: a, when: host.arch == 'x', after: 2d}\n  - {name: b, when: true, after: 1d}\n", "6:34", "the ring before it"},
		{"a ring after the plan's life", head + "rings:\n  - {name: a, when: true, after: 14d}\n", "5:34", "cannot finish ring"},
		{"a calendar that is not there", head + "windows:\n  - {calendar: nights, when: true}\n", "5:16", "cannot find the calendar"},
		{"a window that cannot be reached", head + "windows:\n  - {calendar: always, when: true}\n  - {calendar: always, when: true}\n", "6:5", "cannot come to"},
		{"widening to nothing", head + "waves: {widen: [0, 100]}\n", "4:17", "cannot widen"},
		{"widening backwards", head + "waves: {widen: [25, 5, 100]}\n", "4:21", "each step goes further"},
		{"widening that leaves hosts out", head + "waves: {widen: [5, 25]}\n", "4:20", "never be reached"},
		{"too many stand-ins", head + "waves: {stand_ins: 4}\n", "4:20", "stand-ins"},
		{"a spread of none", head + "waves: {spread: {rack: 0}}\n", "4:24", "at least one"},
		{"bakes beyond the life", head + "waves: {bake: {first: 2d}}\nplan: {life: 1d}\n", "5:14", "cannot finish"},
		{"a life too long", head + "plan: {life: 365d}\n", "4:14", "want 1m to"},

		{"a budget of none", head + "budgets: [{domain: rack, max: 0}]\n", "4:31", "budget of 0 hosts"},
		{"a budget of no percent", head + "budgets: [{domain: rack, percent: 0}]\n", "4:35", "0 %"},
		{"a budget of too much", head + "budgets: [{domain: rack, percent: 101}]\n", "4:35", "101 %"},
		{"a budget without a number", head + "budgets: [{domain: rack}]\n", "4:11", "either max or percent"},
		{"a budget with two numbers", head + "budgets: [{domain: rack, max: 1, percent: 5}]\n", "4:11", "either max or percent"},
		{"two budgets of a domain", head + "budgets: [{domain: rack, max: 1}, {domain: rack, max: 2}]\n", "4:44", "two budgets"},
		{"open without quorum", head + "budgets: [{domain: rack, max: 1, open: 1}]\n", "4:11", "quorum domains"},
		{"late hosts without labels", head + "plan: {late: {}}\n", "4:14", "without labels"},
		{"a gate of nothing", head + "gate: {min_readings: 0}\n", "4:22", "want 1"},
		{"a test that expects nothing", head + "tests:\n  - {name: a, at: 2026-11-21T12:00:00Z}\n", "5:5", "expects nothing"},
		{"a test without its time", head + "tests:\n  - {name: a, expect: {eligible: true}}\n", "5:5", "without its time"},
		{"a test of an unknown ring", head + "tests:\n  - {name: a, at: 2026-11-21T12:00:00Z, expect: {ring: x}}\n", "5:56", "cannot find the ring"},
		{"the same policy twice", head + "---\n" + head, "7:7", "two documents"},

		{"a calendar without windows", calendar, "1:1", "without windows"},
		{"a zone that is none", calendar + "zone: Europe/Berln\nwindows: [{start: 2026-01-05 02:00, duration: 1h}]\n", "4:7", "time zone"},
		{"the zone of this machine", calendar + "zone: Local\nwindows: [{start: 2026-01-05 02:00, duration: 1h}]\n", "4:7", "time zone"},
		{"a zone from elsewhere", calendar + "zone: ../../etc/passwd\nwindows: [{start: 2026-01-05 02:00, duration: 1h}]\n", "4:7", "time zone"},
		{"a window without a start", calendar + "windows: [{duration: 1h}]\n", "4:11", "without a start"},
		{"a window of no length", calendar + "windows: [{start: 2026-01-05 02:00, duration: 0s}]\n", "4:47", "at least a minute"},
		{"a window without a length", calendar + "windows: [{start: 2026-01-05 02:00}]\n", "4:11", "at least a minute"},
		{"a window that starts at no hour", calendar + "windows: [{start: 2026-01-05, duration: 1h}]\n", "4:19", "at no hour"},
		{"a window of the wrong century", calendar + "windows: [{start: 1026-01-05 02:00, duration: 1h}]\n", "4:19", "year"},
		{"a start that the rule does not make", calendar + "windows: [{start: 2026-01-05 02:00, duration: 1h, rule: 'FREQ=WEEKLY;BYDAY=TU'}]\n", "4:19", "its own rule does not make"},
		{"a rule that never comes true", calendar + "windows: [{start: 2026-01-05 02:00, duration: 1h, rule: 'FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30'}]\n", "4:57", "never comes true"},
		{"an hourly rule", calendar + "windows: [{start: 2026-01-05 02:00, duration: 1h, rule: FREQ=HOURLY}]\n", "4:57", "below DAILY"},
		{"a rule with its own end", calendar + "windows: [{start: 2026-01-05 02:00, duration: 1h, rule: FREQ=DAILY;UNTIL=20270101T000000Z}]\n", "4:57", "write until:"},
		{"a rule with seconds", calendar + "windows: [{start: 2026-01-05 02:00, duration: 1h, rule: 'FREQ=DAILY;BYSECOND=1,2'}]\n", "4:57", "BYSECOND"},
		{"numbered days in a week", calendar + "windows: [{start: 2026-01-05 02:00, duration: 1h, rule: 'FREQ=WEEKLY;BYDAY=2MO'}]\n", "4:57", "numbered days"},
		{"a rule of many starts", calendar + "windows: [{start: 2026-01-05 02:00, duration: 1h, rule: 'FREQ=DAILY;BYHOUR=1,2,3;BYMINUTE=0,20,40'}]\n", "4:57", "times a day"},
		{"a rule said twice", calendar + "windows: [{start: 2026-01-05 02:00, duration: 1h, rule: 'FREQ=DAILY;FREQ=DAILY'}]\n", "4:57", "twice"},
		{"an end before the start", calendar + "windows: [{start: 2026-01-05 02:00, duration: 1h, rule: FREQ=DAILY, until: 2025-01-01}]\n", "4:76", "before it begins"},

		{"a freeze without an end", freeze + "from: 2026-01-05 02:00\nreason: x\n", "1:1", "two ends"},
		{"a freeze that ends first", freeze + "from: 2026-01-05 02:00\nuntil: 2026-01-05 01:00\nreason: x\n", "5:8", "before it begins"},
		{"a freeze without a reason", freeze + "from: 2026-01-05 02:00\nuntil: 2026-01-06 02:00\n", "1:1", "without a reason"},
	}
	for _, tt := range tests {
		_, err := policy.Parse([]byte(tt.text))
		var problems policy.Problems
		if !errors.As(err, &problems) {
			t.Errorf("%s was not refused: %v", tt.what, err)
			continue
		}
		p := problems[0]
		if at := fmt.Sprintf("%d:%d", p.Line, p.Column); at != tt.at || !strings.Contains(p.Message+p.Hint, tt.says) {
			t.Errorf("%s: at %s: %s (%s); want %s at %s", tt.what, at, p.Message, p.Hint, tt.says, tt.at)
		}
	}
}

func TestAllProblemsAreReportedAtOnceInOrder(t *testing.T) {
	_, err := policy.Parse([]byte(head + `eligible:
  - {name: a, when: host.nmae == "x"}
waves: {widen: [5, 25]}
budgets:
  - {domain: rack, max: 0}
---
` + calendar))
	var problems policy.Problems
	if !errors.As(err, &problems) {
		t.Fatal(err)
	}
	var lines []string
	for _, p := range problems {
		lines = append(lines, fmt.Sprint(p.Line))
	}
	if got := strings.Join(lines, " "); got != "5 6 8 10" {
		t.Errorf("problems at lines %s\n%s", got, explain(err))
	}
	want := "   5 |   - {name: a, when: host.nmae == \"x\"}\n     |                         ^\n"
	if got := problems[0].Excerpt(); got != want {
		t.Errorf("excerpt\n%s, want\n%s", got, want)
	}
	if !strings.Contains(err.Error(), "line 5, column 25") || !strings.Contains(err.Error(), "3 more") {
		t.Errorf("error is %q", err)
	}
}

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "k%d: 1\n", i)
	}
	return b.String()
}

// What is misspelt is said once, and not again as missing.
func TestOneMistakeIsOneProblem(t *testing.T) {
	for _, text := range []string{
		calendar + "windos: [{start: 2026-01-05 02:00, duration: 1h}]\n",
		calendar + "windows: [{start: tomorrow, duration: 1h}]\n",
		calendar + "windows: [{start: 2026-01-05 02:00, duration: 10}]\n",
		calendar + "windows: [{strat: 2026-01-05 02:00, duration: 1h}]\n",
		freeze + "from: 2026-01-05\nuntil: never\nreason: x\n",
		head + "eligible:\n  - {name: a, wen: true}\n",
		head + "eligible:\n  - {name: A, when: true}\n",
		head + "budgets: [{domain: rack, max: one}]\n",
		head + "plan: {life: 0s}\n",
	} {
		_, err := policy.Parse([]byte(text))
		var problems policy.Problems
		if !errors.As(err, &problems) || len(problems) != 1 {
			t.Errorf("%s:\n%s", text, explain(problems))
		}
	}
}

func TestHugeTextsAreRefusedQuickly(t *testing.T) {
	tests := []struct{ what, text, says string }{
		{"too long", head + "summary: " + strings.Repeat("x", policy.MaxBytes), "longer than"},
		{"too many documents", strings.Repeat(head+"---\n", policy.MaxDocuments+1), "documents"},
		{"brackets without an end", head + "rings: " + strings.Repeat("[", 200_000), "nested deeper"},
		{"braces without an end", head + "rings: " + strings.Repeat("{a: ", 60_000), "nested deeper"},
		{"dashes without an end", strings.Repeat("- ", 100_000), "nested deeper"},
		{"unknown keys without end", head + manyKeys(20_000), "words and signs"},
		{"many unknown keys", head + manyKeys(2_000), "99 more"},
		{"not text", "\xff\xfe", "UTF-8"},
		{"a carriage return of its own", "\r\r\r\r\r\rt", "plain"},
	}
	for _, tt := range tests {
		begun := time.Now()
		_, err := policy.Parse([]byte(tt.text))
		if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", tt.what, err)
		}
		if took := time.Since(begun); took > 20*time.Second {
			t.Errorf("%s took %s", tt.what, took)
		}
	}
}

func TestAnUnknownPolicyIsNamedWithWhatThereIs(t *testing.T) {
	_, err := mustParse(t, head).Compile("q", noon)
	var problems policy.Problems
	if !errors.As(err, &problems) || !strings.Contains(problems[0].Hint, "has p") {
		t.Errorf("error is %+v", err)
	}
	if _, err := policy.Default("../../parse.go"); err == nil {
		t.Error("a default from elsewhere was read")
	}
}

func TestADocumentsOwnTestsTellWhatDiffers(t *testing.T) {
	set := mustParse(t, head+`eligible:
  - {name: web, when: host.labels.role == "web"}
rings:
  - {name: first, when: host.labels.site == "a", after: 0s}
  - {name: rest, when: true, after: 1d}
windows:
  - {calendar: c, when: true}
tests:
  - name: right
    at: 2026-03-28T12:00:00Z
    host: {labels: {role: web}}
    patch: {name: x, level: 1, age: 3d}
    expect: {eligible: true, ring: rest, calendar: c, last: false, opens: 2026-03-29T01:30:00Z}
  - name: wrong
    at: 2026-03-28T12:00:00Z
    host: {labels: {role: db}}
    expect: {eligible: true, ring: first, calendar: c, reason: other}
---
`+calendar+"zone: Europe/Berlin\nwindows: [{start: 2026-01-01 02:30, duration: 1h, rule: FREQ=DAILY}]\n")
	results, err := set.Test(nil)
	if err != nil || len(results) != 2 {
		t.Fatalf("%+v, %v", results, err)
	}
	if !results[0].Passed || results[0].Line != 12 {
		t.Errorf("the right one: %+v", results[0])
	}
	want := []string{"eligible: want true, got false", "ring: want first, got none", "calendar: want c, got none", "reason: want other, got web",
		`left out by web: host.labels.role == "web"`}
	if got := strings.Join(results[1].Differences, "\n"); results[1].Passed || got != strings.Join(want, "\n") {
		t.Errorf("the wrong one:\n%s", got)
	}
	only, err := set.Test(func(_, test string) bool { return test == "wrong" })
	if err != nil || len(only) != 1 {
		t.Errorf("chosen: %+v, %v", only, err)
	}
}

// Whatever is read: no panic, and either problems with places that exist or a set
// that compiles and judges.
func FuzzParse(f *testing.F) {
	for _, name := range policy.Defaults() {
		raw, err := policy.DefaultText(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte(example))
	f.Add([]byte(head + "b: !00\n000000000:00"))
	f.Add([]byte(head + "last: |\n  host.name ==\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		begun := time.Now()
		set, err := policy.Parse(raw)
		if took := time.Since(begun); took > 5*time.Second {
			t.Fatalf("took %s", took)
		}
		if err != nil {
			var problems policy.Problems
			if !errors.As(err, &problems) || len(problems) == 0 {
				t.Fatalf("error is %v", err)
			}
			for _, p := range problems {
				if p.Line > strings.Count(string(raw), "\n")+2 || p.Message == "" {
					t.Fatalf("problem %+v", p)
				}
				_ = p.Excerpt()
			}
			return
		}
		for _, name := range set.Names() {
			p, err := set.Compile(name, noon)
			if err != nil {
				continue
			}
			v, _ := p.For(policy.Patch{Driver: "klp"}, noon).Explain(machine("role=web"))
			if v.Reason == nil && len(p.Rings()) > 0 && (v.Ring < 0 || v.Ring >= len(p.Rings())) {
				t.Fatalf("ring %d of %d", v.Ring, len(p.Rings()))
			}
		}
	})
}
