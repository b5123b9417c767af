package agent

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/wire"
)

// Learn lets the session bring newer roots of the catalog from a server that the host
// does not know yet, for a clean one that took the place of one that was stolen: its
// statements are of an epoch that only a newer root names. Who sent a root does not
// matter; learn verifies it and keeps it.
func (s *Session) Learn(learn func(ctx context.Context, roots catalog.Fetcher)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.learn = learn
}

// ahead follows statements of an epoch that the host's catalog does not know, if newer
// roots make them worth something, and returns the trust of these. refused is why they
// are worth nothing yet.
func (s *Session) ahead(ctx context.Context, known []*x509.Certificate, resp wire.AuthorityResponse, refused error) ([]*x509.Certificate, hotstick.Trust, error) {
	s.mu.Lock()
	learn, trust := s.learn, s.trust
	s.mu.Unlock()
	if learn == nil || statement.ReasonOf(refused).Code != hotstick.ReasonCatalogUnknown {
		return nil, hotstick.Trust{}, refused
	}
	stranger := s.stranger()
	defer stranger.CloseIdleConnections()
	source, err := catalog.NewWeb(s.server+"/agent/v1/roots", stranger)
	if err != nil {
		return nil, hotstick.Trust{}, err
	}
	learn(ctx, source)
	believed, err := trust()
	if err != nil {
		return nil, believed, fmt.Errorf("cannot tell whom to believe about authorities: %w", err)
	}
	roots, err := heirs(known, resp, believed, s.home.epoch())
	return roots, believed, err
}

// stranger carries requests to a server that the host does not know. The host shows
// its certificate, so that the server need not tell its roots to everybody.
func (s *Session) stranger() *http.Transport {
	s.mu.Lock()
	certificate := s.certificate
	s.mu.Unlock()
	return &http.Transport{MaxResponseHeaderBytes: 32 << 10, DisableCompression: true,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS13, NextProtos: []string{"http/1.1"}, InsecureSkipVerify: true,
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &certificate, nil }}}
}

// naming is what an epoch's statements say of authorities.
type naming struct {
	named, ended map[hotstick.Digest]bool
	certificates []*x509.Certificate
}

func (n *naming) take(a statement.Authority, next *x509.Certificate) {
	n.named[a.From], n.named[hotstick.NewDigest(next.Raw)] = true, true
	n.ended[a.From] = n.ended[a.From] || a.Last
	n.certificates = append(n.certificates, next)
}

// anew returns the authorities of an epoch whose statements a host follows for the
// first time: all that they name and do not end, and none besides. Where that is none
// the host keeps what it has.
func (n *naming) anew(roots []*x509.Certificate) []*x509.Certificate {
	var out []*x509.Certificate
	for _, c := range append(slices.Clone(roots), n.certificates...) {
		d := hotstick.NewDigest(c.Raw)
		if n.named[d] && !n.ended[d] && !slices.ContainsFunc(out, c.Equal) {
			out = append(out, c)
		}
	}
	if len(out) == 0 {
		return roots
	}
	return out
}

// epochFile says in which epoch of the catalog's trust the authorities were vouched
// for.
const epochFile = "ca.epoch"

// epoch is the epoch since which the host knows its authorities: the one in which it
// followed statements last, or joined.
func (h *Home) epoch() uint64 {
	if data, err := os.ReadFile(h.path(epochFile)); err == nil {
		if n, err := strconv.ParseUint(strings.TrimSpace(string(data)), 10, 64); err == nil {
			return n
		}
	}
	root, err := h.Root()
	if err != nil {
		return 0
	}
	spec, _, err := catalog.ReadRoot(root)
	if err != nil {
		return 0
	}
	return spec.Trust.Epoch
}

// saveEpoch is called after the authorities are saved, and only if statements of this
// epoch have named them. An answer without any is anybody's: were the epoch saved for
// that, whoever led the host to his own authority before would keep it there.
func (h *Home) saveEpoch(epoch uint64) error {
	if h.epoch() >= epoch {
		return nil
	}
	return h.write(epochFile, []byte(strconv.FormatUint(epoch, 10)+"\n"), 0o644)
}
