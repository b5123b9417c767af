package identity

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
)

// Names of an authority's files in its directory.
const (
	CertificateFile = "ca.pem"
	KeyFile         = "ca.key"
)

// Save writes the authority's files into dir, which it makes. It never
// overwrites: a second authority would lock every enrolled host out.
func (a *Authority) Save(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("cannot make the authority's directory: %v", err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		return fmt.Errorf("cannot encode the authority's key: %v", err)
	}
	if err := writeNew(filepath.Join(dir, KeyFile), "PRIVATE KEY", key, 0o600); err != nil {
		return err
	}
	return writeNew(filepath.Join(dir, CertificateFile), "CERTIFICATE", a.certificate.Raw, 0o644)
}

// OpenAuthority reads the authority that Save wrote into dir.
func OpenAuthority(dir string) (*Authority, error) {
	der, err := readPEM(filepath.Join(dir, CertificateFile), "CERTIFICATE")
	if err != nil {
		return nil, err
	}
	encoded, err := readPEM(filepath.Join(dir, KeyFile), "PRIVATE KEY")
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(encoded)
	if err != nil {
		return nil, fmt.Errorf("cannot read the authority's key in %s: %v", dir, err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("cannot use the authority's key in %s: it cannot sign", dir)
	}
	return openAuthority(der, signer)
}

// PEM returns the authority's certificate for clients.
func (a *Authority) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw})
}

// writeNew writes one PEM block to a file that must not exist, durably.
func writeNew(path, kind string, data []byte, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	err = pem.Encode(f, &pem.Block{Type: kind, Bytes: data})
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	return nil
}

func readPEM(path, kind string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", path, err)
	}
	block, rest := pem.Decode(data)
	if block == nil || block.Type != kind || len(rest) > 0 {
		return nil, fmt.Errorf("cannot read %s: want one PEM block %s", path, kind)
	}
	return block.Bytes, nil
}
