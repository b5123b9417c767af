package identity

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/wire"
)

// Limits of what an unknown machine may send.
const (
	maxHostnameBytes = 253
	maxRequestBytes  = 16 << 10
)

// Errors of enrolment that an agent or an operator acts on.
var (
	// ErrProof: the identity key did not sign this request.
	ErrProof = errors.New("cannot accept the identity key's proof")
	// ErrRequest: the certificate request is malformed or of a weak key.
	ErrRequest = errors.New("cannot use the certificate request")
	// ErrTaken: the identity joined before; an ID never comes back.
	ErrTaken = errors.New("cannot enrol this identity: it joined before")
	// ErrRevoked: the host's identity was ended.
	ErrRevoked = errors.New("cannot serve this host: its identity was revoked")
)

// Enrolled is a host that has just joined, with its first certificate in DER.
type Enrolled struct {
	Host        hotstick.HostID
	Certificate []byte
}

// Enroll turns a join token into a host: it checks the token, the identity key's
// proof and the request, and stores the host and its event in tx. Errors that
// the peer may see are those of this package.
func (a *Authority) Enroll(tx store.Tx, req wire.EnrollRequest) (Enrolled, error) {
	token, tokenErr := CheckToken(tx, JoinToken, req.Token, tx.Now())
	if tokenErr != nil && !errors.Is(tokenErr, ErrTokenUsed) {
		return Enrolled{}, tokenErr
	}
	public, err := checkProof(req.Identity, req.Request, req.Proof)
	if err != nil {
		return Enrolled{}, err
	}
	if req.Hostname == "" || len(req.Hostname) > maxHostnameBytes {
		return Enrolled{}, fmt.Errorf("%w: want a hostname of 1 to %d bytes", ErrRequest, maxHostnameBytes)
	}
	if err := InGroup(token.Group, req.Labels); err != nil {
		return Enrolled{}, err
	}
	id := hotstick.NewHostID(req.Identity)
	again, err := enrolledBefore(tx, id, token)
	switch {
	case err != nil:
		return Enrolled{}, err
	case !again && tokenErr != nil:
		return Enrolled{}, tokenErr
	case !again:
		if err := addHost(tx, id, token, req); err != nil {
			return Enrolled{}, err
		}
	}
	certificate, err := a.hostCertificate(id, public, tx.Now())
	if err == nil && again {
		err = certified(tx, id, req.Hostname, certificate)
	}
	return Enrolled{Host: id, Certificate: certificate}, err
}

// certified tells of a certificate beside that of the enrolment.
func certified(tx store.Tx, id hotstick.HostID, name string, certificate []byte) error {
	_, err := tx.Events().Append(store.Event{Kind: HostCertified, Host: id, HostName: name,
		Evidence: []hotstick.Evidence{{Kind: "certificate", Text: string(hotstick.NewDigest(certificate))}}})
	return err
}

// enrolledBefore reports whether this very enrolment, with this token, was
// stored before and its answer may have been lost. Any other known identity is
// refused.
func enrolledBefore(tx store.Tx, id hotstick.HostID, token store.Token) (bool, error) {
	h, err := tx.Hosts().Get(id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return false, nil
	case err != nil:
		return false, err
	case h.Revoked:
		return false, ErrRevoked
	case token.Joined == 0 || !h.LastSeen.IsZero():
		return false, ErrTaken
	}
	events, err := tx.Events().List(store.EventFilter{Host: id, Limit: 100})
	if err != nil {
		return false, err
	}
	for _, e := range events {
		if e.Kind == HostEnrolled && len(e.Evidence) == 1 && e.Evidence[0].Text == string(token.Digest) {
			return true, nil
		}
	}
	return false, ErrTaken
}

func addHost(tx store.Tx, id hotstick.HostID, token store.Token, req wire.EnrollRequest) error {
	if err := tx.Tokens().Use(token.Digest); err != nil {
		return err
	}
	host := store.Host{ID: id, Name: req.Hostname, Identity: req.Identity, Enrolled: tx.Now(), Group: token.Group}
	if err := tx.Hosts().Put(host); err != nil {
		return err
	}
	_, err := tx.Events().Append(store.Event{Kind: HostEnrolled, Host: id, HostName: req.Hostname, Actor: string(token.Person),
		Evidence: []hotstick.Evidence{{Kind: "token", Text: string(token.Digest)}}})
	return err
}

// Renew signs a fresh certificate for a host that has proved its old TLS key by
// the connection and its identity key by the proof, and stores the event. Without the
// proof nobody learns whether there is such a host, or was one.
func (a *Authority) Renew(tx store.Tx, id hotstick.HostID, req wire.RenewRequest) ([]byte, error) {
	host, err := tx.Hosts().Get(id)
	if errors.Is(err, store.ErrNotFound) {
		// A key that nobody has refuses as a known host's would.
		host.Identity, _, err = ed25519.GenerateKey(rand.Reader)
	}
	if err != nil {
		return nil, err
	}
	public, err := checkProof(host.Identity, req.Request, req.Proof)
	switch {
	case err != nil:
		return nil, err
	case host.Revoked:
		return nil, ErrRevoked
	}
	certificate, err := a.hostCertificate(host.ID, public, tx.Now())
	if err != nil {
		return nil, err
	}
	return certificate, certified(tx, host.ID, host.Name, certificate)
}

// checkProof checks a certificate request and the identity key's signature over
// it, and returns the public key to certify.
func checkProof(identity, request, proof []byte) (any, error) {
	if len(identity) != ed25519.PublicKeySize || len(request) > maxRequestBytes {
		return nil, fmt.Errorf("%w: want an Ed25519 identity key and a request below %d bytes", ErrRequest, maxRequestBytes)
	}
	if !ed25519.Verify(identity, request, proof) {
		return nil, ErrProof
	}
	csr, err := x509.ParseCertificateRequest(request)
	if err != nil {
		return nil, fmt.Errorf("%w: it is not PKCS #10 in DER", ErrRequest)
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, fmt.Errorf("%w: its own signature is wrong", ErrRequest)
	}
	switch key := csr.PublicKey.(type) {
	case ed25519.PublicKey:
		if string(key) == string(identity) {
			return nil, fmt.Errorf("%w: the TLS key must not be the identity key", ErrRequest)
		}
		return key, nil
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P256() {
			return key, nil
		}
	}
	return nil, fmt.Errorf("%w: want an Ed25519 or ECDSA P-256 key", ErrRequest)
}
