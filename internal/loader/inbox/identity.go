package inbox

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/hotstick/hotstick/internal/durable"
	"github.com/hotstick/hotstick/internal/statement"
)

// Identity reads, from an agent's directory, the identity key's public half. A file that is not there is
// an fs.ErrNotExist: the host has not been enrolled yet.
func Identity(agentDir string) (ed25519.PublicKey, error) {
	data, err := durable.ReadUntrusted(filepath.Join(agentDir, "identity.pub"), statement.MaxIdentityBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the host's identity: %w", err)
	}
	return statement.DecodeIdentity(data)
}
