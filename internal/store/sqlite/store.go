// Package sqlite is the embedded store: one file, no server, durable.
//
// # Durability
//
// The database is in WAL mode with synchronous=FULL: [Store.Update] returns nil
// only after the log was synced to the disk. Updates that wait for each other are
// committed together, with one sync for all (see batch.go); each still commits or
// fails on its own.
//
// # Connections
//
// One connection writes, and updates take turns with it. Views share a few other
// connections, each in a read transaction of its own, so they never wait for
// updates. Statements are prepared once per connection.
//
// # Files
//
// The file and those that SQLite puts beside it (-wal, -shm) belong to the server
// alone (mode 0600). A copy of the file is a backup only if the server is stopped
// or the copy is made with SQLite's own means.
//
// # Schema
//
// Migrations are numbered and run when the store is opened. A database with a
// newer schema than the program's is refused and left as it is.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hotstick/hotstick/internal/audit"
	"github.com/hotstick/hotstick/internal/store"
)

var errClosed = errors.New("cannot use the store: it is closed")

// Store is an open database. [Open] makes one.
type Store struct {
	path  string
	clock func() time.Time
	hints store.Hints
	facts *factsCache
	parts partsCache

	write, read *sql.DB
	readers     chan *session // idle
	closing     chan struct{} // closed by Close

	inLine atomic.Int64  // updates that wait for the turn
	turn   chan struct{} // holds one value while somebody has the turn
	// What follows belongs to whoever has the turn.
	writer *session
	batch  *batch
	closed bool

	closeOnce sync.Once
	closeErr  error
}

// View runs fn in a read transaction of its own.
func (s *Store) View(ctx context.Context, fn func(store.Tx) error) error {
	reader, err := s.reader(ctx)
	if err != nil {
		return err
	}
	defer func() { s.readers <- reader }()
	t := &tx{ctx: ctx, s: s, db: reader, now: store.Instant(s.clock()), readOnly: true}
	if err := t.begin(`BEGIN`); err != nil {
		return err
	}
	defer t.abandon(`ROLLBACK`)
	return fn(t)
}

// reader waits for an idle connection.
func (s *Store) reader(ctx context.Context) (*session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case <-s.closing:
		return nil, errClosed
	default:
	}
	select {
	case r := <-s.readers:
		return r, nil
	case <-s.closing:
		return nil, errClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Update runs fn in its turn and returns once the commit is on the disk. It waits
// for its turn and for the commit whatever becomes of ctx; when ctx is over before
// fn has returned, nothing is committed.
func (s *Store) Update(ctx context.Context, fn func(store.Tx) error) error {
	return s.update(ctx, func(t *tx) error { return fn(t) })
}

// Changes subscribes to hints of commits. Commits of other processes give none.
func (s *Store) Changes() (<-chan struct{}, func()) { return s.hints.Changes() }

// Check commits a write of its own, so it fails when the disk is full or was
// mounted read-only.
func (s *Store) Check(ctx context.Context) error {
	return s.update(ctx, func(t *tx) error {
		_, err := t.exec(`UPDATE state SET value = ? WHERE name = 'checked_at'`, t.now.UnixMicro())
		t.wrote = false // nothing that anybody waits for
		return err
	})
}

// Close waits for transactions that run, and closes the database. It may be
// repeated.
func (s *Store) Close() error {
	s.closeOnce.Do(func() { s.closeErr = s.close() })
	return s.closeErr
}

func (s *Store) close() error {
	s.takeTurn()
	s.commit()
	s.closed = true
	<-s.turn
	close(s.closing)
	s.hints.Close()
	var errs []error
	for range cap(s.readers) {
		errs = append(errs, (<-s.readers).close())
	}
	// The writer goes last: it is the one that may fold the log into the file.
	return errors.Join(append(errs, s.read.Close(), s.writer.close(), s.write.Close())...)
}

var (
	_ store.Store = (*Store)(nil)
	_ audit.Log   = eventTable{}
)
