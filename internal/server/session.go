package server

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/controller"
	"github.com/hotstick/hotstick/internal/identity"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/version"
)

// sessionLife is how long somebody stays signed in to the console.
const sessionLife = 12 * time.Hour

// maxSessions is how many sessions a person has at once; with another the oldest ends.
const maxSessions = 20

// body is an answer that is one JSON value.
type body[T any] struct{ Body T }

func answerWith[T any](v T) *body[T] { return &body[T]{Body: v} }

type empty struct{}

func (s *Server) session(ctx context.Context, _ *empty) (*body[api.Session], error) {
	who := callerOf(ctx)
	return answerWith(s.describe(who)), nil
}

func (s *Server) describe(who caller) api.Session {
	rights := make([]string, len(who.Rights))
	for i, r := range who.Rights {
		rights[i] = string(r)
	}
	return api.Session{Person: who.Person, Roles: who.Roles, Rights: rights, SingleControl: s.catalog.View().Trust.AuthorMayApprove, Version: version.Version}
}

type loginInput struct {
	Site string `header:"Sec-Fetch-Site"`
	Body api.LoginRequest
}

type loginOutput struct {
	Cookie http.Cookie `header:"Set-Cookie"`
	Body   api.Session
}

// login opens a console session for whoever shows an API token, or the password of
// an account.
func (s *Server) login(ctx context.Context, in *loginInput) (*loginOutput, error) {
	if in.Site != "" && in.Site != "same-origin" {
		return nil, newProblem(http.StatusForbidden, codeCrossSite, "cannot take this request: it does not come from the console", "")
	}
	if (in.Body.Token == "") == (in.Body.Person == "") || (in.Body.Person == "") != (in.Body.Password == "") {
		return nil, newProblem(http.StatusUnprocessableEntity, controller.CodeInvalid, "cannot sign in with this", "give a token, or a person and a password")
	}
	var account store.Account
	if in.Body.Person != "" {
		var err error
		if account, err = s.checkPassword(ctx, in.Body.Person, in.Body.Password); err != nil {
			return nil, err
		}
	}
	secret, who, err := s.openSession(ctx, account, in)
	if isIdentityError(err) {
		return nil, s.guessed(ctx, err, newProblem(http.StatusUnauthorized, codeUnauthenticated, err.Error(), ""))
	}
	if err != nil {
		return nil, err
	}
	return &loginOutput{Cookie: sessionCookie(secret, sessionLife), Body: s.describe(who)}, nil
}

// checkPassword returns the account of a person who shows its password, unless too
// many wrong ones were shown.
func (s *Server) checkPassword(ctx context.Context, person hotstick.Person, password string) (store.Account, error) {
	try, wait := s.guesses.begin(siteOf(ctx), person, s.now())
	if wait > 0 {
		return store.Account{}, tooSoon(wait)
	}
	account, err := s.passwords.SignIn(ctx, s.store, person, password)
	switch {
	case err == nil:
		try.right()
	case errors.Is(err, identity.ErrPassword):
		s.log.Warn("a sign-in failed", "address", addressOf(ctx))
		return account, newProblem(http.StatusUnauthorized, codeUnauthenticated, err.Error(), "")
	default:
		try.undo()
	}
	return account, err
}

// openSession makes the session's token for an account, or for a token that somebody
// signs in with.
func (s *Server) openSession(ctx context.Context, account store.Account, in *loginInput) (secret string, who caller, err error) {
	err = s.controller.Update(ctx, func(tx store.Tx) error {
		token, life, err := sessionFor(tx, account, in.Body.Token)
		if err != nil {
			return err
		}
		var made store.Token
		secret, made, err = identity.AddToken(tx, token, life, string(token.Person))
		if err != nil {
			return err
		}
		if err := endOldest(tx, made); err != nil {
			return err
		}
		if who.Caller, err = identity.Again(tx, identity.Caller{Token: made}, tx.Now()); err != nil {
			return err
		}
		_, err = tx.Events().Append(store.Event{Kind: inventory.SessionOpened, Actor: string(token.Person),
			Evidence: []hotstick.Evidence{{Kind: "address", Text: addressOf(ctx)}}})
		return err
	})
	return secret, who, err
}

// endOldest ends the oldest sessions of a person who has too many with a new one, and
// drops those of anybody that are over.
func endOldest(tx store.Tx, made store.Token) error {
	if err := tx.Tokens().Sweep(identity.SessionToken); err != nil {
		return err
	}
	all, err := tx.Tokens().List(identity.SessionToken)
	if err != nil {
		return err
	}
	others := slices.DeleteFunc(all, func(t store.Token) bool { return t.Person != made.Person || t.Digest == made.Digest })
	for _, t := range others[:max(0, len(others)+1-maxSessions)] {
		if _, err := identity.RevokeToken(tx, identity.SessionToken, t.Digest.Short(), string(made.Person), "too many sessions at once"); err != nil {
			return err
		}
	}
	return nil
}

// sessionFor is the token of a session that is opened with an account's password,
// or with an API token, and its life.
func sessionFor(tx store.Tx, account store.Account, secret string) (store.Token, time.Duration, error) {
	token := store.Token{Kind: identity.SessionToken}
	if account.Person != "" {
		now, err := tx.Tokens().Account(account.Person)
		if err == nil && now.Password != account.Password {
			err = identity.ErrPassword // it was changed meanwhile
		}
		token.Person, token.Roles = now.Person, now.Roles
		return token, sessionLife, err
	}
	with, err := identity.Identify(tx, identity.APIToken, secret, tx.Now())
	if err != nil {
		return token, 0, err
	}
	token.Person, token.Roles, token.Only, token.Parent = with.Person, with.Token.Roles, with.Token.Only, with.Token.Digest
	life := sessionLife
	if left := with.Token.Expires.Sub(tx.Now()); !with.Token.Expires.IsZero() && left < life {
		life = left
	}
	return token, life, nil
}

// tooSoon tells somebody to wait.
func tooSoon(wait time.Duration) *problem {
	p := newProblem(http.StatusTooManyRequests, codeRateLimited, "cannot try again so soon", "wait as long as Retry-After says")
	p.retry = wait
	return p
}

func sessionCookie(secret string, life time.Duration) http.Cookie {
	c := http.Cookie{Name: cookieName, Value: secret, Path: "/", HttpOnly: true, Secure: true,
		SameSite: http.SameSiteStrictMode, MaxAge: int(life.Seconds())}
	if secret == "" {
		c.MaxAge = -1
	}
	return c
}

type logoutOutput struct {
	Cookie http.Cookie `header:"Set-Cookie"`
}

// logout ends the session; its token is worth nothing afterwards.
func (s *Server) logout(ctx context.Context, _ *empty) (*logoutOutput, error) {
	who := callerOf(ctx)
	if who.Token.Kind == identity.SessionToken {
		err := s.controller.Update(ctx, func(tx store.Tx) error {
			if err := tx.Tokens().Use(who.Token.Digest); err != nil {
				return err
			}
			_, err := tx.Events().Append(store.Event{Kind: inventory.SessionClosed, Actor: string(who.Person)})
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return &logoutOutput{Cookie: sessionCookie("", 0)}, nil
}
