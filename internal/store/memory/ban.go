package memory

import (
	"cmp"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

type banTable struct{ *tx }

func (t banTable) Put(b store.Ban) error {
	if err := t.writable(); err != nil {
		return err
	}
	set(t.tx, t.s.bans, b.Patch, b.Clone())
	return nil
}

func (t banTable) Get(ref hotstick.PatchRef) (store.Ban, error) {
	return get(t.tx, t.s.bans, ref)
}

func (t banTable) Delete(ref hotstick.PatchRef) error {
	if err := t.writable(); err != nil {
		return err
	}
	remove(t.tx, t.s.bans, ref)
	return nil
}

func (t banTable) List() ([]store.Ban, error) {
	return rows(t.tx, t.s.bans, func(a, b store.Ban) int {
		return cmp.Or(cmp.Compare(a.Patch.Name, b.Patch.Name), cmp.Compare(a.Patch.Level, b.Patch.Level))
	})
}

func (t banTable) StopAll() (bool, error) { return t.s.stop, t.usable() }

func (t banTable) SetStopAll(on bool) error {
	if err := t.writable(); err != nil {
		return err
	}
	if t.s.stop != on {
		assign(t.tx, &t.s.stop, on)
	}
	return nil
}
