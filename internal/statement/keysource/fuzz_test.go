package keysource_test

import (
	"encoding/pem"
	"regexp"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/statement/keysource"
)

// What is read of a key's URI is written so that it is read again.
func FuzzTokenURI(f *testing.F) {
	for _, seed := range []string{
		"pkcs11:", "pkcs11:token=ada;object=sign;id=%01%02", "pkcs11:token=grace%20hopper?pin-source=file:/run/pin&module-path=/usr/lib/softhsm/libsofthsm2.so",
		"pkcs11:token=a;token=b", "pkcs11:token=%0a", "pkcs11:token=%", "pkcs11:id=", "pkcs11:token=a?pin-value=1", "pkcs11:;", "pkcs11:?&", "pkcs11:token=\xff", "ssh-agent:ada",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if _, same := keysource.ReadURI(text); !same {
			t.Errorf("%q is read otherwise after it was written", text)
		}
	})
}

var slotID = regexp.MustCompile("^0x[0-9a-fA-F]{1,16}$")

// Whatever stands in a list of tokens or keys, nothing else than IDs comes out of it:
// they become arguments.
func FuzzTokenListing(f *testing.F) {
	f.Add("Available slots:\nSlot 0 (0x127baf18): SoftHSM slot ID 0x127baf18\n  token label        : ada\nSlot 1 (0x1): x\n  token state:   uninitialized\n")
	f.Add("Public Key Object; EC  EC_POINT 256 bits\n  EC_POINT:   044104\n  label:      sign\n  ID:         01\n  Usage:      verify\n")
	f.Add("Public Key Object; RSA 2048 bits\n  label:      x\n  ID:         99\n  ID:         05\n")
	f.Add("Slot 0 (--pin): x\n  token label: ada\nPublic Key Object\n  ID: --pin\n")
	f.Fuzz(func(t *testing.T, text string) {
		slots, keys := keysource.ReadListing(text)
		for _, id := range slots {
			if !slotID.MatchString(id) {
				t.Errorf("slot %q", id)
			}
		}
		for _, id := range keys {
			if len(id) > 256 {
				t.Errorf("a key with an ID of %d bytes", len(id))
			}
		}
	})
}

// A key that was read of a token is one that can be trusted to sign documents.
func FuzzTokenKey(f *testing.F) {
	ed := []byte("0*0\x05\x06\x03+ep\x03!\x00abcdefghijklmnopqrstuvwxyzabcdef")
	f.Add(ed)
	f.Add(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: ed}))
	f.Add([]byte("0Y0\x13\x06\x07*\x86H\xce=\x02\x01\x06\x08*\x86H\xce=\x03\x01\x07\x03B\x00\x04bJ\xceH\x16\xf0\x14f\xd5\xca$He\x96\x98\x15\xca\x17\xa9\xce\x1c\x1d\xd1M\xadN\xab\x12\xef\x0e\xdc;\xdc\xb7\x1e\xf4\xe9l\xafg\xae\xfaw\r\xfca\xc1\xbd_ZOb\xa5\x1b-\xb46\x98\xff\x8c.+\x9d\x88"))
	f.Fuzz(func(t *testing.T, data []byte) {
		key, err := keysource.ReadTokenKey(data)
		if err == nil && (key.Validate() != nil || key.Algorithm() != hotstick.KeyP256) {
			t.Errorf("%x was read as a token's key", key)
		}
	})
}
