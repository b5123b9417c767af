package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/identity"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/store/sqlite"
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
	// OnlineKey is the public half of keys/online.pem, to be listed in the catalog's
	// trust; the catalog's repository is made with the key itself.
	OnlineKey hotstick.TrustedKey
	// CAFile is the authority's certificate, for the clients of people.
	CAFile string
	// CatalogDir is where the catalog belongs; it is not made here.
	CatalogDir string
	// AdminToken is the first API token, shown once.
	AdminToken string
}

// Initialise makes a data directory: the authority, the online key, the database
// and the first API token. It refuses a directory that was initialised before,
// and leaves nothing behind where it fails, so that it can be tried again.
func Initialise(ctx context.Context, dir string, o InitOptions) (Initialised, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Initialised{}, explainDir(dir, err)
	}
	files := []string{filepath.Join(caDir, identity.CertificateFile), filepath.Join(caDir, identity.KeyFile),
		filepath.Join(keysDir, onlineKey), databaseFile, databaseFile + "-wal", databaseFile + "-shm"}
	for _, name := range files {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			return Initialised{}, fmt.Errorf("cannot initialise %s: it was initialised before; %s is there", dir, name)
		}
	}
	made, err := initialise(ctx, dir, o)
	if err != nil {
		for _, name := range files {
			// What cannot be removed is named by the next try.
			_ = os.Remove(filepath.Join(dir, name))
		}
		return Initialised{}, explainDir(dir, err)
	}
	return made, nil
}

func initialise(ctx context.Context, dir string, o InitOptions) (Initialised, error) {
	if o.Domain == "" {
		o.Domain = identity.DefaultDomain
	}
	authority, err := identity.NewAuthority(o.Domain, o.Now)
	if err != nil {
		return Initialised{}, err
	}
	if err := authority.Save(filepath.Join(dir, caDir)); err != nil {
		return Initialised{}, err
	}
	online, err := statement.GenerateKey(rand.Reader)
	if err != nil {
		return Initialised{}, err
	}
	if err := os.MkdirAll(filepath.Join(dir, keysDir), 0o700); err != nil {
		return Initialised{}, err
	}
	if err := online.Save(filepath.Join(dir, keysDir, onlineKey)); err != nil {
		return Initialised{}, err
	}
	made := Initialised{
		OnlineKey:  online.Public(),
		CAFile:     filepath.Join(dir, caDir, identity.CertificateFile),
		CatalogDir: filepath.Join(dir, catalogDir),
	}
	if o.Admin != "" {
		made.AdminToken, err = AddAPIToken(ctx, dir, identity.Admin, o.Admin)
	}
	return made, err
}

// AddAPIToken makes an API token without an end, straight in the data directory.
// The token is shown once; the database keeps its digest. A person who is to be admin
// is one afterwards, also with an account that somebody disabled or took the role from.
func AddAPIToken(ctx context.Context, dir, role string, person hotstick.Person) (string, error) {
	s, err := openStore(ctx, dir, time.Now)
	if err != nil {
		return "", err
	}
	defer s.Close()
	return addAPIToken(ctx, s, role, person)
}

func addAPIToken(ctx context.Context, s store.Store, role string, person hotstick.Person) (string, error) {
	var secret string
	err := s.Update(ctx, func(tx store.Tx) error {
		if role == identity.Admin {
			if err := identity.Reinstate(tx, person, role, consoleActor, "an admin's token was made on the server's machine"); err != nil {
				return err
			}
		}
		var token store.Token
		var err error
		secret, token, err = identity.AddToken(tx, store.Token{Kind: identity.APIToken, Roles: []string{role}, Person: person}, 0, consoleActor)
		if err != nil {
			return err
		}
		who, err := identity.Again(tx, identity.Caller{Token: token}, tx.Now())
		if err != nil && !errors.Is(err, identity.ErrDisabled) {
			return err
		}
		if !identity.Include(who.Rights, identity.RightsOf(role)) {
			return fmt.Errorf("cannot make %s a token as %s: the account is disabled or has not that role; an admin changes it with hotstick user", person, role)
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return secret, nil
}

// explainDir says what is wrong with the data directory and what to do. Errors of
// the database say so themselves.
func explainDir(dir string, err error) error {
	if _, own := errors.AsType[*sqlite.Error](err); own {
		return err
	}
	switch {
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("cannot write the data directory %s: it is read-only for this user; choose another with --data or fix its owner: %w", dir, err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("cannot write the data directory %s: its file system is full; free some space: %w", dir, err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("cannot use the data directory %s: it is not initialised; run hotstick init: %w", dir, err)
	}
	return fmt.Errorf("cannot use the data directory %s: %w", dir, err)
}
