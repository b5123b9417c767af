package sqlite

import (
	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

const selectExclusion = `SELECT host, until, reason, at, by_whom FROM exclusions`

func readExclusion(row scan) (e store.Exclusion, err error) {
	var until, at int64
	err = row(&e.Host, &until, &e.Reason, &at, &e.By)
	e.Until, e.At = when(until), when(at)
	return e, err
}

func (t hostTable) Exclude(e store.Exclusion) error {
	_, err := t.exec(`INSERT INTO exclusions (host, until, reason, at, by_whom) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET until = excluded.until, reason = excluded.reason, at = excluded.at, by_whom = excluded.by_whom`,
		e.Host, e.Until.UnixMicro(), e.Reason, e.At.UnixMicro(), e.By)
	return err
}

func (t hostTable) Include(host hotstick.HostID) error {
	_, err := t.exec(`DELETE FROM exclusions WHERE host = ?`, host)
	return err
}

func (t hostTable) Exclusion(host hotstick.HostID) (store.Exclusion, error) {
	return one(t.tx, readExclusion, selectExclusion+` WHERE host = ?`, host)
}

func (t hostTable) Exclusions() ([]store.Exclusion, error) {
	return all(t.tx, readExclusion, selectExclusion+` ORDER BY host`)
}

func (t banTable) Freeze(f store.Freeze) (int64, error) {
	return t.insert(`INSERT INTO freezes (from_when, until_when, reason, at, by_whom) VALUES (?, ?, ?, ?, ?)`,
		f.From.UnixMicro(), f.Until.UnixMicro(), f.Reason, f.At.UnixMicro(), f.By)
}

func (t banTable) Unfreeze(id int64) error {
	n, err := t.exec(`DELETE FROM freezes WHERE id = ?`, id)
	if err == nil && n == 0 {
		return store.ErrNotFound
	}
	return err
}

func (t banTable) Freezes() ([]store.Freeze, error) {
	return all(t.tx, func(row scan) (f store.Freeze, err error) {
		var from, until, at int64
		err = row(&f.ID, &from, &until, &f.Reason, &at, &f.By)
		f.From, f.Until, f.At = when(from), when(until), when(at)
		return f, err
	}, `SELECT id, from_when, until_when, reason, at, by_whom FROM freezes ORDER BY from_when, id`)
}

func (t banTable) PutStatement(s store.Statement) error {
	n, err := t.exec(`INSERT INTO statements (digest, kind, patch_name, patch_level, envelope, at, by_whom) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO NOTHING`, s.Digest, s.Kind, s.Patch.Name, s.Patch.Level, present(s.Envelope), s.At.UnixMicro(), s.By)
	if err == nil && n == 0 {
		return store.ErrTaken
	}
	return err
}

func (t banTable) ReplaceStatement(s store.Statement) error {
	n, err := t.exec(`UPDATE statements SET envelope = ?, by_whom = ? WHERE digest = ?`, present(s.Envelope), s.By, s.Digest)
	if err == nil && n == 0 {
		return store.ErrNotFound
	}
	return err
}

func (t banTable) Statements(kind string) ([]store.Statement, error) {
	return all(t.tx, func(row scan) (s store.Statement, err error) {
		var at int64
		err = row(&s.Digest, &s.Kind, &s.Patch.Name, &s.Patch.Level, &s.Envelope, &at, &s.By)
		s.At = when(at)
		return s.Clone(), err
	}, `SELECT digest, kind, patch_name, patch_level, envelope, at, by_whom FROM statements WHERE kind = ? ORDER BY at, digest`, kind)
}
