package identity

import (
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

// Kinds of tokens, as the store names them.
const (
	// JoinToken lets one host enrol, once, or as many as it says.
	JoinToken = "join"
	// APIToken speaks for a person or a program.
	APIToken = "api"
	// SessionToken is the console's cookie.
	SessionToken = "session"
)

// Kinds of events in the audit log.
const (
	// TokenMade: State says of which kind; the evidence is the start of its digest,
	// and the labels of its group.
	TokenMade = "token.made"
	// TokenRevoked: an operator took a token back; State says of which kind, the
	// evidence is the start of its digest and why.
	TokenRevoked = "token.revoked"
	// HostEnrolled: the evidence is the digest of the join token.
	HostEnrolled = "host.enrolled"
	// HostCertified: an enrolled host got another certificate, by renewing it or
	// because the answer to its enrolment was lost; the evidence is its digest.
	HostCertified = "host.certified"
)

// Errors of tokens. They say no more than the holder of the token may know.
var (
	// ErrToken: unknown, of another kind, or malformed.
	ErrToken = errors.New("cannot use this token: it is not known here")
	// ErrTokenExpired: its life is over.
	ErrTokenExpired = errors.New("cannot use this token: it has expired")
	// ErrTokenUsed: it was for one host, and that host has joined.
	ErrTokenUsed = errors.New("cannot use this token: it was used already")
	// ErrTokenRevoked: an operator took it back.
	ErrTokenRevoked = errors.New("cannot use this token: it was taken back")
)

var prefixes = map[string]string{JoinToken: "hs_join_", APIToken: "hs_api_", SessionToken: "hs_session_"}

// NewSecret makes a token of a kind with 160 random bits.
func NewSecret(kind string) (string, error) {
	var raw [20]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return "", fmt.Errorf("cannot make a token: %v", err)
	}
	return prefixes[kind] + strings.ToLower(base32.StdEncoding.EncodeToString(raw[:])), nil
}

// DigestSecret returns what the store keeps of a token.
func DigestSecret(secret string) hotstick.Digest { return hotstick.NewDigest([]byte(secret)) }

// CheckToken returns the token that the secret is, if it is of that kind and
// valid now. A used join token comes back with [ErrTokenUsed].
//
// The lookup is by digest, so the time it takes tells nothing of the secret.
func CheckToken(tx store.Tx, kind, secret string, now time.Time) (store.Token, error) {
	if !strings.HasPrefix(secret, prefixes[kind]) || len(secret) > 128 {
		return store.Token{}, ErrToken
	}
	return checkDigest(tx, kind, DigestSecret(secret), now)
}

func checkDigest(tx store.Tx, kind string, digest hotstick.Digest, now time.Time) (store.Token, error) {
	t, err := tx.Tokens().Get(digest)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return store.Token{}, ErrToken
	case err != nil:
		return store.Token{}, err
	case t.Kind != kind:
		return store.Token{}, ErrToken
	case t.Revoked != nil:
		return store.Token{}, ErrTokenRevoked
	case !t.Expires.IsZero() && !now.Before(t.Expires):
		return store.Token{}, ErrTokenExpired
	case t.Used != nil:
		return t, ErrTokenUsed
	}
	return t, nil
}

// AddToken makes a token, stores its digest and an event, and returns the secret,
// which is nowhere else. A zero life makes a token without an end.
func AddToken(tx store.Tx, t store.Token, life time.Duration, actor string) (string, store.Token, error) {
	if t.Kind != JoinToken {
		if err := CheckRoles(t.Roles); err != nil {
			return "", t, err
		}
	}
	secret, err := NewSecret(t.Kind)
	if err != nil {
		return "", t, err
	}
	t.Digest, t.Created = DigestSecret(secret), tx.Now()
	if life > 0 {
		t.Expires = tx.Now().Add(life)
	}
	if err := tx.Tokens().Put(t); err != nil {
		return "", t, err
	}
	_, err = tx.Events().Append(store.Event{Kind: TokenMade, Actor: actor, State: t.Kind,
		Evidence: append(tokenEvidence(t), groupEvidence(t.Group)...)})
	return secret, t, err
}

// tokenEvidence says whom a token speaks for and what it may do, not the token.
func tokenEvidence(t store.Token) []hotstick.Evidence {
	out := []hotstick.Evidence{{Kind: "token", Text: t.Digest.Short()}}
	if len(t.Roles) > 0 {
		out = append(out, hotstick.Evidence{Kind: "person", Text: string(t.Person)},
			hotstick.Evidence{Kind: "roles", Text: strings.Join(t.Roles, " ")})
	}
	if len(t.Only) > 0 {
		out = append(out, hotstick.Evidence{Kind: "only", Text: strings.Join(t.Only, " ")})
	}
	if t.Parent != "" {
		out = append(out, hotstick.Evidence{Kind: "parent", Text: t.Parent.Short()})
	}
	return out
}

// RevokeToken takes back the one token of a kind whose digest has this short form,
// and the API tokens that were made with it, and stores the events. It may be repeated.
// The error is store.ErrNotFound where there is none.
func RevokeToken(tx store.Tx, kind, short, actor, why string) (store.Token, error) {
	tokens, err := tx.Tokens().List(kind)
	if err != nil {
		return store.Token{}, err
	}
	i := slices.IndexFunc(tokens, func(t store.Token) bool { return t.Digest.Short() == short })
	if i < 0 {
		return store.Token{}, store.ErrNotFound
	}
	err = revoke(tx, tokens, actor, why, i)
	return tokens[i], err
}

// revoke takes back the chosen ones of the tokens of a kind, and what was made with
// them, and again with that.
func revoke(tx store.Tx, tokens []store.Token, actor, why string, chosen ...int) error {
	made := map[hotstick.Digest][]int{}
	for i, t := range tokens {
		if t.Parent != "" {
			made[t.Parent] = append(made[t.Parent], i)
		}
	}
	seen := map[int]bool{}
	for ; len(chosen) > 0; chosen = chosen[1:] {
		t := &tokens[chosen[0]]
		if seen[chosen[0]] {
			continue
		}
		seen[chosen[0]] = true
		chosen = append(chosen, made[t.Digest]...)
		if t.Revoked != nil {
			continue
		}
		now := tx.Now()
		t.Revoked = &now
		if err := tx.Tokens().Put(*t); err != nil {
			return err
		}
		if _, err := tx.Events().Append(store.Event{Kind: TokenRevoked, Actor: actor, State: t.Kind,
			Evidence: []hotstick.Evidence{{Kind: "token", Text: t.Digest.Short()}, {Kind: "reason", Text: why}}}); err != nil {
			return err
		}
	}
	return nil
}
