package statement_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/statement"
)

func TestAKeySurvivesItsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ann.pem")
	k, err := statement.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Save(path); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key file has mode %v", info.Mode())
	}
	loaded, err := statement.LoadSigner(path)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := loaded.Sign([]byte("message"))
	if err != nil || !statement.Verify(k.Public(), []byte("message"), sig) {
		t.Errorf("the loaded key is another: %v", err)
	}
	if err := statement.SavePublic(path+".pub", loaded.Public()); err != nil {
		t.Fatal(err)
	}
	public, err := statement.LoadAnyPublic(path + ".pub")
	if err != nil || !public.Equal(k.Public()) {
		t.Errorf("the public key came back as %x, %v", public, err)
	}
	if id := statement.KeyID(public); len(id) != 64 {
		t.Errorf("key ID %q", id)
	}
}

func TestAKeyIsNeverOverwritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ann.pem")
	if err := key("ann").Save(path); err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadFile(path)
	if err := key("bob").Save(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v", err)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Error("the key file has changed")
	}
}

func TestAKeyFileThatOthersMayReadIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ann.pem")
	if err := key("ann").Save(path); err != nil {
		t.Fatal(err)
	}
	for mode, ok := range map[os.FileMode]bool{0o600: true, 0o400: true, 0o640: false, 0o604: false, 0o660: false, 0o644: false, 0o777: false} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := statement.LoadSigner(path)
		if (err == nil) != ok {
			t.Errorf("mode %o: %v", mode, err)
		}
		if err != nil && !strings.Contains(err.Error(), "chmod 600 "+path) {
			t.Errorf("the error does not say what to do: %v", err)
		}
	}
}

func TestKeyFilesThatAreNone(t *testing.T) {
	dir := t.TempDir()
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(p256)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(p256.Public())
	if err != nil {
		t.Fatal(err)
	}
	good := filepath.Join(dir, "good.pem")
	if err := key("ann").Save(good); err != nil {
		t.Fatal(err)
	}
	private, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{
		"empty":           nil,
		"text":            []byte("hello"),
		"another curve":   pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
		"another public":  pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}),
		"cut private":     pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der[:20]}),
		"cut public":      pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public[:20]}),
		"two keys":        append(bytes.Clone(private), private...),
		"a large file":    append(bytes.Clone(private), make([]byte, 1<<20)...),
		"the wrong label": bytes.ReplaceAll(private, []byte("PRIVATE"), []byte("SECRET")),
	}
	for name, data := range files {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := statement.LoadSigner(path); err == nil {
			t.Errorf("%s: taken as a private key", name)
		}
		if _, err := statement.LoadPublic(path); err == nil {
			t.Errorf("%s: taken as a public key", name)
		}
	}
	if _, err := statement.LoadPublic(good); err == nil {
		t.Error("a private key was taken as a public one")
	}
	if _, err := statement.LoadSigner(filepath.Join(dir, "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// liar is a token that shows one key and signs with another.
type liar struct{ *statement.Key }

func (l liar) Public() hotstick.TrustedKey { return key("somebody").Public() }

func TestASignerThatSignsWithAnotherKeyIsRefused(t *testing.T) {
	w := newWorld(t)
	if _, err := statement.Sign(statement.KindBan, w.ban(), liar{key("server")}); err == nil {
		t.Error("signed")
	}
	if _, err := statement.AddSignature(w.mustSign(statement.KindBan, w.ban(), "server"), liar{key("ann")}); err == nil {
		t.Error("added")
	}
}
