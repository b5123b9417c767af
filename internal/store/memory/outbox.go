package memory

import (
	"time"

	"github.com/hotstick/hotstick/internal/store"
)

type outboxTable struct{ *tx }

func (t outboxTable) Add(m store.Message) (int64, error) {
	if err := t.writable(); err != nil {
		return 0, err
	}
	m.ID = int64(len(t.s.outbox)) + 1
	assign(t.tx, &t.s.outbox, append(t.s.outbox, m.Clone()))
	return m.ID, nil
}

func (t outboxTable) Due(now time.Time, limit int) ([]store.Message, error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	var due []store.Message
	for _, m := range t.s.outbox {
		if limit > 0 && len(due) == limit {
			break
		}
		if m.Done == nil && !m.Due.After(now) {
			due = append(due, m.Clone())
		}
	}
	return due, nil
}

func (t outboxTable) Put(m store.Message) error {
	if err := t.writable(); err != nil {
		return err
	}
	if m.ID < 1 || m.ID > int64(len(t.s.outbox)) {
		return store.ErrNotFound
	}
	assign(t.tx, &t.s.outbox[m.ID-1], m.Clone())
	return nil
}
