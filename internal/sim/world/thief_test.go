package world

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/evil"
	"github.com/hotstick/hotstick/internal/trace"
)

// scene is what a test of the allowed looks at: what happened from the theft on.
type scene struct {
	r Result
	// learned are what hosts learned, and ways how often a level went back.
	learned map[string]int
	back    int
	// afterHalt are starts of plans after people halted them, and again those by the
	// thief of plans that the host had tried before.
	afterHalt, again int
	// most is how many hosts were at work at once.
	most int
	// catalogs are the versions that hosts know at the end.
	catalogs map[int64]bool
}

// stolenWith runs a plan whose server is stolen soon, with more steps.
func stolenWith(t *testing.T, seed uint64, strategy string, more ...Step) scene {
	t.Helper()
	s := scene{learned: map[string]int{}, catalogs: map[int64]bool{}}
	owned, halted := false, map[hotstick.PlanID]bool{}
	type try struct {
		host hotstick.HostID
		plan hotstick.PlanID
	}
	tried, open := map[try]bool{}, map[hotstick.HostID]bool{}
	var again []hotstick.Digest
	c := Case{Seed: seed, Options: Options{Events: 2500, Hosts: 6, Servers: 1, Evil: strategy}, Steps: append([]Step{{At: 2 * time.Second, Do: "propose", N: seed},
		{At: 9 * time.Second, Do: stealNow}}, more...)}
	c.Options.Trace = func(line []byte) {
		var e trace.Event
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatal(err)
		}
		owned = owned || e.Kind == trace.KindFault && e.Cause == "owned_server"
		at := try{e.Host, e.Plan}
		switch {
		case e.Kind == trace.KindIntent && e.Plan != "":
			open[e.Host] = true
			s.most = max(s.most, len(open))
			if owned && halted[e.Plan] {
				s.afterHalt++
			}
			if tried[at] {
				again = append(again, e.Grant)
			}
			tried[at] = true
		case e.Kind == trace.KindPhase && hotstick.HostState(e.To).Terminal():
			delete(open, e.Host)
		case e.Kind == trace.KindPhase && e.To == string(hotstick.Reverting) && owned:
			s.back++
		case e.Kind == trace.KindLearned && owned:
			s.learned[e.To]++
		case e.Kind == trace.KindPlanStatus && e.To == string(hotstick.Halted):
			halted[e.Plan] = true
		}
	}
	c.Options.inspect = func(w *World) {
		for _, n := range w.nodes {
			s.catalogs[n.shelf.trusted.Version] = true
		}
		for _, grant := range again {
			if w.thief.sent[grant] {
				s.again++
			}
		}
	}
	s.r = Run(c)
	if s.r.Bad() {
		t.Fatalf("seed %d: %s breaks a rule: %v %s", seed, strategy, s.r.Report.Violations, s.r.Failure)
	}
	return s
}

// TestWhatAThiefCanStillDo shows each thing of the threat model's list, within the
// rules.
func TestWhatAThiefCanStillDo(t *testing.T) {
	halt := Step{At: 14 * time.Second, Do: "halt", N: 2}
	var reboots []Step // each of a host that is at work
	for i := range 12 {
		reboots = append(reboots, Step{At: time.Duration(11+3*i) * time.Second, Do: "reboot", N: 1})
	}
	cases := []struct {
		strategy string
		steps    []Step
		shows    func(s scene) bool
	}{
		{"answer-nothing", nil, func(s scene) bool { return s.r.Theft.Answers > 0 && s.r.Theft.Honest+s.r.Theft.Starts == 0 }},
		{"ban-everything", nil, func(s scene) bool { return s.learned["ban"] > 0 }},
		{"halt-everything", nil, func(s scene) bool { return s.learned["halt"] > 0 }},
		{"order-everything-back", nil, func(s scene) bool { return s.back > 0 && s.r.Theft.Starts == 0 }},
		{"start-without-gates-and-budgets", nil, func(s scene) bool { return s.r.Theft.Starts > 1 && s.most > 2 }},
		{"hide-the-halt", []Step{halt}, func(s scene) bool { return s.afterHalt > 0 }},
		{"try-again", reboots, func(s scene) bool { return s.again > 0 }},
		{"serve-one-side", []Step{{At: 20 * time.Second, Do: "publish"}}, func(s scene) bool { return s.catalogs[1] && s.catalogs[2] }},
	}
	shown := map[string]bool{"fast-forward": true} // package evil shows it to a real client of the catalog
	for _, tt := range cases {
		shown[tt.strategy] = true
		t.Run(tt.strategy, func(t *testing.T) {
			for seed := range uint64(80) {
				if tt.shows(stolenWith(t, seed, tt.strategy, tt.steps...)) {
					t.Logf("seed %d shows it", seed)
					return
				}
			}
			t.Error("no seed of 80 shows it: it belongs on the list no more")
		})
	}
	for _, s := range evil.Allowed() {
		if !shown[s.Name] {
			t.Errorf("nothing shows %s", s.Name)
		}
	}
}

func TestEveryStrategyBreaksNoRuleOnOneSeed(t *testing.T) {
	for i, s := range Modelled() {
		if testing.Short() && i%4 > 0 {
			continue
		}
		r := Run(Case{Seed: 500 + uint64(i), Options: Options{Events: 1000, Evil: s.Name}})
		if r.Bad() {
			t.Errorf("%s on seed %d: %v %s", s.Name, r.Seed, r.Report.Violations, r.Failure)
		}
	}
}

func TestARunSaysWhatTheThiefDid(t *testing.T) {
	r := Run(Case{Seed: 4, Options: Options{Events: 1500, Evil: "grant-for-an-earlier-wave"}})
	if r.Bad() || r.Theft == nil || r.Theft.Strategy != "grant-for-an-earlier-wave" {
		t.Fatalf("%+v, %v", r.Theft, r.Report.Violations)
	}
	if Run(Case{Seed: 3, Options: Options{Events: 500, Live: true}}).Theft != nil {
		t.Error("a live run has a thief")
	}
}
