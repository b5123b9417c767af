package server

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/controller"
	"github.com/hotstick/hotstick/internal/identity"
	"github.com/hotstick/hotstick/internal/store"
)

func (s *Server) accounts(ctx context.Context, _ *empty) (*body[api.AccountList], error) {
	out := api.AccountList{Accounts: []api.Account{}}
	err := s.store.View(ctx, func(tx store.Tx) error {
		all, err := tx.Tokens().Accounts()
		for _, a := range all {
			out.Accounts = append(out.Accounts, showAccount(a))
		}
		return err
	})
	return answerWith(out), err
}

func showAccount(a store.Account) api.Account {
	return api.Account{Person: a.Person, Roles: a.Roles, Password: a.Password != "", Disabled: a.Disabled, Made: a.Created}
}

type accountInput struct{ Body api.AccountRequest }

func (s *Server) addAccount(ctx context.Context, in *accountInput) (*body[api.Account], error) {
	b := in.Body
	if err := errors.Join(identity.CheckPerson(b.Person), identity.CheckRoles(b.Roles)); err != nil {
		return nil, invalid(err)
	}
	hash := ""
	if b.Password != "" {
		var err error
		if hash, err = s.hash(ctx, b.Person, b.Password); err != nil {
			return nil, err
		}
	}
	return s.onAccount(ctx, b.Person, func(tx store.Tx, who caller) error {
		err := identity.AddAccount(tx, store.Account{Person: b.Person, Roles: b.Roles, Password: hash}, string(who.Person))
		if errors.Is(err, store.ErrTaken) {
			return newProblem(http.StatusConflict, controller.CodeConflict, "cannot make this account: the person has one", "hotstick user list shows it")
		}
		return err
	})
}

// hash makes what is kept of a new password.
func (s *Server) hash(ctx context.Context, person hotstick.Person, password string) (string, error) {
	if err := identity.CheckPassword(person, password); err != nil {
		return "", invalid(err)
	}
	return s.passwords.Hash(ctx, person, password)
}

func invalid(err error) *problem {
	return newProblem(http.StatusUnprocessableEntity, controller.CodeInvalid, clipped(err.Error()), "")
}

// onAccount changes an account, and answers with what it is then. Nobody may take
// rights from themselves, so that somebody is always left who can give them back.
func (s *Server) onAccount(ctx context.Context, person hotstick.Person, change func(store.Tx, caller) error) (*body[api.Account], error) {
	var out api.Account
	err := s.controller.Update(ctx, func(tx store.Tx) error {
		who := callerOf(ctx)
		if _, err := identity.Again(tx, who.Caller, tx.Now()); err != nil {
			return err // it ended since the request came
		}
		if err := change(tx, who); err != nil {
			return err
		}
		now, err := identity.Again(tx, who.Caller, tx.Now())
		if err == nil && !identity.Include(now.Rights, who.Rights) || errors.Is(err, identity.ErrDisabled) {
			return newProblem(http.StatusConflict, "own_rights", "cannot take rights from yourself", "let another admin do it")
		}
		over := errors.Is(err, identity.ErrSessionOver) || errors.Is(err, identity.ErrTokenRevoked)
		if err != nil && !over { // with a new password of one's own
			return err
		}
		a, err := tx.Tokens().Account(person)
		out = showAccount(a)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil, newProblem(http.StatusNotFound, controller.CodeNotFound, "cannot find this account", "hotstick user list shows those there are")
	}
	return answerWith(out), err
}

// PersonPath names a person in a path.
type PersonPath struct {
	Person hotstick.Person `path:"person" doc:"The person whose account it is"`
}

type accountActionInput struct {
	PersonPath
	Body api.ActionRequest
}

func (s *Server) disableAccount(ctx context.Context, in *accountActionInput) (*body[api.Account], error) {
	return s.setDisabled(ctx, in, true)
}

func (s *Server) enableAccount(ctx context.Context, in *accountActionInput) (*body[api.Account], error) {
	return s.setDisabled(ctx, in, false)
}

func (s *Server) setDisabled(ctx context.Context, in *accountActionInput, disabled bool) (*body[api.Account], error) {
	if err := reasoned(in.Body.Reason); err != nil {
		return nil, err
	}
	return s.onAccount(ctx, in.Person, func(tx store.Tx, who caller) error {
		return identity.SetDisabled(tx, in.Person, disabled, string(who.Person), in.Body.Reason)
	})
}

// reasoned refuses what needs a reason and has none.
func reasoned(reason string) error {
	if strings.TrimSpace(reason) == "" || len(reason) > maxTold {
		return newProblem(http.StatusUnprocessableEntity, controller.CodeInvalid, "cannot do this without a reason", "say why, for whoever reads the log")
	}
	return nil
}

type rolesInput struct {
	PersonPath
	Body api.RolesRequest
}

func (s *Server) setRoles(ctx context.Context, in *rolesInput) (*body[api.Account], error) {
	if err := identity.CheckRoles(in.Body.Roles); err != nil {
		return nil, invalid(err)
	}
	if err := reasoned(in.Body.Reason); err != nil {
		return nil, err
	}
	return s.onAccount(ctx, in.Person, func(tx store.Tx, who caller) error {
		return identity.SetRoles(tx, in.Person, in.Body.Roles, string(who.Person), in.Body.Reason)
	})
}

type passwordInput struct {
	PersonPath
	Body api.PasswordRequest
}

// setPassword sets anybody's password.
func (s *Server) setPassword(ctx context.Context, in *passwordInput) (*body[api.Account], error) {
	hash, err := s.hash(ctx, in.Person, in.Body.New)
	if err != nil {
		return nil, err
	}
	return s.putPassword(ctx, in.Person, hash)
}

func (s *Server) putPassword(ctx context.Context, person hotstick.Person, hash string) (*body[api.Account], error) {
	return s.onAccount(ctx, person, func(tx store.Tx, who caller) error {
		return identity.SetPassword(tx, person, hash, string(who.Person))
	})
}

type ownPasswordInput struct{ Body api.OwnPasswordRequest }

// setOwnPassword sets the password of whoever knows it as it is: a stolen session
// is not enough to take an account over.
func (s *Server) setOwnPassword(ctx context.Context, in *ownPasswordInput) (*body[api.Account], error) {
	person := callerOf(ctx).Person
	if err := identity.CheckPassword(person, in.Body.New); err != nil {
		return nil, invalid(err)
	}
	if _, err := s.checkPassword(ctx, person, in.Body.Current); err != nil {
		if p, ok := errors.AsType[*problem](err); ok && p.Status == http.StatusUnauthorized { // the session itself is good
			err = newProblem(http.StatusUnprocessableEntity, "wrong_password", "cannot set the password: the current one is another", "an admin can set it: hotstick user passwd NAME")
		}
		return nil, err
	}
	hash, err := s.hash(ctx, person, in.Body.New)
	if err != nil {
		return nil, err
	}
	return s.putPassword(ctx, person, hash)
}
