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

// Authority signs certificates for one trust domain.
type Authority struct {
	domain      string
	key         crypto.Signer
	certificate *x509.Certificate
}

// NewAuthority makes a new authority with a fresh ECDSA P-256 key.
func NewAuthority(domain string, now time.Time) (*Authority, error) {
	if !domainPattern.MatchString(domain) {
		return nil, fmt.Errorf("cannot use %q as a trust domain: want lower-case letters, digits, dots and dashes", domain)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("cannot make the authority's key: %v", err)
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
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
		return nil, fmt.Errorf("cannot make the authority's certificate: %v", err)
	}
	return openAuthority(der, key)
}

// openAuthority checks that certificate and key belong together.
func openAuthority(der []byte, key crypto.Signer) (*Authority, error) {
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("cannot read the authority's certificate: %v", err)
	}
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	switch {
	case !ok || !public.Equal(certificate.PublicKey):
		return nil, fmt.Errorf("cannot use the authority: its key belongs to another certificate")
	case !certificate.IsCA || len(certificate.URIs) != 1 || certificate.URIs[0].Scheme != "spiffe":
		return nil, fmt.Errorf("cannot use the authority: its certificate is not one of a Hotstick authority")
	}
	return &Authority{domain: certificate.URIs[0].Host, key: key, certificate: certificate}, nil
}

// Domain returns the trust domain in the URIs of the authority's certificates.
func (a *Authority) Domain() string { return a.domain }

// Certificate returns the authority's certificate in DER.
func (a *Authority) Certificate() []byte { return a.certificate.Raw }

// Digest is what a join line carries, so that a new host can tell the server
// from an impostor before it sends its token.
func (a *Authority) Digest() hotstick.Digest { return hotstick.NewDigest(a.certificate.Raw) }

// Pool returns a pool that holds this authority only.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return pool
}

// ServerCertificate makes a certificate for the server itself, with a fresh key.
// Names are host names and IP addresses. The chain includes the authority, for
// hosts that know only its digest. It is valid from the authority's first day, so
// that a host whose clock was set back still finds it valid.
func (a *Authority) ServerCertificate(names []string, now time.Time) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("cannot make the server's key: %v", err)
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "Hotstick server"},
		NotBefore:   a.certificate.NotBefore,
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
	der, err := a.sign(template, key.Public())
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("cannot read the server's certificate: %v", err)
	}
	return tls.Certificate{
		Certificate: [][]byte{der, a.certificate.Raw},
		PrivateKey:  key,
		Leaf:        leaf,
	}, nil
}

// hostCertificate signs a host's certificate for the public key of its request.
func (a *Authority) hostCertificate(id hotstick.HostID, public any, now time.Time) ([]byte, error) {
	now = a.born(now)
	return a.sign(&x509.Certificate{
		Subject:     pkix.Name{CommonName: string(id)},
		URIs:        []*url.URL{{Scheme: "spiffe", Host: a.domain, Path: "/host/" + string(id)}},
		NotBefore:   now.Add(-skew),
		NotAfter:    now.Add(CertificateLife),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, public)
}

func (a *Authority) sign(template *x509.Certificate, public any) ([]byte, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, public, a.key)
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
	switch {
	case now.After(certificate.NotAfter.Add(LapsedLife)):
		return "", ErrLapsed
	case now.After(certificate.NotAfter):
		now = certificate.NotAfter
	case now.Before(certificate.NotBefore):
		now = certificate.NotBefore
	}
	return a.Host(certificate, now)
}

// born is a time, but never one before the authority's first day.
func (a *Authority) born(now time.Time) time.Time {
	if now.Before(a.certificate.NotBefore) {
		return a.certificate.NotBefore
	}
	return now
}

// Host returns the host that a client certificate speaks for. The certificate
// must be of this authority, valid now and made for clients.
func (a *Authority) Host(certificate *x509.Certificate, now time.Time) (hotstick.HostID, error) {
	_, err := certificate.Verify(x509.VerifyOptions{
		Roots:       a.Pool(),
		CurrentTime: a.born(now),
		KeyUsages:   []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return "", fmt.Errorf("cannot trust the client certificate: %v", err)
	}
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
