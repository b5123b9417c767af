package keysource

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"golang.org/x/crypto/ssh"

	"github.com/hotstick/hotstick/internal/statement"
)

// openSSHType is the PEM type of OpenSSH's key files.
const openSSHType = "OPENSSH PRIVATE KEY"

// openFile reads a key file of either format.
func openFile(path string, ask func(string) ([]byte, error)) (statement.Signer, error) {
	block, err := statement.ReadSecret(path)
	if err != nil {
		return nil, err
	}
	if block.Type != openSSHType {
		return statement.LoadAnySigner(path)
	}
	text := pem.EncodeToMemory(block)
	key, err := ssh.ParseRawPrivateKey(text)
	if missing := (*ssh.PassphraseMissingError)(nil); errors.As(err, &missing) {
		key, err = decrypt(path, text, ask)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot use key file %s: %w", path, err)
	}
	signer, err := statement.NewSigner(key)
	if err != nil {
		return nil, fmt.Errorf("cannot use key file %s: %w", path, err)
	}
	return signer, nil
}

func decrypt(path string, text []byte, ask func(string) ([]byte, error)) (any, error) {
	passphrase, err := ask("passphrase of " + path)
	if err != nil {
		return nil, err
	}
	defer clear(passphrase)
	key, err := ssh.ParseRawPrivateKeyWithPassphrase(text, passphrase)
	if errors.Is(err, x509.IncorrectPasswordError) {
		return nil, ErrPassphrase
	}
	return key, err
}

// SaveEncrypted writes a new key file that only the passphrase opens, mode 0600, and
// syncs it. The key is of crypto/ed25519 or crypto/ecdsa. It never overwrites a key: the error then wraps fs.ErrExist.
func SaveEncrypted(path string, key crypto.PrivateKey, comment string, passphrase []byte) error {
	block, err := ssh.MarshalPrivateKeyWithPassphrase(key, comment, passphrase)
	if err != nil {
		return fmt.Errorf("cannot encrypt the key: %w", err)
	}
	return statement.SaveSecret(path, block)
}
