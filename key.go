package hotstick

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"fmt"
)

// TrustedKey is a public key. 32 bytes are an Ed25519 key. 65 bytes are a key for
// ECDSA on P-256 with SHA-256: its point, uncompressed (SEC 1), which is 4 and then
// the coordinates. Each key has one such form, so two that differ are two keys.
//
// Persons, root keys, publishers and their delegates may have either, because few
// tokens that hold a person's key sign long documents with Ed25519. The keys of
// servers and hosts are Ed25519.
type TrustedKey []byte

// KeyAlgorithm says what a key signs with. The set is closed.
type KeyAlgorithm string

// The algorithms.
const (
	KeyEd25519 KeyAlgorithm = "ed25519"
	KeyP256    KeyAlgorithm = "p256"
)

// p256Size is the length of an uncompressed point of P-256 in bytes.
const p256Size = 65

// NewTrustedKey returns the form of a key of crypto/ed25519 or of crypto/ecdsa on
// P-256. It refuses every other key.
func NewTrustedKey(public crypto.PublicKey) (TrustedKey, error) {
	switch k := public.(type) {
	case ed25519.PublicKey:
		key := TrustedKey(bytes.Clone(k))
		return key, key.Validate()
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() {
			return nil, fmt.Errorf("cannot use an ECDSA key on another curve: want P-256")
		}
		point, err := k.Bytes()
		if err != nil {
			return nil, fmt.Errorf("cannot use an ECDSA key: %w", err)
		}
		return point, nil
	}
	return nil, fmt.Errorf("cannot use a key of type %T: want Ed25519 or ECDSA P-256", public)
}

// Parse returns the key as an ed25519.PublicKey or an *ecdsa.PublicKey on P-256.
// Whatever is neither is refused, a point off the curve too.
func (k TrustedKey) Parse() (crypto.PublicKey, error) {
	switch len(k) {
	case ed25519.PublicKeySize:
		return ed25519.PublicKey(k), nil
	case p256Size:
		point, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), k)
		if err != nil {
			return nil, fmt.Errorf("cannot use a key of %d bytes: it is no point of P-256", len(k))
		}
		return point, nil
	}
	return nil, fmt.Errorf("cannot use a key of %d bytes: want %d for Ed25519 or %d for ECDSA P-256", len(k), ed25519.PublicKeySize, p256Size)
}

// Validate reports why the key cannot be used.
func (k TrustedKey) Validate() error {
	_, err := k.Parse()
	return err
}

// Algorithm returns what the key signs with, going by its length alone; it is empty
// for what is no key.
func (k TrustedKey) Algorithm() KeyAlgorithm {
	switch len(k) {
	case ed25519.PublicKeySize:
		return KeyEd25519
	case p256Size:
		return KeyP256
	}
	return ""
}

// Equal reports whether both are one key.
func (k TrustedKey) Equal(other TrustedKey) bool { return bytes.Equal(k, other) }
