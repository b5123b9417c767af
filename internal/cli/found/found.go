// Package found makes what a new Hotstick begins with: a server's data directory,
// the keys of root, publisher and persons, and an empty signed catalog.
//
// The keys are files of their own directory, NAME.pem with its public half in
// NAME.pem.pub; root.pem and publisher.pem belong offline. Nothing that exists is
// overwritten.
package found

import (
	"context"
	"crypto"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/server"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/statement/keysource"
)

// RootFile, in the keys directory, is the catalog's first root. Everybody who
// signs pins it.
const RootFile = "root.json"

// Names of the two keys that are roles and not persons.
const (
	RootKey      = "root"
	PublisherKey = "publisher"
)

// Lives of the metadata that is signed here. The root is rarely touched; targets
// are signed anew with each publication.
const (
	// RootLife is the life of root metadata, by default.
	RootLife = 2 * 365 * 24 * time.Hour
	// TargetsLife is the life of targets metadata, by default.
	TargetsLife = 180 * 24 * time.Hour
)

// Wish says what to make.
type Wish struct {
	// Data is the server's data directory, Keys the directory of private keys.
	Data, Keys string
	Persons    []string
	// Approvals is how many persons besides the author must sign a plan. With one
	// person alone it is 1, and that person may also approve.
	Approvals int
	// Domain is the trust domain in certificates; empty means the default.
	Domain string
	// Admin gets the first API token; empty makes none.
	Admin hotstick.Person
	Now   time.Time
}

// Made is what was made.
type Made struct {
	server.Initialised
	// Root is the catalog's first root metadata, also in the file RootFile.
	Root     []byte
	RootFile string
}

// Single reports whether one person alone authors and approves.
func (w Wish) Single() bool { return len(w.Persons) == 1 }

// KeyFile is the file of a role's or a person's private key.
func (w Wish) KeyFile(name string) string { return filepath.Join(w.Keys, name+".pem") }

// Roles lists every key that is made.
func (w Wish) Roles() []string { return append([]string{RootKey, PublisherKey}, w.Persons...) }

// Found makes everything, in the order in which a failure leaves the least.
func Found(ctx context.Context, w Wish) (Made, error) {
	if err := os.MkdirAll(w.Keys, 0o700); err != nil {
		return Made{}, fmt.Errorf("cannot make the keys directory: %w", err)
	}
	first, err := server.Initialise(ctx, w.Data, server.InitOptions{Domain: w.Domain, Admin: w.Admin, Now: w.Now})
	if err != nil {
		return Made{}, err
	}
	made := Made{Initialised: first, RootFile: filepath.Join(w.Keys, RootFile)}
	keys, err := w.makeKeys()
	if err != nil {
		return made, err
	}
	if made.Root, err = w.makeCatalog(first, keys); err != nil {
		return made, err
	}
	return made, NewFile(made.RootFile, made.Root, 0o644)
}

func (w Wish) makeKeys() (map[string]statement.Signer, error) {
	keys := map[string]statement.Signer{}
	for _, name := range w.Roles() {
		key, err := MakeKey(w.KeyFile(name), hotstick.KeyEd25519)
		if err != nil {
			return nil, err
		}
		keys[name] = key
	}
	return keys, nil
}

// MakeKey makes a key pair in two new files, FILE and FILE.pub.
func MakeKey(file string, algorithm hotstick.KeyAlgorithm) (statement.Signer, error) {
	key, err := generate(algorithm)
	if err != nil {
		return nil, err
	}
	if err := key.save(file); err != nil {
		return nil, err
	}
	return key, statement.SavePublic(file+".pub", key.Public())
}

// MakeEncryptedKey makes a key pair whose secret file opens with a passphrase only.
func MakeEncryptedKey(file string, algorithm hotstick.KeyAlgorithm, passphrase []byte) (statement.Signer, error) {
	key, err := generate(algorithm)
	if err != nil {
		return nil, err
	}
	if err := keysource.SaveEncrypted(file, key.secret, filepath.Base(file), passphrase); err != nil {
		return nil, err
	}
	return key, statement.SavePublic(file+".pub", key.Public())
}

// fresh is a key that no file holds yet.
type fresh struct {
	statement.Signer
	save   func(path string) error
	secret crypto.PrivateKey
}

func generate(algorithm hotstick.KeyAlgorithm) (fresh, error) {
	switch algorithm {
	case hotstick.KeyEd25519:
		key, err := statement.GenerateKey(rand.Reader)
		if err != nil {
			return fresh{}, err
		}
		return fresh{key, key.Save, key.Private()}, nil
	case hotstick.KeyP256:
		key, err := statement.GenerateP256Key(rand.Reader)
		if err != nil {
			return fresh{}, err
		}
		return fresh{key, key.Save, key.Private()}, nil
	}
	return fresh{}, fmt.Errorf("cannot make a key for %.40q: want %s or %s", algorithm, hotstick.KeyEd25519, hotstick.KeyP256)
}

// trust binds the persons to their keys.
func (w Wish) trust(first server.Initialised, keys map[string]statement.Signer) hotstick.Trust {
	trust := hotstick.Trust{Approvals: w.Approvals, AuthorMayApprove: w.Single(), Epoch: 1,
		ServerKeys: []hotstick.TrustedKey{first.OnlineKey}}
	for _, p := range w.Persons {
		trust.Persons = append(trust.Persons, hotstick.TrustedPerson{Person: hotstick.Person(p),
			Keys: []hotstick.TrustedKey{keys[p].Public()}})
	}
	return trust
}

func (w Wish) makeCatalog(first server.Initialised, keys map[string]statement.Signer) ([]byte, error) {
	root, err := catalog.Init(catalog.RootSpec{
		RootKeys: []hotstick.TrustedKey{keys[RootKey].Public()}, RootThreshold: 1,
		PublisherKeys: []hotstick.TrustedKey{keys[PublisherKey].Public()}, PublisherThreshold: 1,
		OnlineKeys: []hotstick.TrustedKey{first.OnlineKey},
		Trust:      w.trust(first, keys), Expires: End(w.Now, RootLife),
	}, keys[RootKey])
	if err != nil {
		return nil, err
	}
	targets, err := catalog.EmptyTargets(End(w.Now, TargetsLife), keys[PublisherKey])
	if err != nil {
		return nil, err
	}
	online, err := statement.LoadSigner(filepath.Join(w.Data, "keys", "online.pem"))
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(first.CatalogDir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the catalog's directory: %w", err)
	}
	_, err = catalog.CreateRepository(first.CatalogDir, root, targets, online, w.Now)
	return root, err
}

// End is when metadata that is signed now expires: signed times are UTC and whole
// seconds.
func End(now time.Time, life time.Duration) time.Time {
	return now.Add(life).UTC().Truncate(time.Second)
}

// NewFile writes a file that must not exist yet, durably.
func NewFile(path string, data []byte, mode os.FileMode) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	_, err = file.Write(data)
	if err == nil {
		err = file.Sync()
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	return nil
}
