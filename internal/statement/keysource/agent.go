package keysource

import (
	"encoding/asn1"
	"fmt"
	"math/big"
	"net"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/statement"
)

// dialTime bounds reaching the agent. Signing has no limit: the agent may ask its
// owner first.
const dialTime = 5 * time.Second

// minDigits is how much of a key ID names a key.
const minDigits = 8

// AgentKey is one key that the ssh-agent holds.
type AgentKey struct {
	Comment string
	// Public is nil if the key cannot sign documents; Problem then says why.
	Public  hotstick.TrustedKey
	Problem error
	// wire is the key as the agent names it.
	wire *agent.Key
}

// fingerprint is the key's name in OpenSSH.
func (k AgentKey) fingerprint() string { return ssh.FingerprintSHA256(k.wire) }

// AgentKeys lists the keys that the ssh-agent at a socket holds.
func AgentKeys(socket string) ([]AgentKey, error) {
	var keys []AgentKey
	err := withAgent(socket, func(a agent.ExtendedAgent) error {
		held, err := a.List()
		if err != nil {
			return fmt.Errorf("%w: %v", ErrNoAgent, err)
		}
		for _, k := range held {
			keys = append(keys, usable(k))
		}
		return nil
	})
	return keys, err
}

// usable finds the key in what the agent says, or why it cannot sign.
func usable(k *agent.Key) AgentKey {
	found := AgentKey{Comment: k.Comment, wire: k}
	parsed, err := ssh.ParsePublicKey(k.Blob)
	if err != nil {
		found.Problem = fmt.Errorf("cannot read it: %w", err)
		return found
	}
	switch public, isCrypto := parsed.(ssh.CryptoPublicKey); {
	case strings.HasPrefix(k.Format, "sk-"):
		found.Problem = ErrSecurityKey
	case k.Format != ssh.KeyAlgoED25519 && k.Format != ssh.KeyAlgoECDSA256 || !isCrypto:
		found.Problem = fmt.Errorf("cannot sign with a key of type %s: want %s or %s", k.Format, ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256)
	default:
		found.Public, found.Problem = hotstick.NewTrustedKey(public.CryptoPublicKey())
	}
	return found
}

func openAgent(which, socket string) (statement.Signer, error) {
	keys, err := AgentKeys(socket)
	if err != nil {
		return nil, err
	}
	var meant []AgentKey
	for _, k := range keys {
		if k.named(which) {
			meant = append(meant, k)
		}
	}
	switch {
	case len(meant) == 0 && which == "":
		return nil, fmt.Errorf("%w: it holds no key that can sign", ErrNoKey)
	case len(meant) == 0:
		return nil, fmt.Errorf("%w: it holds none called %q", ErrNoKey, which)
	case len(meant) > 1:
		return nil, fmt.Errorf("%w: %d are called %q", ErrNoKey, len(meant), which)
	case meant[0].Problem != nil:
		return nil, meant[0].Problem
	}
	return agentSigner{socket: socket, key: meant[0]}, nil
}

// named reports whether the text means this key. The empty text means any that can
// sign.
func (k AgentKey) named(text string) bool {
	if text == "" {
		return k.Problem == nil
	}
	byID := k.Public != nil && len(text) >= minDigits && strings.HasPrefix(statement.KeyID(k.Public), text)
	return text == k.Comment || text == k.fingerprint() || byID
}

// agentSigner signs with one key of an ssh-agent.
type agentSigner struct {
	socket string
	key    AgentKey
}

// Public implements statement.Signer.
func (s agentSigner) Public() hotstick.TrustedKey { return s.key.Public }

// Sign implements statement.Signer.
func (s agentSigner) Sign(message []byte) ([]byte, error) {
	var blob []byte
	err := withAgent(s.socket, func(a agent.ExtendedAgent) error {
		signature, err := a.Sign(s.key.wire, message)
		if err != nil {
			return fmt.Errorf("cannot sign with the ssh-agent: %w", err)
		}
		blob, err = plainSignature(signature)
		return err
	})
	if err != nil {
		return nil, err
	}
	return verified(s.key.Public, message, blob)
}

// plainSignature takes OpenSSH's wrapping off: for ECDSA it writes two numbers where
// everybody else has them in DER.
func plainSignature(signature *ssh.Signature) ([]byte, error) {
	if signature.Format != ssh.KeyAlgoECDSA256 {
		return signature.Blob, nil
	}
	var numbers struct{ R, S *big.Int }
	if err := ssh.Unmarshal(signature.Blob, &numbers); err != nil {
		return nil, fmt.Errorf("cannot read what the ssh-agent signed: %w", err)
	}
	return asn1.Marshal(numbers)
}

// withAgent calls the agent over a connection of its own.
func withAgent(socket string, call func(agent.ExtendedAgent) error) error {
	if socket == "" {
		return fmt.Errorf("%w: SSH_AUTH_SOCK is not set", ErrNoAgent)
	}
	conn, err := net.DialTimeout("unix", socket, dialTime)
	if err != nil {
		return fmt.Errorf("%w: %v", ErrNoAgent, err)
	}
	defer conn.Close()
	return call(agent.NewClient(conn))
}
