package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	// readers is how many views can run at once.
	readers = 4
	// oldest is the first version of SQLite without the fault by which a reset of
	// the write-ahead log could lose a commit.
	oldest = "3.51.3"
)

// settings of every connection. The caches are in KiB: 64 MiB for the writer, as
// much for all readers together.
var (
	settings      = []string{"busy_timeout(10000)", "foreign_keys(1)", "trusted_schema(0)", "temp_store(MEMORY)"}
	writeSettings = []string{"journal_mode(WAL)", "synchronous(FULL)", "cache_size(-65536)", "journal_size_limit(67108864)"}
	readSettings  = []string{"query_only(1)", "cache_size(-16384)"}
)

// Open opens the database in the file at path, makes it if there is none, and
// brings its schema up to date. Clock gives the time of transactions. Whatever an
// operator can mend comes as an [*Error].
func Open(ctx context.Context, path string, clock func() time.Time) (*Store, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("cannot open %s: %w", path, err)
	}
	s := &Store{path: path, clock: clock, facts: newFactsCache(),
		readers: make(chan *session, readers), turn: make(chan struct{}, 1), closing: make(chan struct{})}
	if err := s.prepareFile(); err != nil {
		return nil, err
	}
	if err := s.connect(ctx); err != nil {
		s.disconnect()
		return nil, err
	}
	return s, nil
}

// prepareFile makes the file if there is none and takes it from everybody else.
// An existing file is not opened: closing it would drop the locks that other
// connections of this process hold on it.
func (s *Store) prepareFile() error {
	info, err := os.Stat(s.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		var f *os.File
		if f, err = os.OpenFile(s.path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600); err == nil {
			return f.Close()
		}
	case err == nil && info.IsDir():
		return &Error{Doing: "open", Path: s.path, Problem: "it is a directory", Fix: "name a file in it, such as " + filepath.Join(s.path, "hotstick.db")}
	case err == nil && info.Size() > 0 && info.Size() < 512:
		// SQLite would take it for empty and write over it.
		return &Error{Doing: "open", Path: s.path, Problem: "it is not a database", Fix: notADatabase}
	case err == nil:
		if info.Mode().Perm()&0o077 != 0 {
			err = os.Chmod(s.path, 0o600)
		}
		if err == nil {
			// SQLite makes files beside this one and says little when it cannot.
			err = errors.Join(syscall.Access(s.path, readable|writable), syscall.Access(filepath.Dir(s.path), writable))
		}
	}
	return s.explainFile(err)
}

// What access(2) is asked for.
const (
	writable = 2
	readable = 4
)

func (s *Store) explainFile(err error) error {
	dir := filepath.Dir(s.path)
	e := &Error{Doing: "open", Path: s.path, Err: err}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		e.Problem, e.Fix = "there is no directory "+dir, "make the directory, or name another"
	case errors.Is(err, syscall.ENOTDIR):
		e.Problem, e.Fix = "there is a file where its directory should be", "name another directory"
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		e.Problem, e.Fix = "it is read-only", "let the server's user write to "+dir+", and check that the disk is not mounted read-only"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		e.Problem, e.Fix = "the disk is full", "make room in "+dir
	default:
		e.Problem = err.Error()
	}
	return e
}

// connect opens the connections and brings the schema up to date. Until the file
// is known to be a database of ours nothing is written to it, not even the switch
// to WAL that the writer's settings make.
func (s *Store) connect(ctx context.Context) error {
	var err error
	if s.read, err = sql.Open("sqlite", s.dsn(append(readSettings, settings...))); err != nil {
		return s.explain("open", err)
	}
	if err := s.checkVersion(ctx); err != nil {
		return err
	}
	if s.write, err = sql.Open("sqlite", s.dsn(append(writeSettings, settings...))); err != nil {
		return s.explain("open", err)
	}
	s.write.SetMaxOpenConns(1)
	if err := s.migrate(ctx); err != nil {
		return err
	}
	if s.writer, err = newSession(ctx, s.write); err != nil {
		return s.explain("open", err)
	}
	for range cap(s.readers) {
		r, err := newSession(ctx, s.read)
		if err != nil {
			return s.explain("open", err)
		}
		s.readers <- r
	}
	return nil
}

// disconnect closes what a failed connect has opened.
func (s *Store) disconnect() {
	for len(s.readers) > 0 {
		_ = (<-s.readers).close()
	}
	if s.read != nil {
		_ = s.read.Close()
	}
	if s.writer != nil {
		_ = s.writer.close()
	}
	if s.write != nil {
		_ = s.write.Close()
	}
}

// dsn names the file as a URI, in which a path may hold any character.
func (s *Store) dsn(pragmas []string) string {
	query := url.Values{"_txlock": {"immediate"}, "_defensive": {"1"}, "_pragma": pragmas}
	return "file://" + (&url.URL{Path: s.path}).EscapedPath() + "?" + query.Encode()
}

// checkVersion refuses a SQLite that could lose commits.
func (s *Store) checkVersion(ctx context.Context) error {
	var version string
	if err := s.read.QueryRowContext(ctx, `SELECT sqlite_version()`).Scan(&version); err != nil {
		return s.explain("open", err)
	}
	if olderVersion(version, oldest) {
		return fmt.Errorf("cannot use SQLite %s: it can lose commits; want %s or newer", version, oldest)
	}
	return nil
}

// olderVersion compares versions such as 3.51.3 number by number.
func olderVersion(a, b string) bool {
	for {
		x, restA, moreA := strings.Cut(a, ".")
		y, restB, moreB := strings.Cut(b, ".")
		if x != y {
			return len(x) < len(y) || len(x) == len(y) && x < y
		}
		if !moreA || !moreB {
			return moreB
		}
		a, b = restA, restB
	}
}
