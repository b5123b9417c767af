package server

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/controller"
	"github.com/hotstick/hotstick/internal/identity"
	"github.com/hotstick/hotstick/internal/store"
)

// Limits of an API token's life.
const (
	defaultTokenLife = 90 * 24 * time.Hour
	minTokenSeconds  = 60
	maxTokenSeconds  = 365 * 24 * 3600
)

// tokens lists the API tokens that may be used: all of them for whoever sees who may
// do what, else one's own.
func (s *Server) tokens(ctx context.Context, _ *empty) (*body[api.TokenList], error) {
	who := callerOf(ctx)
	out := api.TokenList{Tokens: []api.TokenState{}}
	err := s.store.View(ctx, func(tx store.Tx) error {
		all, err := tx.Tokens().List(identity.APIToken)
		for _, t := range all {
			open := t.Revoked == nil && (t.Expires.IsZero() || tx.Now().Before(t.Expires))
			if open && (t.Person == who.Person || who.May(identity.Audit)) {
				out.Tokens = append(out.Tokens, showToken(t))
			}
		}
		return err
	})
	return answerWith(out), err
}

func showToken(t store.Token) api.TokenState {
	out := api.TokenState{ID: t.Digest.Short(), Person: t.Person, Roles: t.Roles, Only: t.Only, Made: t.Created}
	if !t.Expires.IsZero() {
		out.Expires = &t.Expires
	}
	return out
}

type tokenInput struct{ Body api.TokenRequest }

func (s *Server) makeToken(ctx context.Context, in *tokenInput) (*body[api.Token], error) {
	who, b := callerOf(ctx), in.Body
	if b.Person == "" {
		b.Person = who.Person
	}
	if len(b.Roles) == 0 {
		b.Roles = who.Roles
	}
	life, err := tokenLife(who, b)
	if err != nil {
		return nil, err
	}
	if err := identity.CheckPerson(b.Person); err != nil {
		return nil, invalid(err)
	}
	if b.Person != who.Person && !who.May(identity.Administer) {
		return nil, newProblem(http.StatusForbidden, codeForbidden, "cannot make a token for somebody else", "an admin can")
	}
	var out api.Token
	err = s.controller.Update(ctx, func(tx store.Tx) error {
		// As the caller is at this moment, and no longer.
		now, err := identity.Again(tx, who.Caller, tx.Now())
		if err != nil {
			return err
		}
		if err := now.Grant(b.Roles, b.Only); errors.Is(err, identity.ErrBeyond) {
			return newProblem(http.StatusForbidden, codeForbidden, err.Error(), "leave out roles, or limit it to rights with --only")
		} else if err != nil {
			return invalid(err)
		}
		maker, err := makerOf(tx, now)
		if err != nil {
			return err
		}
		if left := maker.Expires.Sub(tx.Now()); !maker.Expires.IsZero() {
			if b.NoExpiry {
				return newProblem(http.StatusForbidden, codeForbidden, "cannot make a token without an end with one that ends", "sign in with a password, or leave out no_expiry")
			}
			life = min(life, left)
		}
		secret, token, err := identity.AddToken(tx, store.Token{Kind: identity.APIToken, Person: b.Person, Roles: b.Roles, Only: b.Only, Parent: maker.Digest}, life, string(who.Person))
		out = api.Token{TokenState: showToken(token), Token: secret}
		return err
	})
	return answerWith(out), err
}

// makerOf is the API token with which a caller makes another, whose life and end bound
// the new one's; none where the caller signed in with a password.
func makerOf(tx store.Tx, who identity.Caller) (store.Token, error) {
	switch {
	case who.Token.Kind == identity.APIToken:
		return who.Token, nil
	case who.Token.Parent != "":
		return tx.Tokens().Get(who.Token.Parent)
	}
	return store.Token{}, nil
}

// tokenLife is how long a token lives; 0 is without an end.
func tokenLife(who caller, b api.TokenRequest) (time.Duration, error) {
	switch {
	case b.NoExpiry && !who.May(identity.Administer):
		return 0, newProblem(http.StatusForbidden, codeForbidden, "cannot make a token without an end", "an admin can")
	case b.NoExpiry && b.TTLSeconds != 0:
		return 0, newProblem(http.StatusUnprocessableEntity, controller.CodeInvalid, "cannot make a token that ends and does not", "leave out ttl_seconds or no_expiry")
	case b.NoExpiry:
		return 0, nil
	case b.TTLSeconds == 0:
		return defaultTokenLife, nil
	case b.TTLSeconds < minTokenSeconds || b.TTLSeconds > maxTokenSeconds:
		return 0, newProblem(http.StatusUnprocessableEntity, controller.CodeInvalid, "cannot make a token of this life",
			"ttl_seconds is "+strconv.Itoa(minTokenSeconds)+" to "+strconv.Itoa(maxTokenSeconds))
	}
	return time.Duration(b.TTLSeconds) * time.Second, nil
}

type revokeTokenInput struct {
	ID   string `path:"id" doc:"The token's ID, as the list has it"`
	Body api.ActionRequest
}

// revokeToken takes back an API token of one's own, or for an admin anybody's. What
// was signed in with it is signed out, and what was made with it is taken back too.
func (s *Server) revokeToken(ctx context.Context, in *revokeTokenInput) (*body[api.TokenList], error) {
	if err := reasoned(in.Body.Reason); err != nil {
		return nil, err
	}
	who := callerOf(ctx)
	err := s.controller.Update(ctx, func(tx store.Tx) error {
		all, err := tx.Tokens().List(identity.APIToken)
		if err != nil {
			return err
		}
		// A token that is somebody else's is told of no more than one that is not there.
		if !slices.ContainsFunc(all, func(t store.Token) bool {
			return t.Digest.Short() == in.ID && (t.Person == who.Person || who.May(identity.Administer))
		}) {
			return store.ErrNotFound
		}
		_, err = identity.RevokeToken(tx, identity.APIToken, in.ID, string(who.Person), in.Body.Reason)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil, newProblem(http.StatusNotFound, controller.CodeNotFound, "cannot find this token", "hotstick token list shows those that may be used")
	}
	if err != nil {
		return nil, err
	}
	return s.tokens(ctx, nil)
}
