package memory

import (
	"cmp"
	"slices"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

type slotKey struct {
	domain, value string
	index         int
}

type slotTable struct{ *tx }

func (t slotTable) Take(s store.Slot) error {
	if err := t.writable(); err != nil {
		return err
	}
	key := slotKey{s.Domain, s.Value, s.Index}
	if _, held := t.s.slots[key]; held {
		return store.ErrTaken
	}
	s.Taken = store.Instant(s.Taken)
	set(t.tx, t.s.slots, key, s)
	return nil
}

func (t slotTable) Release(plan hotstick.PlanID, host hotstick.HostID) error {
	if err := t.writable(); err != nil {
		return err
	}
	for key, s := range t.s.slots {
		if s.Plan == plan && s.Host == host {
			remove(t.tx, t.s.slots, key)
		}
	}
	return nil
}

func (t slotTable) List() ([]store.Slot, error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	var slots []store.Slot
	for _, s := range t.s.slots {
		slots = append(slots, s)
	}
	slices.SortFunc(slots, func(a, b store.Slot) int {
		return cmp.Or(cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.Value, b.Value), cmp.Compare(a.Index, b.Index))
	})
	return slots, nil
}
