package memory

import (
	"cmp"
	"slices"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

type tokenTable struct{ *tx }

func (t tokenTable) Put(token store.Token) error {
	if err := t.writable(); err != nil {
		return err
	}
	if old := t.s.tokens[token.Digest]; old.Used != nil && token.Used == nil || old.Revoked != nil && token.Revoked == nil {
		return store.ErrTaken
	}
	set(t.tx, t.s.tokens, token.Digest, token.Clone())
	return nil
}

func (t tokenTable) Get(d hotstick.Digest) (store.Token, error) {
	return get(t.tx, t.s.tokens, d)
}

func (t tokenTable) Use(d hotstick.Digest) error {
	if err := t.writable(); err != nil {
		return err
	}
	token, ok := t.s.tokens[d]
	switch {
	case !ok:
		return store.ErrNotFound
	case token.Used != nil || token.Revoked != nil:
		return store.ErrTaken
	}
	if token.Joined++; token.Joined >= token.Hosts {
		used := t.now
		token.Used = &used
	}
	set(t.tx, t.s.tokens, d, token)
	return nil
}

func (t tokenTable) Sweep(kind string) error {
	if err := t.writable(); err != nil {
		return err
	}
	for digest, token := range t.s.tokens {
		expired := !token.Expires.IsZero() && !t.now.Before(token.Expires)
		if token.Kind == kind && (expired || token.Used != nil || token.Revoked != nil) {
			remove(t.tx, t.s.tokens, digest)
		}
	}
	return nil
}

func (t tokenTable) List(kind string) ([]store.Token, error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	var out []store.Token
	for _, token := range t.s.tokens {
		if token.Kind == kind {
			out = append(out, token.Clone())
		}
	}
	slices.SortFunc(out, func(a, b store.Token) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.Digest, b.Digest))
	})
	return out, nil
}
