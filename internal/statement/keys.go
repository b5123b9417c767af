package statement

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/durable"
)

// Signer holds one key and signs with it: a key file ([LoadSigner]), an agent or a
// token.
type Signer interface {
	// Public returns the public key. That of a server or a host is Ed25519.
	Public() hotstick.TrustedKey
	// Sign returns the signature over message in the form that [Verify] takes.
	Sign(message []byte) ([]byte, error)
}

// Key is a private Ed25519 key in memory. It implements [Signer].
type Key struct{ private ed25519.PrivateKey }

// GenerateKey makes an Ed25519 key from random (crypto/rand.Reader in production).
func GenerateKey(random io.Reader) (*Key, error) {
	seed := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(random, seed); err != nil {
		return nil, fmt.Errorf("cannot make a key: %w", err)
	}
	return NewKey(seed)
}

// NewKey makes an Ed25519 key from its 32-byte seed.
func NewKey(seed []byte) (*Key, error) {
	if len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("cannot make a key from %d bytes: want %d", len(seed), ed25519.SeedSize)
	}
	return &Key{private: ed25519.NewKeyFromSeed(seed)}, nil
}

// Private returns the key itself, for whoever keeps it in a format of his own.
func (k *Key) Private() ed25519.PrivateKey { return k.private }

// Public implements [Signer].
func (k *Key) Public() hotstick.TrustedKey {
	return hotstick.TrustedKey(k.private.Public().(ed25519.PublicKey))
}

// Sign implements [Signer].
func (k *Key) Sign(message []byte) ([]byte, error) { return ed25519.Sign(k.private, message), nil }

// PEM types of key files.
const (
	privateType = "PRIVATE KEY"
	publicType  = "PUBLIC KEY"
	// maxKeyBytes bounds a key file; real ones have some 120 bytes.
	maxKeyBytes = 4 << 10
)

// Save writes the key to a new file (PKCS #8 in PEM, mode 0600) and syncs it. It
// never overwrites a key: the error then wraps fs.ErrExist.
func (k *Key) Save(path string) error { return savePrivate(path, k.private) }

// SaveSecret writes a private key in any format to a new file (mode 0600) and syncs
// it. It never overwrites a key: the error then wraps fs.ErrExist.
func SaveSecret(path string, block *pem.Block) error {
	return durable.Create(path, 0o600, pem.EncodeToMemory(block))
}

// ReadSecret reads a private key file in any format. It refuses a file that others
// than its owner may read or write, with the command that mends it.
func ReadSecret(path string) (*pem.Block, error) {
	block, info, err := readPEM(path)
	if err != nil {
		return nil, err
	}
	if err := private(path, info); err != nil {
		return nil, err
	}
	return block, nil
}

// LoadSigner reads the key file of a server or a host, as [ReadSecret] does. What
// they sign online is Ed25519, so a key of another algorithm is refused.
func LoadSigner(path string) (Signer, error) {
	signer, err := LoadAnySigner(path)
	if err != nil {
		return nil, err
	}
	if err := wantEd25519(path, signer.Public()); err != nil {
		return nil, err
	}
	return signer, nil
}

// LoadAnySigner reads a key file that [Key.Save] or [P256Key.Save] wrote, as
// [ReadSecret] does.
func LoadAnySigner(path string) (Signer, error) {
	block, err := ReadSecret(path)
	if err == nil {
		err = wantType(path, block, privateType)
	}
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("cannot read key file %s: %v", path, err)
	}
	signer, err := NewSigner(key)
	if err != nil {
		return nil, fmt.Errorf("cannot use key file %s: %w", path, err)
	}
	return signer, nil
}

// NewSigner takes a key of crypto/ed25519 or of crypto/ecdsa on P-256. It refuses
// every other key.
func NewSigner(private crypto.PrivateKey) (Signer, error) {
	switch k := private.(type) {
	case ed25519.PrivateKey:
		return NewKey(k.Seed())
	case *ed25519.PrivateKey:
		return NewKey(k.Seed())
	case *ecdsa.PrivateKey:
		return newP256Key(k)
	}
	return nil, fmt.Errorf("it holds a %T: want Ed25519 or ECDSA P-256", private)
}

// SavePublic writes a public key to a new file (PKIX in PEM, mode 0644).
func SavePublic(path string, key hotstick.TrustedKey) error {
	public, err := key.Parse()
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return fmt.Errorf("cannot encode the public key: %w", err)
	}
	return durable.Create(path, 0o644, pem.EncodeToMemory(&pem.Block{Type: publicType, Bytes: der}))
}

// LoadPublic reads the public key file of a server or a host. A key of another
// algorithm than Ed25519 is refused.
func LoadPublic(path string) (ed25519.PublicKey, error) {
	key, err := LoadAnyPublic(path)
	if err != nil {
		return nil, err
	}
	if err := wantEd25519(path, key); err != nil {
		return nil, err
	}
	return ed25519.PublicKey(key), nil
}

// MaxIdentityBytes bounds the file of a host's public identity key.
const MaxIdentityBytes = 4 << 10

// DecodeIdentity reads the content of the file of a host's public identity key, which
// whoever reads it has no reason to trust: one Ed25519 key in PEM, and nothing else.
func DecodeIdentity(data []byte) (ed25519.PublicKey, error) {
	block, rest := pem.Decode(data)
	if block == nil || len(rest) > 0 {
		return nil, errors.New("cannot read the host's identity: it is not one key in PEM")
	}
	key, err := ParsePublic(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("cannot read the host's identity: %w", err)
	}
	if key.Algorithm() != hotstick.KeyEd25519 {
		return nil, errors.New("cannot use the host's identity: it is not an Ed25519 key")
	}
	return ed25519.PublicKey(key), nil
}

// LoadAnyPublic reads a public key file that [SavePublic] wrote.
func LoadAnyPublic(path string) (hotstick.TrustedKey, error) {
	block, _, err := readPEM(path)
	if err == nil {
		err = wantType(path, block, publicType)
	}
	if err != nil {
		return nil, err
	}
	key, err := ParsePublic(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("cannot use public key file %s: %w", path, err)
	}
	return key, nil
}

// ParsePublic reads a public key from its PKIX form in DER. It takes the one form
// that [x509.MarshalPKIXPublicKey] writes.
func ParsePublic(der []byte) (hotstick.TrustedKey, error) {
	public, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, fmt.Errorf("cannot read the public key: %v", err)
	}
	key, err := hotstick.NewTrustedKey(public)
	if err != nil {
		return nil, err
	}
	if again, err := x509.MarshalPKIXPublicKey(public); err != nil || !bytes.Equal(again, der) {
		return nil, errors.New("cannot read the public key: it is not written in the usual form")
	}
	return key, nil
}

// KeyID names a key in envelopes: the SHA-256 digest of its bytes in hexadecimal.
func KeyID(key hotstick.TrustedKey) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:])
}

// Verify reports whether signature is one by key over message: for Ed25519 its 64
// bytes; for ECDSA P-256 that over the message's SHA-256 in ASN.1 DER. Of ECDSA
// there is a second good signature beside each, so nothing may go by a signature's
// bytes: what counts is the key.
func Verify(key hotstick.TrustedKey, message, signature []byte) bool {
	public, err := key.Parse()
	if err != nil {
		return false
	}
	switch k := public.(type) {
	case ed25519.PublicKey:
		return ed25519.Verify(k, message, signature)
	case *ecdsa.PublicKey:
		sum := sha256.Sum256(message)
		return ecdsa.VerifyASN1(k, sum[:], signature)
	}
	return false
}

// Bounds of a signature in bytes: that of Ed25519, and that of ECDSA P-256 in DER.
const (
	minECDSABytes = 8
	maxECDSABytes = 72
)

// mayBeSignature reports whether the bytes have the length of a signature.
func mayBeSignature(signature []byte) bool {
	n := len(signature)
	return n == ed25519.SignatureSize || n >= minECDSABytes && n <= maxECDSABytes && signature[0] == 0x30 && int(signature[1]) == n-2
}

// wantEd25519 refuses keys that a server or a host cannot have.
func wantEd25519(path string, key hotstick.TrustedKey) error {
	if key.Algorithm() != hotstick.KeyEd25519 {
		return fmt.Errorf("cannot use key file %s: it holds a key for %s, and servers and hosts sign with Ed25519", path, key.Algorithm())
	}
	return nil
}

// savePrivate writes a private key as PKCS #8 in PEM.
func savePrivate(path string, private crypto.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return fmt.Errorf("cannot encode the key: %w", err)
	}
	return SaveSecret(path, &pem.Block{Type: privateType, Bytes: der})
}

func wantType(path string, block *pem.Block, want string) error {
	if block.Type != want {
		return fmt.Errorf("cannot read key file %s: it holds a %.40q, want a %q", path, block.Type, want)
	}
	return nil
}

func readPEM(path string) (*pem.Block, os.FileInfo, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read the key: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read the key: %w", err)
	}
	data, err := io.ReadAll(io.LimitReader(file, maxKeyBytes+1))
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read the key: %w", err)
	}
	block, rest := pem.Decode(data)
	switch {
	case len(data) > maxKeyBytes:
		return nil, nil, fmt.Errorf("cannot read key file %s: it is larger than %d bytes", path, maxKeyBytes)
	case block == nil:
		return nil, nil, fmt.Errorf("cannot read key file %s: it is not PEM", path)
	case len(rest) != 0:
		return nil, nil, fmt.Errorf("cannot read key file %s: something follows the key", path)
	}
	return block, info, nil
}
