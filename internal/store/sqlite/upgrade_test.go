package sqlite

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"testing"

	"github.com/pressly/goose/v3"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

// TestADatabaseOfTheFirstVersionIsTakenOver fills the tables as the first version
// made them, and reads them with this one.
func TestADatabaseOfTheFirstVersionIsTakenOver(t *testing.T) {
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
	if _, err := p.UpTo(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	mustExec(t, db, `INSERT INTO hosts (id, name, revoked, build, name_folded, release_folded, identity, enrolled, facts_digest,
		boot, boots, reported, patches, loader) VALUES ('h-1', 'db-1', 0, '', 'db-1', '', x'01', 1, '', 'b', 1, 2, '', '{}')`)
	mustExec(t, db, `INSERT INTO host_seen (host, seq, last_seen, readings) VALUES (1, 3, 4, '')`)
	mustExec(t, db, `INSERT INTO plans (id, name, patch_name, patch_level, envelope, status, over, generation, reason, author, reverting, created)
		VALUES ('p', 'p', 'fix', 1, x'', 'halted', 1, 7, '', 'alice', 1, 5)`)
	mustExec(t, db, `INSERT INTO plan_hosts (plan, idx, host, listed, state, attempt, reason, evidence, timing, updated)
		VALUES (1, 0, 'h-1', '{"host":"h-1"}', 'confirmed', 1, '', '', '', 6)`)
	mustExec(t, db, `INSERT INTO tokens (digest, kind, role, person, expires, created) VALUES ('d', 'api', 'operator', 'alice', 1, 2)`)
	mustExec(t, db, `INSERT INTO tokens (digest, kind, role, person, expires, created) VALUES ('j', 'join', '', 'alice', 1, 2)`)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s := mustOpen(t, path)
	if err := s.View(t.Context(), func(tx store.Tx) error {
		h, err := tx.Hosts().Get("h-1")
		if err != nil {
			return err
		}
		if h.Name != "db-1" || h.Reported != 2 || h.IllSince != nil || h.Reverted != nil || h.Group != nil || h.Lineage.Past != nil || h.Lineage.Cloned != nil {
			t.Errorf("the host is %+v", h)
		}
		line, err := tx.Plans().Host("p", "h-1")
		if err != nil {
			return err
		}
		if line.State != hotstick.Confirmed || line.Late || line.Standing || line.Recall != nil {
			t.Errorf("its line is %+v", line)
		}
		token, err1 := tx.Tokens().Get("d")
		join, err2 := tx.Tokens().Get("j")
		if err := errors.Join(err1, err2); err != nil || !slices.Equal(token.Roles, []string{"operator"}) || token.Only != nil || join.Roles != nil {
			t.Errorf("the tokens are %+v and %+v, %v", token, join, err)
		}
		plans, err := tx.Plans().Unfinished()
		if len(plans) != 1 || plans[0].Generation != 7 || plans[0].Promoted != 0 {
			t.Errorf("unfinished are %+v; want the plan that still reverts", plans)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}
