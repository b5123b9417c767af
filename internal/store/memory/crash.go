package memory

import (
	"cmp"
	"slices"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

func (t banTable) StopPrint(s store.CrashStop) error {
	if err := t.writable(); err != nil {
		return err
	}
	if _, ok := t.s.crashStops[s.Print]; ok {
		return store.ErrTaken
	}
	set(t.tx, t.s.crashStops, s.Print, s.Clone())
	return nil
}

func (t banTable) LiftPrints(ref hotstick.PatchRef) (int, error) {
	if err := t.writable(); err != nil {
		return 0, err
	}
	stops, err := t.CrashStops(ref)
	if ref.IsZero() {
		return 0, err
	}
	for _, s := range stops {
		remove(t.tx, t.s.crashStops, s.Print)
	}
	return len(stops), err
}

func (t banTable) CrashStops(ref hotstick.PatchRef) ([]store.CrashStop, error) {
	all, err := rows(t.tx, t.s.crashStops, func(a, b store.CrashStop) int {
		x, y := a.Print, b.Print
		return cmp.Or(cmp.Compare(x.Patch.Name, y.Patch.Name), cmp.Compare(x.Patch.Level, y.Patch.Level),
			cmp.Compare(x.Build.BuildID, y.Build.BuildID), cmp.Compare(x.Build.Release, y.Build.Release),
			cmp.Compare(x.Build.Arch, y.Build.Arch), cmp.Compare(x.Model, y.Model))
	})
	if !ref.IsZero() {
		all = slices.DeleteFunc(all, func(s store.CrashStop) bool { return s.Print.Patch != ref })
	}
	return all[:len(all):len(all)], err
}
