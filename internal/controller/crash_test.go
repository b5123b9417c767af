package controller

import (
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/rollout"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/wire"
)

// take lets the controller take a check-in of host i.
func (w *world) take(i int, seq uint64, edit func(*wire.SyncRequest), reports ...hotstick.Report) wire.SyncRequest {
	w.Helper()
	req := w.request(i, seq, reports)
	edit(&req)
	_, err := w.control.Take(w.Context(), req, time.Minute)
	w.must(err)
	return req
}

// waits says what keeps host i from starting.
func (w *world) waits(i int) hotstick.Reason {
	w.Helper()
	var why *hotstick.Reason
	w.must(w.store.View(w.Context(), func(tx store.Tx) error {
		plan, err := tx.Plans().Get(w.plan)
		if err != nil {
			return err
		}
		return w.control.Ask(tx, plan, func(r *rollout.Rollout, now time.Time) { why = r.Why(w.hosts[i].Host, now) })
	}))
	if why == nil {
		return hotstick.Reason{}
	}
	return *why
}

// TestACrashStopsTheLevelOnMachinesOfItsKind has a host of one model crash, while
// another of the same model is admitted, and one of another model too.
func TestACrashStopsTheLevelOnMachinesOfItsKind(t *testing.T) {
	inBubble(t, 4, func(w *world) {
		w.rounds()
		model := func(req *wire.SyncRequest) {
			req.Facts.Host.Model = "one"
			if req.Host == w.hosts[1].Host {
				req.Facts.Host.Model = "two"
			}
			req.FactsDigest = hotstick.NewDigest([]byte(req.Facts.Host.Model))
			req.Loader.Plans = []hotstick.PlanID{w.plan}
		}
		grants := func(i int, seq uint64) bool {
			out, err := w.control.Documents(w.Context(), w.take(i, seq, model), 0)
			w.must(err)
			return len(w.kinds(out.Documents)) == 1
		}
		for i := range w.hosts {
			w.take(i, 2, model)
		}
		w.rounds()
		if !grants(0, 3) {
			t.Fatal("the first host gets no grant")
		}
		w.take(0, 4, model, w.says(1, hotstick.Armed, nil)...)
		crash := w.says(2, hotstick.Quarantined, &hotstick.Reason{Code: hotstick.ReasonCrash})
		crash[0].Crash = &hotstick.CrashPrint{Patch: patch, Build: build, Model: "one"}
		w.take(0, 5, func(req *wire.SyncRequest) { model(req); req.Boot, req.Facts.Host.BootID = "again", "again" }, crash...)
		w.rounds()
		if !grants(1, 4) {
			t.Error("a machine of another kind gets no grant")
		}
		for _, i := range []int{2, 3} {
			if grants(i, 4) {
				t.Errorf("host %d has the model that crashed, and gets a grant", i)
			}
			if why := w.waits(i); why.Code != hotstick.ReasonCrashedElsewhere || why.Subject != "host-1" {
				t.Errorf("host %d waits for %+v", i, why)
			}
		}
		if stops := w.stops(); stops != 1 {
			t.Fatalf("%d stops", stops)
		}
		if _, err := w.control.Clear(w.Context(), w.clears(false, w.hosts[0].Host), "alice"); err != nil || w.stops() != 1 {
			t.Errorf("a clear of one host: %v, %d stops are left", err, w.stops())
		}
		if _, err := w.control.Clear(w.Context(), w.clears(false), "alice"); err != nil || w.stops() != 0 {
			t.Errorf("a clear of the level: %v, %d stops are left", err, w.stops())
		}
		w.rounds()
		if why := w.waits(2); why.Code == hotstick.ReasonCrashedElsewhere {
			t.Errorf("it still waits for %+v", why)
		}
	})
}

// stops counts the crash stops of the patch.
func (w *world) stops() (n int) {
	w.Helper()
	w.must(w.store.View(w.Context(), func(tx store.Tx) error {
		all, err := tx.Bans().CrashStops(patch)
		n = len(all)
		return err
	}))
	return n
}

// TestWhatHoldsAHostBackOnItselfGetsNoGrant bars an admitted host in each of the ways
// that only the host knows of.
func TestWhatHoldsAHostBackOnItselfGetsNoGrant(t *testing.T) {
	for _, c := range []struct {
		want hotstick.ReasonCode
		edit func(*wire.SyncRequest)
	}{
		{hotstick.ReasonHeldOnHost, func(r *wire.SyncRequest) { r.Loader.Hold = &hotstick.HostHold{By: "root"} }},
		{hotstick.ReasonSwitchedOff, func(r *wire.SyncRequest) { r.Loader.Off = hotstick.OffByFile }},
		{hotstick.ReasonOtherMaster, func(r *wire.SyncRequest) {
			r.Facts.Masters = []hotstick.Master{{System: "kpatch", Active: true}}
			r.FactsDigest = hotstick.NewDigest([]byte("master"))
		}},
		{hotstick.ReasonHoldLifted, func(r *wire.SyncRequest) {
			r.Facts.Masters = []hotstick.Master{{System: "kpatch", Adopted: true, Driver: "klp", Lifted: &hotstick.Lift{Detail: "kpatch.service"}}}
			r.FactsDigest = hotstick.NewDigest([]byte("lifted"))
		}},
	} {
		inBubble(t, 1, func(w *world) {
			w.rounds()
			req := w.take(0, 2, c.edit)
			out, err := w.control.Documents(w.Context(), req, 0)
			w.must(err)
			for _, kind := range w.kinds(out.Documents) {
				if kind == "grant" {
					t.Errorf("%s: it gets a grant", c.want)
				}
			}
			w.rounds()
			if why := w.waits(0); why.Code != c.want {
				t.Errorf("it waits for %+v, want %s", why, c.want)
			}
		})
	}
}
