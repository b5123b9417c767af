package memory

import (
	"cmp"
	"slices"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/planted"
	"github.com/hotstick/hotstick/internal/store"
)

type slotKey struct {
	domain, value string
	index         int
}

// slotRows holds the slots in use, and by whom.
type slotRows struct {
	byKey map[slotKey]store.Slot
	// held are the keys of what a host holds for a plan; replaced, never changed in
	// place.
	held map[lineKey][]slotKey
}

func newSlotRows() slotRows {
	return slotRows{byKey: map[slotKey]store.Slot{}, held: map[lineKey][]slotKey{}}
}

type slotTable struct{ *tx }

func (t slotTable) Take(s store.Slot) error {
	if err := t.writable(); err != nil {
		return err
	}
	key, holder := slotKey{s.Domain, s.Value, s.Index}, lineKey{s.Plan, s.Host}
	if _, held := t.s.slots.byKey[key]; held && !planted.Bug("plans-share-nothing") {
		return store.ErrTaken
	}
	s.Taken = store.Instant(s.Taken)
	set(t.tx, t.s.slots.byKey, key, s)
	set(t.tx, t.s.slots.held, holder, append(slices.Clip(t.s.slots.held[holder]), key))
	return nil
}

func (t slotTable) Release(plan hotstick.PlanID, host hotstick.HostID) error {
	if err := t.writable(); err != nil {
		return err
	}
	holder := lineKey{plan, host}
	for _, key := range t.s.slots.held[holder] {
		remove(t.tx, t.s.slots.byKey, key)
	}
	remove(t.tx, t.s.slots.held, holder)
	return nil
}

func (t slotTable) List() ([]store.Slot, error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	var slots []store.Slot
	for _, s := range t.s.slots.byKey {
		slots = append(slots, s)
	}
	slices.SortFunc(slots, bySlot)
	return slots, nil
}

func (t slotTable) Held(plan hotstick.PlanID, host hotstick.HostID) ([]store.Slot, error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	var slots []store.Slot
	for _, key := range t.s.slots.held[lineKey{plan, host}] {
		slots = append(slots, t.s.slots.byKey[key])
	}
	slices.SortFunc(slots, bySlot)
	return slots, nil
}

// bySlot orders slots for lists.
func bySlot(a, b store.Slot) int {
	return cmp.Or(cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.Value, b.Value), cmp.Compare(a.Index, b.Index))
}
