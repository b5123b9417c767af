package checker

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/trace"
)

// tale is a hand-made trace that breaks one rule, and the same made good.
type tale struct {
	rule, name string
	// plan changes the plan that the tale begins with.
	plan edit
	tell func(s *story, bad bool)
}

func (tt tale) told(t *testing.T, bad bool) Report {
	edits := []edit{}
	if tt.plan != nil {
		edits = append(edits, tt.plan)
	}
	s := plans(t, edits...)
	tt.tell(s, bad)
	return s.report()
}

func tales() []tale {
	return slices.Concat(trustTales(), blastTales(), waveTales(), orderTales(), mixedTales(), touchTales(), kernelTales(), backTales(), stateTales(), liveTales())
}

// TestEachRuleIsBrokenByWhatItForbids: and by nothing else, so each rule is also
// seen to look at a tale that breaks none.
func TestEachRuleIsBrokenByWhatItForbids(t *testing.T) {
	for _, tt := range tales() {
		t.Run(tt.rule+" "+tt.name, func(t *testing.T) {
			bad, good := tt.told(t, true), tt.told(t, false)
			if ids := broken(bad); !slices.Contains(ids, tt.rule) {
				t.Errorf("it breaks %v", ids)
			}
			for _, v := range good.Violations {
				t.Errorf("made good, it breaks a rule all the same: %s", v)
			}
			if good.Looked[tt.rule] == 0 {
				t.Error("made good, it gives the rule nothing to look at")
			}
		})
	}
}

func TestEveryRuleThatIsCheckedHasATaleThatBreaksIt(t *testing.T) {
	told := map[string]bool{}
	for _, tt := range tales() {
		told[tt.rule] = true
	}
	for _, r := range Rules() {
		if r.Unchecked == "" && !told[r.ID] {
			t.Errorf("no tale breaks %s (%s)", r.ID, r.Name)
		}
		delete(told, r.ID)
	}
	for id := range told {
		t.Errorf("a tale breaks %s, which is no rule", id)
	}
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

func TestThePageOnTheSimulatorNamesEveryRuleOnce(t *testing.T) {
	page, err := os.ReadFile("../../../docs/explanation/simulator.md")
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]int{}
	for _, row := range regexp.MustCompile(`(?m)^\| ([SL]\d.*?) \|`).FindAllSubmatch(page, -1) {
		for _, id := range strings.Split(string(row[1]), ", ") {
			named[id]++
		}
	}
	for _, r := range Rules() {
		if named[r.ID] != 1 {
			t.Errorf("the table names %s %d times", r.ID, named[r.ID])
		}
		delete(named, r.ID)
	}
	for id := range named {
		t.Errorf("the table names %s, which is no rule", id)
	}
}

func TestWhatIsNoTraceIsAnError(t *testing.T) {
	for _, text := range []string{"", "{}\n", "not json\n", `{"t":0,"node":"x","kind":"begin","detail":"another/v9"}` + "\n"} {
		if _, err := Run(strings.NewReader(text)); err == nil {
			t.Errorf("%q was taken for a trace", text)
		}
	}
}

func TestAStoryInWhichAllIsWellBreaksNothing(t *testing.T) {
	s := plans(t)
	s.baked()
	s.patched("h2")
	s.patched("h3")
	s.patched("h4")
	s.status("completed")
	s.ends()
	for _, v := range s.report().Violations {
		t.Error(v)
	}
}

func trustTales() []tale {
	return []tale{
		{"S1", "bytes that no catalog lists", nil, func(s *story, bad bool) {
			s.admitted("h1")
			s.arm("h1")
			s.load("h1", func(e *trace.Event) { e.Artifact = pick(bad, other, newer.artifact) })
		}},
		{"S2", "only the author has signed", nil, func(s *story, bad bool) {
			s.propose(newer, func(b *trace.PlanBody) { b.Approvers = []hotstick.Person{pick[hotstick.Person](bad, "ann", "bob")} })
			s.admitted("h1")
			s.arm("h1")
		}},
		{"S14", "a grant after the ban", nil, func(s *story, bad bool) {
			s.server(trace.Event{Kind: trace.KindBan, Patch: pick(bad, newer, older).patch})
			s.admitted("h1")
		}},
		{"S14", "a start after the ban was learned", nil, func(s *story, bad bool) {
			s.learn("h1", learnedBan)
			s.learn("h1", pick(bad, "nothing", learnedClear))
			s.admitted("h1")
			s.arm("h1")
		}},
		{"S14p", "a grant on a kind of machine that crashed", nil, func(s *story, bad bool) {
			s.server(trace.Event{Kind: trace.KindCrashStop, Patch: newer.patch, Host: "h3", To: buildA.BuildID, Detail: pick(bad, "Maker One", "Maker Two")})
			s.admit("h1")
			s.grant("h1", func(e *trace.Event) { e.Detail = "Maker One" })
		}},
		{"S14p", "a grant after a clear of single hosts", nil, func(s *story, bad bool) {
			for _, r := range []release{older, newer} {
				s.server(trace.Event{Kind: trace.KindCrashStop, Patch: r.patch, Host: "h3", To: buildA.BuildID})
			}
			s.server(trace.Event{Kind: trace.KindClear, Patch: newer.patch, Host: pick[hotstick.HostID](bad, "h3", "")})
			s.admitted("h1")
		}},
		{"S14m", "a ban is forgotten", nil, func(s *story, bad bool) {
			s.learn("h1", learnedBan)
			s.learn("h1", pick(bad, "nothing", learnedClear))
			s.forget("h1", "ban")
		}},
		{"S14c", "a clear that nobody signed", nil, func(s *story, bad bool) {
			s.dated()
			s.add(trace.Event{Node: "people", Kind: trace.KindFault, Cause: PeopleClear, Grant: other})
			s.learn("h1", learnedClear, func(e *trace.Event) { e.Grant = pick(bad, hotstick.NewDigest(nil), other) })
		}},
		{"S16", "a host that neither the list nor the rule for late hosts names", lateRole("db"), func(s *story, bad bool) {
			s.baked()
			s.arm(pick[hotstick.HostID](bad, "h9", "h1"), func(e *trace.Event) { e.Attempt, e.Grant = 7, "" })
		}},
		{"S17", "other bytes than the plan's", nil, func(s *story, bad bool) {
			s.admitted("h1")
			s.arm("h1", func(e *trace.Event) { e.Artifact = pick(bad, older, newer).artifact })
		}},
		{"S20", "a thief starts a plan that only its author signed", nil, func(s *story, bad bool) {
			s.propose(newer, func(b *trace.PlanBody) { b.Approvers = []hotstick.Person{pick[hotstick.Person](bad, "ann", "bob")} })
			s.fault(FaultOwned, "")
			s.arm("h1")
		}},
		{"S20", "a thief starts before the signed delay", nil, func(s *story, bad bool) {
			s.fault(FaultOwned, "")
			s.arm("h2", func(e *trace.Event) { e.Uptime -= pick(bad, int64(14_000), 0) })
		}},
		{"S21", "a lower level than was confirmed", nil, func(s *story, bad bool) {
			s.phase("h1", hotstick.Confirmed, func(e *trace.Event) { e.Patch.Level, e.Artifact = pick(bad, 3, 2), "" })
			s.admitted("h1")
			s.arm("h1")
		}},
		{"S21", "a lower level by a plan that goes back to itself", func(b *trace.PlanBody) {
			b.Plan.Lanes[0].RevertTo = append(b.Plan.Lanes[0].RevertTo, hotstick.RevertTarget{Patch: newer.patch, Artifact: newer.artifact})
		}, func(s *story, bad bool) {
			s.phase("h1", hotstick.Confirmed, func(e *trace.Event) { e.Patch.Level, e.Artifact = pick(bad, 3, 2), "" })
			s.admitted("h1")
			s.arm("h1")
		}},
		{"S22", "the catalog has expired", nil, func(s *story, bad bool) {
			s.learn("h1", learnedCatalog, func(e *trace.Event) { e.Uptime = s.now.Milliseconds() + pick(bad, int64(2000), 60_000) })
			s.admitted("h1")
			s.arm("h1")
		}},
		{"S22l", "a plan whose life is over", func(b *trace.PlanBody) { b.Plan.NotAfter = night.Add(5 * time.Minute) }, func(s *story, bad bool) {
			s.dated()
			s.wait(pick(bad, 10*time.Minute, 0))
			s.learn("h1", LearnedNonce, quoting("one"))
			s.admitted("h1")
			s.arm("h1", quoting("one"))
		}},
		{"S24g", "a nonce of nobody", lasting, func(s *story, bad bool) {
			s.dated()
			s.learn("h1", LearnedNonce, quoting("one"))
			s.admitted("h1")
			s.arm("h1", quoting(pick(bad, "two", "one")))
		}},
		{"S24g", "a nonce of a loader that was restarted", lasting, func(s *story, bad bool) {
			s.dated()
			s.learn("h1", LearnedNonce, quoting("one"))
			s.fault(pick(bad, FaultLoaderUp, FaultAgentUp), "h1")
			s.admitted("h1")
			s.arm("h1", quoting("one"))
		}},
		{"S24g", "a nonce of more than a minute ago", lasting, func(s *story, bad bool) {
			s.dated()
			s.learn("h1", LearnedNonce, quoting("one"))
			s.wait(pick(bad, 61*time.Second, 50*time.Second))
			s.admitted("h1")
			s.arm("h1", quoting("one"))
		}},
		{"S24", "a plan that nobody signed", nil, func(s *story, bad bool) {
			s.admitted("h1")
			s.arm("h1", func(e *trace.Event) { e.Plan = pick(bad, other, newer.plan) })
		}},
	}
}

// puttingBack lets the plan put its level back once on each host.
func puttingBack(b *trace.PlanBody) { b.Plan.Reapply = 1 }

// lasting lets the plan live for long.
func lasting(b *trace.PlanBody) { b.Plan.NotAfter = night.AddDate(1, 0, 0) }

// lateRole lets hosts join late that have the role.
func lateRole(role string) edit {
	return func(b *trace.PlanBody) { b.Plan.Late = &hotstick.LateRule{Labels: map[string]string{"role": role}} }
}

func blastTales() []tale {
	return []tale{
		{"S3", "two of one rack are admitted", waves("0011", hotstick.Wave{}, hotstick.Wave{}), func(s *story, bad bool) {
			s.admitted("h2")
			s.admitted(pick[hotstick.HostID](bad, "h4", "h1"))
		}},
		{"S3", "a pair loses its second host", quorum, func(s *story, bad bool) {
			s.down("h3", pick(bad, "panic", DownClean))
			s.wait(4 * time.Minute)
			if !bad {
				s.server(trace.Event{Kind: trace.KindWriteOff, Host: "h3"})
			}
			s.admit("h1")
		}},
		{"S3r", "two of four hosts go back at once", nil, func(s *story, bad bool) {
			s.baked()
			s.patched("h2")
			s.row("h1", hotstick.Reverting, from(hotstick.Confirmed), reason(hotstick.ReasonRevertOrdered))
			s.returns("h1")
			s.phase("h1", hotstick.Reverted)
			if !bad {
				s.row("h1", hotstick.Reverted)
			}
			s.row("h2", hotstick.Reverting, from(hotstick.Confirmed), reason(hotstick.ReasonRevertOrdered))
		}},
		{"S4", "two of one rack arm", nil, func(s *story, bad bool) {
			s.probation("h1")
			if !bad {
				s.phase("h1", hotstick.Confirmed)
			}
			s.arm("h3", func(e *trace.Event) { e.Grant, e.Attempt = "", 1 })
		}},
		{"S6", "a grant after the halt", nil, func(s *story, bad bool) {
			s.admit("h1")
			s.status(pick(bad, "halted", "running"))
			s.grant("h1")
		}},
		{"S6", "a grant while everything is stopped", nil, func(s *story, bad bool) {
			s.server(trace.Event{Kind: trace.KindStopAll, To: "on"})
			s.server(trace.Event{Kind: trace.KindStopAll, To: pick(bad, "on", "off")})
			s.admitted("h1")
		}},
		{"S6", "a start long after the halt", nil, func(s *story, bad bool) {
			s.admitted("h1")
			s.status("halted")
			s.wait(pick(bad, 59*time.Second, 20*time.Second))
			s.arm("h1", func(e *trace.Event) { e.Grant = "" })
		}},
		{"S6h", "a start after the halt was learned", nil, func(s *story, bad bool) {
			s.admitted("h1")
			s.learn(pick[hotstick.HostID](bad, "h1", "h2"), learnedHalt)
			s.arm("h1")
		}},
		{"S15", "an empty selector lists hosts", nil, func(s *story, bad bool) {
			e := s.events[6] // the plan's
			e.Detail = pick(bad, "matches 0 lists 4", "matches 5 lists 4")
			s.add(e)
		}},
	}
}

// quorum makes each rack one in which every member that is down counts.
func quorum(b *trace.PlanBody) { b.Plan.Budgets[0].Quorum = true }

func waveTales() []tale {
	return []tale{
		{"S5a", "the signed delay has not passed", nil, func(s *story, bad bool) {
			s.baked()
			s.admitted("h2")
			s.arm("h2", func(e *trace.Event) { e.Uptime -= pick(bad, int64(60_000), 0) })
		}},
		{"S5a", "a plan inherits the delays of one that it does not continue", nil, func(s *story, bad bool) {
			s.wait(30 * time.Second)
			s.propose(newRelease(3), func(b *trace.PlanBody) {
				b.Plan.Continues, b.Plan.Waves[0].DelaySeconds = pick(bad, other, newer.plan), 30
			})
			s.admitted("h1")
			s.arm("h1")
		}},
		{"S5w", "a grant while the window is closed", nightly, func(s *story, bad bool) {
			s.admit("h1")
			s.grant("h1", func(e *trace.Event) { e.Uptime = night.Add(pick(bad, time.Hour, time.Minute)).UnixMilli() })
		}},
		{"S5l", "a host that starts while its windows are closed", func(b *trace.PlanBody) { nightly(b); lasting(b) }, func(s *story, bad bool) {
			s.dated()
			s.wait(pick(bad, 2*time.Hour, time.Minute))
			s.learn("h1", LearnedNonce, quoting("one"))
			s.admitted("h1")
			s.arm("h1", quoting("one"))
		}},
		{"S5o", "an admission in a freeze", nil, func(s *story, bad bool) {
			s.fault(OrderFreeze, "")
			s.fault(pick(bad, "rain", OrderThaw), "")
			s.admit("h1")
		}},
		{"S5o", "an admission of a host that is kept out", nil, func(s *story, bad bool) {
			s.fault(OrderExclude, pick[hotstick.HostID](bad, "h1", "h2"))
			s.admit("h1")
		}},
		{"S9d", "what somebody took away is put back once too often", puttingBack, func(s *story, bad bool) {
			s.patched("h1")
			for range pick(bad, 2, 1) {
				s.kernel("h1", hotstick.Disabled)
				s.row("h1", hotstick.Waiting, reason(hotstick.ReasonDrifted))
				s.row("h1", hotstick.Confirmed)
			}
		}},
		{"S9d", "what nobody took away is put back", puttingBack, func(s *story, bad bool) {
			s.patched("h1")
			if !bad {
				s.kernel("h1", hotstick.Disabled)
			}
			s.row("h1", hotstick.Waiting, reason(hotstick.ReasonDrifted))
		}},
		{"S9d", "a halted plan puts its level back", puttingBack, func(s *story, bad bool) {
			s.patched("h1")
			s.kernel("h1", hotstick.Disabled)
			s.status(pick(bad, "halted", "completed"))
			s.status("running")
			s.row("h1", hotstick.Waiting, reason(hotstick.ReasonDrifted))
		}},
		{"S9", "one attempt is armed twice", nil, func(s *story, bad bool) {
			s.admitted("h1")
			s.arm("h1")
			s.phase("h1", hotstick.Failed)
			s.arm("h1", func(e *trace.Event) { e.Attempt += pick(bad, 0, 1) })
		}},
		{"S9", "one attempt asks the kernel twice", nil, func(s *story, bad bool) {
			s.admitted("h1")
			s.arm("h1")
			s.load("h1")
			if bad {
				s.load("h1")
			}
		}},
		{"S9", "an attempt is left out", nil, func(s *story, bad bool) {
			s.attempts["h1"] = pick(bad, 1, 0)
			s.admit("h1")
		}},
	}
}

var night = time.Date(2026, 11, 21, 22, 0, 0, 0, time.UTC)

// nightly gives every host a window of half an hour.
func nightly(b *trace.PlanBody) {
	b.Plan.Calendars = []hotstick.Calendar{{Name: "night", Opens: []hotstick.Interval{{From: night, Until: night.Add(30 * time.Minute)}}}}
	for i := range b.Hosts {
		b.Hosts[i].Calendar = "night"
	}
}
