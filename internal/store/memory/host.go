package memory

import (
	"cmp"
	"slices"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

// hostRows holds hosts by ID, and the order of lists.
type hostRows struct {
	byID map[hotstick.HostID]store.Host
	// order is by name, then ID. Undoing a change of it is the opposite change.
	order []hostKey
}

type hostKey struct {
	name string
	id   hotstick.HostID
}

func (k hostKey) compare(o hostKey) int {
	return cmp.Or(cmp.Compare(k.name, o.name), cmp.Compare(k.id, o.id))
}

type hostTable struct{ *tx }

func (t hostTable) Get(id hotstick.HostID) (store.Host, error) {
	return get(t.tx, t.s.hosts.byID, id)
}

func (t hostTable) List(f store.HostFilter) ([]store.Host, int, error) {
	if err := t.usable(); err != nil {
		return nil, 0, err
	}
	name, id, err := f.Position()
	if err != nil {
		return nil, 0, err
	}
	var page []store.Host
	total := 0
	for _, k := range t.s.hosts.order {
		h := t.s.hosts.byID[k.id]
		if h.Revoked || !f.Matches(h) {
			continue
		}
		total++
		after := f.After == "" || k.compare(hostKey{name, id}) > 0
		if after && (f.Limit <= 0 || len(page) < f.Limit) {
			page = append(page, h.Clone())
		}
	}
	return page, total, nil
}

func (t hostTable) Put(h store.Host) error {
	if err := t.writable(); err != nil {
		return err
	}
	old, had := t.s.hosts.byID[h.ID]
	if had && old.Revoked && !h.Revoked {
		return store.ErrTaken
	}
	if !had || old.Name != h.Name {
		t.reorder(old, had, h)
	}
	set(t.tx, t.s.hosts.byID, h.ID, h.Clone())
	return nil
}

// reorder gives a new or renamed host its place in the lists.
func (t hostTable) reorder(old store.Host, had bool, h store.Host) {
	rows := &t.s.hosts
	if had {
		was := hostKey{old.Name, old.ID}
		rows.drop(was)
		t.undo = append(t.undo, func() { rows.enter(was) })
	}
	is := hostKey{h.Name, h.ID}
	rows.enter(is)
	t.undo = append(t.undo, func() { rows.drop(is) })
}

func (r *hostRows) enter(k hostKey) {
	i, _ := slices.BinarySearchFunc(r.order, k, hostKey.compare)
	r.order = slices.Insert(r.order, i, k)
}

func (r *hostRows) drop(k hostKey) {
	i, _ := slices.BinarySearchFunc(r.order, k, hostKey.compare)
	r.order = slices.Delete(r.order, i, i+1)
}

func (t hostTable) Delete(id hotstick.HostID) error {
	if err := t.writable(); err != nil {
		return err
	}
	h, ok := t.s.hosts.byID[id]
	switch {
	case !ok:
		return store.ErrNotFound
	case h.Revoked:
		return nil
	}
	h.Revoked = true
	set(t.tx, t.s.hosts.byID, id, h)
	return nil
}
