package statement

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Signer holds one Ed25519 key and signs with it: a key file ([LoadSigner]), an
// agent or a token.
type Signer interface {
	// Public returns the public key, 32 bytes.
	Public() ed25519.PublicKey
	// Sign returns the signature over message, 64 bytes.
	Sign(message []byte) ([]byte, error)
}

// Key is a private key in memory. It implements [Signer].
type Key struct{ private ed25519.PrivateKey }

// GenerateKey makes a key from random (crypto/rand.Reader in production).
func GenerateKey(random io.Reader) (*Key, error) {
	seed := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(random, seed); err != nil {
		return nil, fmt.Errorf("cannot make a key: %w", err)
	}
	return NewKey(seed)
}

// NewKey makes a key from its 32-byte seed.
func NewKey(seed []byte) (*Key, error) {
	if len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("cannot make a key from %d bytes: want %d", len(seed), ed25519.SeedSize)
	}
	return &Key{private: ed25519.NewKeyFromSeed(seed)}, nil
}

// Private returns the key itself, for whoever keeps it in a format of his own.
func (k *Key) Private() ed25519.PrivateKey { return k.private }

// Public implements [Signer].
func (k *Key) Public() ed25519.PublicKey { return k.private.Public().(ed25519.PublicKey) }

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
func (k *Key) Save(path string) error {
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		return fmt.Errorf("cannot encode the key: %w", err)
	}
	return SaveSecret(path, &pem.Block{Type: privateType, Bytes: der})
}

// SaveSecret writes a private key in any format to a new file (mode 0600) and syncs
// it. It never overwrites a key: the error then wraps fs.ErrExist.
func SaveSecret(path string, block *pem.Block) error {
	return writeNew(path, pem.EncodeToMemory(block), 0o600)
}

// ReadSecret reads a private key file in any format. It refuses a file that others
// than its owner may read or write, with the command that mends it.
func ReadSecret(path string) (*pem.Block, error) {
	block, info, err := readPEM(path)
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("cannot use key file %s: others may read it (mode %04o); run: chmod 600 %s", path, mode, path)
	}
	return block, nil
}

// LoadSigner reads a key file that [Key.Save] wrote, as [ReadSecret] does.
func LoadSigner(path string) (Signer, error) {
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
	private, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("cannot use key file %s: it holds a %T, want Ed25519", path, key)
	}
	return &Key{private: private}, nil
}

// SavePublic writes a public key to a new file (PKIX in PEM, mode 0644).
func SavePublic(path string, key ed25519.PublicKey) error {
	if len(key) != ed25519.PublicKeySize {
		return fmt.Errorf("cannot save a public key of %d bytes: want %d", len(key), ed25519.PublicKeySize)
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return fmt.Errorf("cannot encode the public key: %w", err)
	}
	return writeNew(path, pem.EncodeToMemory(&pem.Block{Type: publicType, Bytes: der}), 0o644)
}

// LoadPublic reads a public key file.
func LoadPublic(path string) (ed25519.PublicKey, error) {
	block, _, err := readPEM(path)
	if err == nil {
		err = wantType(path, block, publicType)
	}
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("cannot read public key file %s: %v", path, err)
	}
	public, ok := key.(ed25519.PublicKey)
	if !ok {
		return nil, fmt.Errorf("cannot use public key file %s: it holds a %T, want Ed25519", path, key)
	}
	return public, nil
}

// KeyID names a key in envelopes: the SHA-256 digest of its 32 bytes in hexadecimal.
func KeyID(key ed25519.PublicKey) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:])
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

// writeNew creates a file durably: a key that signed something must still be
// there after a power cut.
func writeNew(path string, data []byte, mode os.FileMode) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return fmt.Errorf("cannot write the key: %w", err)
	}
	_, err = file.Write(data)
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("cannot write the key: %w", err)
	}
	return nil
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
