package audit

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/statement"
)

// Origin is the first line of every checkpoint, and the name of the key that
// signed it.
const Origin = "hotstick/audit"

// MaxNoteBytes bounds a signed checkpoint; real ones have some 300 bytes.
const MaxNoteBytes = 4 << 10

// Errors of checkpoints that a reader acts on.
var (
	// ErrUnsigned: no online key that the catalog's root names has signed it.
	ErrUnsigned = errors.New("cannot trust the checkpoint: no online key of the catalog's root has signed it")
	// ErrOtherEpoch: it is of another epoch than the catalog's root.
	ErrOtherEpoch = errors.New("cannot use the checkpoint: it is of another epoch than the catalog's root")
)

// Checkpoint is a head that a server stands by.
type Checkpoint struct {
	Head
	// Epoch is that of the server's trust.
	Epoch uint64
	// At is when it was made, in UTC and whole seconds.
	At time.Time
}

// text is what is signed. It is the only way of writing a checkpoint.
func (c Checkpoint) text() string {
	return fmt.Sprintf("%s\n%d\n%s\nepoch %d\ntime %s\n", Origin, c.Size, base64.StdEncoding.EncodeToString(c.Root[:]),
		c.Epoch, c.At.UTC().Format(time.RFC3339))
}

// SignCheckpoint returns the checkpoint as a signed note.
func SignCheckpoint(c Checkpoint, key statement.Signer) ([]byte, error) {
	c.At = c.At.UTC().Truncate(time.Second)
	verifier, err := verifierOf(ed25519.PublicKey(key.Public()))
	if err != nil {
		return nil, err
	}
	signed, err := note.Sign(&note.Note{Text: c.text()}, signer{verifier, key})
	if err != nil {
		return nil, fmt.Errorf("cannot sign a checkpoint of the audit log: %w", err)
	}
	return signed, nil
}

// OpenCheckpoint verifies a signed checkpoint against the trust in the catalog's
// root: by one of its online keys, and of its epoch.
func OpenCheckpoint(signed []byte, trust hotstick.Trust) (Checkpoint, error) {
	if len(signed) > MaxNoteBytes {
		return Checkpoint{}, fmt.Errorf("cannot use a checkpoint of %d bytes: the limit is %d", len(signed), MaxNoteBytes)
	}
	var known []note.Verifier
	for _, key := range trust.ServerKeys {
		v, err := verifierOf(ed25519.PublicKey(key))
		if err != nil {
			return Checkpoint{}, err
		}
		known = append(known, v)
	}
	opened, err := note.Open(signed, note.VerifierList(known...))
	if err != nil {
		return Checkpoint{}, ErrUnsigned
	}
	c, err := parseText(opened.Text)
	if err == nil && c.Epoch != trust.Epoch {
		err = ErrOtherEpoch
	}
	return c, err
}

// ParseCheckpoint reads a checkpoint without looking at its signatures: one that
// was verified when it was kept, or one that is only shown.
func ParseCheckpoint(signed []byte) (Checkpoint, error) {
	if len(signed) > MaxNoteBytes {
		return Checkpoint{}, fmt.Errorf("cannot use a checkpoint of %d bytes: the limit is %d", len(signed), MaxNoteBytes)
	}
	text, _, found := strings.Cut(string(signed), "\n\n")
	if !found {
		return Checkpoint{}, errors.New("cannot read a checkpoint without a signature")
	}
	return parseText(text + "\n")
}

// parseText reads what was signed. What it would not write itself it refuses, so
// one checkpoint has one text.
func parseText(text string) (Checkpoint, error) {
	malformed := errors.New("cannot read the checkpoint: it is malformed")
	lines := strings.Split(text, "\n")
	if len(lines) != 6 {
		return Checkpoint{}, malformed
	}
	var c Checkpoint
	var errs [4]error
	c.Size, errs[0] = strconv.ParseInt(lines[1], 10, 64)
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if errs[1] = err; len(root) != len(c.Root) {
		return Checkpoint{}, malformed
	}
	copy(c.Root[:], root)
	c.Epoch, errs[2] = strconv.ParseUint(strings.TrimPrefix(lines[3], "epoch "), 10, 64)
	c.At, errs[3] = time.Parse(time.RFC3339, strings.TrimPrefix(lines[4], "time "))
	if errors.Join(errs[:]...) != nil || c.Size < 0 || c.text() != text {
		return Checkpoint{}, malformed
	}
	return c, nil
}

// VerifierKey is the online key in the form of note verifiers, for an export that
// other programs can check.
func VerifierKey(key ed25519.PublicKey) (string, error) {
	text, err := note.NewEd25519VerifierKey(Origin, key)
	if err != nil {
		return "", fmt.Errorf("cannot use an online key for the audit log: %w", err)
	}
	return text, nil
}

func verifierOf(key ed25519.PublicKey) (note.Verifier, error) {
	text, err := VerifierKey(key)
	if err != nil {
		return nil, err
	}
	return note.NewVerifier(text)
}

// ParseVerifierKey reads what [VerifierKey] wrote.
func ParseVerifierKey(text string) (ed25519.PublicKey, error) {
	v, err := note.NewVerifier(text)
	if err != nil || v.Name() != Origin {
		return nil, fmt.Errorf("cannot read %.80q as a key of the audit log", text)
	}
	// NewVerifier has checked all of its three parts.
	_, key, _ := strings.Cut(strings.TrimPrefix(text, Origin+"+"), "+")
	raw, err := base64.StdEncoding.DecodeString(key)
	if err != nil || len(raw) != 1+ed25519.PublicKeySize {
		return nil, fmt.Errorf("cannot read %.80q as a key of the audit log", text)
	}
	return ed25519.PublicKey(raw[1:]), nil
}

// signer makes a note signer of any key that can sign.
type signer struct {
	note.Verifier
	key statement.Signer
}

// Sign implements note.Signer.
func (s signer) Sign(message []byte) ([]byte, error) { return s.key.Sign(message) }
