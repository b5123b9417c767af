package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Snapshot copies the database in the file at path to a new file as it is at one
// moment, and syncs it. The server may be running: it is read like any view. The
// copy has the schema that the database has.
func Snapshot(ctx context.Context, path, to string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("cannot copy the database: %w", err)
	}
	// Opening a database that is not there would make one.
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("cannot copy the database: %w", err)
	}
	s := &Store{path: path}
	db, err := sql.Open("sqlite", s.dsn(settings))
	if err != nil {
		return s.explain("copy", err)
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, `VACUUM INTO ?`, to); err != nil {
		return s.explain("copy", err)
	}
	file, err := os.OpenFile(to, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("cannot copy the database: %w", err)
	}
	return errors.Join(file.Chmod(0o600), file.Sync(), file.Close())
}
