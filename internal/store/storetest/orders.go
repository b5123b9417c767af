package storetest

import (
	"errors"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

var orderTests = []test{
	{"an exclusion is replaced and taken back", anExclusionIsReplaced},
	{"exclusions are listed by host", exclusionsAreListedByHost},
	{"freezes are listed by their beginning", freezesAreListed},
	{"a freeze that was taken back is gone, and its ID for good", aFreezeIsTakenBack},
	{"a statement is kept once", aStatementIsKeptOnce},
	{"a statement that is signed anew keeps its place", aStatementSignedAnewKeepsItsPlace},
	{"statements come by kind, oldest first", statementsComeByKind},
	{"a ban is lifted", aBanIsLifted},
	{"a crash print is stopped once, and lifted with its level", aPrintIsStopped},
	{"an update that fails leaves no order behind", aFailedOrderLeavesNothing},
}

func (w *world) exclusions() (all []store.Exclusion) {
	w.Helper()
	w.mustView(func(tx store.Tx) (err error) { all, err = tx.Hosts().Exclusions(); return err })
	return all
}

func (w *world) freezes() (ids []int64) {
	w.Helper()
	w.mustView(func(tx store.Tx) error {
		all, err := tx.Bans().Freezes()
		for _, f := range all {
			ids = append(ids, f.ID)
		}
		return err
	})
	return ids
}

func anExclusionIsReplaced(w *world) {
	for _, reason := range []string{"first", "second"} {
		w.mustUpdate(func(tx store.Tx) error {
			return tx.Hosts().Exclude(store.Exclusion{Host: hostID(1), Until: at(9), Reason: reason, By: "ann"})
		})
	}
	if got := w.exclusions(); len(got) != 1 || got[0].Reason != "second" {
		w.Errorf("got %+v", got)
	}
	for range 2 { // the second time there is nothing to take back
		w.mustUpdate(func(tx store.Tx) error { return tx.Hosts().Include(hostID(1)) })
	}
	w.wantErr(store.ErrNotFound, func(tx store.Tx) error { _, err := tx.Hosts().Exclusion(hostID(1)); return err })
}

func exclusionsAreListedByHost(w *world) {
	for _, n := range []int{3, 1, 2} {
		w.mustUpdate(func(tx store.Tx) error { return tx.Hosts().Exclude(store.Exclusion{Host: hostID(n), Until: at(n)}) })
	}
	for i, e := range w.exclusions() {
		if e.Host != hostID(i+1) || !e.Until.Equal(store.Instant(at(i+1))) {
			w.Errorf("place %d: %+v", i, e)
		}
	}
}

func freezesAreListed(w *world) {
	for _, minute := range []int{5, 1, 5, 3} {
		w.mustUpdate(func(tx store.Tx) error {
			_, err := tx.Bans().Freeze(store.Freeze{From: at(minute), Until: at(minute + 1)})
			return err
		})
	}
	if got, want := w.freezes(), []int64{2, 4, 1, 3}; !slices.Equal(got, want) {
		w.Errorf("got %v, want %v", got, want)
	}
}

func aFreezeIsTakenBack(w *world) {
	freeze := func() (id int64) {
		w.mustUpdate(func(tx store.Tx) (err error) {
			id, err = tx.Bans().Freeze(store.Freeze{From: at(1), Until: at(2), Reason: "audit"})
			return err
		})
		return id
	}
	first := freeze()
	w.mustUpdate(func(tx store.Tx) error { return tx.Bans().Unfreeze(first) })
	w.wantErr(store.ErrNotFound, func(tx store.Tx) error { return tx.Bans().Unfreeze(first) })
	if second := freeze(); second <= first {
		w.Errorf("the second freeze got the ID %d after %d", second, first)
	}
}

func aStatementIsKeptOnce(w *world) {
	c := Full[store.Statement]()
	w.mustUpdate(func(tx store.Tx) error { return tx.Bans().PutStatement(c) })
	c.By = "usurper"
	w.wantErr(store.ErrTaken, func(tx store.Tx) error { return tx.Bans().PutStatement(c) })
	w.mustView(func(tx store.Tx) error {
		kept, err := tx.Bans().Statements(c.Kind)
		if len(kept) != 1 || kept[0].By == c.By {
			w.Errorf("got %+v", kept)
		}
		return err
	})
}

func aStatementSignedAnewKeepsItsPlace(w *world) {
	c := Full[store.Statement]()
	anew := store.Statement{Digest: c.Digest, Envelope: []byte("signed anew"), By: "bob", Kind: "another", At: at(5)}
	w.wantErr(store.ErrNotFound, func(tx store.Tx) error { return tx.Bans().ReplaceStatement(anew) })
	w.mustUpdate(func(tx store.Tx) error { return tx.Bans().PutStatement(c) })
	w.mustUpdate(func(tx store.Tx) error { return tx.Bans().ReplaceStatement(anew) })
	c.Envelope, c.By = anew.Envelope, anew.By
	w.mustView(func(tx store.Tx) error {
		kept, err := tx.Bans().Statements(c.Kind)
		if len(kept) == 1 {
			w.same(kept[0], c.Clone())
		} else {
			w.Errorf("got %+v", kept)
		}
		return err
	})
}

func statementsComeByKind(w *world) {
	var want []hotstick.Digest
	for _, minute := range []int{2, 0, 1} {
		digest := hotstick.NewDigest([]byte{byte(minute)})
		want = append(want, digest)
		w.mustUpdate(func(tx store.Tx) error {
			return errors.Join(tx.Bans().PutStatement(store.Statement{Digest: digest, Kind: "clear", At: at(minute)}),
				tx.Bans().PutStatement(store.Statement{Digest: "other " + digest, Kind: "waiver", At: at(minute)}))
		})
	}
	want = []hotstick.Digest{want[1], want[2], want[0]}
	w.mustView(func(tx store.Tx) error {
		clears, err := tx.Bans().Statements("clear")
		for i, c := range clears {
			if c.Digest != want[i] || c.Kind != "clear" {
				w.Errorf("place %d: %s %s, want %s", i, c.Kind, c.Digest, want[i])
			}
		}
		waivers, err2 := tx.Bans().Statements("waiver")
		none, err3 := tx.Bans().Statements("evidence")
		if len(clears) != 3 || len(waivers) != 3 || none != nil {
			w.Errorf("%d clears, %d waivers, %v", len(clears), len(waivers), none)
		}
		return errors.Join(err, err2, err3)
	})
}

func aBanIsLifted(w *world) {
	ref := hotstick.PatchRef{Name: "fix", Level: 2}
	w.mustUpdate(func(tx store.Tx) error {
		return errors.Join(tx.Bans().Put(store.Ban{Patch: ref}), tx.Bans().Put(store.Ban{Patch: hotstick.PatchRef{Name: "fix", Level: 3}}))
	})
	for range 2 {
		w.mustUpdate(func(tx store.Tx) error { return tx.Bans().Delete(ref) })
	}
	w.wantErr(store.ErrNotFound, func(tx store.Tx) error { _, err := tx.Bans().Get(ref); return err })
	w.mustView(func(tx store.Tx) error {
		bans, err := tx.Bans().List()
		if len(bans) != 1 {
			w.Errorf("%d bans are left, want the other one", len(bans))
		}
		return err
	})
}

func aFailedOrderLeavesNothing(w *world) {
	boom := errors.New("boom")
	kept := store.Exclusion{Host: hostID(1), Until: at(1).Add(time.Hour), Reason: "kept"}
	p := w.createPlan("p", at(0), 2)
	w.mustUpdate(func(tx store.Tx) error { return tx.Hosts().Exclude(kept) })
	w.wantErr(boom, func(tx store.Tx) error {
		_, err1 := tx.Bans().Freeze(store.Freeze{From: at(1), Until: at(2)})
		_, err2 := tx.Plans().AddLate(store.PlanHost{Plan: p.ID, Listed: hotstick.PlanHost{Host: hostID(8)}, State: hotstick.Waiting})
		return errors.Join(err1, err2, tx.Hosts().Include(hostID(1)), tx.Hosts().Exclude(store.Exclusion{Host: hostID(2)}),
			tx.Bans().PutStatement(store.Statement{Digest: "d", Kind: "clear"}), tx.Bans().StopPrint(crashStop("left", 1)), boom)
	})
	w.same(w.exclusions()[0], kept.Clone())
	if got := w.exclusions(); len(got) != 1 {
		w.Errorf("%d exclusions, want 1", len(got))
	}
	if got := w.freezes(); len(got) != 0 {
		w.Errorf("freezes %v are left", got)
	}
	w.mustView(func(tx store.Tx) error {
		clears, err1 := tx.Bans().Statements("clear")
		lines, err2 := tx.Plans().Hosts(p.ID)
		stops, err3 := tx.Bans().CrashStops(hotstick.PatchRef{})
		if len(clears) != 0 || len(lines) != 2 || len(stops) != 0 {
			w.Errorf("%d clears, %d lines and %d stops are left, want 0, 2 and 0", len(clears), len(lines), len(stops))
		}
		return errors.Join(err1, err2, err3)
	})
	w.mustUpdate(func(tx store.Tx) error {
		line, err := tx.Plans().AddLate(store.PlanHost{Plan: p.ID, Listed: hotstick.PlanHost{Host: hostID(9)}, State: hotstick.Waiting})
		if line.Index != 2 {
			w.Errorf("the late host got the place %d, want 2", line.Index)
		}
		return err
	})
}

func crashStop(patch string, level int) store.CrashStop {
	s := Full[store.CrashStop]()
	s.Print.Patch = hotstick.PatchRef{Name: patch, Level: level}
	return s
}

func aPrintIsStopped(w *world) {
	stops := func(ref hotstick.PatchRef) (all []store.CrashStop) {
		w.mustView(func(tx store.Tx) (err error) { all, err = tx.Bans().CrashStops(ref); return err })
		return all
	}
	other, twice := crashStop("a", 1), crashStop("b", 2)
	model := twice
	model.Print.Model = "another"
	for _, s := range []store.CrashStop{twice, model, other} {
		w.mustUpdate(func(tx store.Tx) error { return tx.Bans().StopPrint(s) })
	}
	twice.HostName = "usurper"
	w.wantErr(store.ErrTaken, func(tx store.Tx) error { return tx.Bans().StopPrint(twice) })
	all := stops(hotstick.PatchRef{})
	if len(all) != 3 || all[0].Print != other.Print || all[1].Print != model.Print || all[2].HostName == twice.HostName {
		w.Errorf("got %+v", all)
	}
	if got := stops(twice.Print.Patch); len(got) != 2 {
		w.Errorf("%d stops of the level, want 2", len(got))
	}
	for _, want := range []int{2, 0} {
		w.mustUpdate(func(tx store.Tx) error {
			n, err := tx.Bans().LiftPrints(twice.Print.Patch)
			if n != want {
				w.Errorf("lifted %d, want %d", n, want)
			}
			return err
		})
	}
	if got := stops(hotstick.PatchRef{}); len(got) != 1 || got[0].Print != other.Print {
		w.Errorf("got %+v", got)
	}
}
