package sqlite

import (
	"context"

	"github.com/hotstick/hotstick/internal/failpoint"
	"github.com/hotstick/hotstick/internal/store"
)

// A sync to the disk costs far more than an update, so updates that wait for
// their turn share one: each runs in the open transaction of those before it,
// under a savepoint of its own, and whoever finds nobody in line behind it commits
// for all. Nobody is told of success before that commit. Later updates of a batch
// see what earlier ones wrote; they succeed or fail together with the commit, so
// nothing is built on what does not last.

// maxBatch bounds how many updates wait for one commit, and with that the wait.
const maxBatch = 256

// batch is an open write transaction with the updates that ran in it.
type batch struct {
	updates int
	wrote   bool
	done    chan struct{} // closed when err is final
	err     error
}

func (s *Store) update(ctx context.Context, fn func(*tx) error) error {
	b, err := s.work(ctx, fn)
	if err != nil {
		return err
	}
	<-b.done
	return b.err
}

// takeTurn waits for the turn. The wait cannot be given up, because those ahead
// may count on their successor to commit for them.
func (s *Store) takeTurn() {
	s.inLine.Add(1)
	s.turn <- struct{}{}
	s.inLine.Add(-1)
}

// passTurn commits unless somebody in line will, and lets the next one go.
func (s *Store) passTurn() {
	if s.batch != nil && (s.inLine.Load() == 0 || s.batch.updates >= maxBatch) {
		s.commit()
	}
	<-s.turn
}

// work runs fn in its turn and returns the batch that it became part of. The turn
// is passed on also when fn panics or ends its goroutine.
func (s *Store) work(ctx context.Context, fn func(*tx) error) (*batch, error) {
	s.takeTurn()
	defer s.passTurn()
	if s.closed {
		return nil, errClosed
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	t := &tx{ctx: ctx, s: s, db: s.writer, now: store.Instant(s.clock())}
	alone := s.batch == nil
	begin := `SAVEPOINT one`
	if alone {
		begin = `BEGIN IMMEDIATE`
	}
	if err := t.begin(begin); err != nil {
		return nil, err
	}
	if alone {
		s.batch = &batch{done: make(chan struct{})}
	}
	kept := false
	defer func() {
		if !kept {
			s.undo(t, alone)
		}
	}()
	if err := fn(t); err != nil {
		return nil, err
	}
	if err := t.usable(); err != nil {
		return nil, err
	}
	if !alone {
		if err := s.writer.run(`RELEASE one`); err != nil {
			return nil, s.explain("write to", err)
		}
	}
	kept, t.over = true, true
	s.batch.updates++
	s.batch.wrote = s.batch.wrote || t.wrote
	return s.batch, nil
}

// undo takes back what one update wrote. If that fails, SQLite has rolled the
// whole transaction back by itself (a full disk does that), and everybody in the
// batch must learn it.
func (s *Store) undo(t *tx, alone bool) {
	if alone {
		t.abandon(`ROLLBACK`)
		s.batch = nil
		return
	}
	t.over = true
	err := s.writer.run(`ROLLBACK TO one`)
	if err == nil {
		err = s.writer.run(`RELEASE one`)
	}
	if err == nil {
		return
	}
	if t.broken == nil {
		t.broken = s.explain("write to", err)
	}
	s.finish(t.broken)
}

// commit commits the batch, if there is one, and tells its updates.
func (s *Store) commit() {
	if s.batch == nil {
		return
	}
	failpoint.Here(failpoint.StoreCommitBefore)
	if err := s.writer.run(`COMMIT`); err != nil {
		s.finish(s.explain("write to", err))
		return
	}
	failpoint.Here(failpoint.StoreCommitAfter)
	if s.batch.wrote {
		s.hints.Give()
	}
	s.finish(nil)
}

// finish ends the batch. After an error nothing of the transaction may stay open.
func (s *Store) finish(err error) {
	if err != nil {
		_ = s.writer.run(`ROLLBACK`) // fails if SQLite did it already
	}
	s.batch.err = err
	close(s.batch.done)
	s.batch = nil
}
