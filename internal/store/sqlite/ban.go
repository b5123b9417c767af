package sqlite

import (
	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

type banTable struct{ *tx }

const selectBan = `SELECT patch_name, patch_level, envelope, reason, at, by_whom FROM bans`

func (t banTable) Put(b store.Ban) error {
	b = b.Clone()
	reason, err := text(b.Reason, false)
	if err != nil {
		return err
	}
	_, err = t.exec(`INSERT INTO bans (patch_name, patch_level, envelope, reason, at, by_whom) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET envelope = excluded.envelope, reason = excluded.reason, at = excluded.at, by_whom = excluded.by_whom`,
		b.Patch.Name, b.Patch.Level, present(b.Envelope), reason, b.At.UnixMicro(), b.By)
	return err
}

func readBan(row scan) (b store.Ban, err error) {
	var reason string
	var at int64
	if err := row(&b.Patch.Name, &b.Patch.Level, &b.Envelope, &reason, &at, &b.By); err != nil {
		return b, err
	}
	b.At = when(at)
	b.Reason, err = parse[hotstick.Reason](reason)
	return b.Clone(), err
}

func (t banTable) Get(ref hotstick.PatchRef) (store.Ban, error) {
	return one(t.tx, readBan, selectBan+` WHERE patch_name = ? AND patch_level = ?`, ref.Name, ref.Level)
}

func (t banTable) Delete(ref hotstick.PatchRef) error {
	_, err := t.exec(`DELETE FROM bans WHERE patch_name = ? AND patch_level = ?`, ref.Name, ref.Level)
	return err
}

func (t banTable) List() ([]store.Ban, error) {
	return all(t.tx, readBan, selectBan+` ORDER BY patch_name, patch_level`)
}

func (t banTable) StopAll() (bool, error) {
	return one(t.tx, value[bool], `SELECT value FROM state WHERE name = 'stop_all'`)
}

func (t banTable) SetStopAll(on bool) error {
	_, err := t.exec(`UPDATE state SET value = ? WHERE name = 'stop_all' AND value <> ?`, on, on)
	return err
}
