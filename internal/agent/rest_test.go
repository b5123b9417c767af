package agent_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/agent"
	"github.com/hotstick/hotstick/internal/wire"
)

// newRested is a stage whose loader has left word of its state, and was called a moment
// ago.
func newRested(t *testing.T) *stage {
	s := newStage(t, 1)
	s.core = agent.NewCore(agent.CoreConfig{Host: host, Loader: s.world, Observer: s.world, Bell: func() hotstick.Digest { return s.state.State() },
		Uptime: func() time.Duration { return s.now }, Random: rand.New(rand.NewPCG(1, 1))})
	for range 10 { // past the minute in which the loader is called anyway
		s.checksIn()
	}
	return s
}

// checksIn checks in once and returns what was sent, and how often the loader was called.
func (s *stage) checksIn() (req *wire.SyncRequest, calls int) {
	before := len(s.calls)
	req = s.departs()
	s.arrive(&wire.SyncResponse{NextMillis: 30_000}, nil)
	return req, len(s.calls) - before
}

func TestALoaderWithNothingNewIsLeftAlone(t *testing.T) {
	s := newRested(t)
	s.state.Expected = &hotstick.PatchRef{Name: "fix", Level: 1}
	s.checksIn()
	for range 20 {
		req, calls := s.checksIn()
		if calls != 0 || !req.Loader.Resting || req.Loader.Nonce != "" || req.Loader.Expected == nil {
			t.Fatalf("%d calls for a check-in that says %+v", calls, req.Loader)
		}
	}
}

func TestALoaderIsCalledForWhateverIsNew(t *testing.T) {
	for what, happens := range map[string]func(s *stage){
		"its state is another one":               func(s *stage) { s.state.Hold = &hotstick.HostHold{By: "ada"} },
		"it is at work":                          func(s *stage) { s.state.Busy = true },
		"the kernel lists another patch":         func(s *stage) { s.listed("fix", hotstick.InEffect) },
		"it was called long ago":                 func(s *stage) { s.now += 15 * time.Minute },
		"the host is in a rollout":               func(s *stage) { s.departs(); s.arrive(&wire.SyncResponse{NextMillis: 100, Active: true}, nil) },
		"the server does not know what rests is": func(s *stage) { s.departs(); s.arrive(nil, &agent.StatusError{Status: 400}) },
	} {
		s := newRested(t)
		if _, calls := s.checksIn(); calls != 0 {
			t.Fatalf("%s: %d calls before that", what, calls)
		}
		happens(s)
		if req, calls := s.checksIn(); calls == 0 || req.Loader.Resting || req.Loader.Nonce == "" {
			t.Errorf("%s: %d calls, and the check-in says %+v", what, calls, req.Loader)
		}
	}
}

// Where the loader itself loads what was taken over, there is no tool whose word on the hold
// only the loader hears.
func TestALoaderRestsBesideASystemThatWasTakenOverForItsOwnDriver(t *testing.T) {
	for driver, rests := range map[string]bool{"klp": true, "kernelcare": false, "kpatch": false, "": false} {
		s := newRested(t)
		s.state.Adopted, s.state.AdoptedFor = []string{"kpatch"}, driver
		s.checksIn()
		called := 0
		for range 5 {
			_, calls := s.checksIn()
			called += calls
		}
		if (called == 0) != rests {
			t.Errorf("adopted for %q: %d calls", driver, called)
		}
		s.state.Lifted = &hotstick.Lift{Detail: "it will load by itself again"} // whoever is called next says so
		if _, calls := s.checksIn(); calls == 0 {
			t.Errorf("adopted for %q: the lifted hold is not fetched", driver)
		}
	}
}

func TestAPatchThatIsSwitchedOffBehindALoaderThatRestsIsSeenAtOnce(t *testing.T) {
	s := newRested(t)
	s.listed("fix", hotstick.InEffect)
	s.checksIn()
	if req, calls := s.checksIn(); calls != 0 || !req.Loader.Resting {
		t.Fatalf("%d calls", calls)
	}
	s.listed("fix", hotstick.Disabled)
	if req, calls := s.checksIn(); calls != 1 || len(req.Patches) != 1 || req.Patches[0].State != hotstick.Disabled {
		t.Errorf("%d calls, and the check-in says %+v", calls, req.Patches)
	}
}

func TestALoaderThatLeavesNoWordIsCalledAtEachCheckIn(t *testing.T) {
	s := newStage(t, 1)
	s.core = agent.NewCore(agent.CoreConfig{Host: host, Loader: s.world, Observer: s.world, Bell: func() hotstick.Digest { return "" },
		Uptime: func() time.Duration { return s.now }, Random: rand.New(rand.NewPCG(1, 1))})
	for range 20 {
		if req, calls := s.checksIn(); calls == 0 || req.Loader.Resting {
			t.Fatalf("%d calls for a check-in that says %+v", calls, req.Loader)
		}
	}
}

// listed sets the only live patch that the kernel lists.
func (s *stage) listed(module string, state hotstick.Effect) {
	s.facts.Livepatch.Patches = []hotstick.LoadedPatch{{Module: module, Driver: "klp", State: state}}
}
