package catalog_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"reflect"
	"strings"
	"testing"

	"github.com/secure-systems-lab/go-securesystemslib/cjson"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/statement/keysource"
	"github.com/hotstick/hotstick/internal/statement/keysource/tokentest"
)

func newP256(t *testing.T) *statement.P256Key {
	t.Helper()
	k, err := statement.GenerateP256Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// newWorldOf is a world whose owner and whose publisher have these keys.
func newWorldOf(t *testing.T, owner, publisher statement.Signer) *world {
	w := &world{T: t, dir: t.TempDir(), spec: newSpec(), now: start, data: map[hotstick.Digest][]byte{}}
	w.spec.RootKeys, w.spec.PublisherKeys = []hotstick.TrustedKey{owner.Public()}, []hotstick.TrustedKey{publisher.Public()}
	root := w.must(catalog.Init(w.spec, owner))
	repo, err := catalog.CreateRepository(w.dir, root, w.must(catalog.EmptyTargets(start.AddDate(0, 6, 0), publisher)), key("online"), w.now)
	if err != nil {
		t.Fatal(err)
	}
	w.repo = repo
	return w
}

// mustServe publishes, delegates and rotates the owner's key, with keys of any kind,
// and has a client follow.
func (w *world) mustServe(owner, next, publisher, vendor statement.Signer) {
	w.Helper()
	c := w.mustClient(live{w.repo})
	p := w.patch(1, build61)
	w.mustUpload(p)
	if _, err := w.repo.Accept(w.must(catalog.Publish(w.publication(p), publisher)), w.now); err != nil {
		w.Fatal(err)
	}
	if view := w.mustRefresh(c); len(view.Patches) != 1 {
		w.Errorf("the client has %d patches", len(view.Patches))
	}
	d := acme()
	d.Keys = []hotstick.TrustedKey{vendor.Public()}
	r := w.revision()
	r.Delegations = []catalog.Delegation{d}
	if _, err := w.repo.Accept(w.must(catalog.Revise(r, publisher)), w.now); err != nil {
		w.Fatal(err)
	}
	p = w.acmePatch(1, build61)
	w.mustUpload(p)
	own := w.must(catalog.Publish(w.publicationOf("acme", p), vendor))
	if _, err := w.repo.AcceptDelegated(catalog.Delegated{Name: "acme", Metadata: own}, w.now); err != nil {
		w.Fatal(err)
	}
	w.spec.RootKeys = []hotstick.TrustedKey{next.Public()}
	root := w.must(catalog.NextRoot(w.repo.Root(), w.spec, owner))
	if _, err := w.repo.AcceptRoot(root, nil, w.now); !errors.Is(err, catalog.ErrRefused) {
		w.Errorf("a root that its own key has not signed: %v", err)
	}
	if _, err := w.repo.AcceptRoot(w.must(catalog.Countersign(root, next)), nil, w.now); err != nil {
		w.Fatal(err)
	}
	view := w.mustRefresh(c)
	if len(view.Patches) != 2 || !view.Delegations[0].Keys[0].Equal(vendor.Public()) {
		w.Errorf("the client has %d patches, delegations %v", len(view.Patches), view.Delegations)
	}
	if _, err := c.Load(); err != nil {
		w.Error(err)
	}
}

func TestACatalogSignedWithP256(t *testing.T) {
	owner, publisher := newP256(t), newP256(t)
	newWorldOf(t, owner, publisher).mustServe(owner, key("root2"), publisher, newP256(t))
	newWorldOf(t, key("root"), publisher).mustServe(key("root"), newP256(t), publisher, key("acme"))
}

// Owner and publisher keep their keys on tokens.
func TestACatalogThatTokensSigned(t *testing.T) {
	tokens := tokentest.New(t)
	open := func(label string) statement.Signer {
		tokens.Plug(label, "4711")
		tokens.Key(label, "4711", "EC:prime256v1", "sign", "01")
		signer, err := keysource.Open("pkcs11:token="+label, keysource.Environment{TokenModule: tokens.Module,
			Ask: func(string) ([]byte, error) { return []byte("4711"), nil }})
		if err != nil {
			t.Fatal(err)
		}
		return signer
	}
	owner, publisher := open("owner"), open("publisher")
	newWorldOf(t, owner, publisher).mustServe(owner, open("next"), publisher, open("vendor"))
}

// What was signed once is read for years. The key is the curve's base point, whose
// secret is 1; the IDs were computed without our code.
func TestTheFormOfP256KeysStays(t *testing.T) {
	secret, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), append(make([]byte, 31), 1))
	if err != nil {
		t.Fatal(err)
	}
	owner, err := statement.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	if id := statement.KeyID(owner.Public()); id != "698bea63dc44a344663ff1429aea10842df27b6b991ef25866b2c6c02cdcc5be" {
		t.Errorf("in statements its ID is %s", id)
	}
	w := newWorldOf(t, owner, key("publisher"))
	w.spec.Trust.Persons[0].Keys = append(w.spec.Trust.Persons[0].Keys, owner.Public())
	root := w.must(catalog.NextRoot(w.repo.Root(), w.spec, owner))
	var doc struct {
		Signed struct {
			Keys  map[string]json.RawMessage `json:"keys"`
			Trust struct {
				Trust json.RawMessage `json:"trust"`
			} `json:"x-hotstick"`
		} `json:"signed"`
	}
	if err := json.Unmarshal(root, &doc); err != nil {
		t.Fatal(err)
	}
	var got any
	if err := json.Unmarshal(doc.Signed.Keys["cf4736fae1a3a019d3506e4345cfb6549c7aa731eb5c19f61b60f0175882edcf"], &got); err != nil {
		t.Fatalf("TUF has it under another ID: %v\n%s", err, root)
	}
	want := obj{"keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "keyval": obj{"public": "-----BEGIN PUBLIC KEY-----\n" +
		"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt\n6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==\n-----END PUBLIC KEY-----\n"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("TUF has it as %v", got)
	}
	if !bytes.Contains(doc.Signed.Trust.Trust, []byte(`"BGsX0fLhLEJH+Lzm5WOkQPJ3A32BLeszoPShOUXYmMKWT+NC4v4af5uO5+tKfA+eFivOM1drMV7Oy7ZAaDe/UfU="`)) {
		t.Errorf("the trust has it as %s", doc.Signed.Trust.Trust)
	}
}

func TestTheServersKeysAreNoP256(t *testing.T) {
	spec := newSpec()
	spec.OnlineKeys = append(spec.OnlineKeys, newP256(t).Public())
	if _, err := catalog.Init(spec, key("root")); err == nil || !strings.Contains(err.Error(), "the server signs with Ed25519") {
		t.Errorf("got %v", err)
	}
}

// tufP256 is a key in TUF's form, which may be written otherwise, under its own ID.
func tufP256(t *testing.T, public hotstick.TrustedKey, edit func(key, value obj)) (string, obj) {
	t.Helper()
	parsed, err := public.Parse()
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(parsed)
	if err != nil {
		t.Fatal(err)
	}
	value := obj{"public": string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))}
	k := obj{"keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "keyval": value}
	edit(k, value)
	canonical, err := cjson.EncodeCanonical(k)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:]), k
}

// Of a key for ECDSA TUF knows several forms, each with an ID of its own: whoever
// holds one key must not sign for two.
func TestOneP256KeyInTwoFormsIsNoSecondSigner(t *testing.T) {
	owner := newP256(t)
	same := func(obj, obj) {}
	id, _ := tufP256(t, owner.Public(), same)
	long, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&long.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	for what, edit := range map[string]func(k, value obj){
		"the older name of its type": func(k, _ obj) { k["keytype"] = "ecdsa-sha2-nistp256" },
		"the same scheme for P-384":  func(k, _ obj) { k["scheme"] = "ecdsa-sha2-nistp384" },
		"without the last line end":  func(_, v obj) { v["public"] = strings.TrimSpace(v["public"].(string)) },
		"with text before it":        func(_, v obj) { v["public"] = "mine\n" + v["public"].(string) },
		"with a header": func(_, v obj) {
			v["public"] = strings.Replace(v["public"].(string), "KEY-----\n", "KEY-----\nA: b\n\n", 1)
		},
		"under another label":      func(_, v obj) { v["public"] = strings.ReplaceAll(v["public"].(string), "PUBLIC", "MY") },
		"its bare point in digits": func(_, v obj) { v["public"] = hex.EncodeToString(owner.Public()) },
		"twice":                    func(_, v obj) { v["public"] = v["public"].(string) + v["public"].(string) },
		"another curve": func(_, v obj) {
			v["public"] = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
		},
	} {
		t.Run(what, func(t *testing.T) {
			w := newWorldOf(t, owner, key("publisher"))
			root := w.forge(w.repo.Root(), func(signed map[string]any) {
				signed["version"] = 2
				other, k := tufP256(t, owner.Public(), edit)
				if other == id {
					t.Fatal("it has the same ID")
				}
				signed["keys"].(obj)[other] = k
				role := at(t, signed, "roles", "root")
				role["keyids"], role["threshold"] = []any{id, other}, 2
			})
			w.mustFail(w.mustClient(w.source().with("2.root.json", root)), catalog.ErrRefused, "root metadata: key ")
		})
	}
}

// Of every signature of ECDSA anybody can make another good one without the key.
func TestAMalleatedSignatureIsNoSecondOwner(t *testing.T) {
	owner, other := newP256(t), newP256(t)
	w := newWorldOf(t, owner, key("publisher"))
	w.spec.RootKeys, w.spec.RootThreshold = []hotstick.TrustedKey{owner.Public(), other.Public()}, 2
	root := w.must(catalog.NextRoot(w.repo.Root(), w.spec, owner))
	otherID, _ := tufP256(t, other.Public(), func(obj, obj) {})
	ownID, _ := tufP256(t, owner.Public(), func(obj, obj) {})
	for _, id := range []string{ownID, otherID} {
		var doc struct {
			Signed     json.RawMessage     `json:"signed"`
			Signatures []map[string]string `json:"signatures"`
		}
		if err := json.Unmarshal(root, &doc); err != nil {
			t.Fatal(err)
		}
		sig, err := hex.DecodeString(doc.Signatures[0]["sig"])
		if err != nil {
			t.Fatal(err)
		}
		var numbers struct{ R, S *big.Int }
		if _, err := asn1.Unmarshal(sig, &numbers); err != nil {
			t.Fatal(err)
		}
		numbers.S.Sub(elliptic.P256().Params().N, numbers.S)
		flipped := w.must(asn1.Marshal(numbers))
		doc.Signatures = append(doc.Signatures, map[string]string{"keyid": id, "sig": hex.EncodeToString(flipped)})
		attack := w.must(json.Marshal(doc))
		w.mustFail(w.mustClient(w.source().with("2.root.json", attack)), catalog.ErrRefused, "")
		// In place of the first it is as good, and worth as much.
		doc.Signatures = []map[string]string{{"keyid": ownID, "sig": hex.EncodeToString(flipped)}}
		w.mustFail(w.mustClient(w.source().with("2.root.json", w.must(json.Marshal(doc)))), catalog.ErrRefused, "")
		whole := w.must(catalog.Countersign(w.must(json.Marshal(doc)), other))
		w.mustRefresh(w.mustClient(w.source().with("2.root.json", whole)))
		if _, err := catalog.Countersign(whole, owner); err == nil || !strings.Contains(err.Error(), "already") {
			t.Errorf("one key signed twice: %v", err)
		}
	}
}
