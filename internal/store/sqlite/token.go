package sqlite

import (
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

type tokenTable struct{ *tx }

func (t tokenTable) Put(token store.Token) error {
	labels, err := text(token.Group, len(token.Group) == 0)
	if err != nil {
		return err
	}
	roles, err := text(token.Roles, len(token.Roles) == 0)
	if err != nil {
		return err
	}
	only, err := text(token.Only, len(token.Only) == 0)
	if err != nil {
		return err
	}
	// The condition keeps a used token used, and a revoked one revoked.
	n, err := t.exec(`INSERT INTO tokens (digest, kind, roles, only, parent, person, expires, used, created, labels, hosts, joined, revoked)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET kind = excluded.kind, roles = excluded.roles, only = excluded.only, parent = excluded.parent, person = excluded.person,
			expires = excluded.expires, used = excluded.used, created = excluded.created, labels = excluded.labels,
			hosts = excluded.hosts, joined = excluded.joined, revoked = excluded.revoked
		WHERE (used IS NULL OR excluded.used IS NOT NULL) AND (revoked IS NULL OR excluded.revoked IS NOT NULL)`,
		token.Digest, token.Kind, roles, only, token.Parent, token.Person, token.Expires.UnixMicro(), instant(token.Used), token.Created.UnixMicro(),
		labels, token.Hosts, token.Joined, instant(token.Revoked))
	if err == nil && n == 0 {
		return store.ErrTaken
	}
	return err
}

const selectToken = `SELECT digest, kind, roles, only, parent, person, expires, used, created, labels, hosts, joined, revoked FROM tokens`

func readToken(row scan) (token store.Token, err error) {
	var expires, created int64
	var used, revoked *int64
	var labels, roles, only string
	err = row(&token.Digest, &token.Kind, &roles, &only, &token.Parent, &token.Person, &expires, &used, &created,
		&labels, &token.Hosts, &token.Joined, &revoked)
	if err != nil {
		return token, err
	}
	token.Expires, token.Used, token.Created, token.Revoked = when(expires), whenever(used), when(created), whenever(revoked)
	if token.Roles, err = parse[[]string](roles); err != nil {
		return token, err
	}
	if token.Only, err = parse[[]string](only); err != nil {
		return token, err
	}
	token.Group, err = parse[map[string]string](labels)
	return token, err
}

func (t tokenTable) Get(d hotstick.Digest) (store.Token, error) {
	return one(t.tx, readToken, selectToken+` WHERE digest = ?`, d)
}

func (t tokenTable) Use(d hotstick.Digest) error {
	n, err := t.exec(`UPDATE tokens SET joined = joined + 1, used = CASE WHEN joined + 1 >= hosts THEN ? END
		WHERE digest = ? AND used IS NULL AND revoked IS NULL`, t.now.UnixMicro(), d)
	if err != nil || n > 0 {
		return err
	}
	if _, err := t.Get(d); err != nil {
		return err
	}
	return store.ErrTaken
}

func (t tokenTable) Sweep(kind string) error {
	_, err := t.exec(`DELETE FROM tokens WHERE kind = ? AND (used IS NOT NULL OR revoked IS NOT NULL OR expires <> ? AND expires <= ?)`,
		kind, time.Time{}.UnixMicro(), t.now.UnixMicro())
	return err
}

func (t tokenTable) List(kind string) ([]store.Token, error) {
	return all(t.tx, readToken, selectToken+` WHERE kind = ? ORDER BY created, digest`, kind)
}
