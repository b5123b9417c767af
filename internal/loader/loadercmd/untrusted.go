package loadercmd

import (
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/statement"
)

// readUntrusted reads a file that somebody else may have put there: a regular one of
// at most limit bytes. It follows no link at the end of the path, and waits neither for
// a pipe nor for a lease that the file's owner holds, for the loader would wait with it.
func readUntrusted(path string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("cannot read %s: it is not a regular file", path)
	case info.Size() > limit:
		return nil, tooLong(path, limit)
	}
	// It may grow meanwhile.
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = tooLong(path, limit)
	}
	return data, err
}

func tooLong(path string, limit int64) error {
	return fmt.Errorf("cannot read %s: it is longer than %d bytes", path, limit)
}

// maxIdentity bounds the file of a public key, in bytes.
const maxIdentity = 4 << 10

// readIdentity reads the identity key's public half. A file that is not there is
// an fs.ErrNotExist: the host has not been enrolled yet.
func readIdentity(agentDir string) (ed25519.PublicKey, error) {
	data, err := readUntrusted(filepath.Join(agentDir, "identity.pub"), maxIdentity)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the host's identity: %w", err)
	}
	block, rest := pem.Decode(data)
	if block == nil || len(rest) > 0 {
		return nil, errors.New("cannot read the host's identity: it is not one key in PEM")
	}
	key, err := statement.ParsePublic(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("cannot read the host's identity: %w", err)
	}
	if key.Algorithm() != hotstick.KeyEd25519 {
		return nil, errors.New("cannot use the host's identity: it is not an Ed25519 key")
	}
	return ed25519.PublicKey(key), nil
}
