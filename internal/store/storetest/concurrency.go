package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/audit"
	"github.com/hotstick/hotstick/internal/store"
)

var concurrencyTests = []test{
	{"no update is lost", noUpdateIsLost},
	{"one of many takes a slot", oneOfManyTakesASlot},
	{"one of many uses a token", oneOfManyUsesAToken},
	{"one of many advances a plan", oneOfManyAdvancesAPlan},
	{"failing updates leave the others whole", failingUpdatesLeaveTheOthersWhole},
	{"a view is a snapshot", aViewIsASnapshot},
	{"views see whole updates only", viewsSeeWholeUpdatesOnly},
}

const crowd = 16

// together runs fn in many goroutines at once and returns their errors.
func together(n int, fn func(i int) error) []error {
	errs := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = fn(i)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

// wantOne wants one of the errors to be nil and the rest to be loser.
func (w *world) wantOne(errs []error, loser error) {
	w.Helper()
	won := 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, loser):
			w.Errorf("got %v, want %v", err, loser)
		}
	}
	if won != 1 {
		w.Errorf("%d won, want 1", won)
	}
}

func noUpdateIsLost(w *world) {
	const each = 20
	w.putHost(store.Host{ID: hostID(1)})
	for _, err := range together(crowd, func(int) error {
		for range each {
			err := w.update(func(tx store.Tx) error {
				h, err := tx.Hosts().Get(hostID(1))
				if err != nil {
					return err
				}
				h.Boots++
				return tx.Hosts().Put(h)
			})
			if err != nil {
				return err
			}
		}
		return nil
	}) {
		if err != nil {
			w.Error(err)
		}
	}
	if got := w.host(hostID(1)).Boots; got != crowd*each {
		w.Errorf("counted %d, want %d", got, crowd*each)
	}
}

func oneOfManyTakesASlot(w *world) {
	w.wantOne(together(crowd, func(i int) error {
		return w.update(func(tx store.Tx) error {
			return tx.Slots().Take(store.Slot{Domain: "rack", Value: "a3", Host: hostID(i)})
		})
	}), store.ErrTaken)
}

func oneOfManyUsesAToken(w *world) {
	w.mustUpdate(func(tx store.Tx) error { return tx.Tokens().Put(store.Token{Digest: "d", Kind: "join"}) })
	w.wantOne(together(crowd, func(int) error {
		return w.update(func(tx store.Tx) error { return tx.Tokens().Use("d") })
	}), store.ErrTaken)
}

// oneOfManyAdvancesAPlan has everybody decide on the same view of the plan.
func oneOfManyAdvancesAPlan(w *world) {
	w.createPlan("p", at(0), 1)
	seen := w.plan(planID("p"))
	w.wantOne(together(crowd, func(i int) error {
		decided := seen
		decided.Status, decided.Name = hotstick.Running, fmt.Sprint("decided by ", i)
		return w.update(func(tx store.Tx) error { return tx.Plans().Advance(decided) })
	}), store.ErrConflict)
	if got := w.plan(planID("p")).Generation; got != seen.Generation+1 {
		w.Errorf("generation %d, want %d", got, seen.Generation+1)
	}
}

// failingUpdatesLeaveTheOthersWhole mixes updates that fail, panic or are
// cancelled with updates that do not; what was acknowledged, and only that, must
// be there.
func failingUpdatesLeaveTheOthersWhole(w *world) {
	const each = 12
	var mu sync.Mutex
	acknowledged := map[hotstick.HostID]bool{}
	together(crowd, func(i int) error {
		for k := range each {
			id := hostID(i*each + k)
			if err := w.mayFail(id, (i+k)%4); err == nil {
				mu.Lock()
				acknowledged[id] = true
				mu.Unlock()
			} else if !errors.Is(err, errWanted) && !errors.Is(err, context.Canceled) {
				w.Errorf("update %d.%d: %v", i, k, err)
			}
		}
		return nil
	})
	if want := crowd * each / 4; len(acknowledged) != want {
		w.Errorf("%d acknowledged, want %d", len(acknowledged), want)
	}
	w.reopen()
	ids, _ := w.list(store.HostFilter{})
	if len(ids) != len(acknowledged) {
		w.Errorf("%d hosts, %d acknowledged", len(ids), len(acknowledged))
	}
	for _, id := range ids {
		if !acknowledged[id] || len(w.events(store.EventFilter{Host: id})) != 1 {
			w.Errorf("%s: acknowledged %v, events %v", id, acknowledged[id], w.events(store.EventFilter{Host: id}))
		}
	}
	w.verifyLog(len(acknowledged))
}

// mayFail puts a host and an event, and then succeeds (way 0), fails, panics or is
// cancelled.
func (w *world) mayFail(id hotstick.HostID, way int) (err error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer func() {
		if recover() != nil {
			err = errWanted
		}
	}()
	return w.s.Update(ctx, func(tx store.Tx) error {
		if err := tx.Hosts().Put(store.Host{ID: id, Name: "new"}); err != nil {
			return err
		}
		if _, err := tx.Events().Append(store.Event{Host: id}); err != nil {
			return err
		}
		switch way {
		case 1:
			return errWanted
		case 2:
			panic(errWanted)
		case 3:
			cancel()
		}
		return nil
	})
}

// aViewIsASnapshot reads again and again while others write.
func aViewIsASnapshot(w *world) {
	w.putHost(store.Host{ID: hostID(1), Boots: 1})
	var writers sync.WaitGroup
	w.mustView(func(tx store.Tx) error {
		for i := range 50 {
			h, err := tx.Hosts().Get(hostID(1))
			if err != nil {
				return err
			}
			if _, n, err := tx.Hosts().List(store.HostFilter{}); h.Boots != 1 || n != 1 || err != nil {
				w.Errorf("read %d: %d boots, %d hosts, %v", i, h.Boots, n, err)
			}
			if i%10 == 0 {
				writers.Go(func() {
					if err := w.update(func(tx store.Tx) error {
						h.Boots += 1 + i
						return errors.Join(tx.Hosts().Put(h), tx.Hosts().Put(store.Host{ID: hostID(2 + i)}))
					}); err != nil {
						w.Error(err)
					}
				})
			}
		}
		return nil
	})
	writers.Wait()
	if _, n := w.list(store.HostFilter{}); n != 6 {
		w.Errorf("%d hosts, want 6", n)
	}
}

// viewsSeeWholeUpdatesOnly has writers keep two rows equal and readers compare
// them.
func viewsSeeWholeUpdatesOnly(w *world) {
	w.mustUpdate(func(tx store.Tx) error {
		return errors.Join(tx.Hosts().Put(store.Host{ID: hostID(1)}), tx.Hosts().Put(store.Host{ID: hostID(2)}))
	})
	for _, err := range together(8, func(i int) error {
		for range 30 {
			var err error
			if i%2 == 0 {
				err = w.update(raiseBoth)
			} else {
				err = w.s.View(context.Background(), compareBoth)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}) {
		if err != nil {
			w.Error(err)
		}
	}
}

func raiseBoth(tx store.Tx) error {
	for i := 1; i <= 2; i++ {
		h, err := tx.Hosts().Get(hostID(i))
		if err != nil {
			return err
		}
		h.Boots++
		if err := tx.Hosts().Put(h); err != nil {
			return err
		}
	}
	return nil
}

func compareBoth(tx store.Tx) error {
	a, err := tx.Hosts().Get(hostID(1))
	if err != nil {
		return err
	}
	b, err := tx.Hosts().Get(hostID(2))
	if err == nil && a.Boots != b.Boots {
		err = fmt.Errorf("saw half an update: %d and %d", a.Boots, b.Boots)
	}
	return err
}

// verifyLog wants a log of n leaves that its head and its hashes agree with.
func (w *world) verifyLog(n int) {
	w.Helper()
	w.mustView(func(tx store.Tx) error {
		size, root, err := tx.Events().Head()
		if err != nil {
			return err
		}
		if size != int64(n) {
			w.Errorf("the log has %d leaves, want %d", size, n)
		}
		return audit.VerifyLog(tx.Events(), audit.Head{Size: size, Root: root})
	})
}
