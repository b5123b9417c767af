package storetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

var planTests = []test{
	{"a plan is created once", aPlanIsCreatedOnce},
	{"a host or index listed twice is refused whole", listedTwice},
	{"an unknown plan is not found", anUnknownPlanIsNotFound},
	{"an advance raises the generation", anAdvanceRaisesTheGeneration},
	{"an advance from an old view is a conflict", anAdvanceFromAnOldView},
	{"plans are listed newest first, active ones apart", plansAreListedNewestFirst},
	{"hosts are listed by index", planHostsAreListedByIndex},
	{"putting a host keeps what the plan says of it", puttingAHostKeepsItsListing},
	{"a host's lines come newest plan first", aHostsLinesComeNewestFirst},
	{"a late host is appended once", aLateHostIsAppendedOnce},
	{"unfinished plans are those with something left to do", unfinishedPlans},
}

func aPlanIsCreatedOnce(w *world) {
	p := w.createPlan("p", at(0), 2)
	w.wantErr(store.ErrTaken, func(tx store.Tx) error {
		return tx.Plans().Create(store.Plan{ID: p.ID, Name: "usurper"}, nil)
	})
	if got := w.plan(p.ID); got.Name != "p" {
		w.Errorf("it became %q", got.Name)
	}
}

func listedTwice(w *world) {
	p, hosts := aPlan("p", at(0), 3)
	for name, spoil := range map[string]func([]store.PlanHost){
		"host":  func(h []store.PlanHost) { h[0].Listed.Host = h[2].Listed.Host },
		"index": func(h []store.PlanHost) { h[0].Index = h[2].Index },
	} {
		spoilt := slices.Clone(hosts)
		spoil(spoilt)
		w.mustUpdate(func(tx store.Tx) error {
			if err := tx.Plans().Create(p, spoilt); !errors.Is(err, store.ErrTaken) {
				w.Errorf("%s: got %v", name, err)
			}
			return nil // the transaction commits, and there must be no half plan in it
		})
		w.wantErr(store.ErrNotFound, func(tx store.Tx) error { _, err := tx.Plans().Get(p.ID); return err })
	}
	w.mustUpdate(func(tx store.Tx) error { return tx.Plans().Create(p, hosts) })
}

func anUnknownPlanIsNotFound(w *world) {
	w.createPlan("p", at(0), 1)
	for name, fn := range map[string]func(store.Tx) error{
		"get":          func(tx store.Tx) error { _, err := tx.Plans().Get("none"); return err },
		"advance":      func(tx store.Tx) error { return tx.Plans().Advance(store.Plan{ID: "none"}) },
		"hosts":        func(tx store.Tx) error { _, err := tx.Plans().Hosts("none"); return err },
		"host":         func(tx store.Tx) error { _, err := tx.Plans().Host("none", hostID(0)); return err },
		"unknown host": func(tx store.Tx) error { _, err := tx.Plans().Host(planID("p"), hostID(9)); return err },
		"put host": func(tx store.Tx) error {
			return tx.Plans().PutHost(store.PlanHost{Plan: "none", Listed: hotstick.PlanHost{Host: hostID(0)}})
		},
		"put unknown host": func(tx store.Tx) error {
			return tx.Plans().PutHost(store.PlanHost{Plan: planID("p"), Listed: hotstick.PlanHost{Host: hostID(9)}})
		},
	} {
		if err := w.update(fn); !errors.Is(err, store.ErrNotFound) {
			w.Errorf("%s: got %v", name, err)
		}
	}
	w.mustView(func(tx store.Tx) error {
		lines, err := tx.Plans().OfHost(hostID(9))
		if len(lines) != 0 {
			w.Errorf("lines of an unknown host: %v", lines)
		}
		return err
	})
}

func anAdvanceRaisesTheGeneration(w *world) {
	w.createPlan("p", at(0), 1)
	next := Full[store.Plan]()
	next.ID, next.Generation = planID("p"), 1
	w.mustUpdate(func(tx store.Tx) error { return tx.Plans().Advance(next) })
	next.Generation = 2
	w.same(w.plan(next.ID), next.Clone())
}

func anAdvanceFromAnOldView(w *world) {
	p := w.createPlan("p", at(0), 1)
	p.Status = hotstick.Approved
	w.mustUpdate(func(tx store.Tx) error { return tx.Plans().Advance(p) })
	stale := p
	stale.Status = hotstick.Halted
	for _, generation := range []uint64{0, p.Generation, p.Generation + 2} {
		stale.Generation = generation
		w.wantErr(store.ErrConflict, func(tx store.Tx) error { return tx.Plans().Advance(stale) })
	}
	if got := w.plan(p.ID); got.Status != hotstick.Approved || got.Generation != p.Generation+1 {
		w.Errorf("it became %s at generation %d", got.Status, got.Generation)
	}
}

func plansAreListedNewestFirst(w *world) {
	for i, status := range hotstick.PlanStatuses() {
		p := w.createPlan(string(status), at(i%3), 0)
		p.Status = status
		w.mustUpdate(func(tx store.Tx) error { return tx.Plans().Advance(p) })
	}
	for _, active := range []bool{false, true} {
		var plans []store.Plan
		w.mustView(func(tx store.Tx) (err error) { plans, err = tx.Plans().List(active); return err })
		want := 0
		for _, status := range hotstick.PlanStatuses() {
			if !active || !status.Over() {
				want++
			}
		}
		if len(plans) != want {
			w.Errorf("active %v: %d plans, want %d", active, len(plans), want)
		}
		for i, p := range plans {
			if active && p.Status.Over() {
				w.Errorf("a plan that is %s is not active", p.Status)
			}
			if i > 0 && (plans[i-1].Created.Before(p.Created) || plans[i-1].Created.Equal(p.Created) && plans[i-1].ID > p.ID) {
				w.Errorf("%s comes before %s", plans[i-1].Name, p.Name)
			}
		}
	}
}

func planHostsAreListedByIndex(w *world) {
	p := w.createPlan("p", at(0), 12)
	w.createPlan("other", at(0), 5)
	w.mustView(func(tx store.Tx) error {
		hosts, err := tx.Plans().Hosts(p.ID)
		if len(hosts) != 12 {
			w.Errorf("%d hosts, want 12", len(hosts))
		}
		for i, h := range hosts {
			if h.Index != i || h.Listed.Host != hostID(i) || h.Plan != p.ID {
				w.Errorf("line %d is %+v", i, h)
			}
		}
		return err
	})
}

func puttingAHostKeepsItsListing(w *world) {
	p := w.createPlan("p", at(0), 3)
	full := Full[store.PlanHost]()
	full.Plan, full.Listed.Host = p.ID, hostID(1)
	w.mustUpdate(func(tx store.Tx) error { return tx.Plans().PutHost(full) })
	want := full.Clone()
	want.Late = false
	want.Index, want.Listed = 1, hotstick.PlanHost{Host: hostID(1), Name: "host-1"}
	w.mustView(func(tx store.Tx) error {
		got, err := tx.Plans().Host(p.ID, hostID(1))
		w.same(got, want)
		hosts, err2 := tx.Plans().Hosts(p.ID)
		for i, h := range hosts {
			if want := map[bool]hotstick.HostState{true: full.State, false: hotstick.Waiting}[i == 1]; h.State != want {
				w.Errorf("line %d is %s, want %s", i, h.State, want)
			}
		}
		return errors.Join(err, err2)
	})
}

func aHostsLinesComeNewestFirst(w *world) {
	old := w.createPlan("old", at(1), 3)
	newest := w.createPlan("new", at(3), 3)
	middle := w.createPlan("middle", at(2), 3)
	w.createPlan("without it", at(4), 1)
	w.mustView(func(tx store.Tx) error {
		lines, err := tx.Plans().OfHost(hostID(2))
		var got []hotstick.PlanID
		for _, l := range lines {
			got = append(got, l.Plan)
			if l.Listed.Host != hostID(2) || l.Index != 2 {
				w.Errorf("got the line %+v", l)
			}
		}
		if want := []hotstick.PlanID{newest.ID, middle.ID, old.ID}; !slices.Equal(got, want) {
			w.Errorf("got %v, want %v", got, want)
		}
		return err
	})
}

func aLateHostIsAppendedOnce(w *world) {
	p := w.createPlan("p", at(0), 3)
	w.createPlan("none", at(0), 0)
	late := Full[store.PlanHost]()
	late.Plan, late.Listed.Host = p.ID, hostID(7)
	var line store.PlanHost
	w.mustUpdate(func(tx store.Tx) (err error) { line, err = tx.Plans().AddLate(late); return err })
	want := late.Clone()
	want.Index, want.Late = 3, true
	w.same(line, want)
	w.wantErr(store.ErrTaken, func(tx store.Tx) error { _, err := tx.Plans().AddLate(late); return err })
	w.wantErr(store.ErrTaken, func(tx store.Tx) error {
		_, err := tx.Plans().AddLate(store.PlanHost{Plan: p.ID, Listed: hotstick.PlanHost{Host: hostID(1)}})
		return err
	})
	w.wantErr(store.ErrNotFound, func(tx store.Tx) error {
		_, err := tx.Plans().AddLate(store.PlanHost{Plan: planID("unknown"), Listed: hotstick.PlanHost{Host: hostID(1)}})
		return err
	})
	w.mustUpdate(func(tx store.Tx) error {
		line, err := tx.Plans().AddLate(store.PlanHost{Plan: planID("none"), Listed: hotstick.PlanHost{Host: hostID(1)}, State: hotstick.Waiting})
		if line.Index != 0 {
			w.Errorf("the first host of an empty list has the place %d", line.Index)
		}
		return err
	})
	w.mustView(func(tx store.Tx) error {
		lines, err := tx.Plans().Hosts(p.ID)
		if len(lines) != 4 || lines[3].Listed.Host != hostID(7) || !lines[3].Late || lines[2].Late {
			w.Errorf("the lines are %+v", lines)
		}
		of, err2 := tx.Plans().OfHost(hostID(7))
		if len(of) != 1 {
			w.Errorf("the late host has %d lines, want 1", len(of))
		}
		return errors.Join(err, err2)
	})
}

func unfinishedPlans(w *world) {
	recall := &hotstick.Reason{Code: hotstick.ReasonOperator}
	var want []hotstick.PlanID
	minute := 0
	for _, status := range []hotstick.PlanStatus{hotstick.Running, hotstick.Halted, hotstick.Completed} {
		for _, state := range hotstick.HostStates() {
			for _, c := range []struct {
				reverting bool
				recall    *hotstick.Reason
			}{{false, nil}, {true, nil}, {false, recall}} {
				p := w.createPlan(fmt.Sprint(status, state, c), at(0).Add(time.Duration(minute)*time.Minute), 2)
				minute++
				p.Status, p.Reverting = status, c.reverting
				line := store.PlanHost{Plan: p.ID, Listed: hotstick.PlanHost{Host: hostID(1)}, State: state, Recall: c.recall}
				w.mustUpdate(func(tx store.Tx) error {
					return errors.Join(tx.Plans().Advance(p), tx.Plans().PutHost(line))
				})
				sentBack := state == hotstick.Confirmed && (c.reverting || c.recall != nil)
				if !status.Over() || state.HoldsSlot() || sentBack {
					want = append(want, p.ID)
				}
			}
		}
	}
	slices.Reverse(want)
	w.mustView(func(tx store.Tx) error {
		plans, err := tx.Plans().Unfinished()
		var got []hotstick.PlanID
		for _, p := range plans {
			got = append(got, p.ID)
		}
		if !slices.Equal(got, want) {
			w.Errorf("%d plans are unfinished, want %d", len(got), len(want))
		}
		return err
	})
}
