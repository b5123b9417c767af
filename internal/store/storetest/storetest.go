// Package storetest is the one suite that every [store.Store] passes: each
// guarantee of package store, as tests.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

// Reopener is a store under test that survives being closed.
type Reopener interface {
	store.Store
	// Reopen closes the store and opens what it left on disk.
	Reopen(t *testing.T) store.Store
}

// Run runs the suite. Open returns a new, empty store; the suite closes it.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	groups := []struct {
		name  string
		tests []test
	}{
		{"transactions", transactionTests},
		{"concurrency", concurrencyTests},
		{"changes", changeTests},
		{"values", valueTests},
		{"hosts", hostTests},
		{"plans", planTests},
		{"slots", slotTests},
		{"events", eventTests},
		{"marks", markTests},
		{"bans", banTests},
		{"orders", orderTests},
		{"tokens", tokenTests},
		{"outbox", outboxTests},
		{"feeds", feedTests},
		{"advisories", advisoryTests},
		{"vulnerabilities", vulnerabilityTests},
		{"exposures", exposureTests},
	}
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			for _, c := range g.tests {
				t.Run(c.name, func(t *testing.T) {
					w := &world{T: t, s: open(t)}
					t.Cleanup(func() { w.s.Close() })
					c.run(w)
				})
			}
		})
	}
}

// test is one guarantee.
type test struct {
	name string
	run  func(*world)
}

// world is a store and what a test does with it. Its must… methods end the test
// if they fail; they are for the test's own goroutine only.
type world struct {
	*testing.T
	s store.Store
}

func (w *world) update(fn func(store.Tx) error) error {
	return w.s.Update(context.Background(), fn)
}

func (w *world) mustUpdate(fn func(store.Tx) error) {
	w.Helper()
	if err := w.update(fn); err != nil {
		w.Fatalf("update: %v", err)
	}
}

func (w *world) mustView(fn func(store.Tx) error) {
	w.Helper()
	if err := w.s.View(context.Background(), fn); err != nil {
		w.Fatalf("view: %v", err)
	}
}

// wantErr wants an update to end with an error that is want.
func (w *world) wantErr(want error, fn func(store.Tx) error) {
	w.Helper()
	if err := w.update(fn); !errors.Is(err, want) {
		w.Errorf("got %v, want %v", err, want)
	}
}

// reopen closes and opens the store, if it is one that can.
func (w *world) reopen() {
	w.Helper()
	if r, ok := w.s.(Reopener); ok {
		w.s = r.Reopen(w.T)
	}
}

func (w *world) putHost(h store.Host) {
	w.Helper()
	w.mustUpdate(func(tx store.Tx) error { return tx.Hosts().Put(h) })
}

func (w *world) host(id hotstick.HostID) (h store.Host) {
	w.Helper()
	w.mustView(func(tx store.Tx) (err error) { h, err = tx.Hosts().Get(id); return err })
	return h
}

// list returns the IDs of the hosts that a filter gives, and their number without
// paging.
func (w *world) list(f store.HostFilter) (ids []hotstick.HostID, total int) {
	w.Helper()
	w.mustView(func(tx store.Tx) error {
		hosts, n, err := tx.Hosts().List(f)
		for _, h := range hosts {
			ids = append(ids, h.ID)
		}
		total = n
		return err
	})
	return ids, total
}

func (w *world) plan(id hotstick.PlanID) (p store.Plan) {
	w.Helper()
	w.mustView(func(tx store.Tx) (err error) { p, err = tx.Plans().Get(id); return err })
	return p
}

func (w *world) append(e store.Event) (stored store.Event) {
	w.Helper()
	w.mustUpdate(func(tx store.Tx) (err error) { stored, err = tx.Events().Append(e); return err })
	return stored
}

func (w *world) events(f store.EventFilter) (events []store.Event) {
	w.Helper()
	w.mustView(func(tx store.Tx) (err error) { events, err = tx.Events().List(f); return err })
	return events
}

// at is a time with everything that a store must not lose or must take off:
// microseconds, a zone, nanoseconds.
func at(minute int) time.Time {
	zone := time.FixedZone("somewhere", 2*60*60)
	return time.Date(2026, 11, 21, 5, minute, 7, 123456789, zone)
}

func hostID(n int) hotstick.HostID { return hotstick.HostID(fmt.Sprintf("h-%016d", n)) }

func planID(name string) hotstick.PlanID { return hotstick.NewDigest([]byte(name)) }

// aPlan is a plan with hosts 0 to n-1 in reverse order of listing.
func aPlan(name string, created time.Time, n int) (store.Plan, []store.PlanHost) {
	p := store.Plan{ID: planID(name), Name: name, Status: hotstick.Proposed, Created: created, Generation: 1}
	var hosts []store.PlanHost
	for i := n - 1; i >= 0; i-- {
		hosts = append(hosts, store.PlanHost{Index: i, State: hotstick.Waiting,
			Listed: hotstick.PlanHost{Host: hostID(i), Name: fmt.Sprint("host-", i)}})
	}
	return p, hosts
}

func (w *world) createPlan(name string, created time.Time, hosts int) store.Plan {
	w.Helper()
	p, lines := aPlan(name, created, hosts)
	w.mustUpdate(func(tx store.Tx) error { return tx.Plans().Create(p, lines) })
	return p
}
