package memory

import (
	"cmp"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

func (t tokenTable) PutAccount(a store.Account) error {
	if err := t.writable(); err != nil {
		return err
	}
	set(t.tx, t.s.accounts, a.Person, a.Clone())
	return nil
}

func (t tokenTable) Account(person hotstick.Person) (store.Account, error) {
	return get(t.tx, t.s.accounts, person)
}

func (t tokenTable) Accounts() ([]store.Account, error) {
	return rows(t.tx, t.s.accounts, func(a, b store.Account) int { return cmp.Compare(a.Person, b.Person) })
}
