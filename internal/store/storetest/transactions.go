package storetest

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

var transactionTests = []test{
	{"an error leaves nothing", anErrorLeavesNothing},
	{"an error puts back what was there", anErrorPutsBack},
	{"a panic leaves nothing and reaches the caller", aPanicLeavesNothing},
	{"a goroutine that ends in fn leaves nothing", aGoroutineThatEndsLeavesNothing},
	{"a context that is over begins nothing", aContextThatIsOver},
	{"a context that ends meanwhile commits nothing", aContextThatEndsMeanwhile},
	{"a table's error leaves the transaction usable", aTablesErrorLeavesItUsable},
	{"an update sees its own writes", anUpdateSeesItsOwnWrites},
	{"a view cannot write", aViewCannotWrite},
	{"a view's error reaches the caller", aViewsErrorReachesTheCaller},
	{"now is one time in UTC, in whole microseconds", nowIsOneTime},
	{"a transaction is over when fn returns", aTransactionIsOver},
	{"a store that can commit says so, a closed one does not", checkTells},
}

var errWanted = errors.New("wanted by the test")

// wantNothing wants every table to be empty.
func (w *world) wantNothing() {
	w.Helper()
	w.mustView(func(tx store.Tx) error {
		hosts, n, err := tx.Hosts().List(store.HostFilter{})
		if err != nil || len(hosts) != 0 || n != 0 {
			w.Errorf("hosts: %v, %d, %v", hosts, n, err)
		}
		if plans, err := tx.Plans().List(false); err != nil || len(plans) != 0 {
			w.Errorf("plans: %v, %v", plans, err)
		}
		if slots, err := tx.Slots().List(); err != nil || len(slots) != 0 {
			w.Errorf("slots: %v, %v", slots, err)
		}
		if size, _, err := tx.Events().Head(); err != nil || size != 0 {
			w.Errorf("events: %d, %v", size, err)
		}
		if bans, err := tx.Bans().List(); err != nil || len(bans) != 0 {
			w.Errorf("bans: %v, %v", bans, err)
		}
		if stop, err := tx.Bans().StopAll(); err != nil || stop {
			w.Errorf("stop: %v, %v", stop, err)
		}
		if _, err := tx.Tokens().Get(fullRows().Token.Digest); !errors.Is(err, store.ErrNotFound) {
			w.Errorf("token: %v", err)
		}
		messages, err := tx.Outbox().Due(time.Now().AddDate(1000, 0, 0), 0)
		if len(messages) != 0 {
			w.Errorf("messages: %v", messages)
		}
		return err
	})
}

// putEverything writes every table.
func putEverything(tx store.Tx) error {
	r := fullRows()
	r.Message.Done = nil
	if err := tx.Bans().SetStopAll(true); err != nil {
		return err
	}
	return r.put(tx)
}

func anErrorLeavesNothing(w *world) {
	w.wantErr(errWanted, func(tx store.Tx) error {
		if err := putEverything(tx); err != nil {
			w.Fatal(err)
		}
		return errWanted
	})
	w.wantNothing()
	w.mustUpdate(putEverything)
}

// anErrorPutsBack fails an update that changed every row that was there.
func anErrorPutsBack(w *world) {
	before := fullRows()
	before.Message.Done, before.Token.Used, before.Token.Revoked = nil, nil, nil
	w.mustUpdate(before.put)
	w.wantErr(errWanted, func(tx store.Tx) error {
		err := errors.Join(
			tx.Hosts().Put(store.Host{ID: before.Host.ID, Name: "renamed"}),
			tx.Hosts().Delete(before.Host.ID),
			tx.Plans().Advance(store.Plan{ID: before.Plan.ID, Generation: before.Plan.Generation}),
			tx.Plans().PutHost(store.PlanHost{Plan: before.Plan.ID, Listed: before.Line.Listed, State: hotstick.Failed}),
			tx.Slots().Release(before.Slot.Plan, before.Slot.Host),
			tx.Bans().Put(store.Ban{Patch: before.Ban.Patch}),
			tx.Tokens().Use(before.Token.Digest),
			tx.Outbox().Put(store.Message{ID: 1}),
		)
		if err != nil {
			w.Fatal(err)
		}
		if _, err := tx.Events().Append(store.Event{Kind: "never", Host: before.Event.Host, Plan: before.Event.Plan}); err != nil {
			w.Fatal(err)
		}
		if _, err := tx.Outbox().Add(store.Message{Kind: "never"}); err != nil {
			w.Fatal(err)
		}
		return errWanted
	})
	w.compare(w.read(before), before)
	if ids, n := w.list(store.HostFilter{Search: before.Host.Name}); n != 1 || len(ids) != 1 {
		w.Errorf("the old name finds %v, %d", ids, n)
	}
	if events := w.events(store.EventFilter{Host: before.Event.Host, Plan: before.Event.Plan}); len(events) != 1 {
		w.Errorf("%d events of the host, want 1", len(events))
	}
	// The number that the failed update used is given again.
	w.append(store.Event{Host: before.Event.Host, Plan: before.Event.Plan})
	w.wantSeqs(store.EventFilter{Host: before.Event.Host}, 1, 0)
	w.wantSeqs(store.EventFilter{Plan: before.Event.Plan}, 1, 0)
}

func aPanicLeavesNothing(w *world) {
	func() {
		defer func() {
			if r := recover(); r != errWanted {
				w.Errorf("recovered %v, want the panic of fn", r)
			}
		}()
		_ = w.update(func(tx store.Tx) error {
			if err := putEverything(tx); err != nil {
				w.Fatal(err)
			}
			panic(errWanted)
		})
	}()
	w.wantNothing()
	w.mustUpdate(putEverything)
}

func aGoroutineThatEndsLeavesNothing(w *world) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = w.update(func(tx store.Tx) error {
			_ = putEverything(tx)
			runtime.Goexit()
			return nil
		})
	}()
	<-ended
	w.wantNothing()
	w.mustUpdate(putEverything)
}

func aContextThatIsOver(w *world) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	fn := func(store.Tx) error { w.Error("fn was run"); return nil }
	if err := w.s.Update(ctx, fn); !errors.Is(err, context.Canceled) {
		w.Errorf("update: %v", err)
	}
	if err := w.s.View(ctx, fn); !errors.Is(err, context.Canceled) {
		w.Errorf("view: %v", err)
	}
}

func aContextThatEndsMeanwhile(w *world) {
	ctx, cancel := context.WithCancel(context.Background())
	err := w.s.Update(ctx, func(tx store.Tx) error {
		if err := putEverything(tx); err != nil {
			w.Fatal(err)
		}
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		w.Errorf("got %v", err)
	}
	w.wantNothing()
}

func aTablesErrorLeavesItUsable(w *world) {
	w.createPlan("p", at(0), 1)
	w.mustUpdate(func(tx store.Tx) error {
		slot := store.Slot{Domain: "rack", Value: "a3", Host: hostID(1)}
		if err := tx.Slots().Take(slot); err != nil {
			return err
		}
		for name, err := range map[string]error{
			"slot":    tx.Slots().Take(slot),
			"plan":    tx.Plans().Create(store.Plan{ID: planID("p")}, nil),
			"advance": tx.Plans().Advance(store.Plan{ID: planID("p"), Generation: 99}),
			"host":    tx.Hosts().Delete(hostID(9)),
			"token":   tx.Tokens().Use("none"),
		} {
			if err == nil {
				w.Errorf("%s: no error", name)
			}
		}
		return tx.Hosts().Put(store.Host{ID: hostID(1), Name: "after"})
	})
	if h := w.host(hostID(1)); h.Name != "after" {
		w.Errorf("got %q", h.Name)
	}
}

func anUpdateSeesItsOwnWrites(w *world) {
	w.mustUpdate(func(tx store.Tx) error {
		for _, name := range []string{"first", "second", "new"} {
			if err := tx.Hosts().Put(store.Host{ID: hostID(1), Name: name}); err != nil {
				return err
			}
			if h, err := tx.Hosts().Get(hostID(1)); err != nil || h.Name != name {
				w.Errorf("got %q, %v, want %q", h.Name, err, name)
			}
		}
		if _, n, err := tx.Hosts().List(store.HostFilter{Search: "NEW"}); err != nil || n != 1 {
			w.Errorf("the list has %d, %v", n, err)
		}
		if err := tx.Hosts().Delete(hostID(1)); err != nil {
			return err
		}
		if h, err := tx.Hosts().Get(hostID(1)); err != nil || !h.Revoked {
			w.Errorf("after its end: revoked %v, %v", h.Revoked, err)
		}
		e, err := tx.Events().Append(store.Event{Kind: "x"})
		if err != nil {
			return err
		}
		if events, err := tx.Events().List(store.EventFilter{}); err != nil || len(events) != 1 || events[0].Seq != e.Seq {
			w.Errorf("got %v, %v", events, err)
		}
		return nil
	})
}

func aViewCannotWrite(w *world) {
	w.mustUpdate(putEverything)
	r := fullRows()
	w.mustView(func(tx store.Tx) error {
		_, appended := tx.Events().Append(store.Event{})
		_, added := tx.Outbox().Add(store.Message{})
		for name, err := range map[string]error{
			"host put":     tx.Hosts().Put(r.Host),
			"host delete":  tx.Hosts().Delete(r.Host.ID),
			"plan create":  tx.Plans().Create(store.Plan{ID: "new"}, nil),
			"plan advance": tx.Plans().Advance(r.Plan),
			"plan host":    tx.Plans().PutHost(r.Line),
			"slot take":    tx.Slots().Take(store.Slot{}),
			"slot release": tx.Slots().Release(r.Slot.Plan, r.Slot.Host),
			"event":        appended,
			"mark":         tx.Events().SetMark("x", "y"),
			"ban":          tx.Bans().Put(r.Ban),
			"stop":         tx.Bans().SetStopAll(true),
			"token put":    tx.Tokens().Put(r.Token),
			"token use":    tx.Tokens().Use(r.Token.Digest),
			"message add":  added,
			"message put":  tx.Outbox().Put(r.Message),
		} {
			if !errors.Is(err, store.ErrReadOnly) {
				w.Errorf("%s: %v", name, err)
			}
		}
		return nil
	})
}

func aViewsErrorReachesTheCaller(w *world) {
	err := w.s.View(context.Background(), func(store.Tx) error { return errWanted })
	if !errors.Is(err, errWanted) {
		w.Errorf("got %v", err)
	}
}

func nowIsOneTime(w *world) {
	w.mustUpdate(func(tx store.Tx) error {
		now := tx.Now()
		if now.Location() != time.UTC || now != now.Truncate(time.Microsecond) {
			w.Errorf("now is %v", now)
		}
		for range 3 {
			e, err := tx.Events().Append(store.Event{})
			if err != nil {
				return err
			}
			if e.At != now || tx.Now() != now {
				w.Errorf("an event at %v, now %v, then %v", e.At, tx.Now(), now)
			}
		}
		return nil
	})
	w.mustView(func(tx store.Tx) error {
		if now := tx.Now(); now.IsZero() || now != tx.Now() {
			w.Errorf("a view's now is %v, then %v", now, tx.Now())
		}
		return nil
	})
}

func aTransactionIsOver(w *world) {
	var kept store.Tx
	w.mustUpdate(func(tx store.Tx) error { kept = tx; return nil })
	if err := kept.Hosts().Put(store.Host{ID: hostID(1)}); err == nil {
		w.Error("wrote after the end")
	}
	if _, err := kept.Plans().List(false); err == nil {
		w.Error("read after the end")
	}
	w.wantNothing()
}

func checkTells(w *world) {
	if err := w.s.Check(context.Background()); err != nil {
		w.Errorf("check: %v", err)
	}
	if err := w.s.Close(); err != nil {
		w.Errorf("close: %v", err)
	}
	if err := w.s.Check(context.Background()); err == nil {
		w.Error("a closed store says that it can serve")
	}
	if err := w.update(func(store.Tx) error { w.Error("fn was run"); return nil }); err == nil {
		w.Error("a closed store updates")
	}
	if err := w.s.View(context.Background(), func(store.Tx) error { w.Error("fn was run"); return nil }); err == nil {
		w.Error("a closed store can be viewed")
	}
	if err := w.s.Close(); err != nil {
		w.Errorf("closing twice: %v", err)
	}
}
