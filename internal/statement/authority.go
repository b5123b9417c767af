package statement

import (
	"fmt"
	"time"

	"github.com/hotstick/hotstick"
)

// Authority says which certificate authority the server's follows after another.
// Hosts believe it for the online key's signature, which the catalog's root vouches
// for: the old authority's own key cannot name its heir.
type Authority struct {
	// From is the digest of the certificate, in DER, of the authority that ends.
	From hotstick.Digest `json:"from"`
	// Certificate is the new authority's, in DER.
	Certificate []byte `json:"certificate"`
	// Last: the old authority is not trusted any more. Until then both are.
	Last     bool      `json:"last"`
	Epoch    uint64    `json:"epoch"`
	IssuedAt time.Time `json:"issued_at"`
}

// maxAuthority bounds an authority's certificate in bytes.
const maxAuthority = 16 << 10

// Validate reports the first thing that is malformed.
func (a Authority) Validate() error {
	if err := a.From.Validate(); err != nil {
		return err
	}
	switch {
	case len(a.Certificate) == 0 || len(a.Certificate) > maxAuthority:
		return fmt.Errorf("cannot use an authority's certificate of %d bytes", len(a.Certificate))
	case hotstick.NewDigest(a.Certificate) == a.From:
		return fmt.Errorf("cannot use an authority that follows itself")
	case a.Epoch < 1 || a.Epoch > MaxEpoch:
		return fmt.Errorf("cannot use an authority of epoch %d", a.Epoch)
	}
	return checkTime(a.IssuedAt)
}

// OpenAuthority verifies the naming of a new authority. The caller still compares
// From with the authority that it trusts.
func OpenAuthority(raw []byte, trust hotstick.Trust) (Authority, error) {
	e, a, err := open[Authority](raw, KindAuthority)
	if err == nil {
		err = checkServer(e, a.Epoch, trust)
	}
	if err != nil {
		return Authority{}, err
	}
	return a, nil
}
