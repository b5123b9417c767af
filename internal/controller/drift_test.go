package controller

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/wire"
)

// putsBack lets a plan put its level back so often on each host.
func putsBack(times int) edit {
	return func(w *world, p *hotstick.Plan) { p.Reapply = times }
}

// confirmed lets the first host take the level, so that the plan is completed.
func (w *world) confirmed() {
	w.Helper()
	w.rounds()
	for _, s := range []hotstick.HostState{hotstick.Armed, hotstick.Probation, hotstick.Confirmed} {
		w.report(0, s, nil)
	}
	w.rounds()
	if p := w.status(); p.Status != hotstick.Completed || p.Ended == nil {
		w.Fatalf("the plan is %s", p.Status)
	}
}

// runs is a check-in of the first host, whose ledger expects the level, with or without
// it in the kernel.
func (w *world) runs(level bool, reports ...hotstick.Report) {
	w.Helper()
	var h store.Host
	w.must(w.store.View(w.Context(), func(tx store.Tx) error {
		var err error
		h, err = tx.Hosts().Get(w.hosts[0].Host)
		return err
	}))
	req := w.request(0, h.Seq+1, reports)
	req.Loader.Expected = &patch
	if level {
		req.Patches = []hotstick.LoadedPatch{{Module: "unix_ioctl_1", State: hotstick.InEffect}}
	}
	_, err := w.control.Take(w.Context(), req, time.Minute)
	w.must(err)
	pass(time.Second)
	w.rounds()
}

// handTakes lets somebody disable the level on the first host: two check-ins show it, the
// first with the loader's own report.
func (w *world) handTakes(seq uint64) {
	w.Helper()
	w.runs(true)
	gone := w.says(seq, hotstick.Failed, &hotstick.Reason{Code: hotstick.ReasonRemovedOutside})
	gone[0].Attempt = w.line(0).Attempt
	w.runs(false, gone...)
	w.runs(false)
}

func TestACompletedPlanPutsBackWhatSomebodyTookAwayAndNoMoreThanItsSignaturesSay(t *testing.T) {
	inBubble(t, 1, func(w *world) {
		w.confirmed()
		w.handTakes(4)
		line, p := w.line(0), w.status()
		if p.Status != hotstick.Running || p.Ended != nil || p.Reason.Code != hotstick.ReasonDrifted || p.Reason.Subject != "host-1" {
			t.Errorf("the plan is %s because of %+v", p.Status, p.Reason)
		}
		if line.State != hotstick.Admitted || line.Attempt != 2 || line.Reapplied != 1 {
			t.Fatalf("the line is %+v", line)
		}
		log := w.kindsLogged()
		if log[inventory.HostDrifted] != 1 {
			t.Errorf("the log has %v", log)
		}
		for _, s := range []hotstick.HostState{hotstick.Armed, hotstick.Probation, hotstick.Confirmed} {
			w.report(0, s, nil)
		}
		w.rounds()
		w.runs(true)
		if p := w.status(); p.Status != hotstick.Completed || p.Ended == nil {
			t.Errorf("with the level back the plan is %s", p.Status)
		}
		// The person insists.
		w.handTakes(8)
		if line, p := w.line(0), w.status(); p.Status != hotstick.Completed || line.Attempt != 2 || line.Reason.Code != hotstick.ReasonRemovedOutside {
			t.Errorf("against a person who insists the plan is %s, and the line %+v", p.Status, line)
		}
		if log := w.kindsLogged(); log[inventory.HostDrifted] != 2 {
			t.Errorf("people are not told a second time: %v", log)
		}
	}, putsBack(1))
}

func TestAPersonTakesBackTheLeaveToPutALevelBack(t *testing.T) {
	inBubble(t, 1, func(w *world) {
		w.confirmed()
		_, err := w.control.Hold(w.Context(), string(w.plan), "alice", "wait")
		refusedAs(t, err, CodeConflict)
		if hint := err.(*Refusal).Hint; !strings.Contains(hint, "rollout halt") {
			t.Errorf("the hint is %q", hint)
		}
		_, err = w.control.Halt(w.Context(), string(w.plan), "alice", "no more of it")
		w.must(err)
		req := w.request(0, 40, nil)
		req.Loader.Plans, req.Loader.Expected = []hotstick.PlanID{w.plan}, &patch
		_, err = w.control.Take(w.Context(), req, time.Minute)
		w.must(err)
		out, err := w.control.Documents(w.Context(), req, 0)
		w.must(err)
		if kinds := w.kinds(out.Documents); !slices.Equal(kinds, []statement.Kind{statement.KindHalt}) {
			t.Errorf("the host hears %v", kinds)
		}
		w.runs(true)
		w.handTakes(4)
		if line, p := w.line(0), w.status(); p.Status != hotstick.Halted || line.Reapplied != 0 {
			t.Errorf("the plan is %s, and the line %+v", p.Status, line)
		}
	}, putsBack(1))
}

func TestACompletedPlanWithoutThatLeaveIsNotHalted(t *testing.T) {
	inBubble(t, 1, func(w *world) {
		w.confirmed()
		_, err := w.control.Halt(w.Context(), string(w.plan), "alice", "no more of it")
		refusedAs(t, err, CodeConflict)
	})
}

// TestAPlanThatTakesOverEndsTheLeaveOfTheOlderOne: the older one is completed.
func TestAPlanThatTakesOverEndsTheLeaveOfTheOlderOne(t *testing.T) {
	inBubble(t, 1, func(w *world) {
		w.confirmed()
		id, err := w.control.Submit(w.Context(), w.retarget(), w.hosts, "alice")
		w.must(err)
		_, err = w.control.Start(w.Context(), string(id), "alice", "")
		w.must(err)
		if p := w.status(); p.Status != hotstick.Halted || p.Reason.Code != hotstick.ReasonSuperseded {
			t.Errorf("the older plan is %s because of %+v", p.Status, p.Reason)
		}
	}, putsBack(1))
}

// TestOneHostInAPlanThatPutsItsLevelBackTakesItFromNobodyElse: its probe fails on the
// host that somebody's hand was on.
func TestOneHostInAPlanThatPutsItsLevelBackTakesItFromNobodyElse(t *testing.T) {
	inBubble(t, 1, func(w *world) {
		w.confirmed()
		w.handTakes(4)
		w.report(0, hotstick.Armed, nil)
		w.report(0, hotstick.Probation, nil)
		w.control = w.newController()
		w.report(0, hotstick.Reverted, &hotstick.Reason{Code: hotstick.ReasonProbeFailed, Subject: "http"})
		w.rounds()
		p, log := w.status(), w.kindsLogged()
		if p.Status != hotstick.Held || p.Reverting || !p.Reopened || p.Reason.Code != hotstick.ReasonGateFailed || log[inventory.PatchBanned] != 0 {
			t.Errorf("the plan is %s, reverting %t, reopened %t, because of %+v, and the log has %v", p.Status, p.Reverting, p.Reopened, p.Reason, log)
		}
	}, putsBack(1))
}

// TestAnOlderPlanPutsNothingBackAgainstANewerOne: the newer one has the last word on the
// host, whatever became of it.
func TestAnOlderPlanPutsNothingBackAgainstANewerOne(t *testing.T) {
	for name, end := range map[string]func(*world, string) error{
		"one that runs":      func(*world, string) error { return nil },
		"one that was ended": func(w *world, id string) error { _, err := w.control.Halt(w.Context(), id, "alice", "no"); return err },
	} {
		inBubble(t, 1, func(w *world) {
			w.confirmed()
			older := w.plan
			a, _ := w.trusted.Patches[1].Artifact(build)
			id, err := w.control.Submit(w.Context(), w.draft(a, func(w *world, p *hotstick.Plan) { p.Name, p.Patch = "q", newer }), w.hosts, "alice")
			w.must(err)
			pass(time.Second)
			_, err = w.control.Start(w.Context(), string(id), "alice", "")
			w.must(err)
			w.must(end(w, string(id)))
			w.handTakes(4)
			if w.plan = older; w.line(0).Reapplied != 0 || w.status().Status != hotstick.Completed {
				t.Errorf("%s: the older plan is %s, and its line %+v", name, w.status().Status, w.line(0))
			}
		}, putsBack(1))
	}
}

// TestAPlanThatStartsStopsAnOlderOneThatWaitsToPutItsLevelBack: the older one is held
// while the host drifts.
func TestAPlanThatStartsStopsAnOlderOneThatWaitsToPutItsLevelBack(t *testing.T) {
	inBubble(t, 1, func(w *world) {
		w.confirmed()
		older := w.plan
		a, _ := w.trusted.Patches[1].Artifact(build)
		id, err := w.control.Submit(w.Context(), w.draft(a, func(w *world, p *hotstick.Plan) { p.Name, p.Patch = "q", newer }), w.hosts, "alice")
		w.must(err)
		freeze, err := w.control.Freeze(w.Context(), time.Now(), time.Now().Add(time.Hour), "alice", "sale")
		w.must(err)
		w.handTakes(4)
		_, err = w.control.Start(w.Context(), string(id), "alice", "")
		w.must(err)
		w.rounds()
		_, err = w.control.Halt(w.Context(), string(id), "alice", "no")
		w.must(err)
		w.must(w.control.Unfreeze(w.Context(), freeze, "alice", "over"))
		w.rounds()
		if w.plan = older; w.line(0).Reapplied != 0 || w.status().Status != hotstick.Completed {
			t.Errorf("the older plan is %s, and its line %+v", w.status().Status, w.line(0))
		}
	}, putsBack(1))
}

func TestAServerThatWasDownWhileAHostDriftedPutsItsLevelBack(t *testing.T) {
	inBubble(t, 1, func(w *world) {
		w.confirmed()
		deaf := w.control
		w.runs(true)
		gone := w.says(4, hotstick.Failed, &hotstick.Reason{Code: hotstick.ReasonRemovedOutside})
		w.runs(false, gone...)
		h := w.request(0, 100, nil)
		h.Loader.Expected = &patch
		_, err := deaf.Take(w.Context(), h, time.Minute)
		w.must(err)
		w.control = w.newController() // it ended before it could decide
		pass(time.Second)
		w.rounds()
		if line := w.line(0); line.State != hotstick.Admitted || line.Reapplied != 1 {
			t.Errorf("the line is %+v", line)
		}
	}, putsBack(1))
}

func TestAPlanThatOnlyReportsLeavesWhatSomebodyTookAway(t *testing.T) {
	inBubble(t, 1, func(w *world) {
		w.confirmed()
		w.handTakes(4)
		if line, p := w.line(0), w.status(); p.Status != hotstick.Completed || line.State != hotstick.Failed || line.Attempt != 1 {
			t.Errorf("the plan is %s, and the line %+v", p.Status, line)
		}
	})
}

func TestALevelThatANewerPlanIsToReplaceIsNotPutBack(t *testing.T) {
	inBubble(t, 1, func(w *world) {
		w.confirmed()
		older := w.plan
		a, _ := w.trusted.Patches[1].Artifact(build)
		raw := w.draft(a, func(w *world, p *hotstick.Plan) { p.Name, p.Patch = "q", newer })
		id, err := w.control.Submit(w.Context(), raw, w.hosts, "alice")
		w.must(err)
		_, err = w.control.Start(w.Context(), string(id), "alice", "")
		w.must(err)
		w.handTakes(4)
		if w.plan = older; w.line(0).Reapplied != 0 || w.status().Status != hotstick.Completed {
			t.Errorf("the older plan is %s, and its line %+v", w.status().Status, w.line(0))
		}
	}, putsBack(1))
}

// TestALiftedHoldIsToldOnceAndNothingIsPutBack: the level is in effect all the time, and who
// lets its system go has a reason.
func TestALiftedHoldIsToldOnceAndNothingIsPutBack(t *testing.T) {
	inBubble(t, 1, func(w *world) {
		w.confirmed()
		w.runs(true)
		checksIn := func(seq uint64, lift *hotstick.Lift) {
			w.take(0, seq, func(r *wire.SyncRequest) {
				r.Loader.Expected, r.Patches = &patch, []hotstick.LoadedPatch{{Module: "unix_ioctl_1", State: hotstick.InEffect}}
				r.Facts.Masters = []hotstick.Master{{System: "kpatch", Adopted: true, Driver: "klp", Lifted: lift}}
				r.FactsDigest = hotstick.NewDigest(fmt.Append(nil, lift))
			})
			pass(time.Second)
			w.rounds()
		}
		lift := &hotstick.Lift{Detail: "kpatch.service is enabled"}
		checksIn(50, nil)
		checksIn(51, lift)
		if log := w.kindsLogged(); log[inventory.HostDrifted] != 1 {
			t.Fatalf("after the first check-in that shows it the log has %v", log)
		}
		checksIn(52, lift)
		if log, line := w.kindsLogged(), w.line(0); log[inventory.HostDrifted] != 1 || line.State != hotstick.Confirmed || line.Reapplied != 0 {
			t.Errorf("later the log has %v, and the line is %+v", log, line)
		}
		checksIn(53, nil)
		if log := w.kindsLogged(); log[inventory.HostAligned] != 1 {
			t.Errorf("once it is on hold again the log has %v", log)
		}
	}, putsBack(1))
}
