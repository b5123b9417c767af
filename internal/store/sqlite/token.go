package sqlite

import (
	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

type tokenTable struct{ *tx }

func (t tokenTable) Put(token store.Token) error {
	// The condition keeps a used token used.
	n, err := t.exec(`INSERT INTO tokens (digest, kind, role, person, expires, used, created) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET kind = excluded.kind, role = excluded.role, person = excluded.person,
			expires = excluded.expires, used = excluded.used, created = excluded.created
		WHERE used IS NULL OR excluded.used IS NOT NULL`,
		token.Digest, token.Kind, token.Role, token.Person, token.Expires.UnixMicro(), instant(token.Used), token.Created.UnixMicro())
	if err == nil && n == 0 {
		return store.ErrTaken
	}
	return err
}

func (t tokenTable) Get(d hotstick.Digest) (store.Token, error) {
	return one(t.tx, func(row scan) (token store.Token, err error) {
		var expires, created int64
		var used *int64
		err = row(&token.Digest, &token.Kind, &token.Role, &token.Person, &expires, &used, &created)
		token.Expires, token.Used, token.Created = when(expires), whenever(used), when(created)
		return token, err
	}, `SELECT digest, kind, role, person, expires, used, created FROM tokens WHERE digest = ?`, d)
}

func (t tokenTable) Use(d hotstick.Digest) error {
	n, err := t.exec(`UPDATE tokens SET used = ? WHERE digest = ? AND used IS NULL`, t.now.UnixMicro(), d)
	if err != nil || n > 0 {
		return err
	}
	if _, err := t.Get(d); err != nil {
		return err
	}
	return store.ErrTaken
}
