package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick/internal/store"
)

// rawDB opens a file with SQLite and nothing of ours.
func rawDB(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func mustExec(t *testing.T, db *sql.DB, query string, args ...any) {
	t.Helper()
	if _, err := db.Exec(query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func mustWrite(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestWhatCannotBeOpened: every refusal says what is wrong and what to do, and
// leaves the file as it was.
func TestWhatCannotBeOpened(t *testing.T) {
	for _, c := range []struct {
		name    string
		path    string // in the test's directory
		prepare func(t *testing.T, path string)
		problem string
	}{
		{"a directory", "d", func(t *testing.T, path string) { mustMkdir(t, path) }, "it is a directory"},
		{"no directory", "none/hotstick.db", nil, "there is no directory"},
		{"a file as directory", "file/hotstick.db", func(t *testing.T, path string) { mustWrite(t, filepath.Dir(path), nil) }, "there is a file where its directory should be"},
		{"text", "text.db", func(t *testing.T, path string) { mustWrite(t, path, bytes.Repeat([]byte("no database\n"), 1000)) }, "it is not a database"},
		{"a short text", "short.db", func(t *testing.T, path string) { mustWrite(t, path, []byte("x")) }, "it is not a database"},
		{"another program's database", "other.db", func(t *testing.T, path string) {
			db := rawDB(t, path)
			mustExec(t, db, `CREATE TABLE songs (title TEXT)`)
			db.Close()
		}, "it is a database of another program"},
		{"another program's marked database", "marked.db", func(t *testing.T, path string) {
			db := rawDB(t, path)
			mustExec(t, db, `PRAGMA application_id = 7`)
			db.Close()
		}, "it is a database of another program"},
		{"a newer schema", "newer.db", func(t *testing.T, path string) {
			mustOpen(t, path).Close()
			db := rawDB(t, path)
			mustExec(t, db, `INSERT INTO schema_versions (version_id, is_applied) VALUES (9999, 1)`)
			db.Close()
		}, "made by a newer hotstick"},
		{"a damaged database", "damaged.db", func(t *testing.T, path string) {
			mustOpen(t, path).Close()
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for i := 200; i < len(data); i++ {
				data[i] = 0x5a
			}
			mustWrite(t, path, data)
		}, "it is damaged"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), c.path)
			if c.prepare != nil {
				c.prepare(t, path)
			}
			before, _ := os.ReadFile(path)
			s, err := Open(t.Context(), path, time.Now)
			if err == nil {
				s.Close()
				t.Fatal("it was opened")
			}
			var e *Error
			if !errors.As(err, &e) || !strings.HasPrefix(err.Error(), "cannot open "+path+": "+c.problem) || e.Hint() == "" {
				t.Errorf("got %q (%T), want %q and a hint", err, err, c.problem)
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
				t.Error("the file was changed")
			}
			if errors.Is(err, ErrNewer) != (c.name == "a newer schema") {
				t.Errorf("is it newer? %v", err)
			}
		})
	}
}

func mustMkdir(t *testing.T, path string) {
	t.Helper()
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
}

func TestALockedDatabaseSaysSo(t *testing.T) {
	s := mustOpen(t, filepath.Join(t.TempDir(), "hotstick.db"))
	if err := s.writer.run(`PRAGMA busy_timeout = 1`); err != nil {
		t.Fatal(err)
	}
	other := rawDB(t, s.path)
	other.SetMaxOpenConns(1)
	mustExec(t, other, `BEGIN IMMEDIATE`)
	err := s.Update(t.Context(), func(store.Tx) error { t.Error("fn was run"); return nil })
	if err == nil || !strings.Contains(err.Error(), "another process keeps it locked") {
		t.Errorf("got %v", err)
	}
	mustExec(t, other, `ROLLBACK`)
	if err := s.Update(t.Context(), func(tx store.Tx) error { return tx.Bans().SetStopAll(true) }); err != nil {
		t.Errorf("after the lock is gone: %v", err)
	}
}

func TestAPathMayHoldAnyCharacter(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b?mode=memory#%41&'ü;")
	mustMkdir(t, dir)
	path := filepath.Join(dir, "hot stick?.db")
	s := mustOpen(t, path)
	if err := s.Update(t.Context(), func(tx store.Tx) error { return tx.Bans().SetStopAll(true) }); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if info, err := os.Stat(path); err != nil || info.Size() == 0 {
		t.Errorf("the file: %v, %v", info, err)
	}
	again := mustOpen(t, path)
	if err := again.View(t.Context(), func(tx store.Tx) error {
		if on, err := tx.Bans().StopAll(); err != nil || !on {
			t.Errorf("got %v, %v", on, err)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

func TestAnEmptyFileIsANewDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hotstick.db")
	mustWrite(t, path, nil)
	if err := mustOpen(t, path).Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestOnlyTheOwnerMayReadTheFiles(t *testing.T) {
	for _, mode := range []os.FileMode{0, 0o644, 0o666} { // 0: there is no file yet
		dir := t.TempDir()
		path := filepath.Join(dir, "hotstick.db")
		if mode != 0 {
			mustWrite(t, path, nil)
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
		}
		s := mustOpen(t, path)
		if err := s.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		files, err := os.ReadDir(dir)
		if err != nil || len(files) < 3 {
			t.Errorf("%d files, %v; want the database, its log and its index", len(files), err)
		}
		for _, f := range files {
			if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("from mode %o: %s has mode %v, %v", mode, f.Name(), info.Mode(), err)
			}
		}
	}
}

func TestSettingsHoldOnEveryConnection(t *testing.T) {
	s := mustOpen(t, filepath.Join(t.TempDir(), "hotstick.db"))
	ask := func(c *session, pragma string) (v string) {
		if err := c.conn.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "10000",
		"cache_size": "-65536", "application_id": fmt.Sprint(application), "query_only": "0"} {
		if got := ask(s.writer, pragma); got != want {
			t.Errorf("the writer's %s is %s, want %s", pragma, got, want)
		}
	}
	for range readers {
		r := <-s.readers
		defer func() { s.readers <- r }()
		for pragma, want := range map[string]string{"query_only": "1", "foreign_keys": "1", "cache_size": "-16384"} {
			if got := ask(r, pragma); got != want {
				t.Errorf("a reader's %s is %s, want %s", pragma, got, want)
			}
		}
		if _, err := r.conn.ExecContext(t.Context(), `DELETE FROM slots`); err == nil {
			t.Error("a reader can write")
		}
	}
}

func TestOlderVersion(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"3.51.3", "3.51.3", false}, {"3.51.2", "3.51.3", true}, {"3.51.10", "3.51.3", false}, {"3.53.0", "3.51.3", false},
		{"3.6.23", "3.51.3", true}, {"4.0.0", "3.51.3", false}, {"3.51", "3.51.3", true}, {"3.51.3.1", "3.51.3", false}, {"", "3.51.3", true},
	} {
		if got := olderVersion(c.a, c.b); got != c.want {
			t.Errorf("%q older than %q: %v", c.a, c.b, got)
		}
	}
}

func TestMigrationsAreNumberedWithoutGaps(t *testing.T) {
	files, err := migrations.ReadDir("migrations")
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range files {
		if !strings.HasPrefix(f.Name(), fmt.Sprintf("%05d_", i+1)) {
			t.Errorf("migration %d is %s", i+1, f.Name())
		}
	}
}

func TestTwoStoresShareOneFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hotstick.db")
	a, b := mustOpen(t, path), mustOpen(t, path)
	const each = 25
	errs := make(chan error)
	for _, s := range []opened{a, b} {
		for range 2 {
			go func() {
				var err error
				for range each {
					if err == nil {
						err = s.Update(context.Background(), func(tx store.Tx) error {
							_, err := tx.Events().Append(store.Event{Kind: "x"})
							return err
						})
					}
				}
				errs <- err
			}()
		}
	}
	for range 4 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	a.Close() // must not take the locks of b with it
	if err := b.View(t.Context(), func(tx store.Tx) error {
		size, _, err := tx.Events().Head()
		if size != 4*each {
			t.Errorf("%d events, want %d", size, 4*each)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}

func TestAFirstStartThatWasCutShortGoesOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hotstick.db")
	db := rawDB(t, path)
	mustExec(t, db, `CREATE TABLE schema_versions (id INTEGER PRIMARY KEY AUTOINCREMENT, version_id INTEGER NOT NULL,
		is_applied INTEGER NOT NULL, tstamp TIMESTAMP DEFAULT (datetime('now')))`)
	mustExec(t, db, `INSERT INTO schema_versions (version_id, is_applied) VALUES (0, 1)`)
	db.Close()
	if err := mustOpen(t, path).Check(t.Context()); err != nil {
		t.Error(err)
	}
}
