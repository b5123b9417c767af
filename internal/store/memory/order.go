package memory

import (
	"cmp"
	"slices"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

func (t hostTable) Exclude(e store.Exclusion) error {
	if err := t.writable(); err != nil {
		return err
	}
	set(t.tx, t.s.exclusions, e.Host, e.Clone())
	return nil
}

func (t hostTable) Include(host hotstick.HostID) error {
	if err := t.writable(); err != nil {
		return err
	}
	remove(t.tx, t.s.exclusions, host)
	return nil
}

func (t hostTable) Exclusion(host hotstick.HostID) (store.Exclusion, error) {
	return get(t.tx, t.s.exclusions, host)
}

func (t hostTable) Exclusions() ([]store.Exclusion, error) {
	return rows(t.tx, t.s.exclusions, func(a, b store.Exclusion) int { return cmp.Compare(a.Host, b.Host) })
}

func (t banTable) Freeze(f store.Freeze) (int64, error) {
	if err := t.writable(); err != nil {
		return 0, err
	}
	assign(t.tx, &t.s.lastFreeze, t.s.lastFreeze+1)
	f.ID = t.s.lastFreeze
	set(t.tx, t.s.freezes, f.ID, f.Clone())
	return f.ID, nil
}

func (t banTable) Unfreeze(id int64) error {
	if err := t.writable(); err != nil {
		return err
	}
	if _, ok := t.s.freezes[id]; !ok {
		return store.ErrNotFound
	}
	remove(t.tx, t.s.freezes, id)
	return nil
}

func (t banTable) Freezes() ([]store.Freeze, error) {
	return rows(t.tx, t.s.freezes, func(a, b store.Freeze) int {
		return cmp.Or(a.From.Compare(b.From), cmp.Compare(a.ID, b.ID))
	})
}

func (t banTable) PutStatement(v store.Statement) error {
	if err := t.writable(); err != nil {
		return err
	}
	if _, ok := t.s.statements[v.Digest]; ok {
		return store.ErrTaken
	}
	set(t.tx, t.s.statements, v.Digest, v.Clone())
	return nil
}

func (t banTable) ReplaceStatement(v store.Statement) error {
	if err := t.writable(); err != nil {
		return err
	}
	have, ok := t.s.statements[v.Digest]
	if !ok {
		return store.ErrNotFound
	}
	have.Envelope, have.By = v.Envelope, v.By
	set(t.tx, t.s.statements, v.Digest, have.Clone())
	return nil
}

func (t banTable) Statements(kind string) ([]store.Statement, error) {
	all, err := rows(t.tx, t.s.statements, func(a, b store.Statement) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Digest, b.Digest))
	})
	all = slices.DeleteFunc(all, func(s store.Statement) bool { return s.Kind != kind })
	if len(all) == 0 {
		return nil, err
	}
	return all, err
}

// rows returns copies of all rows of a table, in order.
func rows[K comparable, V interface{ Clone() V }](t *tx, m map[K]V, order func(a, b V) int) ([]V, error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	var all []V
	for _, v := range m {
		all = append(all, v.Clone())
	}
	slices.SortFunc(all, order)
	return all, nil
}
