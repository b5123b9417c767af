package statement

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"fmt"
	"io"

	"github.com/hotstick/hotstick"
)

// P256Key is a private key for ECDSA on P-256 in memory: a person's, who moves to a
// token later or whose other tools have no Ed25519. It implements [Signer].
type P256Key struct {
	private *ecdsa.PrivateKey
	public  hotstick.TrustedKey
}

// GenerateP256Key makes a key from random (crypto/rand.Reader in production).
func GenerateP256Key(random io.Reader) (*P256Key, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), random)
	if err != nil {
		return nil, fmt.Errorf("cannot make a key: %w", err)
	}
	return newP256Key(private)
}

func newP256Key(private *ecdsa.PrivateKey) (*P256Key, error) {
	public, err := hotstick.NewTrustedKey(&private.PublicKey)
	if err != nil {
		return nil, err
	}
	return &P256Key{private: private, public: public}, nil
}

// Private returns the key itself, for whoever keeps it in a format of his own.
func (k *P256Key) Private() *ecdsa.PrivateKey { return k.private }

// Public implements [Signer].
func (k *P256Key) Public() hotstick.TrustedKey { return k.public }

// Sign implements [Signer]. The signature follows from key and message (RFC 6979),
// so it needs no good randomness.
func (k *P256Key) Sign(message []byte) ([]byte, error) {
	sum := sha256.Sum256(message)
	return k.private.Sign(nil, sum[:], crypto.SHA256)
}

// Save writes the key to a new file, as [Key.Save] does.
func (k *P256Key) Save(path string) error { return savePrivate(path, k.private) }
