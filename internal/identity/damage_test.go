package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// mustDir returns the files of an authority's directory.
func mustDir(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(data)
	}
	return files
}

// TestADamagedAuthorityIsNeverReplacedByTheNextOne: a key that a disk has garbled fits no
// certificate, and is not taken for a change of the key that was cut short.
func TestADamagedAuthorityIsNeverReplacedByTheNextOne(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	stranger := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})
	for _, c := range []struct {
		what, file string
		damage     func(data []byte) []byte
		says       string
	}{
		{"the key is nobody's", KeyFile, func([]byte) []byte { return stranger }, "from a backup"},
		{"the key is empty", KeyFile, func([]byte) []byte { return nil }, "want one PEM block"},
		{"the key of the next is nobody's", nextKey, func([]byte) []byte { return stranger }, "from a backup"},
		{"the certificate's signature is garbled", CertificateFile, func(data []byte) []byte {
			block, _ := pem.Decode(data)
			block.Bytes[len(block.Bytes)-1] ^= 1
			return pem.EncodeToMemory(block)
		}, "its certificate is damaged"},
		{"the former are gone", formerFile, func([]byte) []byte { return nil }, "from a backup"},
	} {
		t.Run(c.what, func(t *testing.T) {
			dir := t.TempDir()
			a := authority(t, "hotstick")
			if err := a.Save(dir); err != nil {
				t.Fatal(err)
			}
			for range 2 { // so that one has ended and another is announced
				if _, err := a.Announce(now); err != nil {
					t.Fatal(err)
				}
				if a.former == nil {
					if err := a.Replace(); err != nil {
						t.Fatal(err)
					}
				}
			}
			path := filepath.Join(dir, c.file)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, c.damage(data), 0o600); err != nil {
				t.Fatal(err)
			}
			before := mustDir(t, dir)
			if _, err := OpenAuthority(dir); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("it is opened with %v, want %q", err, c.says)
			}
			if !maps.Equal(before, mustDir(t, dir)) {
				t.Error("its files were changed")
			}
		})
	}
}
