package identity

import (
	"crypto/sha256"
	"crypto/x509"
	"sync"
	"time"
)

// Verifying a certificate's signature costs more than the rest of a check-in's
// admission, and a host shows the same certificate for a day. So what a signature
// proved is remembered, by the digest of the certificate's bytes. Nothing else is:
// whether the certificate and its authority are valid now, and whether the authority
// still counts, is asked each time.

// maxVerified bounds the certificates that are remembered. Beyond it all are
// forgotten, and verified once more.
const maxVerified = 1 << 17

// verified remembers which authority has signed which client certificates.
type verified struct {
	mu     sync.RWMutex
	signer map[[sha256.Size]byte]*x509.Certificate
}

// client checks that a certificate is of the authority, valid at a time, and made for
// clients.
func (v *verified) client(certificate, authority *x509.Certificate, at time.Time) error {
	sum := sha256.Sum256(certificate.Raw)
	v.mu.RLock()
	known := v.signer[sum] == authority
	v.mu.RUnlock()
	if known && validAt(certificate, at) && validAt(authority, at) {
		return nil
	}
	if err := verifyHost(certificate, authority, at); err != nil {
		return err // whatever is wrong with it, the long way says it
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.signer == nil || len(v.signer) >= maxVerified {
		v.signer = map[[sha256.Size]byte]*x509.Certificate{}
	}
	v.signer[sum] = authority
	return nil
}

func validAt(c *x509.Certificate, at time.Time) bool {
	return !at.Before(c.NotBefore) && !at.After(c.NotAfter)
}
