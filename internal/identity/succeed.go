package identity

import (
	"crypto/x509"
	"time"

	"github.com/hotstick/hotstick"
)

// AuthoritySucceeded: after a theft a fresh authority stands in the place of all that
// there were; the evidence is as in [AuthorityReplaced], and the digests of the public
// online keys, stolen and fresh.
const AuthoritySucceeded = "authority.succeeded"

// Succeed puts a fresh authority in the place of every other, also of one that was
// announced and has not followed yet: a thief has the keys of both. It returns the
// certificates, in DER, of all that ended, oldest first. Certificates of theirs only
// renew themselves, as after [Authority.Replace].
func (a *Authority) Succeed(now time.Time) ([][]byte, error) {
	if a.Next() != nil {
		if err := a.Replace(); err != nil {
			return nil, err
		}
	}
	if _, err := a.Announce(now); err != nil {
		return nil, err
	}
	if err := a.Replace(); err != nil {
		return nil, err
	}
	a.mu.RLock()
	defer a.mu.RUnlock()
	var ended [][]byte
	for _, c := range a.former {
		ended = append(ended, c.Raw)
	}
	return ended, nil
}

// Named returns the host that a client certificate names, whoever signed it. That is
// a claim and no proof.
func (a *Authority) Named(certificate *x509.Certificate) (hotstick.HostID, error) {
	return a.named(certificate)
}
