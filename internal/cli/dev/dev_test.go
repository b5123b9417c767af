package dev

import (
	"context"
	"flag"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/sim"
)

func TestMain(m *testing.M) {
	// These tests wait more than they work.
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// play runs the developers' start until see is satisfied with the rollout.
func play(t *testing.T, o Options, see func(*world, api.Rollout) bool) {
	t.Helper()
	o.Listen = "127.0.0.1:0"
	o.Progress = t.Logf
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	w, err := open(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	defer w.client.Close()
	ready := make(chan Ready, 1)
	ended := make(chan error, 1)
	go func() { ended <- w.run(ctx, func(r Ready) { ready <- r }) }()
	var r Ready
	select {
	case r = <-ready:
	case err := <-ended:
		t.Fatalf("it ended before it was ready: %v", err)
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		rollout, err := w.client.Rollout(ctx, r.Plan)
		if err != nil {
			t.Fatal(err)
		}
		if see(w, rollout) {
			break
		}
		select {
		case <-tick.C:
		case err := <-ended:
			t.Fatalf("it ended by itself: %v; the rollout was %s", err, rollout.Headline)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("it did not end in order: %v", err)
	}
}

func TestARolloutMovesWithinSecondsAndEveryHostIsReal(t *testing.T) {
	t.Parallel()
	builds := sim.Builds()
	fitting := 0
	for _, m := range sim.Fleet(12, 1) {
		if m.Build != builds[len(builds)-1] {
			fitting++
		}
	}
	play(t, Options{Dir: t.TempDir(), Hosts: 12, Seed: 1}, func(w *world, r api.Rollout) bool {
		if r.Hosts != fitting {
			t.Fatalf("%d hosts are in the plan, want the %d that have an artifact", r.Hosts, fitting)
		}
		if len(r.Approvals) != 3 || r.SingleControl {
			t.Fatalf("approvals are %v", r.Approvals)
		}
		return r.States[hotstick.Confirmed] >= 1
	})
}

func TestABadLevelIsSeenToHalt(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for two probations; run without -short")
	}
	t.Parallel()
	play(t, Options{Dir: t.TempDir(), Hosts: 12, Seed: 1, Bad: true}, func(w *world, r api.Rollout) bool {
		if r.Status != hotstick.Halted {
			return false
		}
		if started := r.Hosts - r.States[hotstick.Waiting]; started > 5 {
			t.Errorf("%d hosts took the bad level", started)
		}
		return true
	})
}

func TestADirectoryThatIsKeptIsGoneOnWith(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var plan hotstick.PlanID
	play(t, Options{Dir: dir, Keep: true, Hosts: 6, Seed: 1}, func(_ *world, r api.Rollout) bool {
		plan = r.Plan
		return true
	})
	play(t, Options{Dir: dir, Keep: true, Hosts: 6, Seed: 1}, func(w *world, r api.Rollout) bool {
		if r.Plan != plan {
			t.Fatalf("another rollout was started: %s, not %s", r.Plan.Short(), plan.Short())
		}
		hosts, err := w.client.Hosts(t.Context(), client.HostQuery{})
		if err != nil || hosts.Total != 6 {
			t.Fatalf("%d hosts, %v; want the 6 of before", hosts.Total, err)
		}
		return true
	})
}
