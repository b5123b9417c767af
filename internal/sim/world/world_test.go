package world

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/hotstick/hotstick/internal/sim/checker"
	"github.com/hotstick/hotstick/internal/trace"
)

// short is a case that takes part of a second.
func short(seed uint64) Case { return Case{Seed: seed, Options: Options{Events: 2000, Hosts: 12}} }

func TestOneSeedGivesOneTraceAHundredTimes(t *testing.T) {
	want := Run(short(3))
	if want.Events < 2000 || want.Report.Looked["S11"] == 0 {
		t.Fatalf("the run is too small to prove anything: %d events, looked %v", want.Events, want.Report.Looked)
	}
	times := 100
	if testing.Short() {
		times = 5
	}
	for i := range times {
		if got := Run(short(3)); got.Hash != want.Hash || got.Events != want.Events {
			t.Fatalf("run %d gave trace %s, the first gave %s", i, got.Hash, want.Hash)
		}
	}
}

func TestAMixedFleetThatTouchesGivesOneTraceToo(t *testing.T) {
	c := Case{Seed: 46, Options: Options{Events: 6000, Mixed: true, Touched: true}}
	want := Run(c)
	if want.Sometimes["step done"] == 0 || want.Report.Looked["S34"] == 0 || want.Report.Looked["S12t"] == 0 {
		t.Fatalf("no vendor's tool has done anything, or nothing was touched: %v", want.Sometimes)
	}
	for i := range 2 {
		if got := Run(c); got.Hash != want.Hash {
			t.Fatalf("run %d gave trace %s, the first gave %s", i, got.Hash, want.Hash)
		}
	}
}

func TestTwoSeedsGiveTwoTraces(t *testing.T) {
	if Run(short(3)).Hash == Run(short(8)).Hash {
		t.Error("seeds 7 and 8 gave one trace")
	}
}

func TestLeavingAStepOutDoesNotMoveTheOthers(t *testing.T) {
	c := short(11)
	c.Options = c.Options.filled(c.Seed)
	steps := c.steps(c.Options)
	c.Steps = steps
	if whole, cut := Run(short(11)), Run(c); whole.Hash != cut.Hash {
		t.Error("a seed's own steps, given by hand, give another trace")
	}
}

func TestAFewSeedsBreakNoRule(t *testing.T) {
	n := uint64(24)
	if testing.Short() {
		n = 6
	}
	for seed := range n {
		r := Run(Case{Seed: 1000 + seed, Options: Options{Events: 4000, Live: seed%4 == 0, Mixed: seed%3 == 1}})
		if r.Failure != "" {
			t.Errorf("seed %d: %s", r.Seed, r.Failure)
		}
		for _, v := range r.Report.Violations {
			if why, known := Known(r.Seed, v); known {
				t.Logf("seed %d: known: %s", r.Seed, why)
				continue
			}
			t.Errorf("seed %d: %s", r.Seed, v)
		}
	}
}

// TestTheTraceIsWhatTheCheckersRead: what is written as lines and read again is
// judged as it was in the run.
func TestTheTraceIsWhatTheCheckersRead(t *testing.T) {
	var lines []byte
	c := short(5)
	c.Options.Trace = func(line []byte) { lines = append(append(lines, line...), '\n') }
	r := Run(c)
	report, err := checker.Run(bytes.NewReader(lines))
	if err != nil {
		t.Fatal(err)
	}
	if report.Events != r.Report.Events || len(report.Violations) != len(r.Report.Violations) || report.Looked["S3"] != r.Report.Looked["S3"] {
		t.Errorf("read again: %d events, looked %v; in the run: %d, %v", report.Events, report.Looked, r.Report.Events, r.Report.Looked)
	}
}

// sink gives the product's own events the time of the run.
type sink struct {
	now   func() int64
	check *checker.Checker
	kinds map[trace.Kind]int
}

func (s *sink) Emit(e trace.Event) {
	e.T = s.now()
	s.kinds[e.Kind]++
	s.check.Take(e)
}

// TestTheProductsOwnTraceBreaksNoRuleAndLeavesNothingOut: the checkers read what
// real servers and loaders trace, too.
func TestTheProductsOwnTraceBreaksNoRuleAndLeavesNothingOut(t *testing.T) {
	for _, seed := range []uint64{2, 6, 10} {
		s := &sink{check: checker.New(), kinds: map[trace.Kind]int{}}
		truth := map[trace.Kind]int{}
		c := Case{Seed: seed, Options: Options{Events: 8000, Product: s, Trace: func(line []byte) {
			var e trace.Event
			if err := json.Unmarshal(line, &e); err != nil {
				t.Fatal(err)
			}
			truth[e.Kind]++
		}}}
		w := newWorld(c)
		s.now = func() int64 { return int64(w.now) }
		w.play(c)
		for _, v := range s.check.Report().Violations {
			t.Errorf("seed %d: %s", seed, v)
		}
		for _, kind := range []trace.Kind{trace.KindGrant, trace.KindIntent, trace.KindHostState} {
			if s.kinds[kind] != truth[kind] || truth[kind] == 0 {
				t.Errorf("seed %d: the product traces %d events of kind %s; in truth there were %d", seed, s.kinds[kind], kind, truth[kind])
			}
		}
	}
}

func TestAFailingCaseIsMadeShort(t *testing.T) {
	// A world that breaks a rule on purpose: whatever is armed was banned.
	c := short(3)
	c.Options.spoil = true
	before := len(c.steps(c.Options.filled(c.Seed)))
	got, r := Shrink(c, 60)
	if broke(r) == "" {
		t.Fatal("the spoiled case breaks no rule")
	}
	if len(got.Steps) >= before || len(got.Steps) == 0 || got.Options.Hosts >= 12 {
		t.Errorf("%d steps of %d and %d hosts are left", len(got.Steps), before, got.Options.Hosts)
	}
}
