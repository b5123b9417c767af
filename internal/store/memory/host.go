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
	// order is by name, then ID. It is replaced, never changed in place, so that
	// undoing is putting the old one back.
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
	order := slices.Clone(t.s.hosts.order)
	if had {
		i, _ := slices.BinarySearchFunc(order, hostKey{old.Name, old.ID}, hostKey.compare)
		order = slices.Delete(order, i, i+1)
	}
	k := hostKey{h.Name, h.ID}
	i, _ := slices.BinarySearchFunc(order, k, hostKey.compare)
	assign(t.tx, &t.s.hosts.order, slices.Insert(order, i, k))
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
