package controller

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store"
)

// recalls publishes a recall of the patch.
func (w *world) recalls(action hotstick.RecallAction) {
	w.Helper()
	w.trusted.Version++
	w.trusted.Recalls = append(slices.Clone(w.trusted.Recalls), hotstick.Recall{Patch: patch, Action: action,
		Reason: "it loses packets", Issued: time.Now().UTC().Truncate(time.Second)})
	w.event(func(tx store.Tx) error {
		_, err := tx.Events().Append(store.Event{Kind: inventory.CatalogPublished})
		return err
	})
}

// clearsRecalls signs a clear of the patch's recalls.
func (w *world) clearsRecalls() []byte {
	w.Helper()
	now := time.Now().UTC().Truncate(time.Second)
	raw, err := statement.Sign(statement.KindClear, statement.Clear{Patch: patch, Hosts: []hotstick.HostID{}, Recall: true,
		IssuedAt: now, NotAfter: now.Add(time.Hour)}, w.author)
	w.must(err)
	return raw
}

// again drafts the same plan under another name.
func (w *world) again() []byte {
	return w.draft(hotstick.Artifact{}, func(w *world, p *hotstick.Plan) {
		a, _ := w.trusted.Patches[0].Artifact(build)
		p.Name, p.Lanes[0].Artifact, p.Lanes[0].Module = "again", a.Digest, a.Module
	})
}

func TestARecallHaltsItsPlanAndTakesNoOther(t *testing.T) {
	inBubble(t, 2, func(w *world) {
		w.rounds()
		w.recalls(hotstick.RecallBlock)
		w.rounds()
		w.must(w.store.View(w.Context(), func(tx store.Tx) error {
			p, err := tx.Plans().Get(w.plan)
			if p.Status != hotstick.Halted || p.Reason == nil || p.Reason.Code != hotstick.ReasonRecalled || p.Reverting {
				t.Errorf("the plan is %s, reverting %v, for %+v", p.Status, p.Reverting, p.Reason)
			}
			return err
		}))
		_, err := w.control.Submit(w.Context(), w.again(), w.hosts, "alice")
		refusedAs(t, err, CodeRecalled)

		pass(2 * time.Second)
		_, err = w.control.Clear(w.Context(), w.clears(true), "alice")
		w.must(err)
		_, err = w.control.Submit(w.Context(), w.again(), w.hosts, "alice")
		refusedAs(t, err, CodeRecalled) // the clear of a ban is none of a recall
		_, err = w.control.Clear(w.Context(), w.clearsRecalls(), "alice")
		w.must(err)
		_, err = w.control.Submit(w.Context(), w.again(), w.hosts, "alice")
		w.must(err)
	})
}

func TestARecallSendsBackTheHostsOfItsOpenPlan(t *testing.T) {
	inBubble(t, 1, func(w *world) {
		w.rounds()
		w.report(0, hotstick.Probation, nil)
		w.recalls(hotstick.RecallRevert)
		w.rounds()
		w.must(w.store.View(w.Context(), func(tx store.Tx) error {
			p, err1 := tx.Plans().Get(w.plan)
			line, err2 := tx.Plans().Host(w.plan, w.hosts[0].Host)
			bans, err3 := tx.Bans().List()
			if p.Status != hotstick.Halted || !p.Reverting || line.State != hotstick.Reverting || line.Reason.Cause != hotstick.ReasonRecalled || len(bans) != 0 {
				t.Errorf("the plan is %s, reverting %v, its host %s for %+v, bans %v", p.Status, p.Reverting, line.State, line.Reason, bans)
			}
			w.must(err1)
			w.must(err2)
			return err3
		}))
	})
}

func TestARecallSendsBackTheHostsOfAPlanThatIsOver(t *testing.T) {
	inBubble(t, 2, func(w *world) {
		w.rounds()
		w.event(func(tx store.Tx) error {
			for i, listed := range w.hosts {
				line, err1 := tx.Plans().Host(w.plan, listed.Host)
				h, err2 := tx.Hosts().Get(listed.Host)
				w.must(err1)
				w.must(err2)
				line.State, line.Reason = hotstick.Confirmed, nil
				if i == 0 { // the other one runs something else by now
					h.Loader.InEffect = patch
				}
				w.must(tx.Plans().PutHost(line))
				w.must(tx.Hosts().Put(h))
				_, err := tx.Events().Append(store.Event{Kind: inventory.HostState, Plan: w.plan, Host: h.ID, State: string(hotstick.Confirmed)})
				w.must(err)
				_, err = tx.Events().Append(store.Event{Kind: inventory.HostEffect, Host: h.ID, Patch: h.Loader.InEffect})
				w.must(err)
			}
			p, err := tx.Plans().Get(w.plan)
			w.must(err)
			now := tx.Now()
			p.Status, p.Ended = hotstick.Completed, &now
			w.must(tx.Plans().Advance(p))
			_, err = tx.Events().Append(store.Event{Kind: inventory.PlanStatus, Plan: w.plan, State: string(p.Status)})
			return err
		})
		w.rounds()
		w.recalls(hotstick.RecallRevert)
		w.rounds()
		w.must(w.store.View(w.Context(), func(tx store.Tx) error {
			lines, err := tx.Plans().Hosts(w.plan)
			if lines[0].State != hotstick.Reverting || lines[1].State != hotstick.Confirmed {
				t.Errorf("the hosts are %s and %s", lines[0].State, lines[1].State)
			}
			for _, listed := range w.hosts { // the recall itself holds; nobody need be cleared one by one
				if h, err := tx.Hosts().Get(listed.Host); err != nil || len(h.Reverted) != 0 {
					t.Errorf("%s is marked with %v, %v", listed.Name, h.Reverted, err)
				}
			}
			return err
		}))
		if n := w.kindsLogged()[inventory.HostRecalled]; n != 1 {
			t.Errorf("%d hosts are called back, want 1", n)
		}
	})
}

// ends writes that every host stands in a state, those that confirmed with the level in
// effect, and that the plan is over.
func (w *world) ends(status hotstick.PlanStatus, state hotstick.HostState) {
	w.Helper()
	w.event(func(tx store.Tx) error {
		for _, listed := range w.hosts {
			line, err := tx.Plans().Host(w.plan, listed.Host)
			w.must(err)
			line.State, line.Reason = state, nil
			w.must(tx.Plans().PutHost(line))
			h, err := tx.Hosts().Get(listed.Host)
			w.must(err)
			if state == hotstick.Confirmed {
				h.Loader.InEffect = patch
			}
			w.must(tx.Hosts().Put(h))
			_, err = tx.Events().Append(store.Event{Kind: inventory.HostState, Plan: w.plan, Host: h.ID, State: string(state)})
			w.must(err)
		}
		p, err := tx.Plans().Get(w.plan)
		w.must(err)
		now := tx.Now()
		p.Status, p.Ended = status, &now
		w.must(tx.Plans().Advance(p))
		_, err = tx.Events().Append(store.Event{Kind: inventory.PlanStatus, Plan: w.plan, State: string(p.Status)})
		return err
	})
}

// TestARecallFindsAPlanThatWasHaltedJustBefore: the catalog was looked at while the plan
// was open, and the plan was over before it decided on the recall.
func TestARecallFindsAPlanThatWasHaltedJustBefore(t *testing.T) {
	for _, state := range []hotstick.HostState{hotstick.Confirmed, hotstick.Probation} {
		inBubble(t, 2, func(w *world) {
			w.rounds()
			w.recalls(hotstick.RecallRevert)
			w.callsBack()
			w.ends(hotstick.Halted, state)
			w.rounds()
			w.must(w.store.View(w.Context(), func(tx store.Tx) error {
				lines, err := tx.Plans().Hosts(w.plan)
				for _, l := range lines {
					if l.Recall == nil || l.Recall.Code != hotstick.ReasonRecalled {
						t.Errorf("%s, which was %s, is %s and wanted back for %+v", l.Listed.Name, state, l.State, l.Recall)
					}
				}
				return err
			}))
		})
	}
}

func (w *world) callsBack() {
	w.Helper()
	_, err := w.control.callBack(w.Context())
	w.must(err)
}

// reads counts how often a plan's lines are all read.
type reads struct {
	store.Store
	n *int
}

type readsTx struct {
	store.Tx
	n *int
}

type readsPlans struct {
	store.PlanTable
	n *int
}

func (s reads) View(ctx context.Context, fn func(store.Tx) error) error {
	return s.Store.View(ctx, func(tx store.Tx) error { return fn(readsTx{tx, s.n}) })
}

func (s reads) Update(ctx context.Context, fn func(store.Tx) error) error {
	return s.Store.Update(ctx, func(tx store.Tx) error { return fn(readsTx{tx, s.n}) })
}

func (t readsTx) Plans() store.PlanTable { return readsPlans{t.Tx.Plans(), t.n} }

func (t readsPlans) Hosts(id hotstick.PlanID) ([]store.PlanHost, error) {
	*t.n++
	return t.PlanTable.Hosts(id)
}

func TestARecallReadsAPlansLinesOnceHoweverManyHostsItCallsBack(t *testing.T) {
	inBubble(t, 3*calledAtOnce+1, func(w *world) {
		w.ends(hotstick.Completed, hotstick.Confirmed)
		w.recalls(hotstick.RecallRevert)
		n := 0
		w.control.store = reads{w.control.store, &n}
		w.callsBack()
		if called := w.kindsLogged()[inventory.HostRecalled]; called != len(w.hosts) || n != 1 {
			t.Errorf("%d hosts are called back by %d readings of all lines, want %d by 1", called, n, len(w.hosts))
		}
		if told := w.kindsLogged()[inventory.PlanReverting]; told != 1 {
			t.Errorf("it is said %d times", told)
		}
	})
}

func TestAClearDoesNotLiftARecallThatCameAfterIt(t *testing.T) {
	inBubble(t, 1, func(w *world) {
		raw := w.clearsRecalls()
		pass(2 * time.Second)
		w.recalls(hotstick.RecallBlock)
		_, err := w.control.Clear(w.Context(), raw, "alice")
		refusedAs(t, err, CodeConflict)
	})
}

func TestAThiefOfTheDatabaseGetsNoGrantForARecalledLevel(t *testing.T) {
	inBubble(t, 1, func(w *world) {
		w.rounds()
		w.trusted.Recalls = []hotstick.Recall{{Patch: patch, Action: hotstick.RecallBlock, Reason: "bad", Issued: time.Now().UTC().Truncate(time.Second)}}
		out, err := w.control.Documents(w.Context(), w.checkIn(0, 50, nil), 0) // nobody has halted the plan yet
		w.must(err)
		if got := w.kinds(out.Documents); !slices.Equal(got, []statement.Kind{statement.KindPlan}) {
			t.Errorf("an admitted host gets %v", got)
		}
	})
}

func TestAClearReachesTheLoadersThatHoldARecall(t *testing.T) {
	inBubble(t, 1, func(w *world) {
		w.recalls(hotstick.RecallBlock)
		pass(2 * time.Second)
		_, err := w.control.Clear(w.Context(), w.clearsRecalls(), "alice")
		w.must(err)
		seq := uint64(5)
		sent := func(held ...hotstick.PatchRef) bool {
			seq++
			pass(2 * resendAfter)
			req := w.checkIn(0, seq, nil)
			req.Loader.Recalls = held
			out, err := w.control.Documents(w.Context(), req, 0)
			w.must(err)
			return slices.Contains(w.kinds(out.Documents), statement.KindClear)
		}
		if sent() || sent(newer) || !sent(patch) {
			t.Error("the clear must reach the loaders that hold this recall, and no others")
		}
		w.recalls(hotstick.RecallBlock)
		if sent(patch) {
			t.Error("the clear is sent for a recall that came after it")
		}
	})
}
