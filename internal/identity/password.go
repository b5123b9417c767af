package identity

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"github.com/hotstick/hotstick"
)

// How passwords are hashed: Argon2id, with three passes over 64 MiB in one lane.
// RFC 9106 recommends three passes over 64 MiB as its second choice, for where
// memory is scarce; its four lanes would only let one guess use four cores.
const (
	hashMemory = 64 << 10 // KiB
	hashPasses = 3
	hashLanes  = 1
	saltBytes  = 16
	hashBytes  = 32
)

// Lengths of passwords, in bytes. There is no rule of what must be in one.
const (
	MinPassword = 12
	MaxPassword = 256
)

// MaxHashing is how many passwords are hashed at once, so that signing in takes at
// most so many times 64 MiB; MaxWaiting is how many more may wait for their turn.
const (
	MaxHashing = 2
	MaxWaiting = 16
)

// Errors of passwords.
var (
	// ErrPassword: an unknown person, a person without a password, a disabled account
	// or a wrong password. Nobody is told which.
	ErrPassword = errors.New("cannot sign in with this person and password")
	// ErrBusy: too many are signing in at this moment.
	ErrBusy = errors.New("cannot check a password now: too many are signing in")
)

// Passwords hashes and checks passwords, a few at a time. It is safe for use by
// several goroutines.
type Passwords struct {
	// turns has an element for each that is being hashed, queue one for each that is
	// hashed or waits.
	turns, queue chan struct{}
	// nobody is the hash that is checked for persons who have none, so that it takes as
	// long.
	nobody string
}

// NewPasswords makes a checker of passwords.
func NewPasswords() (*Passwords, error) {
	p := &Passwords{turns: make(chan struct{}, MaxHashing), queue: make(chan struct{}, MaxHashing+MaxWaiting)}
	var secret, salt [saltBytes]byte
	if _, err := rand.Read(secret[:]); err != nil {
		return nil, fmt.Errorf("cannot make a password that nobody has: %v", err)
	}
	if _, err := rand.Read(salt[:]); err != nil {
		return nil, fmt.Errorf("cannot make a salt: %v", err)
	}
	p.nobody = encodeHash(salt[:], argon2.IDKey(secret[:], salt[:], hashPasses, hashMemory, hashLanes, hashBytes))
	return p, nil
}

// Hash returns what is kept of a password. The error is [ErrBusy], that of the
// context, or says what is wrong with the password.
func (p *Passwords) Hash(ctx context.Context, person hotstick.Person, password string) (string, error) {
	if err := CheckPassword(person, password); err != nil {
		return "", err
	}
	done, err := p.turn(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	var salt [saltBytes]byte
	if _, err := rand.Read(salt[:]); err != nil {
		return "", fmt.Errorf("cannot make a salt: %v", err)
	}
	return encodeHash(salt[:], argon2.IDKey([]byte(password), salt[:], hashPasses, hashMemory, hashLanes, hashBytes)), nil
}

// Check reports whether a password is the one that a hash was made of, in the same
// time for an empty hash. The error is [ErrBusy] or that of the context.
func (p *Passwords) Check(ctx context.Context, hash, password string) (bool, error) {
	if len(password) > MaxPassword {
		password = "" // no password is that long, nor empty
	}
	known := hash != ""
	if !known {
		hash = p.nobody
	}
	salt, want, err := decodeHash(hash)
	if err != nil {
		return false, err
	}
	done, err := p.turn(ctx)
	if err != nil {
		return false, err
	}
	defer done()
	got := argon2.IDKey([]byte(password), salt, hashPasses, hashMemory, hashLanes, hashBytes)
	return subtle.ConstantTimeCompare(got, want) == 1 && known, nil
}

// turn waits until a password may be hashed; done ends it.
func (p *Passwords) turn(ctx context.Context) (done func(), err error) {
	select {
	case p.queue <- struct{}{}:
	default:
		return nil, ErrBusy
	}
	select {
	case p.turns <- struct{}{}:
		return func() { <-p.turns; <-p.queue }, nil
	case <-ctx.Done():
		<-p.queue
		return nil, ctx.Err()
	}
}

// CheckPassword refuses passwords that cannot be chosen. The error does not repeat
// the password.
func CheckPassword(person hotstick.Person, password string) error {
	switch {
	case len(password) < MinPassword:
		return fmt.Errorf("cannot use this password: it has fewer than %d characters", MinPassword)
	case len(password) > MaxPassword:
		return fmt.Errorf("cannot use this password: it has more than %d bytes", MaxPassword)
	case !utf8.ValidString(password):
		return errors.New("cannot use this password: it is no text")
	case strings.Count(password, password[:1]) == len(password):
		return errors.New("cannot use this password: it is one character, repeated")
	case strings.EqualFold(strings.Repeat(string(person), len(password)/max(len(person), 1)), password):
		return errors.New("cannot use this password: it is the person's name")
	}
	return nil
}

// hashPrefix begins every hash: the usual way to write the parameters, so that
// another version can tell which ones made it.
var hashPrefix = fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$", argon2.Version, hashMemory, hashPasses, hashLanes)

func encodeHash(salt, hash []byte) string {
	return hashPrefix + base64.RawStdEncoding.EncodeToString(salt) + "$" + base64.RawStdEncoding.EncodeToString(hash)
}

func decodeHash(text string) (salt, hash []byte, err error) {
	rest, ours := strings.CutPrefix(text, hashPrefix)
	first, second, _ := strings.Cut(rest, "$")
	salt, err1 := base64.RawStdEncoding.DecodeString(first)
	hash, err2 := base64.RawStdEncoding.DecodeString(second)
	if !ours || err1 != nil || err2 != nil || len(salt) != saltBytes || len(hash) != hashBytes {
		return nil, nil, errors.New("cannot read a stored password: it was hashed in another way")
	}
	return salt, hash, nil
}
