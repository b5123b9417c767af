package sqlite

import (
	"errors"

	"github.com/hotstick/hotstick/internal/store"
)

func (t eventTable) Mark(name string) (string, error) {
	v, err := one(t.tx, value[string], `SELECT value FROM marks WHERE name = ?`, name)
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	return v, err
}

func (t eventTable) SetMark(name, value string) error {
	_, err := t.exec(`INSERT INTO marks (name, value) VALUES (?, ?)
		ON CONFLICT DO UPDATE SET value = excluded.value WHERE value <> excluded.value`, name, value)
	return err
}
