package sqlite

import (
	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

type slotTable struct{ *tx }

func (t slotTable) Take(s store.Slot) error {
	n, err := t.exec(`INSERT INTO slots (domain, value, idx, plan, host, taken) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		s.Domain, s.Value, s.Index, s.Plan, s.Host, s.Taken.UnixMicro())
	if err == nil && n == 0 {
		return store.ErrTaken
	}
	return err
}

func (t slotTable) Release(plan hotstick.PlanID, host hotstick.HostID) error {
	_, err := t.exec(`DELETE FROM slots WHERE plan = ? AND host = ?`, plan, host)
	return err
}

const selectSlot = `SELECT domain, value, idx, plan, host, taken FROM slots`

func readSlot(row scan) (s store.Slot, err error) {
	var taken int64
	err = row(&s.Domain, &s.Value, &s.Index, &s.Plan, &s.Host, &taken)
	s.Taken = when(taken)
	return s, err
}

func (t slotTable) List() ([]store.Slot, error) {
	return all(t.tx, readSlot, selectSlot+` ORDER BY domain, value, idx`)
}

func (t slotTable) Held(plan hotstick.PlanID, host hotstick.HostID) ([]store.Slot, error) {
	return all(t.tx, readSlot, selectSlot+` WHERE plan = ? AND host = ? ORDER BY domain, value, idx`, plan, host)
}
