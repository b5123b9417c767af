package controller

import (
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/rollout"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/store"
)

// crash lets the first host go down with the patch.
func crash(w *world) {
	w.rounds()
	w.report(0, hotstick.Armed, nil)
	w.report(0, hotstick.Quarantined, &hotstick.Reason{Code: hotstick.ReasonCrash, Subject: "rcu"})
	w.rounds()
}

// standIn lets the second host stand in for the first one.
func standIn(w *world, p *hotstick.Plan) {
	canary(w, p)
	w.hosts[1].StandIn = &hotstick.StandIn{For: w.hosts[0].Host}
}

func (w *world) dismiss(i int) error {
	_, err := w.control.Dismiss(w.Context(), string(w.plan), w.hosts[i].Host, "alice", "bad memory")
	return err
}

// held is why the first lane does not go on.
func (w *world) held() *hotstick.Reason {
	w.Helper()
	var held *hotstick.Reason
	plan := w.status()
	w.must(w.store.View(w.Context(), func(tx store.Tx) error {
		return w.control.Ask(tx, plan, func(r *rollout.Rollout, now time.Time) { held = r.Lanes(now)[0].Held })
	}))
	return held
}

func TestADismissedHostNoLongerHoldsItsLaneAndAStandInGoesFirst(t *testing.T) {
	inBubble(t, 3, func(w *world) {
		crash(w)
		if held := w.held(); held == nil || held.Code != hotstick.ReasonCanaryLost {
			t.Fatalf("the lane is held for %+v", held)
		}
		before := w.line(0)
		for range 2 {
			w.must(w.dismiss(0))
		}
		line := w.line(0)
		if line.State != hotstick.Skipped || line.Reason.Code != hotstick.ReasonDismissed || line.Reason.Subject != "alice: bad memory" ||
			line.Reason.Cause != hotstick.ReasonCrash || !line.Updated.Equal(before.Updated) {
			t.Errorf("its line is %+v because of %+v", line, line.Reason)
		}
		w.rounds()
		if got := w.admitted(); len(got) != 1 || got[0] != 1 {
			t.Fatalf("hosts %v were admitted, want the stand-in alone", got)
		}
		for _, s := range []hotstick.HostState{hotstick.Armed, hotstick.Probation, hotstick.Confirmed} {
			w.report(1, s, nil)
		}
		w.rounds()
		if got := w.admitted(); len(got) != 1 || got[0] != 2 {
			t.Errorf("hosts %v were admitted behind the confirmed stand-in, want the last", got)
		}
		if e := w.newest(inventory.HostState, w.hosts[0].Host); e.Actor != "alice" || e.State != string(hotstick.Skipped) || e.Reason.Subject != "alice: bad memory" {
			t.Errorf("the log says %+v", e)
		}
	}, standIn)
}

func TestADismissalNeverLetsALanePassWithoutAConfirmedCanary(t *testing.T) {
	inBubble(t, 3, func(w *world) {
		crash(w)
		w.must(w.dismiss(0))
		w.rounds()
		pass(2 * time.Minute)
		w.rounds()
		if got := w.admitted(); len(got) != 0 {
			t.Errorf("hosts %v were admitted", got)
		}
		if held := w.held(); held == nil || held.Code != hotstick.ReasonLaneHeld {
			t.Errorf("the lane is held for %+v, want that it has no confirmed canary", held)
		}
	}, canary)
}

// newest is the newest event of a kind about a host.
func (w *world) newest(kind string, host hotstick.HostID) store.Event {
	w.Helper()
	var found store.Event
	w.must(w.store.View(w.Context(), func(tx store.Tx) error {
		events, err := tx.Events().List(store.EventFilter{})
		for _, e := range events {
			if e.Kind == kind && e.Host == host && e.Seq > found.Seq {
				found = e
			}
		}
		return err
	}))
	return found
}

func TestOnlyHostsThatEndedBadlyAreDismissed(t *testing.T) {
	may := map[hotstick.HostState]bool{hotstick.Quarantined: true, hotstick.Reverted: true, hotstick.Failed: true, hotstick.Interrupted: true}
	for _, state := range hotstick.HostStates() {
		inBubble(t, 1, func(w *world) {
			w.event(func(tx store.Tx) error {
				line, err := tx.Plans().Host(w.plan, w.hosts[0].Host)
				if err != nil {
					return err
				}
				line.State = state
				return tx.Plans().PutHost(line)
			})
			err := w.dismiss(0)
			if !may[state] {
				refusedAs(t, err, CodeConflict)
				if line := w.line(0); line.State != state {
					t.Errorf("a host that was %s is %s", state, line.State)
				}
				return
			}
			w.must(err)
			if line := w.line(0); line.State != hotstick.Skipped || rollout.Outcome(line.State, line.Reason) != state {
				t.Errorf("a host that was %s is %s because of %+v", state, line.State, line.Reason)
			}
		})
	}
}

func TestNobodyIsDismissedFromARolloutThatIsOver(t *testing.T) {
	inBubble(t, 3, func(w *world) {
		crash(w)
		_, err := w.control.Halt(w.Context(), string(w.plan), "alice", "enough")
		w.must(err)
		refusedAs(t, w.dismiss(0), CodeConflict)
		_, err = w.control.Dismiss(w.Context(), string(w.plan), "h-nobody", "alice", "x")
		refusedAs(t, err, CodeNotFound)
	}, canary)
}

// TestAHostThatCrashedAndIsWrittenOffStaysCounted: giving up a machine says nothing
// about what the patch did to it.
func TestAHostThatCrashedAndIsWrittenOffStaysCounted(t *testing.T) {
	inBubble(t, 3, func(w *world) {
		crash(w)
		w.must(w.control.WriteOff(w.Context(), w.hosts[0].Host, "alice", "sold"))
		w.rounds()
		if line := w.line(0); line.State != hotstick.Quarantined {
			t.Errorf("it is %s", line.State)
		}
		w.must(w.dismiss(0))
		w.rounds()
		if got := w.admitted(); len(got) != 1 || got[0] != 1 {
			t.Errorf("hosts %v were admitted, want the stand-in", got)
		}
	}, standIn)
}
