package sqlite

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/hotstick/hotstick/internal/audit"
	"github.com/hotstick/hotstick/internal/failpoint"
	"github.com/hotstick/hotstick/internal/store"
)

type eventTable struct{ *tx }

func (t eventTable) Append(e store.Event) (store.Event, error) {
	if err := t.writable(); err != nil {
		return store.Event{}, err
	}
	size, err := t.size()
	if err != nil {
		return store.Event{}, err
	}
	e = e.Clone()
	e.Seq, e.At = size, t.now
	leaf, err := audit.Encode(e)
	if err != nil {
		return store.Event{}, err
	}
	added, err := audit.Append(size, leaf, t)
	if err != nil {
		return store.Event{}, err
	}
	hashes := make([]byte, 0, len(added)*len(audit.Hash{}))
	for _, h := range added {
		hashes = append(hashes, h[:]...)
	}
	failpoint.Here(failpoint.AuditLeafBefore)
	_, err = t.exec(`INSERT INTO events (seq, plan, host, leaf, hashes) VALUES (?, ?, ?, ?, ?)`,
		size, optional(e.Plan), optional(e.Host), leaf, hashes)
	failpoint.Here(failpoint.AuditLeafAfter)
	return e, err
}

// size returns the number of leaves. They have no gaps, so the last one tells.
func (t eventTable) size() (int64, error) {
	last, err := one(t.tx, value[sql.NullInt64], `SELECT max(seq) FROM events`)
	if err != nil || !last.Valid {
		return 0, err
	}
	return last.Int64 + 1, nil
}

func (t eventTable) List(f store.EventFilter) ([]store.Event, error) {
	query, args := `SELECT leaf FROM events WHERE 1`, []any{}
	if f.Plan != "" {
		query, args = query+` AND plan = ?`, append(args, f.Plan)
	}
	if f.Host != "" {
		query, args = query+` AND host = ?`, append(args, f.Host)
	}
	if f.Before > 0 {
		query, args = query+` AND seq < ?`, append(args, f.Before)
	}
	if f.From > 0 {
		query, args = query+` AND seq >= ?`, append(args, f.From)
	}
	return all(t.tx, readEvent, query+` ORDER BY seq DESC LIMIT ?`, append(args, limited(f.Limit))...)
}

// readEvent decodes the leaf: what is shown is what the audit log commits to.
func readEvent(row scan) (e store.Event, err error) {
	var leaf sql.RawBytes
	if err := row(&leaf); err != nil {
		return e, err
	}
	if err := json.Unmarshal(leaf, &e); err != nil {
		return e, fmt.Errorf("cannot decode an event: %v", err)
	}
	return e, nil
}

func (t eventTable) Head() (int64, [32]byte, error) {
	size, err := t.size()
	if err != nil {
		return 0, [32]byte{}, err
	}
	head, err := audit.NewHead(size, t)
	return head.Size, head.Root, err
}

func (t eventTable) Leaf(seq int64) ([]byte, error) {
	return one(t.tx, value[[]byte], `SELECT leaf FROM events WHERE seq = ?`, seq)
}

func (t eventTable) ReadHashes(indexes []int64) ([]audit.Hash, error) {
	found := make([]audit.Hash, len(indexes))
	for i, index := range indexes {
		if index < 0 {
			return nil, store.ErrNotFound
		}
		seq, nth := audit.Place(index)
		hashes, err := one(t.tx, value[[]byte], `SELECT hashes FROM events WHERE seq = ?`, seq)
		if err != nil {
			return nil, err
		}
		const size = len(audit.Hash{})
		if len(hashes) < (nth+1)*size {
			return nil, errors.Join(store.ErrNotFound, fmt.Errorf("leaf %d has %d bytes of hashes", seq, len(hashes)))
		}
		copy(found[i][:], hashes[nth*size:])
	}
	return found, nil
}
