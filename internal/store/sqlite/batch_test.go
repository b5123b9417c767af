package sqlite

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick/internal/store"
)

// line has the turn on a store while updates line up behind it.
type line struct {
	*testing.T
	s    *Store
	open chan struct{}
	errs []chan error
}

// newLine makes a store and an update that waits until the line is opened.
func newLine(t *testing.T) *line {
	l := &line{T: t, s: mustOpen(t, filepath.Join(t.TempDir(), "hotstick.db")).Store, open: make(chan struct{})}
	entered := make(chan struct{})
	l.start(func(t *tx) error {
		close(entered)
		<-l.open
		_, err := t.Events().Append(store.Event{Kind: "first"})
		return err
	})
	<-entered
	return l
}

// add puts an update in line, behind those that are there.
func (l *line) add(fn func(*tx) error) {
	before := l.s.inLine.Load()
	l.start(fn)
	l.untilLonger(before)
}

// untilLonger waits until somebody got in line.
func (l *line) untilLonger(before int64) {
	deadline := time.Now().Add(10 * time.Second)
	for l.s.inLine.Load() == before {
		if time.Now().After(deadline) {
			l.Fatal("nobody got in line")
		}
		runtime.Gosched()
	}
}

func (l *line) start(fn func(*tx) error) {
	err := make(chan error, 1)
	l.errs = append(l.errs, err)
	go func() {
		defer func() {
			if r := recover(); r != nil {
				err <- fmt.Errorf("panicked: %v", r)
			}
		}()
		err <- l.s.update(context.Background(), fn)
	}()
}

// finish lets the line run and returns each update's error.
func (l *line) finish() (errs []error) {
	close(l.open)
	for _, err := range l.errs {
		errs = append(errs, <-err)
	}
	return errs
}

// kinds returns the kinds of all events, oldest first.
func (l *line) kinds() (kinds string) {
	if err := l.s.View(l.Context(), func(tx store.Tx) error {
		events, err := tx.Events().List(store.EventFilter{})
		for _, e := range events {
			kinds = e.Kind + " " + kinds
		}
		return err
	}); err != nil {
		l.Fatal(err)
	}
	return strings.TrimSpace(kinds)
}

func appendKind(kind string) func(*tx) error {
	return func(t *tx) error {
		_, err := t.Events().Append(store.Event{Kind: kind})
		return err
	}
}

func TestUpdatesInLineShareOneCommit(t *testing.T) {
	l := newLine(t)
	for i := range 5 {
		l.add(func(t *tx) error {
			if t.s.batch.updates != i+1 {
				l.Errorf("update %d runs in a batch of %d", i+1, t.s.batch.updates)
			}
			return appendKind(fmt.Sprint(i))(t)
		})
	}
	if err := errors.Join(l.finish()...); err != nil {
		t.Error(err)
	}
	if got := l.kinds(); got != "first 0 1 2 3 4" {
		t.Errorf("got %s", got)
	}
}

func TestAFailedUpdateLeavesItsBatch(t *testing.T) {
	l := newLine(t)
	l.add(appendKind("good"))
	l.add(func(t *tx) error { return errors.Join(appendKind("bad")(t), errors.New("wanted")) })
	l.add(func(t *tx) error { _ = appendKind("panicking")(t); panic("wanted") })
	l.add(appendKind("better"))
	l.add(func(*tx) error { return errors.New("wanted") }) // the last one must still commit for all
	errs := l.finish()
	for i, fails := range []bool{false, false, true, true, false, true} {
		if (errs[i] != nil) != fails {
			t.Errorf("update %d: %v", i, errs[i])
		}
	}
	if got := l.kinds(); got != "first good better" {
		t.Errorf("got %s", got)
	}
}

// TestACommitThatFailsFailsEverybody breaks a rule that SQLite checks at the
// commit only.
func TestACommitThatFailsFailsEverybody(t *testing.T) {
	l := newLine(t)
	l.add(func(t *tx) error {
		if err := t.s.writer.run(`PRAGMA defer_foreign_keys = 1`); err != nil {
			return err
		}
		_, err := t.exec(`INSERT INTO host_seen (host, seq, last_seen, readings) VALUES (77, 0, 0, '')`)
		return err
	})
	l.add(appendKind("good"))
	for i, err := range l.finish() {
		if err == nil {
			t.Errorf("update %d was acknowledged", i)
		}
	}
	l.wantRecovered()
}

// wantRecovered wants nothing to be stored, and the next update to work.
func (l *line) wantRecovered() {
	l.Helper()
	if got := l.kinds(); got != "" {
		l.Errorf("stored: %s", got)
	}
	if err := l.s.update(l.Context(), appendKind("next")); err != nil {
		l.Errorf("the next update: %v", err)
	}
	if got := l.kinds(); got != "next" {
		l.Errorf("stored: %s", got)
	}
}

// rolledBack has SQLite end the whole transaction in the middle, as it does when
// the disk is full.
func rolledBack(t *tx) error {
	_, err := t.exec(`INSERT OR ROLLBACK INTO state (name, value) VALUES ('stop_all', 1)`)
	return err
}

func TestATransactionThatSQLiteEndedFailsEverybody(t *testing.T) {
	for name, fn := range map[string]func(*tx) error{
		"the update fails": rolledBack,
		"the update does not care": func(t *tx) error {
			_ = rolledBack(t)
			return nil
		},
		"the update goes on": func(t *tx) error {
			_ = rolledBack(t)
			_ = appendKind("stray")(t) // would be committed by itself
			_ = t.Hosts().Put(store.Host{ID: "h-stray"})
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLine(t)
			l.add(appendKind("good"))
			l.add(fn)
			for i, err := range l.finish() {
				if err == nil {
					t.Errorf("update %d was acknowledged", i)
				}
			}
			l.wantRecovered()
		})
		t.Run(name+", alone", func(t *testing.T) {
			l := &line{T: t, s: mustOpen(t, filepath.Join(t.TempDir(), "hotstick.db")).Store}
			if err := l.s.update(t.Context(), fn); err == nil {
				t.Error("the update was acknowledged")
			}
			l.wantRecovered()
		})
	}
}

// TestClosingCommitsWhatRan: who closes is in line too, and the update before it
// counts on it to commit.
func TestClosingCommitsWhatRan(t *testing.T) {
	for _, late := range []bool{false, true} {
		l := newLine(t)
		path := l.s.path
		closed := make(chan error, 1)
		before := l.s.inLine.Load()
		go func() { closed <- l.s.Close() }()
		l.untilLonger(before)
		if late {
			l.add(appendKind("late"))
		}
		errs := l.finish()
		if errs[0] != nil || late && !errors.Is(errs[1], errClosed) {
			t.Errorf("got %v", errs)
		}
		if err := <-closed; err != nil {
			t.Error(err)
		}
		l.s = mustOpen(t, path).Store
		if got := l.kinds(); got != "first" {
			t.Errorf("stored: %s", got)
		}
	}
}

func TestAViewNeitherWaitsForAnUpdateNorSeesIt(t *testing.T) {
	s := mustOpen(t, filepath.Join(t.TempDir(), "hotstick.db"))
	count := func() (n int) {
		if err := s.View(t.Context(), func(tx store.Tx) (err error) {
			_, n, err = tx.Hosts().List(store.HostFilter{})
			return err
		}); err != nil {
			t.Error(err)
		}
		return n
	}
	if err := s.Update(t.Context(), func(tx store.Tx) error {
		if err := tx.Hosts().Put(store.Host{ID: "h-1"}); err != nil {
			return err
		}
		seen := make(chan int)
		go func() { seen <- count() }()
		if n := <-seen; n != 0 {
			t.Errorf("a view saw %d hosts of an update that runs", n)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if n := count(); n != 1 {
		t.Errorf("after the update: %d hosts", n)
	}
}
