package agent

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/wire"
)

// Session speaks mutual TLS with the server as this host, and renews the host's
// certificate when two thirds of its life are over, or when the server takes it no
// more: this host's clock may be wrong. It is safe for concurrent use.
type Session struct {
	home   *Home
	host   hotstick.HostID
	server string
	now    func() time.Time
	log    *slog.Logger

	// mu guards what follows. It is not held during a renewal.
	mu          sync.Mutex
	transport   *http.Transport
	certificate tls.Certificate
	// refused: the server does not take the certificate. strange: its own comes from an
	// authority that this host does not know.
	refused, strange bool
	// roots are the authorities that the host trusts, the newest last.
	roots []*x509.Certificate
	// trust is what the host's catalog says, for statements about authorities.
	trust func() (hotstick.Trust, error)
	// learn takes newer roots of the catalog; see Learn.
	learn func(ctx context.Context, roots catalog.Fetcher)
	// tried is when the certificate's renewal was last tried, failures how often in a
	// row that failed.
	tried    time.Time
	failures int
}

// NewSession opens the session of a host that has joined. now is the wall clock.
func NewSession(home *Home, server string, now func() time.Time, log *slog.Logger) (*Session, error) {
	if err := checkServer(server); err != nil {
		return nil, err
	}
	roots, err := home.authorities()
	if err != nil {
		return nil, err
	}
	certificate, err := home.loadTLS()
	if err != nil {
		return nil, err
	}
	host, err := home.Host()
	if err != nil {
		return nil, err
	}
	s := &Session{home: home, host: host, roots: roots, server: strings.TrimSuffix(server, "/"), certificate: certificate, now: now, log: log}
	s.transport = s.newTransport(certificate)
	return s, nil
}

// newTransport makes a transport that proves one certificate. A renewed one gets
// another transport, so that no connection of the old one is ever used again: a host
// that showed now this certificate, now that one, would look like two.
func (s *Session) newTransport(certificate tls.Certificate) *http.Transport {
	return &http.Transport{
		TLSClientConfig: &tls.Config{
			MinVersion: tls.VersionTLS13,
			NextProtos: []string{"http/1.1"},
			// Which authorities count may change while the host runs, so the chain is
			// checked below, before anything is sent.
			InsecureSkipVerify:   true,
			VerifyConnection:     s.verify,
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &certificate, nil },
		},
		MaxIdleConns:           2,
		MaxIdleConnsPerHost:    2,
		IdleConnTimeout:        5 * time.Minute,
		ReadBufferSize:         4 << 10,
		WriteBufferSize:        4 << 10,
		MaxResponseHeaderBytes: 32 << 10,
		DisableCompression:     true,
	}
}

// open returns the transport of the certificate of the moment.
func (s *Session) open() *http.Transport {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.transport
}

// Transport carries requests as this host.
func (s *Session) Transport() http.RoundTripper { return listening{s} }

// listening hears when the server does not take the host's certificate.
type listening struct{ s *Session }

// RoundTrip implements http.RoundTripper.
func (l listening) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := l.s.open().RoundTrip(req)
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	if err == nil && resp.StatusCode == http.StatusUnauthorized {
		l.s.refused = true
	}
	if errors.Is(err, errStranger) {
		l.s.strange = true
	}
	return resp, err
}

// CloseIdleConnections lets http.Client close what it does not use.
func (l listening) CloseIdleConnections() { l.s.open().CloseIdleConnections() }

// Upkeep renews the certificate if it is time. A renewal that fails is tried again
// after a pause; the old certificate serves until its end, and may renew itself for
// 30 days more.
func (s *Session) Upkeep(ctx context.Context) {
	now := s.now()
	s.mu.Lock()
	leaf := s.certificate.Leaf
	strange := s.strange
	useless := s.refused || strange || now.After(leaf.NotAfter)
	since := now.Sub(s.tried)
	pausing := since >= 0 && since < renewAgain(s.host, max(s.failures-1, 0), useless)
	if pausing || !useless && now.Before(renewDue(s.host, leaf.NotBefore, leaf.NotAfter)) {
		s.mu.Unlock()
		return
	}
	s.tried = now
	s.mu.Unlock()
	err := s.follow(ctx)
	if err != nil && !strange {
		s.log.Warn("cannot ask for the server's certificate authorities", "error", err)
		err = nil
	}
	if err == nil {
		err = s.renew(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.failures++
		s.log.Warn("cannot renew the host's certificate", "error", err, "expires", leaf.NotAfter)
		return
	}
	s.failures, s.refused, s.strange = 0, false, false
}

func (s *Session) renew(ctx context.Context) error {
	identity, err := s.home.Identity()
	if err != nil {
		return err
	}
	key, csr, proof, err := request(identity)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, enrolTime)
	defer cancel()
	client := &http.Client{Transport: s.open(), CheckRedirect: noRedirect}
	var resp wire.RenewResponse
	err = talk{server: s.server, http: client}.post(ctx, "/agent/v1/renew",
		&wire.RenewRequest{Request: csr, Proof: proof}, wire.Oldest, wire.MaxEnrollBytes, &resp)
	if err != nil {
		return err
	}
	if err := s.home.saveTLS(key, resp.Certificate); err != nil {
		return err
	}
	certificate, err := s.home.loadTLS()
	if err != nil {
		return err
	}
	s.mu.Lock()
	old := s.transport
	s.certificate, s.transport = certificate, s.newTransport(certificate)
	s.mu.Unlock()
	old.CloseIdleConnections()
	s.log.Info("the host's certificate is renewed", "expires", certificate.Leaf.NotAfter)
	return nil
}

// Catalog is where this host fetches its server's catalog from. It is bounded in
// length, pace and place; nothing that it returns is believed.
func (s *Session) Catalog() (*catalog.Web, error) {
	return catalog.NewWeb(s.server+"/agent/v1/catalog", s.Transport())
}
