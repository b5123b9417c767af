package statement

import (
	"context"
	"crypto"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/planted"
	"github.com/hotstick/hotstick/internal/strictjson"
)

// Limits of one envelope.
const (
	// MaxPlanBytes bounds the envelope of a plan. A lane has up to a kilobyte and a
	// window 64 bytes, a third more in base64: 5,000 lanes with two levels to go back
	// to and 64 calendars with a window a day for a year are 9 MiB. A check-in and a
	// call of the loader, which carry the envelope, hold 16 MiB.
	MaxPlanBytes = 12 << 20
	// MaxBytes bounds the envelope of every other kind.
	MaxBytes = 256 << 10
	// MaxSignatures bounds the signatures of one envelope.
	MaxSignatures = 64
)

func maxBytes(kind Kind) int {
	if kind == KindPlan {
		return MaxPlanBytes
	}
	return MaxBytes
}

// envelope is a well-formed envelope whose signatures nobody has checked.
type envelope struct {
	dsse    dsse.Envelope
	kind    Kind
	payload []byte
}

// parse reads an envelope of any kind.
func parse(raw []byte) (*envelope, error) {
	if len(raw) > MaxPlanBytes {
		return nil, refuse(hotstick.ReasonSignature, "cannot read a statement of %d bytes: the limit is %d", len(raw), MaxPlanBytes)
	}
	e := &envelope{}
	if err := strictjson.Unmarshal(raw, &e.dsse); err != nil {
		return nil, refuse(hotstick.ReasonSignature, "cannot read the statement: %v", err)
	}
	kind, ok := kindOf(e.dsse.PayloadType)
	if e.kind = kind; !ok {
		return nil, refuse(hotstick.ReasonSignature, "cannot read a statement of type %.80q", e.dsse.PayloadType)
	}
	if len(raw) > maxBytes(e.kind) {
		return nil, refuse(hotstick.ReasonSignature, "cannot read a %s of %d bytes: the limit is %d", e.kind, len(raw), maxBytes(e.kind))
	}
	payload, err := base64.StdEncoding.Strict().DecodeString(e.dsse.Payload)
	if err != nil || base64.StdEncoding.EncodedLen(len(payload)) != len(e.dsse.Payload) {
		return nil, refuse(hotstick.ReasonSignature, "cannot read the %s: its payload is not base64", e.kind)
	}
	e.payload = payload
	return e, checkSignatureForm(e.dsse.Signatures)
}

func checkSignatureForm(signatures []dsse.Signature) error {
	if len(signatures) == 0 || len(signatures) > MaxSignatures {
		return refuse(hotstick.ReasonSignature, "cannot use a statement with %d signatures: want 1 to %d", len(signatures), MaxSignatures)
	}
	seen := map[string]bool{}
	for _, s := range signatures {
		id, err := hex.DecodeString(s.KeyID)
		if err != nil || hex.EncodeToString(id) != s.KeyID || len(id) != 32 {
			return refuse(hotstick.ReasonSignature, "cannot use %.80q as the ID of a key", s.KeyID)
		}
		sig, err := base64.StdEncoding.Strict().DecodeString(s.Sig)
		if err != nil || !mayBeSignature(sig) || len(s.Sig) != base64.StdEncoding.EncodedLen(len(sig)) {
			return refuse(hotstick.ReasonSignature, "cannot use the signature by key %s: want 64 bytes, or at most %d of DER, in base64", short(s.KeyID), maxECDSABytes)
		}
		if seen[s.KeyID] {
			return refuse(hotstick.ReasonSignature, "cannot use a statement that key %s signed twice", short(s.KeyID))
		}
		seen[s.KeyID] = true
	}
	return nil
}

func short(keyID string) string { return keyID[:12] }

// signedBy returns the IDs of those of keys that have validly signed the envelope.
func (e *envelope) signedBy(keys []hotstick.TrustedKey) map[string]bool {
	valid := map[string]bool{}
	named := map[string]bool{}
	for _, s := range e.dsse.Signatures {
		named[s.KeyID] = true
		if planted.Bug("edit-keeps-approvals") {
			valid[s.KeyID] = true
		}
	}
	var verifiers []dsse.Verifier
	for _, k := range keys {
		// Keys that no signature names need no work.
		if v := (verifier{key: k, id: KeyID(k)}); named[v.id] {
			verifiers = append(verifiers, v)
			named[v.id] = false
		}
	}
	if len(verifiers) == 0 {
		return valid
	}
	check, err := dsse.NewMultiEnvelopeVerifier(1, verifiers...)
	if err != nil {
		return valid
	}
	// The error says that no signature was valid, which the empty answer says too.
	accepted, _ := check.Verify(context.Background(), &e.dsse)
	for _, a := range accepted {
		valid[a.KeyID] = true
	}
	return valid
}

// verifier lets the dsse package check signatures by one key.
type verifier struct {
	key hotstick.TrustedKey
	id  string
}

func (v verifier) KeyID() (string, error)   { return v.id, nil }
func (v verifier) Public() crypto.PublicKey { return v.key }

var errWrongSignature = errors.New("cannot verify the signature")

func (v verifier) Verify(_ context.Context, data, sig []byte) error {
	if !Verify(v.key, data, sig) {
		return errWrongSignature
	}
	return nil
}

// signer lets the dsse package sign with one of ours.
type signer struct{ Signer }

func (s signer) KeyID() (string, error) { return KeyID(s.Public()), nil }

func (s signer) Sign(_ context.Context, data []byte) ([]byte, error) {
	sig, err := s.Signer.Sign(data)
	if err != nil {
		return nil, fmt.Errorf("cannot sign: %w", err)
	}
	// A token that signs with another key than it shows would make envelopes
	// that fail only where they arrive.
	if !Verify(s.Public(), data, sig) {
		return nil, errors.New("cannot sign: the signer's signature does not fit its public key")
	}
	return sig, nil
}

// KindOf returns the kind that an envelope claims to be. Nothing is verified yet.
func KindOf(raw []byte) (Kind, error) {
	e, err := parse(raw)
	if err != nil {
		return "", err
	}
	return e.kind, nil
}

// IDOf identifies what a statement says, whoever signed it: the digest of its
// payload. Whoever must take a statement only once goes by it, because the same
// payload with one signature more or less is another envelope. Nothing is verified.
func IDOf(raw []byte) (hotstick.Digest, error) {
	e, err := parse(raw)
	if err != nil {
		return "", err
	}
	return hotstick.NewDigest(e.payload), nil
}

// Sign wraps body in an envelope with the signatures of all signers. body is the
// kind's own type: hotstick.Plan, [Grant], [Ban] and so on (see the
// package's table of kinds). It is validated first, so that a fault shows before it is signed.
func Sign(kind Kind, body any, signers ...Signer) ([]byte, error) {
	if err := validate(kind, body); err != nil {
		return nil, err
	}
	payload, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("cannot encode the %s: %w", kind, err)
	}
	return signPayload(kind, payload, signers)
}

func signPayload(kind Kind, payload []byte, signers []Signer) ([]byte, error) {
	adapters := make([]dsse.Signer, len(signers))
	for i, s := range signers {
		adapters[i] = signer{s}
	}
	es, err := dsse.NewEnvelopeSigner(adapters...)
	if err != nil {
		return nil, fmt.Errorf("cannot sign the %s: %v", kind, err)
	}
	signed, err := es.SignPayload(context.Background(), payloadType(kind), payload)
	if err != nil {
		return nil, fmt.Errorf("cannot sign the %s: %w", kind, err)
	}
	return encode(kind, signed)
}

// AddSignature returns the envelope with one more signature. It refuses a key
// that has signed already. The payload stays byte for byte what it was.
//
// The payload is not checked: whoever signs has read it with [InspectPlan],
// [ParseClear] or [ParseTemplate] before.
func AddSignature(raw []byte, by Signer) ([]byte, error) {
	e, err := parse(raw)
	if err != nil {
		return nil, err
	}
	id := KeyID(by.Public())
	for _, s := range e.dsse.Signatures {
		if s.KeyID == id {
			return nil, fmt.Errorf("cannot sign the %s again: key %s has signed it already", e.kind, short(id))
		}
	}
	sig, err := signer{by}.Sign(context.Background(), dsse.PAE(e.dsse.PayloadType, e.payload))
	if err != nil {
		return nil, err
	}
	e.dsse.Signatures = append(e.dsse.Signatures, dsse.Signature{KeyID: id, Sig: base64.StdEncoding.EncodeToString(sig)})
	return encode(e.kind, &e.dsse)
}

// encode writes an envelope and makes sure that a reader will take it.
func encode(kind Kind, e *dsse.Envelope) ([]byte, error) {
	if err := checkSignatureForm(e.Signatures); err != nil {
		return nil, err
	}
	raw, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("cannot encode the %s: %w", kind, err)
	}
	if len(raw) > maxBytes(kind) {
		return nil, fmt.Errorf("cannot sign a %s of %d bytes: the limit is %d", kind, len(raw), maxBytes(kind))
	}
	return raw, nil
}
