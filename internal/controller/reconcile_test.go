package controller

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/rollout"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/store"
)

// putBack makes the store one that was restored now.
func (w *world) putBack(mark, value string) {
	w.Helper()
	w.must(w.store.Update(w.Context(), func(tx store.Tx) error {
		if value == "" {
			value = tx.Now().Format(time.RFC3339Nano)
		}
		kind := inventory.ServerRestored
		if mark == inventory.MarkDisputed {
			kind = inventory.LogDisputed
		}
		if _, err := tx.Events().Append(store.Event{Kind: kind, Actor: "test"}); err != nil {
			return err
		}
		return tx.Events().SetMark(mark, value)
	}))
}

func code(err error) string {
	var r *Refusal
	if errors.As(err, &r) {
		return r.Code
	}
	return ""
}

func TestADatabaseThatWasPutBackGrantsNothing(t *testing.T) {
	for _, mark := range []string{inventory.MarkRestored, inventory.MarkDisputed} {
		for _, when := range []string{"before the hosts are admitted", "between admission and grant"} {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 2)
				value := ""
				if mark == inventory.MarkDisputed {
					value = "99 1"
				}
				if when == "before the hosts are admitted" {
					w.putBack(mark, value)
				}
				w.rounds()
				if when != "before the hosts are admitted" {
					if len(w.admitted()) != 2 {
						t.Fatalf("%d hosts were admitted", len(w.admitted()))
					}
					w.putBack(mark, value)
				}
				for i := range w.hosts {
					req := w.checkIn(i, 2, nil)
					out, err := w.control.Documents(t.Context(), req, 0)
					w.must(err)
					if kinds := w.kinds(out.Documents); slices.Contains(kinds, "grant") {
						t.Errorf("%s, %s: host %d got %v", mark, when, i, kinds)
					}
				}
				if when == "before the hosts are admitted" {
					if n := len(w.admitted()); n != 0 {
						t.Errorf("%s: %d hosts were admitted", mark, n)
					}
					w.must(w.store.View(t.Context(), func(tx store.Tx) error {
						return w.control.Ask(tx, w.status(), func(r *rollout.Rollout, now time.Time) {
							if why := r.Why(w.hosts[0].Host, now); why == nil || why.Code != hotstick.ReasonUnreconciled {
								t.Errorf("%s: a host waits for %+v", mark, why)
							}
						})
					}))
				}
			})
		}
	}
}

func TestReconcilingTakesInWhatHostsKnowBetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		if _, err := w.control.Reconcile(t.Context(), "ann", "nothing", true); code(err) != CodeConflict {
			t.Errorf("with nothing to reconcile: %v", err)
		}
		w.putBack(inventory.MarkRestored, "")
		if _, err := w.control.Start(t.Context(), string(w.plan), "ann", ""); err != nil {
			t.Errorf("a plan that runs is started: %v", err)
		}
		if _, err := w.control.Hold(t.Context(), string(w.plan), "ann", "look"); err != nil {
			t.Error(err)
		}
		if _, err := w.control.Resume(t.Context(), string(w.plan), "ann", "go"); code(err) != CodeUnreconciled {
			t.Errorf("a plan goes on: %v", err)
		}
		<-time.After(2 * time.Second)
		lost := hotstick.NewDigest([]byte("a plan of the lost days"))
		for i := range 2 {
			req := w.request(i, 2, nil)
			req.Loader.Plans, req.Loader.Bans = []hotstick.PlanID{lost}, []hotstick.PatchRef{newer}
			_, err := w.control.Take(t.Context(), req, time.Minute)
			w.must(err)
		}
		if _, err := w.control.Reconcile(t.Context(), "ann", "restored", false); code(err) != CodeConflict {
			t.Errorf("a host was not heard: %v", err)
		}
		if _, err := w.control.Reconcile(t.Context(), "ann", " ", true); code(err) != CodeInvalid {
			t.Errorf("without a reason: %v", err)
		}
		got, err := w.control.Reconcile(t.Context(), "ann", "restored", true)
		w.must(err)
		if len(got.Silent) != 1 || got.Silent[0] != w.hosts[2].Host || len(got.Ahead) != 2 ||
			!slices.Equal(got.Banned, []hotstick.PatchRef{newer}) || !slices.Equal(got.Halted, []hotstick.PlanID{w.plan}) {
			t.Errorf("found %+v", got)
		}
		if p := w.status(); p.Status != hotstick.Halted || p.Reason == nil || p.Reason.Code != hotstick.ReasonUnreconciled {
			t.Errorf("the plan is %s for %+v", p.Status, p.Reason)
		}
		if n := w.kindsLogged(); n[inventory.LogReconciled] != 1 || n[inventory.PatchBanned] != 1 {
			t.Errorf("logged %v", n)
		}
		w.must(w.store.View(t.Context(), func(tx store.Tx) error {
			if still, err := inventory.Unreconciled(tx); still || err != nil {
				t.Errorf("still to be reconciled: %v, %v", still, err)
			}
			return nil
		}))
	})
}
