package keysource

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"os"
	"slices"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/statement"
)

// maxPINBytes bounds a PIN; tokens take far less.
const maxPINBytes = 255

// TokenKey is one key of a token.
type TokenKey struct {
	// Name is what opens it, without a PIN's file and without the module.
	Name string
	// Label is the key's on its token.
	Label string
	// Public is nil if the key cannot sign documents; Problem then says why.
	Public  hotstick.TrustedKey
	Problem error
}

// TokenKeys lists the keys of the tokens that a URI means.
func TokenKeys(name string, env Environment) ([]TokenKey, error) {
	u, m, err := findModule(name, env)
	if err != nil {
		return nil, err
	}
	slots, err := m.slots()
	if err != nil {
		return nil, err
	}
	slots = slices.DeleteFunc(slots, func(s slot) bool { return u.Token != "" && s.label != u.Token })
	if len(slots) == 0 {
		return nil, noToken(u)
	}
	var keys []TokenKey
	for _, s := range slots {
		objects, err := m.objects(s)
		if err != nil {
			return nil, err
		}
		for _, o := range matching(objects, u) {
			name := tokenURI{Token: s.label, ID: o.id}
			if isPlain(o.label) {
				name.Object = o.label
			}
			key := TokenKey{Name: name.String(), Label: o.label}
			key.Public, key.Problem = m.public(s, o, objects)
			keys = append(keys, key)
		}
	}
	return keys, nil
}

func noToken(u tokenURI) error {
	if u.Token == "" {
		return fmt.Errorf("%w: there is none", ErrNoToken)
	}
	return fmt.Errorf("%w: there is none called %q", ErrNoToken, u.Token)
}

// findModule reads the name of a key and finds the library of its token.
func findModule(name string, env Environment) (tokenURI, module, error) {
	u, err := parseTokenURI(name)
	if err != nil {
		return u, module{}, err
	}
	m := module{path: cmp.Or(u.Module, env.TokenModule), patience: cmp.Or(env.TokenTime, tokenTime)}
	if m.path == "" {
		return u, m, fmt.Errorf("%w: none is named", ErrNoModule)
	}
	return u, m, checkModule(m.path)
}

func openToken(name string, env Environment) (statement.Signer, error) {
	u, m, err := findModule(name, env)
	if err != nil {
		return nil, err
	}
	s, err := m.slot(u)
	if err != nil {
		return nil, err
	}
	objects, err := m.objects(s)
	if err != nil {
		return nil, err
	}
	meant := matching(objects, u)
	if len(meant) != 1 {
		return nil, fmt.Errorf("%w: token %q has %d such keys, of %d", ErrNoTokenKey, s.label, len(meant), len(objects))
	}
	public, err := m.public(s, meant[0], objects)
	if err != nil {
		return nil, err
	}
	// Later only this very token is asked, even if the URI would fit another one.
	u.Token = s.label
	return &tokenSigner{module: m, uri: u, id: meant[0].id, public: public, ask: env.Ask}, nil
}

// slots lists the slots with an initialised token.
func (m module) slots() ([]slot, error) {
	out, err := m.run(nil, nil, "--list-token-slots")
	if err != nil {
		return nil, err
	}
	return parseSlots(string(out)), nil
}

// slot finds the one token that a URI means. The tool's own search goes by the
// beginning of a label and takes the first that fits: a PIN could go to somebody
// else's token.
func (m module) slot(u tokenURI) (slot, error) {
	slots, err := m.slots()
	if err != nil {
		return slot{}, err
	}
	slots = slices.DeleteFunc(slots, func(s slot) bool { return u.Token != "" && s.label != u.Token })
	switch {
	case len(slots) == 0:
		return slot{}, noToken(u)
	case len(slots) > 1:
		return slot{}, fmt.Errorf("%w: there are %d that fit", ErrNoToken, len(slots))
	}
	return slots[0], nil
}

// objects lists the public keys of a token.
func (m module) objects(s slot) ([]object, error) {
	out, err := m.run(nil, nil, "--slot", s.id, "--list-objects", "--type", "pubkey")
	if err != nil {
		return nil, err
	}
	return parseObjects(string(out)), nil
}

// public reads a key, or says why it cannot sign documents. all are the keys of its
// token: the tool signs with the first private key of an ID, so the ID must say
// which.
func (m module) public(s slot, o object, all []object) (hotstick.TrustedKey, error) {
	same := 0
	for _, other := range all {
		if bytes.Equal(other.id, o.id) {
			same++
		}
	}
	switch {
	case o.doubtful:
		return nil, fmt.Errorf("%w: its label or its ID cannot be read", ErrNoTokenKey)
	case len(o.id) == 0:
		return nil, fmt.Errorf("%w: it has no ID; give it one with %s --set-id", ErrNoTokenKey, toolName)
	case same > 1:
		return nil, fmt.Errorf("%w: %d keys of the token have the ID %x", ErrNoTokenKey, same, o.id)
	}
	out, err := m.run(nil, nil, "--slot", s.id, "--read-object", "--type", "pubkey", "--id", hex.EncodeToString(o.id))
	if err != nil {
		return nil, err
	}
	return parseTokenKey(out)
}

// parseTokenKey reads a public key as the tool writes it: DER, or PEM for Edwards
// keys. It takes ECDSA P-256 only.
func parseTokenKey(out []byte) (hotstick.TrustedKey, error) {
	if block, rest := pem.Decode(out); block != nil && len(rest) == 0 {
		out = block.Bytes
	}
	key, err := statement.ParsePublic(out)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: it is no ECDSA P-256 key", ErrNoTokenKey)
	case key.Algorithm() == hotstick.KeyEd25519:
		return nil, ErrTokenEd25519
	}
	return key, nil
}

// tokenSigner signs with one key of a token. Every signature finds the token anew:
// it may have been pulled out since, and another one put in.
type tokenSigner struct {
	module module
	uri    tokenURI
	id     []byte
	public hotstick.TrustedKey
	ask    func(string) ([]byte, error)
	// pin is kept once the token has taken it, for the next document.
	pin []byte
}

// Public implements statement.Signer.
func (s *tokenSigner) Public() hotstick.TrustedKey { return s.public }

// Sign implements statement.Signer. The token signs the message's digest, so the
// message may be as long as it likes.
func (s *tokenSigner) Sign(message []byte) ([]byte, error) {
	at, err := s.module.slot(s.uri)
	if err != nil {
		return nil, err
	}
	pin, err := s.secret()
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(message)
	signature, err := s.module.run(sum[:], pin, "--slot", at.id, "--sign", "--mechanism", "ECDSA", "--signature-format", "sequence", "--id", hex.EncodeToString(s.id))
	if err != nil {
		// A wrong PIN must not be tried again by itself: a few lock the token.
		clear(pin)
		s.pin = nil
		return nil, err
	}
	s.pin = pin
	return verified(s.public, message, signature)
}

// secret returns the token's PIN.
func (s *tokenSigner) secret() ([]byte, error) {
	if s.pin != nil {
		return s.pin, nil
	}
	pin, err := s.askPIN()
	if err != nil {
		return nil, err
	}
	if len(pin) == 0 || len(pin) > maxPINBytes || bytes.IndexByte(pin, 0) >= 0 {
		return nil, fmt.Errorf("cannot use a PIN of %d bytes: want 1 to %d, of text", len(pin), maxPINBytes)
	}
	return pin, nil
}

func (s *tokenSigner) askPIN() ([]byte, error) {
	if s.uri.PINSource == "" {
		return s.ask(fmt.Sprintf("PIN of token %q", s.uri.Token))
	}
	info, err := os.Stat(s.uri.PINSource)
	if err != nil {
		return nil, fmt.Errorf("cannot read the PIN: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 || info.Size() > maxPINBytes+1 {
		return nil, fmt.Errorf("cannot use the PIN in %s: others may read it (mode %04o), or it is long; run: chmod 600 %s", s.uri.PINSource, mode, s.uri.PINSource)
	}
	raw, err := os.ReadFile(s.uri.PINSource)
	if err != nil {
		return nil, fmt.Errorf("cannot read the PIN: %w", err)
	}
	return bytes.TrimRight(raw, "\r\n"), nil
}
