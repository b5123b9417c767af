package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/hotstick/hotstick/internal/store"
)

// tx is one transaction; its tables are it under other names.
type tx struct {
	ctx      context.Context
	s        *Store
	db       *session
	now      time.Time
	readOnly bool
	wrote    bool
	over     bool
	// broken is the first error of SQLite itself. It may have ended the whole
	// transaction (a full disk does), so that what follows would stand alone;
	// therefore nothing follows, and nothing is committed.
	broken error
	// last is the host row that was read or written last: a check-in reads a host
	// and puts it, and needs its row for both.
	last *hostRow
}

// begin starts the transaction with this statement.
func (t *tx) begin(how string) error {
	if err := t.db.run(how); err != nil {
		t.over = true
		return t.s.explain("begin a transaction in", err)
	}
	return nil
}

// abandon ends the transaction without a commit.
func (t *tx) abandon(how string) {
	t.over = true
	_ = t.db.run(how) // fails only if SQLite rolled back by itself
}

func (t *tx) usable() error {
	switch {
	case t.over:
		return errors.New("cannot use the transaction: it is over")
	case t.broken != nil:
		return t.broken
	}
	return t.ctx.Err()
}

// fail breaks the transaction. Conflicts that tables expect are not errors of
// SQLite: their statements say ON CONFLICT or look at the number of rows.
func (t *tx) fail(doing string, err error) error {
	t.broken = t.s.explain(doing, err)
	return t.broken
}

// exec runs a statement that writes, and returns the number of rows it changed.
func (t *tx) exec(query string, args ...any) (int64, error) {
	result, err := t.result(query, args...)
	if err != nil {
		return 0, err
	}
	n, err := result.RowsAffected()
	t.wrote = t.wrote || n > 0
	return n, err
}

// insert runs a statement that inserts one row and returns its number.
func (t *tx) insert(query string, args ...any) (int64, error) {
	result, err := t.result(query, args...)
	if err != nil {
		return 0, err
	}
	t.wrote = true
	return result.LastInsertId()
}

func (t *tx) result(query string, args ...any) (sql.Result, error) {
	if err := t.writable(); err != nil {
		return nil, err
	}
	st, err := t.db.stmt(query)
	if err != nil {
		return nil, t.fail("write to", err)
	}
	result, err := st.ExecContext(context.Background(), args...)
	if err != nil {
		return nil, t.fail("write to", err)
	}
	return result, nil
}

func (t *tx) writable() error {
	if t.readOnly {
		return store.ErrReadOnly
	}
	return t.usable()
}

// scan reads a row into values, as sql.Row and sql.Rows do.
type scan func(dest ...any) error

// one returns the one row that a query gives, or ErrNotFound.
func one[T any](t *tx, read func(scan) (T, error), query string, args ...any) (T, error) {
	var none T
	if err := t.usable(); err != nil {
		return none, err
	}
	st, err := t.db.stmt(query)
	if err != nil {
		return none, t.fail("read", err)
	}
	v, err := read(st.QueryRowContext(context.Background(), args...).Scan)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return none, store.ErrNotFound
	case err != nil:
		return none, t.fail("read", err)
	}
	return v, nil
}

// all returns every row that a query gives.
func all[T any](t *tx, read func(scan) (T, error), query string, args ...any) ([]T, error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	st, err := t.db.stmt(query)
	if err != nil {
		return nil, t.fail("read", err)
	}
	rows, err := st.QueryContext(context.Background(), args...)
	if err != nil {
		return nil, t.fail("read", err)
	}
	defer rows.Close()
	var found []T
	for rows.Next() {
		if err := t.ctx.Err(); err != nil {
			return nil, err
		}
		v, err := read(rows.Scan)
		if err != nil {
			return nil, t.fail("read", err)
		}
		found = append(found, v)
	}
	if err := rows.Err(); err != nil {
		return nil, t.fail("read", err)
	}
	return found, nil
}

// value reads a row of one column.
func value[T any](row scan) (v T, err error) { return v, row(&v) }

// limited turns a limit of 0, which means all, into SQLite's word for it.
func limited(limit int) int {
	if limit <= 0 {
		return -1
	}
	return limit
}

func (t *tx) Now() time.Time            { return t.now }
func (t *tx) Hosts() store.HostTable    { return hostTable{t} }
func (t *tx) Plans() store.PlanTable    { return planTable{t} }
func (t *tx) Slots() store.SlotTable    { return slotTable{t} }
func (t *tx) Events() store.EventTable  { return eventTable{t} }
func (t *tx) Bans() store.BanTable      { return banTable{t} }
func (t *tx) Tokens() store.TokenTable  { return tokenTable{t} }
func (t *tx) Outbox() store.OutboxTable { return outboxTable{t} }

func (t *tx) Feeds() store.FeedTable                    { return feedTable{t} }
func (t *tx) Advisories() store.AdvisoryTable           { return advisoryTable{t} }
func (t *tx) Vulnerabilities() store.VulnerabilityTable { return vulnerabilityTable{t} }
func (t *tx) Exposures() store.ExposureTable            { return exposureTable{t} }
