package agent

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/durable"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/wire"
)

// errStranger: the server's certificate comes from no authority that the host knows.
var errStranger = errors.New("cannot trust the server: its certificate comes from no authority that this host knows")

// verify checks the server's chain against the authorities that count now. A clock
// that was set back to before an authority's first day counts as that day, so that it
// locks nobody out.
func (s *Session) verify(state tls.ConnectionState) error {
	s.mu.Lock()
	roots := s.roots
	s.mu.Unlock()
	if len(state.PeerCertificates) == 0 {
		return errStranger
	}
	failed := errStranger
	for _, root := range roots {
		now := s.now()
		if now.Before(root.NotBefore) {
			now = root.NotBefore
		}
		pool := x509.NewCertPool()
		pool.AddCert(root)
		_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: pool, DNSName: state.ServerName, CurrentTime: now})
		if err == nil {
			return nil
		}
		if _, unknown := errors.AsType[x509.UnknownAuthorityError](err); !unknown {
			failed = fmt.Errorf("cannot trust the server: %w", err)
		}
	}
	return failed
}

// Follow lets the session follow the server to other certificate authorities, by
// statements that a server key of the host's own verified catalog signed. Without it
// the session trusts the authorities it began with.
func (s *Session) Follow(trust func() (hotstick.Trust, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trust = trust
}

// follow asks which authorities the server has now. What it answers is signed, so it
// does not matter who answers: whoever owns an authority's key alone names no heir.
func (s *Session) follow(ctx context.Context) error {
	s.mu.Lock()
	known, trust := s.roots, s.trust
	s.mu.Unlock()
	if trust == nil {
		return nil
	}
	believed, err := trust()
	if err != nil {
		return fmt.Errorf("cannot tell whom to believe about authorities: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, enrolTime)
	defer cancel()
	client := &http.Client{CheckRedirect: noRedirect, Transport: &http.Transport{DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS13, NextProtos: []string{"http/1.1"}, InsecureSkipVerify: true}}}
	var resp wire.AuthorityResponse
	if err := (talk{server: s.server, http: client}).get(ctx, "/agent/v1/authority", &resp); err != nil {
		return err
	}
	roots, err := heirs(known, resp, believed, s.home.epoch())
	if err != nil {
		roots, believed, err = s.ahead(ctx, known, resp, err)
	}
	if err != nil {
		return err
	}
	if len(resp.Authorities) == 0 {
		return nil // nobody has vouched for these authorities in this epoch
	}
	if !sameRoots(roots, known) {
		if err := s.home.saveAuthorities(roots); err != nil {
			return err
		}
		s.mu.Lock()
		s.roots = roots
		s.mu.Unlock()
		s.open().CloseIdleConnections()
		s.log.Info("the server's certificate authorities changed", "newest", hotstick.NewDigest(roots[len(roots)-1].Raw).Short())
	}
	return s.home.saveEpoch(believed.Epoch)
}

// heirs follows the statements from the authorities that are known to those that
// count. Statements about others are passed over; one that does not verify refuses
// the whole answer. Where the trust is of a later epoch than the one since which the
// host knows its authorities, only those count that the statements name: whoever had
// the earlier epoch's key may have led the host to his own.
func heirs(known []*x509.Certificate, resp wire.AuthorityResponse, trust hotstick.Trust, since uint64) ([]*x509.Certificate, error) {
	roots, names := slices.Clone(known), naming{ended: map[hotstick.Digest]bool{}, named: map[hotstick.Digest]bool{}}
	for _, raw := range resp.Authorities {
		a, err := statement.OpenAuthority(raw, trust)
		if err != nil {
			return nil, err
		}
		next, err := x509.ParseCertificate(a.Certificate)
		if err != nil || !next.IsCA {
			return nil, errors.New("cannot follow the server to an authority whose certificate is not one")
		}
		names.take(a, next)
		from := slices.IndexFunc(roots, func(c *x509.Certificate) bool { return hotstick.NewDigest(c.Raw) == a.From })
		if from < 0 {
			continue
		}
		if !slices.ContainsFunc(roots, next.Equal) {
			roots = append(roots, next)
		}
		if a.Last {
			roots = slices.Delete(roots, from, from+1)
		}
	}
	if trust.Epoch > since {
		return names.anew(roots), nil
	}
	return roots, nil
}

func sameRoots(a, b []*x509.Certificate) bool {
	return slices.EqualFunc(a, b, (*x509.Certificate).Equal)
}

// authorities returns the server's certificate authorities, the newest last.
func (h *Home) authorities() ([]*x509.Certificate, error) {
	data, err := os.ReadFile(h.path("ca.pem"))
	if err != nil {
		return nil, fmt.Errorf("cannot read the server's authority: %w", err)
	}
	if data, err = durable.Unseal(data); err != nil {
		return nil, fmt.Errorf("cannot read the server's authority in %s: %w; let the host join again", h.path("ca.pem"), err)
	}
	var out []*x509.Certificate
	block, rest := pem.Decode(data)
	for ; block != nil; block, rest = pem.Decode(rest) {
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("cannot read the server's authority in %s: %w", h.path("ca.pem"), err)
		}
		out = append(out, c)
	}
	if len(rest) > 0 && len(out) > 0 {
		return nil, fmt.Errorf("cannot read the server's authority in %s: %w; let the host join again", h.path("ca.pem"), durable.ErrDamaged)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("cannot read the server's authority in %s: it is not PEM", h.path("ca.pem"))
	}
	return out, nil
}

func (h *Home) saveAuthorities(roots []*x509.Certificate) error {
	var text []byte
	for _, c := range roots {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return h.write("ca.pem", durable.Seal(text), 0o644)
}
