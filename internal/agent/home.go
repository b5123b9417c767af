package agent

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/audit"
	"github.com/hotstick/hotstick/internal/durable"
	"github.com/hotstick/hotstick/internal/statement"
)

// Home is the agent's directory; the package comment lists its files.
type Home struct{ dir string }

// OpenHome makes the directory if it is not there.
func OpenHome(dir string) (*Home, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("cannot make the agent's directory: %w", err)
	}
	return &Home{dir: dir}, nil
}

func (h *Home) path(name string) string { return filepath.Join(h.dir, name) }

// CatalogDir is where the agent keeps its verified copy of the catalog.
func (h *Home) CatalogDir() string { return h.path("catalog") }

// Audit opens what the agent remembers of the server's audit log.
func (h *Home) Audit() (*audit.Memory, error) { return audit.OpenMemory(h.path("audit")) }

// Root returns the catalog's root as it was enrolled.
func (h *Home) Root() ([]byte, error) { return os.ReadFile(h.path("root.json")) }

// Identity returns the host's identity key, making it the first time.
func (h *Home) Identity() (statement.Signer, error) {
	signer, err := statement.LoadSigner(h.path("identity.key"))
	if errors.Is(err, fs.ErrNotExist) {
		key, err := statement.GenerateKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		if err := key.Save(h.path("identity.key")); err != nil {
			return nil, err
		}
		signer = key
	} else if err != nil {
		return nil, err
	}
	public, err := statement.LoadPublic(h.path("identity.pub"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return signer, statement.SavePublic(h.path("identity.pub"), signer.Public())
	case err != nil:
		return nil, err
	case !public.Equal(ed25519.PublicKey(signer.Public())):
		// A key that a disk has garbled is a key still, and that of nobody.
		return nil, fmt.Errorf("cannot use the host's identity: %s and its public half do not belong together: %w", h.path("identity.key"), durable.ErrDamaged)
	}
	return signer, nil
}

// Host returns the ID of this host.
func (h *Home) Host() (hotstick.HostID, error) {
	signer, err := h.Identity()
	if err != nil {
		return "", err
	}
	return hotstick.NewHostID(signer.Public()), nil
}

// Joined reports whether the host has a certificate and what it needs to use it.
func (h *Home) Joined() bool {
	for _, name := range []string{"identity.key", "tls.pem", "ca.pem", "root.json"} {
		if _, err := os.Stat(h.path(name)); err != nil {
			return false
		}
	}
	return true
}

// request makes a new TLS key and a certificate request for it, signed by the
// identity key as well.
func request(identity statement.Signer) (key *ecdsa.PrivateKey, csr, proof []byte, err error) {
	key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("cannot make a TLS key: %w", err)
	}
	csr, err = x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("cannot make a certificate request: %w", err)
	}
	proof, err = identity.Sign(csr)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("cannot sign the certificate request: %w", err)
	}
	return key, csr, proof, nil
}

// saveTLS replaces the TLS key and its certificate, both or neither, after
// checking that they belong together.
func (h *Home) saveTLS(key *ecdsa.PrivateKey, certificate []byte) error {
	leaf, err := x509.ParseCertificate(certificate)
	if err != nil {
		return fmt.Errorf("cannot read the certificate that the server gave: %w", err)
	}
	if !key.PublicKey.Equal(leaf.PublicKey) {
		return errors.New("cannot use the certificate that the server gave: it is for another key")
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("cannot encode the TLS key: %w", err)
	}
	data := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	data = append(data, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})...)
	return h.write("tls.pem", durable.Seal(data), 0o600)
}

// loadTLS returns the TLS certificate with its key.
func (h *Home) loadTLS() (tls.Certificate, error) {
	data, err := os.ReadFile(h.path("tls.pem"))
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("cannot read the host's certificate: %w", err)
	}
	// A certificate whose text was garbled is a certificate still, that no server takes.
	if data, err = durable.Unseal(data); err != nil {
		return tls.Certificate{}, fmt.Errorf("cannot use the host's certificate in %s: %w; let the host join again", h.path("tls.pem"), err)
	}
	pair, err := tls.X509KeyPair(data, data)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("cannot use the host's certificate in %s: %w; let the host join again", h.path("tls.pem"), err)
	}
	return pair, nil
}

// write replaces a file durably.
func (h *Home) write(name string, data []byte, mode os.FileMode) error {
	return durable.Replace(h.dir, name, mode, data)
}

// LoadIdentity reads the public half of a host's identity from an agent's
// directory; the loader pins it.
func LoadIdentity(dir string) (ed25519.PublicKey, error) {
	data, err := durable.ReadUntrusted(filepath.Join(dir, "identity.pub"), statement.MaxIdentityBytes)
	if err != nil {
		return nil, err
	}
	return statement.DecodeIdentity(data)
}
