package catalog

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/secure-systems-lab/go-securesystemslib/cjson"
	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/strictjson"
)

// tufKey returns a key in TUF's form.
func tufKey(public hotstick.TrustedKey) (*metadata.Key, error) {
	parsed, err := public.Parse()
	if err != nil {
		return nil, err
	}
	key, err := metadata.KeyFromPublicKey(parsed)
	if err != nil {
		return nil, fmt.Errorf("cannot use a public key: %w", err)
	}
	return key, nil
}

// keyID returns TUF's ID of a key: the digest of its canonical JSON.
func keyID(public hotstick.TrustedKey) (string, error) {
	key, err := tufKey(public)
	if err != nil {
		return "", err
	}
	return key.ID()
}

// sign adds the signers' signatures to meta and returns the file's bytes. meta is
// read back first, so that what is signed is what a reader will see.
func sign[T metadata.Roles](meta *metadata.Metadata[T], signers []statement.Signer) ([]byte, error) {
	data, err := meta.ToBytes(false)
	if err != nil {
		return nil, fmt.Errorf("cannot encode metadata: %w", err)
	}
	if meta, err = meta.FromBytes(data); err != nil {
		return nil, fmt.Errorf("cannot encode metadata: %w", err)
	}
	payload, err := cjson.EncodeCanonical(meta.Signed)
	if err != nil {
		return nil, fmt.Errorf("cannot encode metadata: %w", err)
	}
	signed := map[string]bool{}
	for _, s := range meta.Signatures {
		signed[s.KeyID] = true
	}
	for _, s := range signers {
		id, err := keyID(s.Public())
		if err != nil {
			return nil, err
		}
		if signed[id] {
			return nil, fmt.Errorf("cannot sign again: key %s has signed it already", id[:12])
		}
		signed[id] = true
		sig, err := s.Sign(payload)
		if err != nil {
			return nil, fmt.Errorf("cannot sign: %w", err)
		}
		if !statement.Verify(s.Public(), payload, sig) {
			return nil, errors.New("cannot sign: the signer's signature does not fit its public key")
		}
		meta.Signatures = append(meta.Signatures, metadata.Signature{KeyID: id, Signature: sig})
	}
	return meta.ToBytes(true)
}

// Countersign adds a signature to root or targets metadata, for thresholds whose
// keys are not in one place. Signing twice with one key is refused.
func Countersign(document []byte, signer statement.Signer) ([]byte, error) {
	role, err := roleOf(document)
	if err != nil {
		return nil, err
	}
	switch role {
	case roleRoot:
		if _, err := readRoot(document); err != nil {
			return nil, err
		}
		return signAgain(metadata.Root(), document, signer)
	case roleTargets:
		if _, err := readTargets(document); err != nil {
			return nil, err
		}
		return signAgain(metadata.Targets(), document, signer)
	}
	return nil, fmt.Errorf("cannot countersign %.40q metadata: want root or targets", role)
}

func signAgain[T metadata.Roles](meta *metadata.Metadata[T], document []byte, signer statement.Signer) ([]byte, error) {
	meta, err := meta.FromBytes(document)
	if err != nil {
		return nil, refused("%v", err)
	}
	return sign(meta, []statement.Signer{signer})
}

// roleOf returns the role that a document claims.
func roleOf(data []byte) (string, error) {
	if len(data) > MaxTargetsBytes {
		return "", refused("metadata of %d bytes", len(data))
	}
	var doc document[map[string]json.RawMessage]
	if err := strictjson.Unmarshal(data, &doc); err != nil {
		return "", refused("%v", err)
	}
	var role string
	if err := json.Unmarshal(doc.Signed["_type"], &role); err != nil {
		return "", refused("metadata that does not say its role")
	}
	return role, nil
}
