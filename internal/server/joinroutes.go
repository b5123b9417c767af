package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/controller"
	"github.com/hotstick/hotstick/internal/identity"
	"github.com/hotstick/hotstick/internal/store"
)

type joinInput struct{ Body api.JoinTokenRequest }

// Limits of a join token's life.
const (
	defaultJoinLife = time.Hour
	minJoinSeconds  = 60
	maxJoinSeconds  = 7 * 24 * 3600
)

func (s *Server) makeJoinToken(ctx context.Context, in *joinInput) (*body[api.JoinToken], error) {
	life := time.Duration(in.Body.TTLSeconds) * time.Second
	switch {
	case in.Body.TTLSeconds == 0:
		life = defaultJoinLife
	case in.Body.TTLSeconds < minJoinSeconds || in.Body.TTLSeconds > maxJoinSeconds:
		return nil, newProblem(http.StatusUnprocessableEntity, controller.CodeInvalid, "cannot make a token of this life",
			"ttl_seconds is "+strconv.Itoa(minJoinSeconds)+" to "+strconv.Itoa(maxJoinSeconds))
	}
	if err := identity.CheckGroup(in.Body.Group, in.Body.Hosts); err != nil {
		return nil, newProblem(http.StatusUnprocessableEntity, controller.CodeInvalid, clipped(err.Error()), "")
	}
	who := callerOf(ctx)
	var out api.JoinToken
	err := s.controller.Update(ctx, func(tx store.Tx) error {
		secret, token, err := identity.AddToken(tx, store.Token{Kind: identity.JoinToken, Person: who.Person,
			Group: in.Body.Group, Hosts: max(in.Body.Hosts, 1)}, life, string(who.Person))
		out = api.JoinToken{ID: token.Digest.Short(), Token: secret, Expires: token.Expires, Group: token.Group, Hosts: token.Hosts,
			Command: s.joinCommand(secret, token.Group)}
		return err
	})
	return answerWith(out), err
}

// joinCommand is the one line to run on a new host: where the server is, how to
// tell it from an impostor, the catalog's root to pin, and the labels to have.
func (s *Server) joinCommand(secret string, group map[string]string) string {
	var labels strings.Builder
	for _, label := range slices.Sorted(maps.Keys(group)) {
		fmt.Fprintf(&labels, " --label %s=%s", label, group[label])
	}
	return fmt.Sprintf("hotstick-agent join --server %s --token %s --ca %s --root %s%s",
		s.URL(), secret, s.authority.Digest(), hotstick.NewDigest(s.catalog.Root()), labels.String())
}

func (s *Server) joinTokens(ctx context.Context, _ *empty) (*body[api.JoinTokenList], error) {
	out := api.JoinTokenList{Tokens: []api.JoinTokenState{}}
	err := s.store.View(ctx, func(tx store.Tx) error {
		tokens, err := tx.Tokens().List(identity.JoinToken)
		for _, t := range tokens {
			if t.Used == nil && t.Revoked == nil && tx.Now().Before(t.Expires) {
				out.Tokens = append(out.Tokens, api.JoinTokenState{ID: t.Digest.Short(), Made: t.Created, By: t.Person,
					Expires: t.Expires, Group: t.Group, Hosts: t.Hosts, Joined: t.Joined})
			}
		}
		return err
	})
	return answerWith(out), err
}

type revokeJoinInput struct {
	ID   string `path:"id" doc:"The token's ID, as the list has it"`
	Body api.ActionRequest
}

func (s *Server) revokeJoinToken(ctx context.Context, in *revokeJoinInput) (*body[api.JoinTokenList], error) {
	if err := reasoned(in.Body.Reason); err != nil {
		return nil, err
	}
	err := s.controller.Update(ctx, func(tx store.Tx) error {
		_, err := identity.RevokeToken(tx, identity.JoinToken, in.ID, string(callerOf(ctx).Person), in.Body.Reason)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil, newProblem(http.StatusNotFound, controller.CodeNotFound, "cannot find this join token", "hotstick join-token list shows those that are open")
	}
	if err != nil {
		return nil, err
	}
	return s.joinTokens(ctx, nil)
}
