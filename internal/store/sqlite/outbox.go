package sqlite

import (
	"time"

	"github.com/hotstick/hotstick/internal/store"
)

type outboxTable struct{ *tx }

func (t outboxTable) Add(m store.Message) (int64, error) {
	return t.insert(`INSERT INTO outbox (kind, body, created, attempts, due, done) VALUES (?, ?, ?, ?, ?, ?)`,
		m.Kind, present(m.Body), m.Created.UnixMicro(), m.Attempts, m.Due.UnixMicro(), instant(m.Done))
}

func (t outboxTable) Due(now time.Time, limit int) ([]store.Message, error) {
	return all(t.tx, func(row scan) (m store.Message, err error) {
		var created, due int64
		var done *int64
		err = row(&m.ID, &m.Kind, &m.Body, &created, &m.Attempts, &due, &done)
		m.Created, m.Due, m.Done = when(created), when(due), whenever(done)
		return m.Clone(), err
	}, `SELECT id, kind, body, created, attempts, due, done FROM outbox WHERE done IS NULL AND due <= ? ORDER BY id LIMIT ?`,
		now.UnixMicro(), limited(limit))
}

func (t outboxTable) Put(m store.Message) error {
	n, err := t.exec(`UPDATE outbox SET kind = ?, body = ?, created = ?, attempts = ?, due = ?, done = ? WHERE id = ?`,
		m.Kind, present(m.Body), m.Created.UnixMicro(), m.Attempts, m.Due.UnixMicro(), instant(m.Done), m.ID)
	if err == nil && n == 0 {
		return store.ErrNotFound
	}
	return err
}
