package sqlite

import (
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/pressly/goose/v3"

	"github.com/hotstick/hotstick/internal/store"
)

// Clears had a table of their own once; they stand among the statements now.
func TestClearsOfAnOlderVersionAreStatements(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hotstick.db")
	db := rawDB(t, path)
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		t.Fatal(err)
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithTableName(versionTable),
		goose.WithLogger(goose.NopLogger()), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.UpTo(t.Context(), 5); err != nil {
		t.Fatal(err)
	}
	mustExec(t, db, `INSERT INTO clears (digest, patch_name, patch_level, envelope, at, by_whom) VALUES ('d', 'fix', 2, x'01', 7, 'alice')`)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := mustOpen(t, path).View(t.Context(), func(tx store.Tx) error {
		all, err := tx.Bans().Statements("clear")
		if len(all) != 1 || all[0].Digest != "d" || all[0].Kind != "clear" || all[0].Patch.Level != 2 || all[0].By != "alice" || len(all[0].Envelope) != 1 {
			t.Errorf("the clears are %+v", all)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}
