package api

import (
	"time"

	"github.com/hotstick/hotstick"
)

// Session tells who is signed in.
type Session struct {
	Person hotstick.Person `json:"person"`
	// Roles are the person's, as far as the token has them.
	Roles []string `json:"roles"`
	// Rights are what the roles allow, within what the token is limited to.
	Rights []string `json:"rights"`
	// SingleControl is true where one person alone may author and approve.
	SingleControl bool   `json:"single_control"`
	Version       string `json:"version"`
}

// LoginRequest opens a console session: with a token, or with person and password,
// never with both.
type LoginRequest struct {
	Token    string          `json:"token,omitempty"`
	Person   hotstick.Person `json:"person,omitempty"`
	Password string          `json:"password,omitempty"`
}

// Account is what lets a person sign in, without the password.
type Account struct {
	Person hotstick.Person `json:"person"`
	Roles  []string        `json:"roles"`
	// Password is true where the person may sign in with one.
	Password bool      `json:"password"`
	Disabled bool      `json:"disabled"`
	Made     time.Time `json:"made"`
}

// AccountList are all accounts by person.
type AccountList struct {
	Accounts []Account `json:"accounts"`
}

// AccountRequest asks for an account.
type AccountRequest struct {
	Person hotstick.Person `json:"person"`
	Roles  []string        `json:"roles"`
	// Password is 12 to 256 bytes; without one the person signs in with tokens only.
	Password string `json:"password,omitempty"`
}

// RolesRequest gives a person other roles.
type RolesRequest struct {
	Roles  []string `json:"roles"`
	Reason string   `json:"reason"`
}

// PasswordRequest sets somebody's password, and ends the sessions and API tokens
// before it.
type PasswordRequest struct {
	New string `json:"new"`
}

// OwnPasswordRequest sets the caller's own password, and ends the sessions and API
// tokens before it.
type OwnPasswordRequest struct {
	Current string `json:"current"`
	New     string `json:"new"`
}

// TokenRequest asks for an API token.
type TokenRequest struct {
	// Person is whom it speaks for: the caller, if it is empty. Only an admin names
	// somebody else.
	Person hotstick.Person `json:"person,omitempty"`
	// Roles are those of the token; the caller's own, if there is none.
	Roles []string `json:"roles,omitempty"`
	// Only are the rights that it is limited to; all of its roles, if there is none.
	Only []string `json:"only,omitempty"`
	// TTLSeconds is its life, 60 to 31536000 (a year); 0 means 90 days.
	TTLSeconds int `json:"ttl_seconds,omitempty"`
	// NoExpiry makes it without an end; only an admin may.
	NoExpiry bool `json:"no_expiry,omitempty"`
}

// Token is shown once and stored only as a digest.
type Token struct {
	TokenState
	Token string `json:"token"`
}

// TokenState is what the server knows of an API token: not the token.
type TokenState struct {
	// ID names the token without being it.
	ID     string          `json:"id"`
	Person hotstick.Person `json:"person"`
	Roles  []string        `json:"roles"`
	Only   []string        `json:"only,omitempty"`
	Made   time.Time       `json:"made"`
	// Expires is absent where the token has no end.
	Expires *time.Time `json:"expires,omitempty"`
}

// TokenList are the API tokens that may be used, oldest first.
type TokenList struct {
	Tokens []TokenState `json:"tokens"`
}
