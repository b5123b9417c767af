package checker

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/trace"
)

var (
	buildA = hotstick.KernelBuild{Release: "6.1.0-47-amd64", Arch: "x86_64", BuildID: "00112233445566770011223344556677"}
	fix    = hotstick.PatchRef{Name: "fix", Level: 2}
	bytesA = hotstick.NewDigest([]byte("a"))
	other  = hotstick.NewDigest([]byte("other"))
	planID = hotstick.NewDigest([]byte("plan"))
)

// story is a trace in the making. Each line takes a second.
type story struct {
	t      *testing.T
	now    time.Duration
	events []trace.Event
}

// newStory begins with three hosts in one rack and a running plan for them: h1
// first, then h2 and h3, one of the rack at a time.
func newStory(t *testing.T) *story {
	s := &story{t: t}
	g := Ground{Approvals: 1, SettleMillis: 5000, GrantMillis: 60_000, SilenceMillis: 15_000, StaleMillis: 30_000, SilentMillis: 60_000,
		Artifacts: []GroundArtifact{{Digest: bytesA, Build: buildA, Patch: fix, Module: "fix_2"}}}
	body := trace.PlanBody{Approvers: []hotstick.Person{"bob"}, Plan: hotstick.Plan{Patch: fix, Author: "ann", Epoch: 1, ProbationSeconds: 10,
		Lanes:   []hotstick.Lane{{Build: buildA, Artifact: bytesA}},
		Waves:   []hotstick.Wave{{Name: "one", Hosts: 1, BakeSeconds: 20}, {Name: "rest", Hosts: 2, DelaySeconds: 3}},
		Budgets: []hotstick.Budget{{Domain: "rack", Max: 1}}}}
	for i, h := range []hotstick.HostID{"h1", "h2", "h3"} {
		g.Hosts = append(g.Hosts, GroundHost{Host: h, Name: string(h), Build: buildA})
		body.Hosts = append(body.Hosts, hotstick.PlanHost{Host: h, Name: string(h), Build: buildA, Wave: min(i, 1), Domains: map[string]string{"rack": "a"}})
	}
	s.add(trace.Event{Node: "world", Kind: trace.KindBegin, Detail: trace.Schema, Body: s.encode(g)})
	for _, h := range g.Hosts {
		s.add(trace.Event{Node: "kernel", Kind: trace.KindBoot, Host: h.Host, Boot: "b1"})
	}
	s.now += time.Minute
	s.add(trace.Event{Node: "people", Kind: trace.KindPlan, Plan: planID, Patch: fix, Epoch: 1, Body: s.encode(body), Detail: "matches 3 lists 3"})
	s.server(trace.Event{Kind: trace.KindPlanStatus, Plan: planID, To: "running"})
	for _, h := range g.Hosts {
		s.add(trace.Event{Node: "disk", Kind: trace.KindSeen, Plan: planID, Host: h.Host, Uptime: int64(s.now / time.Millisecond)})
	}
	s.now += 10 * time.Second
	return s
}

func (s *story) encode(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		s.t.Fatal(err)
	}
	return raw
}

func (s *story) add(e trace.Event) {
	s.now += time.Second
	e.T = int64(s.now)
	s.events = append(s.events, e)
}

// server adds a server's event with its leaf.
func (s *story) server(e trace.Event) {
	e.Node = "server"
	s.add(e)
	s.add(trace.Event{Node: "server", Kind: trace.KindLeaf, Generation: uint64(len(s.events))})
}

func (s *story) row(h hotstick.HostID, from, to hotstick.HostState, attempt int) {
	s.server(trace.Event{Kind: trace.KindHostState, Plan: planID, Host: h, From: string(from), To: string(to), Attempt: attempt})
}

func (s *story) grant(h hotstick.HostID, attempt int) {
	s.server(trace.Event{Kind: trace.KindGrant, Plan: planID, Host: h, Attempt: attempt, Grant: grantOf(h, attempt)})
}

func grantOf(h hotstick.HostID, attempt int) hotstick.Digest {
	return hotstick.NewDigest([]byte{h[1], byte(attempt)})
}

func (s *story) host(kind trace.Kind, h hotstick.HostID, change ...func(*trace.Event)) {
	e := trace.Event{Node: "disk", Kind: kind, Plan: planID, Host: h, Boot: "b1", Attempt: 1, Patch: fix, Artifact: bytesA,
		Grant: grantOf(h, 1), Uptime: int64(s.now / time.Millisecond)}
	if kind != trace.KindIntent {
		e.Grant = ""
	}
	for _, c := range change {
		c(&e)
	}
	s.add(e)
}

func (s *story) kernel(h hotstick.HostID, from, to hotstick.Effect) {
	s.add(trace.Event{Node: "kernel", Kind: trace.KindKernel, Host: h, Boot: "b1", Artifact: bytesA, From: string(from), To: string(to), Detail: "fix_2"})
}

func (s *story) phase(h hotstick.HostID, to hotstick.HostState) {
	s.host(trace.KindPhase, h, func(e *trace.Event) { e.To = string(to) })
}

// patched lets a host take the patch as it should.
func (s *story) patched(h hotstick.HostID) {
	s.row(h, hotstick.Waiting, hotstick.Admitted, 1)
	s.grant(h, 1)
	s.host(trace.KindIntent, h)
	s.host(trace.KindLoad, h)
	s.kernel(h, "", hotstick.TransitionIn)
	s.phase(h, hotstick.Applying)
	s.kernel(h, hotstick.TransitionIn, hotstick.InEffect)
	s.phase(h, hotstick.Probation)
	s.phase(h, hotstick.Confirmed)
	s.row(h, hotstick.Admitted, hotstick.Confirmed, 1)
}

// broken returns the numbers of the rules that the story breaks.
func (s *story) broken() []string {
	var lines bytes.Buffer
	for _, e := range s.events {
		lines.Write(append(s.encode(e), '\n'))
	}
	report, err := Run(&lines)
	if err != nil {
		s.t.Fatal(err)
	}
	var ids []string
	for _, v := range report.Violations {
		id, _, _ := strings.Cut(v.Rule, " ")
		ids = append(ids, id)
	}
	return ids
}

func set(field func(*trace.Event)) []func(*trace.Event) { return []func(*trace.Event){field} }

func TestEachRuleIsBrokenByWhatItForbids(t *testing.T) {
	admitted := func(s *story, h hotstick.HostID) {
		s.row(h, hotstick.Waiting, hotstick.Admitted, 1)
		s.grant(h, 1)
	}
	for _, tt := range []struct {
		rule, name string
		tell       func(*story)
	}{
		{"", "all is well", func(s *story) { s.patched("h1"); s.now += 20 * time.Second; s.patched("h2") }},
		{"S1", "bytes that no catalog lists", func(s *story) {
			admitted(s, "h1")
			s.host(trace.KindIntent, "h1")
			s.host(trace.KindLoad, "h1", set(func(e *trace.Event) { e.Artifact = other })...)
		}},
		{"S2", "only the author has signed", func(s *story) {
			body := trace.PlanBody{}
			if err := json.Unmarshal(s.events[4].Body, &body); err != nil {
				s.t.Fatal(err)
			}
			body.Approvers = []hotstick.Person{"ann"}
			s.add(trace.Event{Node: "people", Kind: trace.KindPlan, Plan: planID, Body: s.encode(body)})
			admitted(s, "h1")
			s.host(trace.KindIntent, "h1")
		}},
		{"S3", "two of one rack are admitted", func(s *story) { admitted(s, "h1"); s.row("h2", hotstick.Waiting, hotstick.Admitted, 1) }},
		{"S4", "two of one rack arm", func(s *story) {
			admitted(s, "h1")
			s.host(trace.KindIntent, "h1")
			s.host(trace.KindIntent, "h2")
		}},
		{"S5", "the bake is not over", func(s *story) { s.patched("h1"); admitted(s, "h2") }},
		{"S5", "nobody of the first wave was confirmed", func(s *story) { admitted(s, "h2") }},
		{"S5a", "the signed delay has not passed", func(s *story) {
			s.patched("h1")
			s.now += 20 * time.Second
			admitted(s, "h2")
			s.host(trace.KindIntent, "h2", set(func(e *trace.Event) { e.Uptime = int64(s.now/time.Millisecond) - 100_000 })...)
		}},
		{"S6", "a grant after the halt", func(s *story) {
			s.row("h1", hotstick.Waiting, hotstick.Admitted, 1)
			s.server(trace.Event{Kind: trace.KindPlanStatus, Plan: planID, To: "halted"})
			s.grant("h1", 1)
		}},
		{"S6h", "a start after the halt was learned", func(s *story) {
			admitted(s, "h1")
			s.host(trace.KindLearned, "h1", set(func(e *trace.Event) { e.To = "halt" })...)
			s.host(trace.KindIntent, "h1")
		}},
		{"S8", "applied is shown in the middle of a transition", func(s *story) {
			s.kernel("h1", "", hotstick.TransitionIn)
			s.server(trace.Event{Kind: trace.KindShown, Host: "h1", Boot: "b1", Patch: fix, To: "applied",
				Body: s.encode(Shown{HeardMillis: s.now.Milliseconds()})})
		}},
		{"S8", "applied is shown of an old check-in", func(s *story) {
			s.kernel("h1", "", hotstick.InEffect)
			s.server(trace.Event{Kind: trace.KindShown, Host: "h1", Boot: "b1", Patch: fix, To: "applied",
				Body: s.encode(Shown{HeardMillis: s.now.Milliseconds() - 31_000})})
		}},
		{"S9", "one attempt is armed twice", func(s *story) {
			admitted(s, "h1")
			s.host(trace.KindIntent, "h1")
			s.phase("h1", hotstick.Failed)
			s.host(trace.KindIntent, "h1")
		}},
		{"S10", "armed again after a crash", func(s *story) {
			admitted(s, "h1")
			s.host(trace.KindIntent, "h1")
			s.host(trace.KindDown, "h1", set(func(e *trace.Event) { e.Cause = "panic" })...)
			s.host(trace.KindBoot, "h1", set(func(e *trace.Event) { e.Boot = "b2" })...)
			s.phase("h1", hotstick.Quarantined)
			s.host(trace.KindIntent, "h1", set(func(e *trace.Event) { e.Boot, e.Plan = "b2", "" })...)
		}},
		{"S11", "a load without an intent", func(s *story) { s.host(trace.KindLoad, "h1") }},
		{"S12", "a probation that never ends", func(s *story) {
			s.patched("h1")
			s.events = s.events[:len(s.events)-3] // before it was confirmed
			s.now += time.Minute
			s.add(trace.Event{Node: "world", Kind: trace.KindFault, Cause: "look", Host: "h1"})
		}},
		{"S13", "unloaded while in effect", func(s *story) { s.kernel("h1", "", hotstick.InEffect); s.host(trace.KindUnload, "h1") }},
		{"S13", "forced", func(s *story) { s.host(trace.KindForce, "h1") }},
		{"S14", "a grant after the ban", func(s *story) {
			s.row("h1", hotstick.Waiting, hotstick.Admitted, 1)
			s.server(trace.Event{Kind: trace.KindBan, Patch: fix})
			s.grant("h1", 1)
		}},
		{"S14m", "a ban is forgotten", func(s *story) {
			s.host(trace.KindLearned, "h1", set(func(e *trace.Event) { e.To = "ban" })...)
			s.host(trace.KindLearned, "h1", set(func(e *trace.Event) { e.From, e.To = "ban", "forgotten" })...)
		}},
		{"S15", "an empty selector lists hosts", func(s *story) {
			e := s.events[4]
			e.Detail = "matches 0 lists 3"
			s.add(e)
		}},
		{"S16", "a host that is not listed", func(s *story) { s.host(trace.KindIntent, "h9") }},
		{"S17", "other bytes than the plan's", func(s *story) {
			admitted(s, "h1")
			s.host(trace.KindIntent, "h1", set(func(e *trace.Event) { e.Artifact = other })...)
		}},
		{"S19", "the server says what never happened", func(s *story) {
			admitted(s, "h1")
			s.row("h1", hotstick.Admitted, hotstick.Confirmed, 1)
		}},
		{"S21", "a lower level than was confirmed", func(s *story) {
			s.phase("h1", hotstick.Confirmed)
			s.events[len(s.events)-1].Patch.Level = 3
			admitted(s, "h1")
			s.host(trace.KindIntent, "h1")
		}},
		{"S22", "the catalog has expired", func(s *story) {
			s.host(trace.KindLearned, "h1", set(func(e *trace.Event) { e.To, e.Uptime = "catalog", s.now.Milliseconds() })...)
			admitted(s, "h1")
			s.host(trace.KindIntent, "h1")
		}},
		{"S23", "a row changes without a leaf", func(s *story) {
			s.row("h1", hotstick.Waiting, hotstick.Admitted, 1)
			s.events = s.events[:len(s.events)-1]
			s.host(trace.KindIntent, "h1")
		}},
		{"S24", "a plan that nobody signed", func(s *story) {
			s.host(trace.KindIntent, "h1", set(func(e *trace.Event) { e.Plan = other })...)
		}},
		{"S30", "a grant that is too old", func(s *story) { admitted(s, "h1"); s.now += 61 * time.Second; s.host(trace.KindIntent, "h1") }},
		{"S30", "a grant while the store fails", func(s *story) {
			s.add(trace.Event{Node: "world", Kind: trace.KindFault, Cause: FaultStore})
			admitted(s, "h1")
		}},
		{"L5", "an attempt is open at the end", func(s *story) {
			admitted(s, "h1")
			s.host(trace.KindIntent, "h1")
			s.add(trace.Event{Node: "world", Kind: trace.KindFault, Cause: FaultsEnd})
			s.add(trace.Event{Node: "world", Kind: trace.KindFault, Cause: FaultRunEnd})
		}},
	} {
		s := newStory(t)
		tt.tell(s)
		got := s.broken()
		if tt.rule == "" && len(got) > 0 || tt.rule != "" && !contains(got, tt.rule) {
			t.Errorf("%s: broken are %v; want %q", tt.name, got, tt.rule)
		}
	}
}

func contains(list []string, want string) bool {
	for _, s := range list {
		if s == want {
			return true
		}
	}
	return false
}

func TestEveryRuleSaysWhatItIsOrWhyItIsNotChecked(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Rules() {
		if seen[r.ID] || r.Name == "" || r.Text == "" || (r.check == nil) == (r.Unchecked == "") {
			t.Errorf("rule %s (%s) is told badly", r.ID, r.Name)
		}
		seen[r.ID] = true
	}
}

func TestWhatIsNoTraceIsAnError(t *testing.T) {
	for _, text := range []string{"", "{}\n", "not json\n", `{"t":0,"node":"x","kind":"begin","detail":"another/v9"}` + "\n"} {
		if _, err := Run(strings.NewReader(text)); err == nil {
			t.Errorf("%q was taken for a trace", text)
		}
	}
}
