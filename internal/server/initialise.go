package server

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/identity"
	"github.com/hotstick/hotstick/internal/store"
)

// Names in the data directory.
const (
	databaseFile = "hotstick.db"
	caDir        = "ca"
	keysDir      = "keys"
	onlineKey    = "online.pem"
	catalogDir   = "catalog"
)

// InitOptions say what [Initialise] makes.
type InitOptions struct {
	// Domain is the trust domain in certificates; empty means "hotstick".
	Domain string
	// Admin is the person whom the first API token speaks for; empty makes none.
	Admin hotstick.Person
	// Now is the time of making.
	Now time.Time
}

// Initialised is what [Initialise] made.
type Initialised struct {
	// OnlineKey is the server's public key, to be listed in the catalog's trust.
	OnlineKey ed25519.PublicKey
	// CAFile is the authority's certificate, for the clients of people.
	CAFile string
	// CatalogDir is where the catalog belongs; it is not made here.
	CatalogDir string
	// AdminToken is the first API token, shown once.
	AdminToken string
}

// Initialise makes a data directory: the authority, the online key, the database
// and the first API token. It refuses a directory that was initialised before.
func Initialise(ctx context.Context, dir string, o InitOptions) (Initialised, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Initialised{}, explainDir(dir, err)
	}
	if o.Domain == "" {
		o.Domain = identity.DefaultDomain
	}
	authority, err := identity.NewAuthority(o.Domain, o.Now)
	if err != nil {
		return Initialised{}, err
	}
	if err := authority.Save(filepath.Join(dir, caDir)); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return Initialised{}, fmt.Errorf("cannot initialise %s: it was initialised before", dir)
		}
		return Initialised{}, explainDir(dir, err)
	}
	public, err := makeOnlineKey(filepath.Join(dir, keysDir))
	if err != nil {
		return Initialised{}, explainDir(dir, err)
	}
	made := Initialised{
		OnlineKey:  public,
		CAFile:     filepath.Join(dir, caDir, identity.CertificateFile),
		CatalogDir: filepath.Join(dir, catalogDir),
	}
	if o.Admin != "" {
		made.AdminToken, err = AddAPIToken(ctx, dir, identity.Admin, o.Admin)
	}
	return made, err
}

// AddAPIToken makes an API token without an end, straight in the data directory.
// The token is shown once; the database keeps its digest.
func AddAPIToken(ctx context.Context, dir, role string, person hotstick.Person) (string, error) {
	s, err := openStore(ctx, dir)
	if err != nil {
		return "", err
	}
	defer s.Close()
	return addAPIToken(ctx, s, role, person)
}

func addAPIToken(ctx context.Context, s store.Store, role string, person hotstick.Person) (string, error) {
	var secret string
	err := s.Update(ctx, func(tx store.Tx) error {
		var err error
		token := store.Token{Kind: identity.APIToken, Role: role, Person: person}
		secret, _, err = identity.AddToken(tx, token, 0, "console of the server's machine")
		return err
	})
	return secret, err
}

func makeOnlineKey(dir string) (ed25519.PublicKey, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("cannot make the online key: %v", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("cannot encode the online key: %v", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, onlineKey), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if err := pem.Encode(f, &pem.Block{Type: "PRIVATE KEY", Bytes: der}); err != nil {
		f.Close()
		return nil, err
	}
	return public, errors.Join(f.Sync(), f.Close())
}

func readOnlineKey(dir string) (ed25519.PrivateKey, error) {
	path := filepath.Join(dir, onlineKey)
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the online key: %w", err)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("cannot read the online key in %s: want one PEM block", path)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("cannot read the online key in %s: %v", path, err)
	}
	private, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("cannot use the online key in %s: want an Ed25519 key", path)
	}
	return private, nil
}

// explainDir says what is wrong with the data directory and what to do.
func explainDir(dir string, err error) error {
	switch {
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("cannot write the data directory %s: it is read-only for this user; choose another with --data-dir or fix its owner: %w", dir, err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("cannot write the data directory %s: its file system is full; free some space: %w", dir, err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("cannot use the data directory %s: it is not initialised; run hotstick init: %w", dir, err)
	}
	return fmt.Errorf("cannot use the data directory %s: %w", dir, err)
}
