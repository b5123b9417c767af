package controller

import (
	"slices"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store"
)

// rebooted makes the plan one of the driver reboot, with a limit for a host to come back.
func rebooted(limit time.Duration) edit {
	return func(w *world, p *hotstick.Plan) {
		patches := slices.Clone(w.trusted.Patches)
		patches[0].Driver, patches[0].Reversibility = "reboot", hotstick.ReversibleReboot
		w.trusted = catalog.NewView(2, w.trusted.Expires, w.trusted.Trust, patches)
		p.Lanes[0].Driver, p.TransitionSeconds = "reboot", int(limit/time.Second)
	}
}

// A host that does not come back from its reboot stops the wave for as long as nobody says
// what became of it; and what it tells when it does come back counts.
func TestAHostThatDoesNotComeBackFromItsReboot(t *testing.T) {
	inBubble(t, 3, func(w *world) {
		seq := uint64(10)
		// live lets time pass in which the other hosts check in and the first one does not.
		live := func(d time.Duration) {
			for ; d > 0; d -= time.Minute {
				pass(min(d, time.Minute))
				for i := 1; i < 3; i++ {
					seq++
					_, err := w.control.Take(w.Context(), w.request(i, seq, nil), time.Minute)
					w.must(err)
				}
				w.rounds()
			}
		}
		w.rounds()
		w.report(0, hotstick.Armed, nil)
		w.report(0, hotstick.Applying, nil)
		live(20*time.Minute - time.Second)
		if got := w.states(); got[hotstick.Applying] != 1 || got[hotstick.Waiting] != 2 {
			t.Fatalf("in the time that its reboot may take: %v", got)
		}
		live(2 * time.Second)
		line := w.line(0)
		if line.State != hotstick.Lost || line.Reason == nil || line.Reason.Code != hotstick.ReasonNotBack || line.Reason.Subject != "host-1" {
			t.Fatalf("after that it is %s because of %+v", line.State, line.Reason)
		}
		live(3 * time.Hour)
		if got := w.states(); got[hotstick.Lost] != 1 || got[hotstick.Waiting] != 2 || w.status().Status != hotstick.Running {
			t.Errorf("three hours later: %v, the plan is %s", got, w.status().Status)
		}
		if held := w.held(); held == nil || held.Code != hotstick.ReasonCanaryLost {
			t.Errorf("the lane is held for %+v", held)
		}
		if sent, err := w.control.Documents(w.Context(), w.request(1, seq+1, nil), 0); err != nil || slices.Contains(w.kinds(sent.Documents), statement.KindGrant) {
			t.Errorf("the next host is sent %v (%v)", w.kinds(sent.Documents), err)
		}
		// Somebody has switched it on again.
		w.report(0, hotstick.Failed, &hotstick.Reason{Code: hotstick.ReasonOldKernel, Detail: build.Release})
		w.rounds()
		live(5 * time.Minute)
		line = w.line(0)
		if line.State != hotstick.Failed || line.Reason.Code != hotstick.ReasonOldKernel {
			t.Errorf("back on the old kernel it is %s because of %+v", line.State, line.Reason)
		}
		// One host may have a cause of its own, so a person has to look.
		if got := w.states(); got[hotstick.Waiting] != 2 || w.status().Status != hotstick.Running {
			t.Errorf("then: %v, the plan is %s", got, w.status().Status)
		}
		if held := w.held(); held == nil || held.Code != hotstick.ReasonLaneHeld || held.Cause != hotstick.ReasonOldKernel {
			t.Errorf("then the lane is held for %+v", held)
		}
		w.must(w.store.View(w.Context(), func(tx store.Tx) error {
			events, err := tx.Events().List(store.EventFilter{})
			var lost, failed bool
			for _, e := range events {
				lost = lost || e.State == string(hotstick.Lost) && e.Reason != nil && e.Reason.Code == hotstick.ReasonNotBack
				failed = failed || e.State == string(hotstick.Failed) && e.Reason != nil && e.Reason.Code == hotstick.ReasonOldKernel
			}
			if !lost || !failed {
				t.Errorf("the log says that it was lost: %v, and that it failed: %v", lost, failed)
			}
			return err
		}))
	}, rebooted(20*time.Minute), canary)
}
