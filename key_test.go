package hotstick_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"testing"

	"github.com/hotstick/hotstick"
)

func mustP256(t testing.TB) (*ecdsa.PrivateKey, hotstick.TrustedKey) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := hotstick.NewTrustedKey(&private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return private, key
}

func TestAKeyIsWhatItWasMadeOf(t *testing.T) {
	private, key := mustP256(t)
	if parsed, err := key.Parse(); err != nil || !private.PublicKey.Equal(parsed) || key.Algorithm() != hotstick.KeyP256 || len(key) != 65 {
		t.Errorf("%x for %q was read as %v, %v", key, key.Algorithm(), parsed, err)
	}
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err = hotstick.NewTrustedKey(public)
	if err != nil || !bytes.Equal(key, public) || key.Algorithm() != hotstick.KeyEd25519 {
		t.Errorf("%x for %q, %v", key, key.Algorithm(), err)
	}
	if parsed, err := key.Parse(); err != nil || !public.Equal(parsed) {
		t.Errorf("read as %v, %v", parsed, err)
	}
}

// Roots that were signed long ago must be read, and made, as they were.
func TestTheFormOfEd25519KeysStays(t *testing.T) {
	key := hotstick.TrustedKey(bytes.Repeat([]byte{7}, 32))
	if got, err := json.Marshal(key); err != nil || string(got) != `"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="` {
		t.Errorf("%s, %v", got, err)
	}
}

func TestOtherKeysAreRefused(t *testing.T) {
	private, good := mustP256(t)
	change := func(edit func(k hotstick.TrustedKey) hotstick.TrustedKey) hotstick.TrustedKey {
		return edit(bytes.Clone(good))
	}
	for what, key := range map[string]hotstick.TrustedKey{
		"nothing":                  nil,
		"a short key":              make([]byte, 31),
		"a long key":               make([]byte, 33),
		"a compressed point":       append([]byte{2 | good[64]&1}, good[1:33]...),
		"a point off the curve":    change(func(k hotstick.TrustedKey) hotstick.TrustedKey { k[64] ^= 1; return k }),
		"a point of a hybrid form": change(func(k hotstick.TrustedKey) hotstick.TrustedKey { k[0] = 6; return k }),
		"a coordinate beyond": change(func(k hotstick.TrustedKey) hotstick.TrustedKey {
			copy(k[1:33], bytes.Repeat([]byte{0xff}, 32))
			return k
		}),
		"no point":                  make([]byte, 65),
		"a point and something":     append(bytes.Clone(good), 0),
		"the point without its tag": good[1:],
	} {
		if err := key.Validate(); err == nil {
			t.Errorf("%s was taken", what)
		}
	}
	other, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for what, public := range map[string]any{
		"another curve": &other.PublicKey, "RSA": &rsa.PublicKey{}, "a secret": private, "nothing": nil,
		"a short key": ed25519.PublicKey("short"),
	} {
		if key, err := hotstick.NewTrustedKey(public); err == nil {
			t.Errorf("%s was taken as %x", what, key)
		}
	}
}

// A key that was read is written as it was: each key has one form.
func FuzzTrustedKey(f *testing.F) {
	_, good := mustP256(f)
	f.Add([]byte(good))
	f.Add(make([]byte, 32))
	f.Add(append([]byte{4}, make([]byte, 64)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		public, err := hotstick.TrustedKey(data).Parse()
		if err != nil {
			return
		}
		if again, err := hotstick.NewTrustedKey(public); err != nil || !again.Equal(data) {
			t.Errorf("%x was written as %x, %v", data, again, err)
		}
	})
}
