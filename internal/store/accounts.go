package store

import (
	"time"

	"github.com/hotstick/hotstick"
)

// Account is what lets a person sign in, and bounds what every token of that
// person may do.
type Account struct {
	Person hotstick.Person
	Roles  []string
	// Password is a hash with its parameters, as package identity writes it; empty
	// for a person who signs in with tokens only.
	Password string
	Disabled bool
	Created  time.Time
	// Since is when the password was set or the account was enabled last: sessions
	// opened before are over.
	Since time.Time
}

// AccountTable holds accounts, one row a person. None is ever deleted: a person
// who left is disabled, so that the name does not pass to somebody else unseen.
type AccountTable interface {
	// PutAccount inserts or replaces the person's account.
	PutAccount(a Account) error
	Account(person hotstick.Person) (Account, error)
	// Accounts returns all by person.
	Accounts() ([]Account, error)
}
