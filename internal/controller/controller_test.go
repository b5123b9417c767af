package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/wire"
)

// inBubble runs a test in fake time.
func inBubble(t *testing.T, n int, test func(*world), edits ...edit) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(newWorld(t, n, edits...)) })
}

// pass lets fake time go by.
func pass(d time.Duration) { <-time.After(d); synctest.Wait() }

func TestOnlyAsManyHostsAreAdmittedAsTheBudgetAllows(t *testing.T) {
	inBubble(t, 5, func(w *world) {
		defer w.run(w.control)()
		pass(time.Second)
		if got := w.states(); got[hotstick.Admitted] != 2 || got[hotstick.Waiting] != 3 {
			t.Errorf("states %v; want two admitted", got)
		}
	})
}

func TestTwoControllersOnOneStoreNeverExceedABudget(t *testing.T) {
	inBubble(t, 6, func(w *world) {
		defer w.run(w.control)()
		defer w.run(w.newController())()
		seq := uint64(2)
		for range 3 {
			pass(time.Second)
			if got := w.states(); got[hotstick.Admitted] > 2 {
				t.Fatalf("states %v; want at most two admitted", got)
			}
			for _, i := range w.admitted() {
				w.checkIn(i, seq, w.says(1, hotstick.Confirmed, nil))
			}
			seq++
		}
		pass(time.Second)
		if p := w.status(); p.Status != hotstick.Completed {
			t.Errorf("the plan is %s, states %v", p.Status, w.states())
		}
	})
}

func TestAHostThatStartedAndFellSilentIsLost(t *testing.T) {
	inBubble(t, 1, func(w *world) {
		defer w.run(w.control)()
		pass(time.Second)
		w.checkIn(0, 2, w.says(1, hotstick.Armed, nil))
		pass(4 * time.Minute)
		if got := w.states(); got[hotstick.Armed] != 1 {
			t.Errorf("after four minutes: %v", got)
		}
		pass(2 * time.Minute)
		if got := w.states(); got[hotstick.Lost] != 1 {
			t.Errorf("after six minutes: %v; want lost", got)
		}
	})
}

// TestAnAttemptThatItsLoaderForgotIsMadeAnew: somebody put an older ledger back, so
// the loader has no attempt open and never tells how it ended.
func TestAnAttemptThatItsLoaderForgotIsMadeAnew(t *testing.T) {
	inBubble(t, 1, func(w *world) {
		w.rounds()
		w.report(0, hotstick.Probation, nil)
		for seq := uint64(10); seq < 21; seq++ {
			pass(time.Minute)
			req := w.request(0, seq, nil)
			req.Loader.Busy = seq < 12
			_, err := w.control.Take(w.Context(), req, time.Minute)
			w.must(err)
			_, err = w.control.Documents(w.Context(), req, 0)
			w.must(err)
			w.rounds()
			if got := w.line(0).State; seq < 19 && got != hotstick.Probation {
				t.Fatalf("after %d minutes it is %s", seq-9, got)
			}
		}
		if got := w.line(0); got.State != hotstick.Admitted || got.Attempt != 2 {
			t.Errorf("after eleven minutes it is %s in attempt %d; want admitted for the second", got.State, got.Attempt)
		}
		pass(2 * time.Minute)
	})
}

// TestTheServersOwnAbsenceIsNotTheHostsSilence: two lost hosts of one kind would
// halt the rollout and ban the patch.
func TestTheServersOwnAbsenceIsNotTheHostsSilence(t *testing.T) {
	inBubble(t, 2, func(w *world) {
		stop := w.run(w.control)
		pass(time.Second)
		w.checkIn(0, 2, w.says(1, hotstick.Armed, nil))
		w.checkIn(1, 2, w.says(1, hotstick.Armed, nil))
		pass(time.Second)
		stop()
		pass(30 * time.Minute)
		defer w.run(w.newController())()
		pass(time.Minute)
		if got := w.states(); got[hotstick.Armed] != 2 {
			t.Fatalf("a minute after the start: %v; want both armed", got)
		}
		w.checkIn(0, 3, nil)
		pass(4*time.Minute + 30*time.Second)
		if got := w.states(); got[hotstick.Armed] != 1 || got[hotstick.Lost] != 1 {
			t.Errorf("after the grace: %v; want the silent one lost", got)
		}
		if p := w.status(); p.Status != hotstick.Running {
			t.Errorf("the plan is %s", p.Status)
		}
	})
}

func TestAPlansLifeEnds(t *testing.T) {
	inBubble(t, 3, func(w *world) {
		defer w.run(w.control)()
		pass(25 * time.Hour)
		if p := w.status(); p.Status != hotstick.Expired || p.Ended == nil {
			t.Errorf("after its life the plan is %s", p.Status)
		}
		_, err := w.control.Resume(w.Context(), string(w.plan), "alice", "")
		refusedAs(t, err, CodeConflict)
	})
}

func TestAFailureWithAVeryLongTextStillHaltsBansAndReverts(t *testing.T) {
	inBubble(t, 3, func(w *world) {
		defer w.run(w.control)()
		pass(time.Second)
		why := &hotstick.Reason{Code: hotstick.ReasonProbeFailed, Subject: strings.Repeat("s", 9000), Detail: strings.Repeat("é", 8000)}
		i := w.admitted()[0]
		w.checkIn(i, 2, w.says(1, hotstick.Reverting, why))
		pass(time.Second)
		if p := w.status(); p.Status != hotstick.Halted || !p.Reverting {
			t.Fatalf("the plan is %s", p.Status)
		}
		w.must(w.store.View(w.Context(), func(tx store.Tx) error {
			b, err := tx.Bans().Get(patch)
			if err != nil {
				return err
			}
			_, err = statement.OpenBan(b.Envelope, w.trusted.Trust)
			return err
		}))
	})
}

func TestNoGrantFromAnExpiredCatalog(t *testing.T) {
	inBubble(t, 1, func(w *world) {
		defer w.run(w.control)()
		pass(time.Second)
		w.trusted.Expires = time.Now()
		out, err := w.control.Documents(w.Context(), w.checkIn(0, 2, nil), 0)
		w.must(err)
		if got := w.kinds(out.Documents); fmt.Sprint(got) != "[plan]" {
			t.Errorf("documents %v; want the plan only", got)
		}
	})
}

func TestWhatAnAnswerCarries(t *testing.T) {
	inBubble(t, 1, func(w *world) {
		defer w.run(w.control)()
		pass(time.Second)
		seq := uint64(1)
		answer := func(change ...func(*Outgoing)) string {
			t.Helper()
			seq++
			req := w.checkIn(0, seq, nil)
			if seq > 2 {
				req.Loader.Plans = []hotstick.PlanID{w.plan}
			}
			out, err := w.control.Documents(w.Context(), req, 0)
			w.must(err)
			return fmt.Sprint(w.kinds(out.Documents), out.Active)
		}
		if got := answer(); got != "[plan grant] true" {
			t.Errorf("to an admitted host that knows nothing: %s", got)
		}
		if got := answer(); got != "[grant] true" {
			t.Errorf("to an admitted host with a new nonce: %s", got)
		}
		w.checkIn(0, 50, w.says(1, hotstick.Probation, nil))
		seq = 50
		if got := answer(); got != "[] true" {
			t.Errorf("to a host on probation: %s", got)
		}
		_, err := w.control.Revert(w.Context(), string(w.plan), "alice", "no", nil)
		w.must(err)
		pass(time.Second)
		if got := answer(); got != "[order halt ban] true" {
			t.Errorf("to a host that is ordered back: %s", got)
		}
		w.must(w.control.Ban(w.Context(), patch, "alice", "bad"))
		if got := answer(); got != "[order] true" {
			t.Errorf("with a new nonce, and the halt and the ban on their way: %s", got)
		}
		w.checkIn(0, 90, w.says(2, hotstick.Reverted, nil))
		seq = 90
		if got := answer(); got != "[] false" {
			t.Errorf("to a host that is back: %s", got)
		}
		pass(resendAfter)
		if got := answer(); got != "[halt ban] false" {
			t.Errorf("to a host that does not say that it has them: %s", got)
		}
	})
}

func TestAnOldCheckInTakesNoGrant(t *testing.T) {
	inBubble(t, 1, func(w *world) {
		defer w.run(w.control)()
		pass(time.Second)
		old := w.checkIn(0, 2, nil)
		w.checkIn(0, 3, nil)
		out, err := w.control.Documents(w.Context(), old, 0)
		w.must(err)
		if len(out.Documents) != 0 {
			t.Errorf("documents %v for a check-in that a newer one followed", w.kinds(out.Documents))
		}
	})
}

func TestARepeatedGrantIsTheSameGrant(t *testing.T) {
	inBubble(t, 1, func(w *world) {
		defer w.run(w.control)()
		pass(time.Second)
		req := w.checkIn(0, 2, nil)
		first, err := w.control.Documents(w.Context(), req, 0)
		w.must(err)
		next := w.request(0, 3, nil)
		next.Loader.Nonce = req.Loader.Nonce
		w.checkIn(0, 3, nil)
		second, err := w.control.Documents(w.Context(), next, 0)
		w.must(err)
		if string(first.Documents[1]) != string(second.Documents[0]) {
			t.Error("one nonce was given two grants")
		}
	})
}

func TestAHoldEndsWithItsContextAndItsTime(t *testing.T) {
	inBubble(t, 1, func(w *world) {
		defer w.run(w.control)()
		_, err := w.control.Hold(w.Context(), string(w.plan), "alice", "")
		w.must(err)
		req := w.checkIn(0, 2, nil)
		_, err = w.control.Documents(w.Context(), req, 0) // the plan is on its way
		w.must(err)
		pass(100 * time.Millisecond)
		start := time.Now()
		out, err := w.control.Documents(w.Context(), req, 5*time.Second)
		if took := time.Since(start); err != nil || len(out.Documents) > 0 || took != 5*time.Second {
			t.Errorf("held for %s: %v %v", took, w.kinds(out.Documents), err)
		}
		ctx, cancel := context.WithTimeout(w.Context(), time.Second)
		defer cancel()
		if _, err := w.control.Documents(ctx, req, 5*time.Second); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a caller that is gone: %v", err)
		}
	})
}

func TestSingleHostsAreRecalledAndMarked(t *testing.T) {
	inBubble(t, 8, func(w *world) {
		defer w.run(w.control)()
		for seq := uint64(2); w.status().Status == hotstick.Running; seq++ {
			pass(time.Second)
			for _, i := range w.admitted() {
				w.checkIn(i, seq, w.says(1, hotstick.Confirmed, nil))
			}
		}
		ids := func(n int) (ids []hotstick.HostID) {
			for _, h := range w.hosts[:n] {
				ids = append(ids, h.Host)
			}
			return ids
		}
		_, err := w.control.Revert(w.Context(), string(w.plan), "alice", "", []hotstick.HostID{"h-aaaaaaaaaaaaaaaa"})
		refusedAs(t, err, CodeNotFound)
		for range 2 { // the second time there is nothing to do
			_, err = w.control.Revert(w.Context(), string(w.plan), "alice", "no", ids(3))
			w.must(err)
		}
		if got := w.kindsLogged()[inventory.HostRecalled]; got != 3 {
			t.Errorf("%d hosts were recalled, want 3", got)
		}
		w.must(w.store.View(w.Context(), func(tx store.Tx) error {
			for i, listed := range w.hosts {
				h, err := tx.Hosts().Get(listed.Host)
				if err != nil {
					return err
				}
				if marked := slices.Contains(h.Reverted, patch); marked != (i < 3) {
					t.Errorf("host %d is marked: %v", i, marked)
				}
			}
			return nil
		}))
	})
}

func refusedAs(t *testing.T, err error, code string) {
	t.Helper()
	var r *Refusal
	if !errors.As(err, &r) || r.Code != code {
		t.Errorf("got %v; want a refusal %s", err, code)
	}
}

func TestFindingAPlan(t *testing.T) {
	inBubble(t, 1, func(w *world) {
		find := func(name string) error {
			return w.store.View(w.Context(), func(tx store.Tx) error {
				p, err := Find(tx, name)
				if err == nil && p.ID != w.plan {
					t.Errorf("%q found %s", name, p.ID)
				}
				return err
			})
		}
		for _, name := range []string{string(w.plan), w.plan.Hex(), w.plan.Hex()[:4], "p"} {
			w.must(find(name))
		}
		for _, name := range []string{"", "q", w.plan.Hex()[:3], string(hotstick.NewDigest(nil))} {
			refusedAs(t, find(name), CodeNotFound)
		}
	})
}

func TestAnOrderThatAHostCanNeverFollowEndsItsLine(t *testing.T) {
	inBubble(t, 1, func(w *world) {
		defer w.run(w.control)()
		pass(time.Second)
		w.checkIn(0, 2, w.says(1, hotstick.Probation, nil))
		_, err := w.control.Revert(w.Context(), string(w.plan), "alice", "", nil)
		w.must(err)
		pass(time.Second)
		out, err := w.control.Documents(w.Context(), w.checkIn(0, 3, nil), 0)
		w.must(err)
		refuse := func(code hotstick.ReasonCode, document []byte) hotstick.HostState {
			req := w.request(0, 4, nil)
			req.Loader.Refusals = []wire.DocumentRefusal{{Document: hotstick.NewDigest(document), Reason: hotstick.Reason{Code: code}}}
			w.must(w.control.Refused(w.Context(), req))
			for s := range w.states() {
				return s
			}
			return ""
		}
		var ordered []byte
		for _, d := range out.Documents {
			if k, _ := statement.KindOf(d); k == statement.KindOrder {
				ordered = d
			}
		}
		if got := refuse(hotstick.ReasonGrantExpired, ordered); got != hotstick.Reverting {
			t.Errorf("an order that came too late: %s; want it sent again", got)
		}
		if got := refuse(hotstick.ReasonNotInPlan, []byte("another document")); got != hotstick.Reverting {
			t.Errorf("another document: %s", got)
		}
		if got := refuse(hotstick.ReasonNotInPlan, ordered); got != hotstick.Failed {
			t.Errorf("an order that can never be followed: %s; want failed", got)
		}
	})
}
