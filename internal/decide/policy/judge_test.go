package policy_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/policy"
	"pgregory.net/rapid"
)

// example has one of everything.
const example = `apiVersion: hotstick/policy/v1
kind: Policy
name: web
eligible:
  - name: aged
    when: patch.age >= duration("24h") || patch.severity == "critical"
  - name: trusted
    when: host.drivers[patch.driver] == "bytes" && host.arch == "x86_64"
  - name: ours
    when: host.labels.role in ["web", "db", "cache"]
demand_reversibility:
  - {name: databases, class: live, when: host.labels.role == "db"}
  - {name: reversible, class: downgrade, when: host.labels.role != "cache"}
rings:
  - {name: early, when: host.labels.site == "s1", after: 0s}
  - {name: rest, when: true, after: 3d}
windows:
  - {calendar: nights, when: host.labels.role == "db"}
  - {calendar: always, when: true}
last: host.labels.critical == "true"
budgets:
  - {domain: fleet, percent: 10}
---
apiVersion: hotstick/policy/v1
kind: Calendar
name: nights
zone: Europe/Berlin
windows:
  - {start: 2026-01-01 02:00, duration: 2h, rule: FREQ=DAILY}
---
apiVersion: hotstick/policy/v1
kind: Freeze
name: sale
zone: Europe/Berlin
from: 2026-11-22 00:00
until: 2026-11-23 00:00
reason: the sale
when: host.labels.role == "web"
`

// waivers are those that stand beside the example.
var waivers = []policy.Waiver{
	{Name: "old-build-farm", Policy: "web", Rules: []string{"ours"}, Hosts: `host.labels.role == "build"`, Why: "the build farm moves next month",
		By: []hotstick.Person{"ada", "bob"}, Until: time.Date(2026, 12, 24, 0, 0, 0, 0, time.UTC)},
	{Name: "lab-bench", Policy: "web", LeaveOut: true, Hosts: `host.labels.bench == "yes"`, Why: "a measurement runs there",
		By: []hotstick.Person{"ada"}, Until: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)},
}

func mustParse(t testing.TB, text string) *policy.Set {
	t.Helper()
	set, err := policy.Parse([]byte(text))
	if err != nil {
		t.Fatal(explain(err))
	}
	return set
}

func mustCompile(t testing.TB, text, name string, now time.Time, waivers ...policy.Waiver) *policy.Policy {
	t.Helper()
	p, err := mustParse(t, text).Compile(name, now, waivers...)
	if err != nil {
		t.Fatal(explain(err))
	}
	return p
}

// machine is a host with labels written key=value, with klp.
func machine(labels ...string) policy.Host {
	h := policy.Host{Name: "m", Arch: "x86_64", Labels: map[string]string{}, Drivers: map[string]string{"klp": "bytes"}}
	for _, l := range labels {
		k, v, _ := strings.Cut(l, "=")
		h.Labels[k] = v
	}
	return h
}

func TestJudgesHosts(t *testing.T) {
	live := policy.Patch{Name: "fix", Level: 2, Driver: "klp", Reversibility: "live", Published: noon.AddDate(0, 0, -3)}
	with := func(edit func(*policy.Patch)) policy.Patch { p := live; edit(&p); return p }
	noDriver := machine("role=web")
	noDriver.Drivers = map[string]string{}
	noUnload := machine("role=db")
	noUnload.WayBack = map[string]string{"klp": "downgrade"}
	tests := []struct {
		name    string
		host    policy.Host
		patch   policy.Patch
		subject string // of the reason; empty if the host is picked
		says    string
		ring    int
		cal     string
		last    bool
	}{
		{name: "a cache at any time", host: machine("role=cache"), patch: live, ring: 1},
		{name: "a web host around the freeze", host: machine("role=web", "site=s1"), patch: live, cal: "always without sale"},
		{name: "a database in its nights", host: machine("role=db", "site=s2"), patch: live, ring: 1, cal: "nights"},
		{name: "a critical host last", host: machine("role=cache", "critical=true"), patch: live, ring: 1, last: true},
		{name: "a patch too young", host: machine("role=web"), patch: with(func(p *policy.Patch) { p.Published = noon.Add(-time.Hour) }), subject: "aged", says: `patch.age >=`},
		{name: "a patch of unknown age", host: machine("role=web"), patch: with(func(p *policy.Patch) { p.Published = time.Time{} }), subject: "aged"},
		{name: "a patch from the future", host: machine("role=web"), patch: with(func(p *policy.Patch) { p.Published = noon.AddDate(1, 0, 0) }), subject: "aged"},
		{name: "a young but critical patch", host: machine("role=cache"), patch: with(func(p *policy.Patch) { p.Published, p.Severity = noon, "critical" }), ring: 1},
		{name: "a patch that needs a reboot to leave", host: machine("role=web"), patch: with(func(p *policy.Patch) { p.Reversibility = "reboot" }), subject: "reversible", says: "it wants downgrade, and the level's way back is reboot"},
		{name: "a patch that goes back by an older level", host: machine("role=web", "site=s1"), patch: with(func(p *policy.Patch) { p.Reversibility = "downgrade" }), cal: "always without sale"},
		{name: "a database, of which more is demanded", host: machine("role=db"), patch: with(func(p *policy.Patch) { p.Reversibility = "downgrade" }), subject: "databases", says: "it wants live"},
		{name: "a host of which nothing is demanded", host: machine("role=cache"), patch: with(func(p *policy.Patch) { p.Reversibility = "reboot" }), ring: 1},
		{name: "a patch whose way back nobody says", host: machine("role=web"), patch: with(func(p *policy.Patch) { p.Reversibility = "" }), subject: "reversible", says: "nobody says"},
		{name: "a host whose driver cannot unload", host: noUnload, patch: live, subject: "databases", says: "the best that driver klp has on the host is downgrade"},
		{name: "a host without the driver", host: noDriver, patch: live, subject: "trusted", says: "host.drivers[patch.driver]"},
		{name: "a role that is not ours", host: machine("role=desk"), patch: live, subject: "ours"},
		{name: "a host without the label", host: machine(), patch: live, subject: "ours"},
		{name: "a role that a waiver lets in", host: machine("role=build"), patch: live, ring: 1},
		{name: "a host that a waiver keeps out", host: machine("role=web", "bench=yes"), patch: live, subject: "lab-bench", says: "a measurement runs there (signed by ada)"},
	}
	p := mustCompile(t, example, "web", noon, waivers...)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := p.For(tt.patch, noon).Judge(tt.host)
			if tt.subject != "" {
				if v.Reason == nil || v.Reason.Subject != tt.subject || !strings.Contains(v.Reason.Detail, tt.says) || v.Reason.Validate() != nil {
					t.Errorf("reason is %+v", v.Reason)
				}
				return
			}
			if v.Reason != nil || v.Ring != tt.ring || v.Calendar != tt.cal || v.Last != tt.last {
				t.Errorf("verdict is %+v, %+v", v, v.Reason)
			}
		})
	}
}

// Every calendar that a verdict names is in the shape, and the plan could be signed
// with it.
func TestShapeHoldsEveryCalendarThatVerdictsName(t *testing.T) {
	p := mustCompile(t, example, "web", noon, waivers...)
	known := map[string]hotstick.Calendar{}
	for _, c := range p.Shape().Calendars {
		known[c.Name] = c
		for i, o := range c.Opens {
			if !o.Until.After(o.From) || i > 0 && o.From.Before(c.Opens[i-1].Until) || o.From.Before(noon) || o.Until.After(noon.Add(p.Shape().Life)) {
				t.Errorf("%s opens %v", c.Name, o)
			}
		}
	}
	j := p.For(policy.Patch{Driver: "klp", Reversibility: "live", Severity: "critical"}, noon)
	for _, h := range fleet(64) {
		if v := j.Judge(h); v.Calendar != "" && len(known[v.Calendar].Opens) == 0 {
			t.Errorf("%s starts in %q, which the shape does not have", h.Name, v.Calendar)
		}
	}
	from := time.Date(2026, 11, 21, 23, 0, 0, 0, time.UTC)
	for _, o := range known["always without sale"].Opens {
		if o.From.Before(from.Add(24*time.Hour)) && o.Until.After(from) {
			t.Errorf("a web host could start in the freeze, from %v until %v", o.From, o.Until)
		}
	}
}

func TestAnExpiredWaiverCountsForNothing(t *testing.T) {
	later := time.Date(2026, 12, 24, 0, 0, 0, 0, time.UTC)
	p := mustCompile(t, example, "web", later, waivers...)
	live := policy.Patch{Driver: "klp", Reversibility: "live", Severity: "critical"}
	if v := p.For(live, later).Judge(machine("role=build")); v.Reason == nil || v.Reason.Subject != "ours" {
		t.Errorf("the build farm got %+v", v.Reason)
	}
	if v := p.For(live, later).Judge(machine("role=web", "bench=yes")); v.Reason != nil {
		t.Errorf("the bench got %+v", v.Reason)
	}
	// It also ends between compiling and judging.
	p = mustCompile(t, example, "web", noon, waivers...)
	if v := p.For(live, later).Judge(machine("role=build")); v.Reason == nil {
		t.Error("an expired waiver still let the build farm in")
	}
}

func TestExplainFindsTheSmallestPartThatDecided(t *testing.T) {
	tests := []struct {
		when    string
		held    bool
		because string
		values  string
	}{
		{`host.labels.role == "db"`, false, `host.labels.role == "db"`, `host.labels.role="web"`},
		{`host.labels.role == "db" && host.arch == "x86_64"`, false, `host.labels.role == "db"`, `host.labels.role="web"`},
		{`host.arch == "x86_64" && (host.labels.role == "db" || host.name == "n")`, false, `host.labels.role == "db" || host.name == "n"`, `host.labels.role="web" host.name="m"`},
		{`host.labels.role == "db" || host.arch == "x86_64"`, true, `host.arch == "x86_64"`, `host.arch="x86_64"`},
		{`!(host.labels.role == "web" && host.arch == "x86_64")`, false, `host.labels.role == "web" && host.arch == "x86_64"`, `host.labels.role="web" host.arch="x86_64"`},
		{`host.labels.zone == "a" && host.arch == "x86_64"`, false, `host.labels.zone == "a"`, `host.labels.zone=missing`},
		{`host.arch == "arm" ? true : host.name.startsWith("x")`, false, `host.name.startsWith("x")`, `host.name="m"`},
		{`patch.cves.exists(c, c == "CVE-2026-0001")`, false, `patch.cves.exists(c, c == "CVE-2026-0001")`, `patch.cves=[CVE-2026-0002]`},
		{`patch.age > duration("48h")`, false, `patch.age > duration("48h")`, `patch.age=1d`},
		{`now < timestamp("2026-01-01T00:00:00Z")`, false, `now < timestamp("2026-01-01T00:00:00Z")`, ``},
		{`true`, true, `true`, ``},
	}
	for _, tt := range tests {
		text := "apiVersion: hotstick/policy/v1\nkind: Policy\nname: p\neligible:\n  - name: r\n    when: |\n      " + tt.when + "\n"
		j := mustCompile(t, text, "p", noon).For(policy.Patch{CVEs: []string{"CVE-2026-0002"}, Published: noon.AddDate(0, 0, -1)}, noon)
		v, trace := j.Explain(machine("role=web"))
		s := trace.Steps[0]
		var values []string
		for _, value := range s.Values {
			values = append(values, value.Expression+"="+value.Value)
		}
		if s.Held != tt.held || (v.Reason == nil) != tt.held || s.Because != tt.because || strings.Join(values, " ") != tt.values {
			t.Errorf("%s: held %t because %s, values %q", tt.when, s.Held, s.Because, values)
		}
	}
}

// An expression that fails never lets a host in, and never lets one out of a freeze.
func TestWhatCannotBeJudgedStaysOut(t *testing.T) {
	costly := `host.labels.all(a, host.labels.all(b, host.labels.all(c, host.labels.all(d, a + b + c + d != "x"))))`
	many := machine()
	for i := range 40 {
		many.Labels["k"+strings.Repeat("x", i)] = "v"
	}
	tests := []struct{ name, body, subject string }{
		{"a rule", "eligible:\n  - {name: dear, when: '" + costly + "'}\n", "dear"},
		{"a ring", "rings:\n  - {name: dear, when: '" + costly + "'}\n", "rings"},
		{"a window", "windows:\n  - {calendar: always, when: '" + costly + "'}\n", "windows"},
		{"the order", "last: '" + costly + "'\n", "last"},
		{"a freeze", "---\napiVersion: hotstick/policy/v1\nkind: Freeze\nname: ice\nfrom: 2026-11-21 00:00\nuntil: 2026-11-23 00:00\nreason: x\nwhen: '" + costly + "'\n", "ice"},
	}
	for _, tt := range tests {
		p := mustCompile(t, "apiVersion: hotstick/policy/v1\nkind: Policy\nname: p\n"+tt.body, "p", noon)
		v := p.For(policy.Patch{}, noon).Judge(many)
		if v.Reason == nil || v.Reason.Subject != tt.subject || !strings.Contains(v.Reason.Detail, "cannot judge") {
			t.Errorf("%s that costs too much: %+v", tt.name, v.Reason)
		}
	}
}

// Whatever the host: the quick verdict and the traced one agree, and a host is picked
// just if every rule held or was waived and no waiver keeps it out.
func TestVerdictsAgreeWithTheirTraces(t *testing.T) {
	p := mustCompile(t, example, "web", noon, waivers...)
	rapid.Check(t, func(rt *rapid.T) {
		pick := func(key string, values ...string) string { return rapid.SampledFrom(values).Draw(rt, key) }
		var labels []string
		for _, key := range []string{"role", "site", "critical", "bench"} {
			if v := pick(key, "", "web", "db", "build", "s1", "true", "yes"); v != "" {
				labels = append(labels, key+"="+v)
			}
		}
		h := machine(labels...)
		h.Arch = pick("arch", "x86_64", "aarch64")
		h.WayBack = map[string]string{"klp": pick("way back", "live", "downgrade", "reboot")}
		patch := policy.Patch{Driver: pick("driver", "klp", "other"), Reversibility: pick("reversibility", "", "live", "downgrade", "reboot"),
			Severity: pick("severity", "", "critical"), Published: noon.Add(-time.Duration(rapid.IntRange(0, 48).Draw(rt, "hours")) * time.Hour)}
		j := p.For(patch, noon)
		quick := j.Judge(h)
		verdict, trace := j.Explain(h)
		if !reflect.DeepEqual(quick, verdict) {
			rt.Fatalf("judged %+v, explained %+v", quick, verdict)
		}
		picked := true
		for _, s := range trace.Steps {
			switch s.List {
			case "eligible", "way_back":
				picked = picked && (s.Held || s.Waiver != nil)
			case "waivers":
				picked = picked && !s.Held
			}
			if s.List == "rings" && s.Held && quick.Reason == nil && p.Rings()[quick.Ring] != s.Name {
				rt.Fatalf("ring %d, but %s held", quick.Ring, s.Name)
			}
		}
		if picked != (quick.Reason == nil) {
			rt.Fatalf("picked %t by the trace; the verdict is %+v", picked, quick.Reason)
		}
	})
}

func TestAFreezeOverAllTheLifeKeepsHostsOut(t *testing.T) {
	text := "apiVersion: hotstick/policy/v1\nkind: Policy\nname: p\nplan: {life: 2d}\n---\n" +
		"apiVersion: hotstick/policy/v1\nkind: Freeze\nname: ice\nfrom: 2026-11-20 00:00\nuntil: 2026-12-01 00:00\nreason: audit\n"
	p := mustCompile(t, text, "p", noon)
	v := p.For(policy.Patch{}, noon).Judge(machine())
	if v.Reason == nil || v.Reason.Code != hotstick.ReasonFreeze || v.Reason.Subject != "ice" || v.Reason.Until == nil || v.Reason.Until.Day() != 1 {
		t.Errorf("verdict is %+v", v.Reason)
	}
	if n := len(p.Shape().Calendars); n != 0 {
		t.Errorf("the shape has %d calendars that never open", n)
	}
}

func TestACalendarThatNeverOpensIsReportedAndKeepsHostsOut(t *testing.T) {
	text := "apiVersion: hotstick/policy/v1\nkind: Policy\nname: p\nplan: {life: 2d}\nwindows:\n  - {calendar: once, when: true}\n---\n" +
		"apiVersion: hotstick/policy/v1\nkind: Calendar\nname: once\nwindows:\n  - {start: 2027-03-01 02:00, duration: 2h}\n"
	p := mustCompile(t, text, "p", noon)
	v := p.For(policy.Patch{}, noon).Judge(machine())
	if v.Reason == nil || v.Reason.Code != hotstick.ReasonWindowClosed || v.Reason.Subject != "once" {
		t.Errorf("verdict is %+v", v.Reason)
	}
	if n := p.Notes(); len(n) != 1 || !strings.Contains(n[0].Message, "never opens") || n[0].Line != 6 {
		t.Errorf("notes are %+v", n)
	}
}

func TestTheMostUrgentPolicyThatAppliesIsChosen(t *testing.T) {
	head := "apiVersion: hotstick/policy/v1\nkind: Policy\nname: "
	set := mustParse(t, head+"calm\n---\n"+head+"quick\napplies: {when: 'patch.severity == \"high\"', urgency: 50}\n---\n"+
		head+"now\napplies: {when: 'patch.severity == \"high\" && patch.age < duration(\"1h\")', urgency: 90}\n")
	tests := []struct {
		severity string
		age      time.Duration
		want     string
	}{{"low", 0, "calm"}, {"high", 30 * time.Minute, "now"}, {"high", 2 * time.Hour, "quick"}, {"", 0, "calm"}}
	for _, tt := range tests {
		got, ok := set.Choose(policy.Patch{Severity: tt.severity, Published: noon.Add(-tt.age)}, noon)
		if !ok || got != tt.want {
			t.Errorf("%s, %s old: %q, want %q", tt.severity, tt.age, got, tt.want)
		}
	}
	if got, ok := mustParse(t, head+"quick\napplies: {when: 'patch.severity == \"high\"', urgency: 50}\n").Choose(policy.Patch{}, noon); ok {
		t.Errorf("chose %q for a patch that no policy applies to", got)
	}
}
