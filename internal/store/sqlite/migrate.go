package sqlite

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

const (
	// application is PRAGMA application_id of our databases.
	application = 0x6873746b
	// versionTable is where goose keeps which migrations were run.
	versionTable = "schema_versions"
)

// migrate brings the schema up to date, after making sure that the database is
// ours and not newer than we are. Until then it writes nothing to it.
func (s *Store) migrate(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("cannot read the migrations: %v", err)
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, s.write, files,
		goose.WithTableName(versionTable), goose.WithLogger(goose.NopLogger()), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("cannot read the migrations: %v", err)
	}
	sources := p.ListSources()
	if err := s.checkSchema(ctx, sources[len(sources)-1].Version); err != nil {
		return err
	}
	if err := s.checkPages(ctx); err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		var partial *goose.PartialError
		if errors.As(err, &partial) {
			err = fmt.Errorf("migration %d: %w", partial.Failed.Source.Version, partial.Err)
		}
		return s.explain("bring up to date", err)
	}
	return nil
}

// checkSchema refuses databases of other programs and of newer versions.
func (s *Store) checkSchema(ctx context.Context, newest int64) error {
	// A database of ours is marked by its first migration; one whose first migration
	// was cut short has nothing but goose's tables.
	var id, foreign, versioned int64
	const known = `'` + versionTable + `', 'sqlite_sequence'`
	for _, ask := range []struct {
		query string
		to    *int64
	}{
		{`SELECT application_id FROM pragma_application_id`, &id},
		{`SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name NOT IN (` + known + `)`, &foreign},
		{`SELECT count(*) FROM sqlite_schema WHERE name = '` + versionTable + `'`, &versioned},
	} {
		if err := s.read.QueryRowContext(ctx, ask.query).Scan(ask.to); err != nil {
			return s.explain("open", err)
		}
	}
	if id != application && (id != 0 || foreign > 0) {
		return &Error{Doing: "open", Path: s.path, Problem: "it is a database of another program", Fix: "name another data directory"}
	}
	if versioned == 0 {
		return nil
	}
	var version int64
	if err := s.read.QueryRowContext(ctx, `SELECT coalesce(max(version_id), 0) FROM `+versionTable).Scan(&version); err != nil {
		return s.explain("open", err)
	}
	if version > newest {
		return &Error{Doing: "open", Path: s.path, Problem: ErrNewer.Error(), Err: ErrNewer,
			Fix: fmt.Sprintf("use a hotstick that knows schema %d (this one knows %d), or restore the backup made before the upgrade", version, newest)}
	}
	return nil
}

// checkPages refuses a database whose pages do not fit together, before anything is
// written to it or decided by it: a disk that garbled them shows only where they are read.
// It reads the whole file once. What it cannot see is a changed value inside a row, for
// SQLite keeps no check sums: such a row of the audit log is found by hotstick audit verify.
func (s *Store) checkPages(ctx context.Context) error {
	var found string
	err := s.read.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&found)
	if err != nil {
		return s.explain("open", err)
	}
	if found != "ok" {
		return s.damaged("open", errors.New(found))
	}
	return nil
}
