package server

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/identity"
	"github.com/hotstick/hotstick/internal/store"
)

// rule says who may call a route. The set is closed; a route without one is not
// served.
type rule string

const (
	// ruleOpen: anybody. Such routes tell nothing that is worth anything.
	ruleOpen rule = "open"
	// Who is signed in and has that right.
	ruleSelf        rule = rule(identity.Self)
	ruleRead        rule = rule(identity.Read)
	ruleAudit       rule = rule(identity.Audit)
	ruleCredentials rule = rule(identity.Credentials)
	ruleSteer       rule = rule(identity.Steer)
	ruleSign        rule = rule(identity.Sign)
	rulePublish     rule = rule(identity.Publish)
	ruleEnrol       rule = rule(identity.Enrol)
	ruleAdminister  rule = rule(identity.Administer)
	// ruleHost: a host with a certificate of ours that is not revoked.
	ruleHost rule = "host"
	// ruleLapsed: such a host, also if its certificate expired less than 30 days ago.
	ruleLapsed rule = "host-lapsed"
)

// ruleKey is where an operation's metadata keeps its rule.
const ruleKey = "access"

// cookieName is the console's cookie. The prefix makes browsers insist on Secure,
// on this host alone and on the path /.
const cookieName = "__Host-hotstick"

// caller is who a request speaks for: a person with rights, or a host.
type caller struct {
	identity.Caller
	// Host is set on the agents' routes.
	Host hotstick.HostID
	// Claimed: nobody here knows who signed the certificate that names Host.
	Claimed bool
}

type callerKey struct{}

func callerOf(ctx context.Context) caller {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c
}

// admit decides whether a request may call a route with this rule, and for whom
// it speaks. Unknown rules admit nobody.
func (s *Server) admit(r *http.Request, need rule) (caller, *problem) {
	switch need {
	case ruleOpen:
		return caller{}, nil
	case ruleHost:
		return s.admitHost(r, known(s.authority.Host))
	case ruleLapsed:
		return s.admitHost(r, s.strayed(r))
	}
	if right := identity.Right(need); slices.Contains(identity.Rights(), right) {
		return s.admitPerson(r, right)
	}
	return caller{}, newProblem(http.StatusForbidden, codeForbidden, "cannot call this route: nobody may", "")
}

func (s *Server) admitPerson(r *http.Request, need identity.Right) (caller, *problem) {
	kind, secret := credential(r)
	if secret == "" {
		return caller{}, newProblem(http.StatusUnauthorized, codeUnauthenticated, "cannot tell who you are",
			"send an API token as Authorization: Bearer TOKEN, or sign in to the console")
	}
	if kind == identity.SessionToken && writes(r.Method) && r.Header.Get("Sec-Fetch-Site") != "same-origin" {
		return caller{}, newProblem(http.StatusForbidden, codeCrossSite, "cannot take this request: it does not come from the console", "")
	}
	var who identity.Caller
	err := s.store.View(r.Context(), func(tx store.Tx) error {
		var err error
		who, err = identity.Identify(tx, kind, secret, tx.Now())
		return err
	})
	if err != nil {
		if isIdentityError(err) {
			return caller{}, newProblem(http.StatusUnauthorized, codeUnauthenticated, err.Error(), "")
		}
		return caller{}, asProblem(err, s.log)
	}
	if !who.May(need) {
		return caller{}, newProblem(http.StatusForbidden, codeForbidden, "cannot do this as "+strings.Join(who.Roles, " and "), "it takes the right "+string(need)+", which has: "+strings.Join(rolesWith(need), ", "))
	}
	return caller{Caller: who}, nil
}

// rolesWith lists the roles that have a right.
func rolesWith(right identity.Right) []string {
	return slices.DeleteFunc(identity.Roles(), func(role string) bool { return !slices.Contains(identity.RightsOf(role), right) })
}

// credential finds the token of a request: the header's wins over the cookie's.
func credential(r *http.Request) (kind, secret string) {
	if header := r.Header.Get("Authorization"); header != "" {
		token, ok := strings.CutPrefix(header, "Bearer ")
		if !ok {
			return identity.APIToken, ""
		}
		return identity.APIToken, token
	}
	if cookie, err := r.Cookie(cookieName); err == nil {
		return identity.SessionToken, cookie.Value
	}
	return "", ""
}

func writes(method string) bool { return method != http.MethodGet && method != http.MethodHead }

// reader reads the caller out of a certificate.
type reader func(*x509.Certificate, time.Time) (caller, error)

// known reads certificates that an authority of ours signed.
func known(read func(*x509.Certificate, time.Time) (hotstick.HostID, error)) reader {
	return func(certificate *x509.Certificate, now time.Time) (caller, error) {
		id, err := read(certificate, now)
		return caller{Host: id}, err
	}
}

// admitHost reads the host from the connection's certificate and asks the store
// whether it is still one of ours. A host that is revoked later loses its
// connections then. For a name that is only claimed the store is not asked: a stranger
// would learn which hosts there are.
func (s *Server) admitHost(r *http.Request, read reader) (caller, *problem) {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return caller{}, newProblem(http.StatusUnauthorized, codeUnauthenticated, "cannot tell which host you are", "hosts show the certificate they enrolled with")
	}
	now := s.now()
	who, err := read(r.TLS.PeerCertificates[0], now)
	if errors.Is(err, identity.ErrLapsed) {
		return caller{}, newProblem(http.StatusUnauthorized, codeUnauthenticated, identity.ErrLapsed.Error(),
			"write the host off, and join it again as a new one: hotstick-agent join --new-identity")
	}
	if err != nil {
		return caller{}, newProblem(http.StatusUnauthorized, codeUnauthenticated, "cannot trust the client certificate", "enrol again, or renew it in time")
	}
	if who.Claimed || s.serving.connections.speaks(r.Context(), who.Host, now) {
		return who, nil
	}
	if err := s.alive(r.Context(), who.Host); err != nil {
		return caller{}, asProblem(err, s.log)
	}
	s.serving.connections.alive(r.Context(), now)
	return who, nil
}

// alive reports whether a host is one of ours and not revoked.
func (s *Server) alive(ctx context.Context, id hotstick.HostID) error {
	return s.store.View(ctx, func(tx store.Tx) error {
		host, err := tx.Hosts().Get(id)
		if err == nil && host.Revoked {
			err = identity.ErrRevoked
		}
		return err
	})
}

// guardHuma admits callers of huma's routes by the rule in their metadata.
func (s *Server) guardHuma(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	need, _ := ctx.Operation().Metadata[ruleKey].(rule)
	who, over, refused := s.welcome(r, need)
	if refused != nil {
		writeProblem(w, refused)
		return
	}
	defer over()
	next(huma.WithValue(ctx, callerKey{}, who))
}

// guard admits callers of the other routes.
func (s *Server) guard(need rule, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, over, refused := s.welcome(r, need)
		if refused != nil {
			if need == ruleHost || need == ruleLapsed {
				w.Header().Set("Connection", "close")
			}
			writeProblem(w, refused)
			return
		}
		defer over()
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, who)))
	})
}
