package memory

import (
	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

type tokenTable struct{ *tx }

func (t tokenTable) Put(token store.Token) error {
	if err := t.writable(); err != nil {
		return err
	}
	if old := t.s.tokens[token.Digest]; old.Used != nil && token.Used == nil {
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
	case token.Used != nil:
		return store.ErrTaken
	}
	used := t.now
	token.Used = &used
	set(t.tx, t.s.tokens, d, token)
	return nil
}
