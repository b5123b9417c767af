package identity

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hotstick/hotstick/internal/durable"
)

// Names of an authority's files in its directory.
const (
	CertificateFile = "ca.pem"
	KeyFile         = "ca.key"
	nextCertificate = "next.pem"
	nextKey         = "next.key"
	formerFile      = "former.pem"
)

// Save writes the authority's files into dir, which it makes. It never
// overwrites: a second authority would lock every enrolled host out.
func (a *Authority) Save(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("cannot make the authority's directory: %v", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dir = dir
	return a.shown.save(dir, CertificateFile, KeyFile)
}

func (i issuer) save(dir, certificate, key string) error {
	encoded, err := x509.MarshalPKCS8PrivateKey(i.key)
	if err != nil {
		return fmt.Errorf("cannot encode the authority's key: %v", err)
	}
	if err := durable.Create(filepath.Join(dir, key), 0o600, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})); err != nil {
		return err
	}
	return durable.Create(filepath.Join(dir, certificate), 0o644, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.certificate.Raw}))
}

// OpenAuthority reads the authority that Save wrote into dir, and how far it got
// with changing its key.
func OpenAuthority(dir string) (*Authority, error) {
	shown, err := readIssuer(dir, CertificateFile, KeyFile)
	if errors.Is(err, errOtherKey) {
		// A change of the key was cut short between its two renames, if the next
		// certificate is that of the key; a damaged key is nobody's.
		if next, fits := readIssuer(dir, nextCertificate, KeyFile); fits == nil {
			shown, err = next, os.Rename(filepath.Join(dir, nextCertificate), filepath.Join(dir, CertificateFile))
		}
	}
	if err != nil {
		return nil, err
	}
	a := &Authority{dir: dir, domain: shown.certificate.URIs[0].Host, shown: shown}
	next, err := readIssuer(dir, nextCertificate, nextKey)
	switch {
	case err == nil:
		a.next = &next
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	a.former, err = readFormer(filepath.Join(dir, formerFile))
	return a, err
}

func readIssuer(dir, certificate, key string) (issuer, error) {
	der, err := readPEM(filepath.Join(dir, certificate), "CERTIFICATE")
	if err != nil {
		return issuer{}, err
	}
	encoded, err := readPEM(filepath.Join(dir, key), "PRIVATE KEY")
	if err != nil {
		return issuer{}, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(encoded)
	if err != nil {
		return issuer{}, fmt.Errorf("cannot read the authority's key in %s: %v", dir, err)
	}
	signer, ok := parsed.(crypto.Signer)
	if !ok {
		return issuer{}, fmt.Errorf("cannot use the authority's key in %s: it cannot sign", dir)
	}
	return openIssuer(der, signer)
}

// readFormer reads the certificates of authorities that ended, if there are any.
func readFormer(path string) ([]*x509.Certificate, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the former authorities: %w", err)
	}
	if data, err = durable.Unseal(data); err != nil {
		return nil, fmt.Errorf("cannot read the former authorities in %s: %w; put the file back from a backup", path, err)
	}
	var former []*x509.Certificate
	block, rest := pem.Decode(data)
	for ; block != nil; block, rest = pem.Decode(rest) {
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("cannot read the former authorities in %s: %v", path, err)
		}
		former = append(former, certificate)
	}
	if len(former) == 0 || len(rest) > 0 {
		return nil, fmt.Errorf("cannot read the former authorities in %s: %w; put the file back from a backup", path, durable.ErrDamaged)
	}
	return former, nil
}

// PEM returns the certificates for clients: that of the authority which the server
// shows, and the next one's if there is one.
func (a *Authority) PEM() []byte {
	var out []byte
	for _, i := range a.issuers() {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.certificate.Raw})...)
	}
	return out
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
