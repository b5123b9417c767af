package keysource

import (
	"errors"
	"fmt"
	"strings"

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
}

// Errors that the command line gives a hint for.
var (
	// ErrNoAgent: no ssh-agent runs, or it does not answer.
	ErrNoAgent = errors.New("cannot reach an ssh-agent")
	// ErrNoKey: the ssh-agent has no such key, or more than one.
	ErrNoKey = errors.New("cannot tell which key of the ssh-agent is meant")
	// ErrSecurityKey: the key is a security key's.
	ErrSecurityKey = errors.New("cannot sign with a security key: it signs a digest with flags and a counter of its own, which is no plain Ed25519 signature over the document")
	// ErrPassphrase: the passphrase does not open the file.
	ErrPassphrase = errors.New("cannot open the key file: the passphrase is wrong")
)

// agentPrefix begins the name of a key in the ssh-agent.
const agentPrefix = "ssh-agent:"

// Open finds the private key of a name; the package comment lists the forms.
func Open(name string, env Environment) (statement.Signer, error) {
	which, inAgent := strings.CutPrefix(name, agentPrefix)
	if !inAgent {
		return openFile(name, env.Ask)
	}
	return openAgent(which, env.AgentSocket)
}

// verified returns the signature if it is one of key over message.
func verified(key hotstick.TrustedKey, message, signature []byte) ([]byte, error) {
	if !statement.Verify(key, message, signature) {
		return nil, fmt.Errorf("cannot use what key %.8s signed: the signature is wrong", statement.KeyID(key))
	}
	return signature, nil
}
