package keysource

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/statement"
)

// Environment is what opening a key may need.
type Environment struct {
	// Ask asks a person for a secret; what says for which key. The caller of Ask
	// wipes what it returns.
	Ask func(what string) ([]byte, error)
	// AgentSocket is the ssh-agent's socket, as SSH_AUTH_SOCK has it.
	AgentSocket string
	// TokenModule is the full path of the PKCS#11 library to use where the key's name
	// has none.
	TokenModule string
	// TokenTime bounds each use of a token, which may wait for a touch; zero means a
	// minute.
	TokenTime time.Duration
}

// Errors that the command line gives a hint for.
var (
	// ErrNoAgent: no ssh-agent runs, or it does not answer.
	ErrNoAgent = errors.New("cannot reach an ssh-agent")
	// ErrNoKey: the ssh-agent has no such key, or more than one.
	ErrNoKey = errors.New("cannot tell which key of the ssh-agent is meant")
	// ErrSecurityKey: the key is a security key's.
	ErrSecurityKey = errors.New("cannot sign with a security key: it signs a digest with flags and a counter of its own, which is no plain signature over the document")
	// ErrPassphrase: the passphrase does not open the file.
	ErrPassphrase = errors.New("cannot open the key file: the passphrase is wrong")
	// ErrNoTool: the program that speaks to tokens is not installed.
	ErrNoTool = errors.New("cannot use a token: " + toolName + " is not installed")
	// ErrNoModule: the token's library is not named, or cannot be loaded.
	ErrNoModule = errors.New("cannot load the library that speaks for the token")
	// ErrNoToken: no such token is there, or more than one; it may have been pulled out.
	ErrNoToken = errors.New("cannot find the token")
	// ErrNoTokenKey: the token has no such key, more than one, or none that can sign.
	ErrNoTokenKey = errors.New("cannot use a key of the token")
	// ErrTokenEd25519: the key is Ed25519.
	ErrTokenEd25519 = errors.New("cannot sign with an Ed25519 key on a token: " + toolName + " signs at most 1,024 bytes with it, and a plan is longer")
	// ErrPIN: the token does not take the PIN.
	ErrPIN = errors.New("cannot open the token: the PIN is wrong")
	// ErrPINLocked: too many wrong PINs.
	ErrPINLocked = errors.New("cannot open the token: it is locked after too many wrong PINs")
)

// agentPrefix begins the name of a key in the ssh-agent.
const agentPrefix = "ssh-agent:"

// Open finds the private key of a name; the package comment lists the forms.
func Open(name string, env Environment) (statement.Signer, error) {
	if strings.HasPrefix(name, tokenPrefix) {
		return openToken(name, env)
	}
	if which, inAgent := strings.CutPrefix(name, agentPrefix); inAgent {
		return openAgent(which, env.AgentSocket)
	}
	return openFile(name, env.Ask)
}

// verified returns the signature if it is one of key over message.
func verified(key hotstick.TrustedKey, message, signature []byte) ([]byte, error) {
	if !statement.Verify(key, message, signature) {
		return nil, fmt.Errorf("cannot use what key %.8s signed: the signature is wrong", statement.KeyID(key))
	}
	return signature, nil
}
