package controller

import (
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/wire"
)

// TestEveryConditionOfAGrantIsCheckedWhereItIsRecorded asks for the grant itself,
// past every earlier look at the same things: only the transaction that records
// a grant may be relied on.
func TestEveryConditionOfAGrantIsCheckedWhereItIsRecorded(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(*world, *wire.SyncRequest)
		given bool
	}{
		{"everything holds", func(*world, *wire.SyncRequest) {}, true},
		{"the plan is on hold", func(w *world, _ *wire.SyncRequest) {
			_, err := w.control.Hold(w.Context(), string(w.plan), "alice", "")
			w.must(err)
		}, false},
		{"the plan is halted", func(w *world, _ *wire.SyncRequest) {
			_, err := w.control.Halt(w.Context(), string(w.plan), "alice", "")
			w.must(err)
		}, false},
		{"everything is stopped", func(w *world, _ *wire.SyncRequest) {
			w.event(func(tx store.Tx) error { return tx.Bans().SetStopAll(true) })
		}, false},
		{"the patch is banned", func(w *world, _ *wire.SyncRequest) {
			w.must(w.control.Ban(w.Context(), patch, "alice", "bad"))
		}, false},
		{"the catalog has expired", func(w *world, _ *wire.SyncRequest) { w.trusted.Expires = time.Now() }, false},
		{"the epoch has changed since the plan was signed", func(w *world, _ *wire.SyncRequest) { w.trusted.Trust.Epoch++ }, false},
		{"the plan's life is over", func(w *world, _ *wire.SyncRequest) { pass(24*time.Hour + time.Minute) }, false},
		{"the host is revoked", func(w *world, req *wire.SyncRequest) {
			w.event(func(tx store.Tx) error { return tx.Hosts().Delete(req.Host) })
		}, false},
		{"the check-in is not the newest", func(_ *world, req *wire.SyncRequest) { req.Seq-- }, false},
		{"the check-in is of another boot", func(_ *world, req *wire.SyncRequest) { req.Boot = "another" }, false},
		{"changes are frozen", func(w *world, _ *wire.SyncRequest) {
			_, err := w.control.Freeze(w.Context(), time.Now(), time.Now().Add(time.Hour), "alice", "a fair")
			w.must(err)
		}, false},
		{"a freeze is over", func(w *world, _ *wire.SyncRequest) {
			_, err := w.control.Freeze(w.Context(), time.Now(), time.Now().Add(time.Second), "alice", "a fair")
			w.must(err)
			pass(time.Second)
		}, true},
		{"the host is kept out", func(w *world, req *wire.SyncRequest) {
			w.must(w.control.Exclude(w.Context(), req.Host, time.Now().Add(time.Hour), "alice", "an audit"))
		}, false},
		{"the host was kept out for a while", func(w *world, req *wire.SyncRequest) {
			w.must(w.control.Exclude(w.Context(), req.Host, time.Now().Add(time.Second), "alice", "an audit"))
			pass(time.Second)
		}, true},
		{"the host is wanted back", func(w *world, req *wire.SyncRequest) {
			_, err := w.control.Revert(w.Context(), string(w.plan), "alice", "back", []hotstick.HostID{req.Host})
			w.must(err)
		}, false},
		{"the host's window has closed", func(*world, *wire.SyncRequest) { pass(time.Minute) }, false},
		{"the host has started already", func(w *world, req *wire.SyncRequest) {
			*req = w.checkIn(0, 9, w.says(1, hotstick.Armed, nil))
		}, false},
	}
	for _, tt := range tests {
		inBubble(t, 1, func(w *world) {
			stop := w.run(w.control)
			pass(time.Second)
			stop()
			req := w.checkIn(0, 2, nil)
			tt.spoil(w, &req)
			document, err := w.control.grant(w.Context(), w.plan, req)
			if err != nil || (document != nil) != tt.given {
				t.Errorf("%s: a grant was given: %v, %v", tt.name, document != nil, err)
			}
			if !tt.given || err != nil {
				return
			}
			g, err := statement.OpenGrant(document, w.trusted.Trust)
			if err != nil || g.Nonce != req.Loader.Nonce || g.Host != req.Host || g.Attempt != 1 {
				t.Errorf("the grant is %+v, %v", g, err)
			}
		}, openForAMinute)
	}
}

// openForAMinute gives all hosts a window that is open and closes in a minute.
func openForAMinute(w *world, p *hotstick.Plan) {
	from := time.Now().UTC().Truncate(time.Second)
	p.Calendars = []hotstick.Calendar{{Name: "day", Opens: []hotstick.Interval{{From: from, Until: from.Add(time.Minute)}}}}
	for i := range w.hosts {
		w.hosts[i].Calendar = "day"
	}
}

// event changes something together with an event.
func (w *world) event(change func(store.Tx) error) {
	w.Helper()
	w.must(w.store.Update(w.Context(), func(tx store.Tx) error {
		if _, err := tx.Events().Append(store.Event{Kind: inventory.FleetStopped}); err != nil {
			return err
		}
		return change(tx)
	}))
}

// TestAHeldPlanTakesBackAdmissionsOnceTheirGrantsAreDead: a host whose grant may
// still be alive may start at any moment and keeps its slot.
func TestAHeldPlanTakesBackAdmissionsOnceTheirGrantsAreDead(t *testing.T) {
	inBubble(t, 2, func(w *world) {
		defer w.run(w.control)()
		pass(time.Second)
		_, err := w.control.Documents(w.Context(), w.checkIn(0, 2, nil), 0)
		w.must(err)
		_, err = w.control.Hold(w.Context(), string(w.plan), "alice", "")
		w.must(err)
		pass(time.Second)
		if got := w.states(); got[hotstick.Admitted] != 1 || got[hotstick.Waiting] != 1 {
			t.Errorf("right after the hold: %v; want the granted one admitted", got)
		}
		pass(70 * time.Second)
		w.checkIn(0, 3, nil)
		pass(2 * time.Minute)
		w.must(w.store.View(w.Context(), func(tx store.Tx) error {
			line, err := tx.Plans().Host(w.plan, w.hosts[0].Host)
			if line.State != hotstick.Waiting || line.Granted != nil {
				t.Errorf("after the grant's life: %s, granted %v", line.State, line.Granted)
			}
			slots, err2 := tx.Slots().List()
			if len(slots) != 0 {
				t.Errorf("%d slots are still taken", len(slots))
			}
			if err == nil {
				err = err2
			}
			return err
		}))
	})
}
