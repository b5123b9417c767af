package controller

import (
	"fmt"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/wire"
)

// boots lets host i check in from another boot, with what else its check-in says.
func (w *world) boots(i, boot int, say func(*wire.SyncRequest)) {
	w.Helper()
	req := w.request(i, 1, nil)
	req.Boot = fmt.Sprintf("boot-%d-%d", i, boot)
	req.Facts.Host.BootID, req.FactsDigest = req.Boot, hotstick.NewDigest([]byte(req.Boot))
	if say != nil {
		say(&req)
	}
	_, err := w.control.Take(w.Context(), req, time.Minute)
	w.must(err)
	_, err = w.control.Documents(w.Context(), req, 0)
	w.must(err)
	w.rounds()
}

// crashed is what a loader says of a crash without a trace.
func crashed(state hotstick.HostState, strikes ...hotstick.PatchRef) func(*wire.SyncRequest) {
	return func(req *wire.SyncRequest) {
		req.Loader.Strikes, req.Loader.Busy = strikes, false
		req.Reports = []hotstick.Report{{Seq: 2, Plan: "", Patch: patch, Attempt: 1, State: state, Reason: &hotstick.Reason{Code: hotstick.ReasonCrash, Subject: "fix_1"}}}
	}
}

// TestAPowerCutIsNoVerdictOnThePatch: the loader of a host that was struck by it cannot
// know, so the server says what happened and whose strikes one clear lifts.
func TestAPowerCutIsNoVerdictOnThePatch(t *testing.T) {
	inBubble(t, 4, func(w *world) {
		say := crashed(hotstick.Quarantined, patch)
		w.rounds()
		w.report(0, hotstick.Probation, nil)
		w.rounds()
		pass(time.Minute)
		for i := 1; i < 4; i++ {
			w.boots(i, 2, nil)
		}
		w.boots(0, 2, func(req *wire.SyncRequest) { say(req); req.Reports[0].Plan = w.plan })
		line := w.line(0)
		want := hotstick.Reason{Code: hotstick.ReasonStruck, Subject: patch.String(), Cause: hotstick.ReasonPowerCut, Detail: "rack=r0, with 3 others"}
		if line.State != hotstick.Skipped || line.Reason == nil || *line.Reason != want {
			t.Fatalf("it is %s for %+v, want %+v", line.State, line.Reason, want)
		}
		pass(time.Minute)
		w.boots(0, 2, func(req *wire.SyncRequest) { req.Seq = 2 }) // its strike was lifted
		if line := w.line(0); line.State != hotstick.Waiting && line.State != hotstick.Admitted {
			t.Errorf("after a clear it is %s for %+v", line.State, line.Reason)
		}
	}, racks(4, 1))
}

func TestACrashAfterConfirmationCounts(t *testing.T) {
	for _, test := range []struct {
		what   string
		others int
		counts bool
	}{
		{"alone", 0, true},
		{"with its rack", 3, false},
	} {
		t.Run(test.what, func(t *testing.T) {
			inBubble(t, 4, func(w *world) {
				say := crashed(hotstick.Confirmed)
				w.rounds()
				w.report(0, hotstick.Probation, nil)
				w.report(0, hotstick.Confirmed, nil)
				w.rounds()
				before := w.line(0)
				pass(time.Minute)
				for i := 1; i < 4; i++ {
					if i <= test.others {
						w.boots(i, 2, nil)
					} else {
						w.report(i, hotstick.Waiting, nil)
					}
				}
				w.boots(0, 2, func(req *wire.SyncRequest) { say(req); req.Reports[0].Plan, req.Reports[0].Seq = w.plan, 3 })
				line := w.line(0)
				h, _ := w.control.picture.lives[w.plan].r.Host(w.hosts[0].Host)
				if line.State != hotstick.Confirmed || !line.Updated.Equal(before.Updated) {
					t.Errorf("its line is %+v, before %+v", line, before)
				}
				if counted := line.Reason != nil && line.Reason.Code == hotstick.ReasonCrash && !h.Crashed.IsZero(); counted != test.counts {
					t.Errorf("it counts: %v, with %+v at %v", counted, line.Reason, h.Crashed)
				}
				if n := w.kindsLogged()[inventory.HostCrashed]; (n == 1) != test.counts {
					t.Errorf("%d crashes are in the log", n)
				}
			}, racks(4, 1))
		})
	}
}

// A host that is ordered back learns of it only after its rack lost power; what its
// loader then says of that boot must not end the way back.
func TestAPowerCutAfterConfirmationDoesNotCutTheWayBackShort(t *testing.T) {
	inBubble(t, 4, func(w *world) {
		say := crashed(hotstick.Confirmed)
		w.rounds()
		w.report(0, hotstick.Probation, nil)
		w.report(0, hotstick.Confirmed, nil)
		w.rounds()
		_, err := w.control.Revert(w.Context(), string(w.plan), "alice", "back", []hotstick.HostID{w.hosts[0].Host})
		w.must(err)
		w.rounds()
		if state := w.line(0).State; state != hotstick.Reverting {
			t.Fatalf("it was ordered back and is %s", state)
		}
		pass(time.Minute)
		for i := 1; i < 4; i++ {
			w.boots(i, 2, nil)
		}
		w.boots(0, 2, func(req *wire.SyncRequest) { say(req); req.Reports[0].Plan, req.Reports[0].Seq = w.plan, 3 })
		if line := w.line(0); line.State != hotstick.Reverting {
			t.Errorf("it is %s for %+v", line.State, line.Reason)
		}
	}, racks(4, 1))
}
