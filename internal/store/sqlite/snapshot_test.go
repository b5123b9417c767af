package sqlite

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/hotstick/hotstick/internal/store"
)

func TestASnapshotIsTheDatabaseAtOneMoment(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	s := mustOpen(t, "hotstick.db")
	add := func() {
		t.Helper()
		if err := s.Update(t.Context(), func(tx store.Tx) error { _, err := tx.Events().Append(store.Event{Kind: "x"}); return err }); err != nil {
			t.Fatal(err)
		}
	}
	add()
	if err := Snapshot(t.Context(), "hotstick.db", "copy of it.db"); err != nil {
		t.Fatal(err)
	}
	add() // the database goes on
	if info, err := os.Stat("copy of it.db"); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the copy: %v, %v", info, err)
	}
	for path, want := range map[string]int64{"hotstick.db": 2, "copy of it.db": 1} {
		if err := mustOpen(t, path).View(t.Context(), func(tx store.Tx) error {
			if size, _, err := tx.Events().Head(); size != want || err != nil {
				t.Errorf("%s has %d leaves, %v; want %d", path, size, err, want)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
	if err := Snapshot(t.Context(), "hotstick.db", "copy of it.db"); err == nil {
		t.Error("wrote over a copy")
	}
	if err := Snapshot(t.Context(), "other.db", "x.db"); err == nil {
		t.Error("copied what is not there")
	}
	if _, err := os.Stat(filepath.Join(dir, "other.db")); err == nil {
		t.Error("made a database")
	}
}
