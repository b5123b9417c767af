package identity

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

// Kinds of events of accounts in the audit log; the evidence has the person.
const (
	// AccountMade: the evidence also has the roles.
	AccountMade = "account.made"
	// AccountRoles: the person has other roles, which the evidence names.
	AccountRoles = "account.roles"
	// AccountPassword: the password was set; the sessions and API tokens before it are
	// over.
	AccountPassword = "account.password"
	// AccountDisabled: no token of the person works any more, and no session.
	AccountDisabled = "account.disabled"
	// AccountEnabled: tokens work again; sessions from before stay over.
	AccountEnabled = "account.enabled"
)

// personPattern keeps names fit for a file, a command line and a screen.
var personPattern = regexp.MustCompile(`^[a-z][a-z0-9._-]{0,62}$`)

// CheckPerson refuses what is no name of a person.
func CheckPerson(person hotstick.Person) error {
	if !personPattern.MatchString(string(person)) {
		return errors.New("cannot use this as a person: want lower-case letters, digits, dots and dashes, beginning with a letter, at most 63")
	}
	return nil
}

// AddAccount makes an account and the event that tells of it; store.ErrTaken if the
// person has one. Hash is what [Passwords.Hash] made, or empty for a person who
// signs in with tokens only.
//
// An account's person may be one of the persons in the catalog's root. That gives
// nobody a signature: plans, clears and metadata are signed by keys, whoever hands
// them in.
func AddAccount(tx store.Tx, a store.Account, actor string) error {
	if err := errors.Join(CheckPerson(a.Person), CheckRoles(a.Roles)); err != nil {
		return err
	}
	_, err := tx.Tokens().Account(a.Person)
	switch {
	case err == nil:
		return store.ErrTaken
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	a.Created, a.Since = tx.Now(), tx.Now()
	return putAccount(tx, a, AccountMade, actor, hotstick.Evidence{Kind: "roles", Text: strings.Join(a.Roles, " ")})
}

// SetRoles gives a person other roles. Every token of the person is bound by them at
// once.
func SetRoles(tx store.Tx, person hotstick.Person, roles []string, actor, why string) error {
	if err := CheckRoles(roles); err != nil {
		return err
	}
	a, err := tx.Tokens().Account(person)
	if err != nil || slices.Equal(a.Roles, roles) {
		return err
	}
	a.Roles = roles
	return putAccount(tx, a, AccountRoles, actor, hotstick.Evidence{Kind: "roles", Text: strings.Join(roles, " ")}, hotstick.Evidence{Kind: "reason", Text: why})
}

// SetPassword puts a hash in the place of the old one. It ends the person's sessions
// and API tokens, and what was made with those: whoever knew the old password, or had a
// session of it, may have made some.
func SetPassword(tx store.Tx, person hotstick.Person, hash, actor string) error {
	a, err := tx.Tokens().Account(person)
	if err != nil {
		return err
	}
	a.Password, a.Since = hash, tx.Now()
	if err := putAccount(tx, a, AccountPassword, actor); err != nil {
		return err
	}
	tokens, err := tx.Tokens().List(APIToken)
	if err != nil {
		return err
	}
	var own []int
	for i, t := range tokens {
		if t.Person == person {
			own = append(own, i)
		}
	}
	return revoke(tx, tokens, actor, "another password", own...)
}

// Reinstate enables a person's account, if there is one, and gives it a role beside
// its own: for whoever has the server's machine, where the last admin was locked out.
func Reinstate(tx store.Tx, person hotstick.Person, role, actor, why string) error {
	a, err := tx.Tokens().Account(person)
	if errors.Is(err, store.ErrNotFound) {
		return nil // a person without an account has the roles of the token
	}
	if err != nil {
		return err
	}
	if err := SetDisabled(tx, person, false, actor, why); err != nil || slices.Contains(a.Roles, role) {
		return err
	}
	return SetRoles(tx, person, append(slices.Clone(a.Roles), role), actor, why)
}

// SetDisabled disables a person's account, or enables it again. No token and no
// session of a disabled person works.
func SetDisabled(tx store.Tx, person hotstick.Person, disabled bool, actor, why string) error {
	a, err := tx.Tokens().Account(person)
	if err != nil || a.Disabled == disabled {
		return err
	}
	kind := AccountDisabled
	if a.Disabled = disabled; !disabled {
		kind, a.Since = AccountEnabled, tx.Now()
	}
	return putAccount(tx, a, kind, actor, hotstick.Evidence{Kind: "reason", Text: why})
}

func putAccount(tx store.Tx, a store.Account, kind, actor string, more ...hotstick.Evidence) error {
	if err := tx.Tokens().PutAccount(a); err != nil {
		return err
	}
	_, err := tx.Events().Append(store.Event{Kind: kind, Actor: actor,
		Evidence: append([]hotstick.Evidence{{Kind: "person", Text: string(a.Person)}}, more...)})
	return err
}

// SignIn checks a person's password and returns the account. It takes the same time
// and gives the same [ErrPassword] whoever the person is. The account is to be read
// again where something is committed: it may have changed since.
func (p *Passwords) SignIn(ctx context.Context, s store.Store, person hotstick.Person, password string) (store.Account, error) {
	var a store.Account
	err := s.View(ctx, func(tx store.Tx) (err error) {
		a, err = tx.Tokens().Account(person)
		if errors.Is(err, store.ErrNotFound) {
			err = nil
		}
		return err
	})
	if err != nil {
		return store.Account{}, err
	}
	right, err := p.Check(ctx, a.Password, password)
	switch {
	case err != nil:
		return store.Account{}, err
	case !right || a.Disabled:
		return store.Account{}, ErrPassword
	}
	return a, nil
}
