package identity

import (
	"errors"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

// ErrDisabled: the person's account was disabled.
var ErrDisabled = errors.New("cannot use this token: the account is disabled")

// ErrSessionOver: the password was changed, or the account disabled, since somebody
// signed in.
var ErrSessionOver = errors.New("cannot go on with this session: sign in again")

// Caller is whom a valid token speaks for, and what it may do at this moment.
type Caller struct {
	Person hotstick.Person
	Token  store.Token
	// Roles are those of the token that the person still has.
	Roles []string
	// Rights are those of Roles, within what the token is limited to.
	Rights []Right
}

// May reports whether the caller has a right.
func (c Caller) May(r Right) bool { return slices.Contains(c.Rights, r) }

// Identify returns whom an api or session token speaks for. A person who has an
// account never has more rights than that account, whatever the token says; a
// person without one has those of the token.
func Identify(tx store.Tx, kind, secret string, now time.Time) (Caller, error) {
	t, err := CheckToken(tx, kind, secret, now)
	if err != nil {
		return Caller{}, err
	}
	return callerOf(tx, t, now)
}

// Again is Identify for a caller that was identified before: it tells whether the
// token still speaks for anybody, and what it may do now.
func Again(tx store.Tx, c Caller, now time.Time) (Caller, error) {
	t, err := checkDigest(tx, c.Token.Kind, c.Token.Digest, now)
	if err != nil {
		return Caller{}, err
	}
	return callerOf(tx, t, now)
}

func callerOf(tx store.Tx, t store.Token, now time.Time) (Caller, error) {
	if t.Parent != "" {
		if _, err := checkDigest(tx, APIToken, t.Parent, now); err != nil {
			return Caller{}, err
		}
	}
	c := Caller{Person: t.Person, Token: t, Roles: t.Roles, Rights: RightsOfAll(t.Roles)}
	account, err := tx.Tokens().Account(t.Person)
	switch {
	case errors.Is(err, store.ErrNotFound):
	case err != nil:
		return Caller{}, err
	case account.Disabled:
		return Caller{}, ErrDisabled
	case t.Kind == SessionToken && t.Created.Before(account.Since):
		return Caller{}, ErrSessionOver
	default:
		c.Roles = sharedRoles(t.Roles, account.Roles)
		c.Rights = within(c.Rights, RightsOfAll(account.Roles))
	}
	c.Rights = limited(c.Rights, t.Only)
	return c, nil
}

// sharedRoles are the roles that two lists have in common; an admin has each.
func sharedRoles(a, b []string) []string {
	return slices.DeleteFunc(Roles(), func(role string) bool {
		has := func(roles []string) bool { return slices.Contains(roles, role) || slices.Contains(roles, Admin) }
		named := slices.Contains(a, role) || slices.Contains(b, role)
		return !named || !has(a) || !has(b)
	})
}

// Grant checks what a caller wants to give a new token: roles that exist, for which
// the caller has every right that the token would have.
func (c Caller) Grant(roles, only []string) error {
	if err := errors.Join(CheckRoles(roles), CheckOnly(only)); err != nil {
		return err
	}
	if !Include(c.Rights, limited(RightsOfAll(roles), only)) {
		return ErrBeyond
	}
	return nil
}

// ErrBeyond: somebody wanted to give away a right without having it.
var ErrBeyond = errors.New("cannot give a token rights that you do not have")
