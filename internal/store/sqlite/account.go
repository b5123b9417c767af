package sqlite

import (
	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

func (t tokenTable) PutAccount(a store.Account) error {
	roles, err := text(a.Roles, len(a.Roles) == 0)
	if err != nil {
		return err
	}
	_, err = t.exec(`INSERT INTO accounts (person, roles, password, disabled, created, since) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET roles = excluded.roles, password = excluded.password, disabled = excluded.disabled,
			created = excluded.created, since = excluded.since`,
		a.Person, roles, a.Password, a.Disabled, a.Created.UnixMicro(), a.Since.UnixMicro())
	return err
}

const selectAccount = `SELECT person, roles, password, disabled, created, since FROM accounts`

func readAccount(row scan) (a store.Account, err error) {
	var roles string
	var created, since int64
	if err := row(&a.Person, &roles, &a.Password, &a.Disabled, &created, &since); err != nil {
		return a, err
	}
	a.Created, a.Since = when(created), when(since)
	a.Roles, err = parse[[]string](roles)
	return a, err
}

func (t tokenTable) Account(person hotstick.Person) (store.Account, error) {
	return one(t.tx, readAccount, selectAccount+` WHERE person = ?`, person)
}

func (t tokenTable) Accounts() ([]store.Account, error) {
	return all(t.tx, readAccount, selectAccount+` ORDER BY person`)
}
