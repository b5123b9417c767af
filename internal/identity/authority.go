package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"regexp"
	"sync"
	"time"

	"github.com/hotstick/hotstick"
)

// Lives of certificates. Hosts renew when two thirds of theirs are over.
const (
	// CertificateLife is the life of a host's TLS certificate.
	CertificateLife = 24 * time.Hour
	// LapsedLife is how long after its end a host's certificate still renews itself,
	// for a host that was switched off.
	LapsedLife = 30 * 24 * time.Hour
	// ServerLife is the life of the server's own certificate; the server makes
	// itself a new one at half of it.
	ServerLife = 14 * 24 * time.Hour
	// AuthorityLife is the life of the authority's certificate.
	AuthorityLife = 10 * 365 * 24 * time.Hour
	// skew is how far behind a host's clock may be.
	skew = 5 * time.Minute
)

// DefaultDomain is the trust domain if nobody chose one.
const DefaultDomain = "hotstick"

var domainPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,252}[a-z0-9])?$`)

// Authority signs certificates for one trust domain. While it changes its own key
// (see [Authority.Announce]) it is two. It is safe for concurrent use.
type Authority struct {
	domain   string
	verified verified

	mu sync.RWMutex // guards all below
	// dir is where the authority is kept; empty before it is saved.
	dir string
	// shown signs the server's own certificate. next, if there is one, signs those of
	// hosts already.
	shown issuer
	next  *issuer
	// former are the certificates of authorities that ended.
	former []*x509.Certificate
}

// issuer is one key of an authority with its certificate.
type issuer struct {
	key         crypto.Signer
	certificate *x509.Certificate
}

// NewAuthority makes a new authority with a fresh ECDSA P-256 key.
func NewAuthority(domain string, now time.Time) (*Authority, error) {
	made, err := newIssuer(domain, now)
	if err != nil {
		return nil, err
	}
	return &Authority{domain: domain, shown: made}, nil
}

func newIssuer(domain string, now time.Time) (issuer, error) {
	if !domainPattern.MatchString(domain) {
		return issuer{}, fmt.Errorf("cannot use %q as a trust domain: want lower-case letters, digits, dots and dashes", domain)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return issuer{}, fmt.Errorf("cannot make the authority's key: %v", err)
	}
	serial, err := newSerial()
	if err != nil {
		return issuer{}, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "Hotstick authority of " + domain},
		URIs:                  []*url.URL{{Scheme: "spiffe", Host: domain}},
		NotBefore:             now.Add(-skew),
		NotAfter:              now.Add(AuthorityLife),
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return issuer{}, fmt.Errorf("cannot make the authority's certificate: %v", err)
	}
	return openIssuer(der, key)
}

// openIssuer checks that certificate and key belong together.
func openIssuer(der []byte, key crypto.Signer) (issuer, error) {
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return issuer{}, fmt.Errorf("cannot read the authority's certificate: %v", err)
	}
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	switch {
	case !ok || !public.Equal(certificate.PublicKey):
		return issuer{}, errOtherKey
	case !itself(certificate):
		return issuer{}, errDamaged
	case !certificate.IsCA || len(certificate.URIs) != 1 || certificate.URIs[0].Scheme != "spiffe":
		return issuer{}, fmt.Errorf("cannot use the authority: its certificate is not one of a Hotstick authority")
	}
	return issuer{key: key, certificate: certificate}, nil
}

// itself reports whether a certificate is signed by its own key, as those of authorities
// are: one that a disk has garbled is not.
func itself(c *x509.Certificate) bool {
	return c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}

var errDamaged = errors.New("cannot use the authority: its certificate is damaged; put ca.pem and ca.key back from a backup, for a new authority would lock every host out")

var errOtherKey = errors.New("cannot use the authority: its key belongs to another certificate, or is damaged; put ca.pem and ca.key back from a backup, for a new authority would lock every host out")

// Domain returns the trust domain in the URIs of the authority's certificates.
func (a *Authority) Domain() string { return a.domain }

// Certificate returns the certificate, in DER, of the authority that the server
// shows.
func (a *Authority) Certificate() []byte { return a.issuers()[0].certificate.Raw }

// Digest is what a join line carries, so that a new host can tell the server
// from an impostor before it sends its token.
func (a *Authority) Digest() hotstick.Digest { return hotstick.NewDigest(a.Certificate()) }

// issuers returns the authority that the server shows, and the next one if there is
// one.
func (a *Authority) issuers() []issuer {
	a.mu.RLock()
	defer a.mu.RUnlock()
	all := []issuer{a.shown}
	if a.next != nil {
		all = append(all, *a.next)
	}
	return all
}

// ServerCertificate makes a certificate for the server itself, with a fresh key.
// Names are host names and IP addresses. The chain includes the authority, for
// hosts that know only its digest. It is valid from the authority's first day, so
// that a host whose clock was set back still finds it valid.
func (a *Authority) ServerCertificate(names []string, now time.Time) (tls.Certificate, error) {
	shown := a.issuers()[0]
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("cannot make the server's key: %v", err)
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "Hotstick server"},
		NotBefore:   shown.certificate.NotBefore,
		NotAfter:    now.Add(ServerLife),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
			continue
		}
		template.DNSNames = append(template.DNSNames, name)
	}
	der, err := shown.sign(template, key.Public())
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("cannot read the server's certificate: %v", err)
	}
	return tls.Certificate{
		Certificate: [][]byte{der, shown.certificate.Raw},
		PrivateKey:  key,
		Leaf:        leaf,
	}, nil
}

// hostCertificate signs a host's certificate for the public key of its request.
func (a *Authority) hostCertificate(id hotstick.HostID, public any, now time.Time) ([]byte, error) {
	issuers := a.issuers()
	newest := issuers[len(issuers)-1]
	now = born(newest.certificate, now)
	return newest.sign(&x509.Certificate{
		Subject:     pkix.Name{CommonName: string(id)},
		URIs:        []*url.URL{{Scheme: "spiffe", Host: a.domain, Path: "/host/" + string(id)}},
		NotBefore:   now.Add(-skew),
		NotAfter:    now.Add(CertificateLife),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, public)
}

func (i issuer) sign(template *x509.Certificate, public any) ([]byte, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, template, i.certificate, public, i.key)
	if err != nil {
		return nil, fmt.Errorf("cannot sign a certificate: %v", err)
	}
	return der, nil
}

// ErrLapsed: the certificate expired too long ago even to be renewed.
var ErrLapsed = errors.New("cannot renew a certificate that expired more than 30 days ago")

// LapsedHost is Host for the one route that renews certificates. One that expired
// less than [LapsedLife] ago will do there, for a host that was switched off for
// days must find back; so will one from the future, for the server's clock may have
// been set back. The host proves its identity key besides.
func (a *Authority) LapsedHost(certificate *x509.Certificate, now time.Time) (hotstick.HostID, error) {
	lapsed := now.After(certificate.NotAfter.Add(LapsedLife))
	switch {
	case now.After(certificate.NotAfter):
		now = certificate.NotAfter
	case now.Before(certificate.NotBefore):
		now = certificate.NotBefore
	}
	a.mu.RLock()
	former := a.former
	a.mu.RUnlock()
	id, err := a.host(certificate, now, former)
	if err == nil && lapsed {
		return "", ErrLapsed // told to whom it concerns: a stranger's is one of nobody
	}
	return id, err
}

// born is a time, but never one before an authority's first day.
func born(authority *x509.Certificate, now time.Time) time.Time {
	if now.Before(authority.NotBefore) {
		return authority.NotBefore
	}
	return now
}

// Host returns the host that a client certificate speaks for. The certificate
// must be of this authority, valid now and made for clients.
func (a *Authority) Host(certificate *x509.Certificate, now time.Time) (hotstick.HostID, error) {
	return a.host(certificate, now, nil)
}

// host is Host, which takes certificates of former authorities as well.
func (a *Authority) host(certificate *x509.Certificate, now time.Time, former []*x509.Certificate) (hotstick.HostID, error) {
	var err error
	for _, i := range a.issuers() {
		if err = a.verified.client(certificate, i.certificate, born(i.certificate, now)); err == nil {
			return a.named(certificate)
		}
	}
	for _, f := range former {
		if verifyHost(certificate, f, born(f, now)) == nil {
			return a.named(certificate)
		}
	}
	return "", fmt.Errorf("cannot trust the client certificate: %v", err)
}

func verifyHost(certificate, authority *x509.Certificate, at time.Time) error {
	roots := x509.NewCertPool()
	roots.AddCert(authority)
	_, err := certificate.Verify(x509.VerifyOptions{
		Roots:       roots,
		CurrentTime: at,
		KeyUsages:   []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	return err
}

// named reads the host's ID out of a certificate that is ours.
func (a *Authority) named(certificate *x509.Certificate) (hotstick.HostID, error) {
	const prefix = "/host/"
	if len(certificate.URIs) != 1 {
		return "", fmt.Errorf("cannot use the client certificate: want one URI")
	}
	uri := certificate.URIs[0]
	if uri.Scheme != "spiffe" || uri.Host != a.domain || len(uri.Path) <= len(prefix) || uri.Path[:len(prefix)] != prefix {
		return "", fmt.Errorf("cannot use the client certificate: it names no host of %s", a.domain)
	}
	id := hotstick.HostID(uri.Path[len(prefix):])
	return id, id.Validate()
}

func newSerial() (*big.Int, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("cannot make a serial number: %v", err)
	}
	return serial.Add(serial, big.NewInt(1)), nil
}
