package server

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/identity"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/version"
)

// sessionLife is how long somebody stays signed in to the console.
const sessionLife = 12 * time.Hour

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
	peer string
}

// Resolve implements huma.Resolver: it notes who asks, for the rate limit.
func (in *loginInput) Resolve(ctx huma.Context) []error {
	in.peer = peerOf(ctx.RemoteAddr())
	return nil
}

type loginOutput struct {
	Cookie http.Cookie `header:"Set-Cookie"`
	Body   api.Session
}

// login exchanges an API token for a console session.
func (s *Server) login(ctx context.Context, in *loginInput) (*loginOutput, error) {
	if in.Site != "" && in.Site != "same-origin" {
		return nil, newProblem(http.StatusForbidden, codeCrossSite, "cannot take this request: it does not come from the console", "")
	}
	if !s.guesses.allows(in.peer, s.now()) {
		return nil, newProblem(http.StatusTooManyRequests, codeRateLimited, "cannot try again so soon", "wait a minute")
	}
	var secret string
	var who caller
	err := s.controller.Update(ctx, func(tx store.Tx) error {
		with, err := identity.Identify(tx, identity.APIToken, in.Body.Token, tx.Now())
		if err != nil {
			return err
		}
		who = caller{Caller: with}
		life := sessionLife
		if left := with.Token.Expires.Sub(tx.Now()); !with.Token.Expires.IsZero() && left < life {
			life = left
		}
		token := store.Token{Kind: identity.SessionToken, Roles: with.Token.Roles, Only: with.Token.Only, Person: with.Person, Parent: with.Token.Digest}
		secret, _, err = identity.AddToken(tx, token, life, string(with.Person))
		if err != nil {
			return err
		}
		_, err = tx.Events().Append(store.Event{Kind: inventory.SessionOpened, Actor: string(with.Person)})
		return err
	})
	if err != nil {
		if isIdentityError(err) {
			s.guesses.failed(in.peer, s.now())
			return nil, newProblem(http.StatusUnauthorized, codeUnauthenticated, err.Error(), "")
		}
		return nil, err
	}
	return &loginOutput{Cookie: sessionCookie(secret, sessionLife), Body: s.describe(who)}, nil
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

// Limits of wrong tokens, at sign-in and at enrolment.
const (
	maxFailures = 10
	failureTime = time.Minute
	maxPeers    = 10_000
)

// limiter bounds how often one peer may show a token that is not one. Its size is
// bounded too: when it is full, everybody starts anew.
type limiter struct {
	mu    sync.Mutex
	peers map[string]*failures
}

type failures struct {
	count int
	since time.Time
}

func newLimiter() *limiter { return &limiter{peers: map[string]*failures{}} }

// allows reports whether the peer may try again.
func (l *limiter) allows(peer string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	f, ok := l.peers[peer]
	return !ok || now.Sub(f.since) > failureTime || f.count < maxFailures
}

// failed counts one wrong token.
func (l *limiter) failed(peer string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f, ok := l.peers[peer]
	if !ok || now.Sub(f.since) > failureTime {
		if len(l.peers) >= maxPeers {
			clear(l.peers)
		}
		f = &failures{since: now}
		l.peers[peer] = f
	}
	f.count++
}
