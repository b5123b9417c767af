package statement_test

import (
	"bytes"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"path/filepath"
	"strings"
	"testing"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/statement"
)

func mustP256(t *testing.T) *statement.P256Key {
	t.Helper()
	k, err := statement.GenerateP256Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// with gives a person of the world another key, besides those that are there.
func (w *world) with(person hotstick.Person, key hotstick.TrustedKey) {
	for i, p := range w.trust.Persons {
		if p.Person == person {
			w.trust.Persons[i].Keys = append(p.Keys, key)
		}
	}
}

func (w *world) mustAddBy(raw []byte, by statement.Signer) []byte {
	w.Helper()
	raw, err := statement.AddSignature(raw, by)
	if err != nil {
		w.Fatal(err)
	}
	return raw
}

// signatures edits the signatures of an envelope.
func (w *world) signatures(raw []byte, edit func([]dsse.Signature) []dsse.Signature) []byte {
	w.Helper()
	var e dsse.Envelope
	if err := json.Unmarshal(raw, &e); err != nil {
		w.Fatal(err)
	}
	e.Signatures = edit(e.Signatures)
	raw, err := json.Marshal(e)
	if err != nil {
		w.Fatal(err)
	}
	return raw
}

// flipped returns the other good signature of ECDSA beside this one.
func flipped(t *testing.T, signature []byte) []byte {
	t.Helper()
	var numbers struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(signature, &numbers); err != nil {
		t.Fatal(err)
	}
	numbers.S.Sub(elliptic.P256().Params().N, numbers.S)
	other, err := asn1.Marshal(numbers)
	if err != nil {
		t.Fatal(err)
	}
	return other
}

func TestAuthorAndApproverMaySignWithP256(t *testing.T) {
	w := newWorld(t)
	ann, bob := mustP256(t), mustP256(t)
	w.with("ann", ann.Public())
	w.with("bob", bob.Public())
	raw, err := statement.Sign(statement.KindPlan, w.plan(hosts(4)), ann)
	if err != nil {
		t.Fatal(err)
	}
	raw = w.mustAdd(w.mustAddBy(raw, bob), "cid")
	if _, _, err := statement.OpenPlan(raw, w.trust, now); err != nil {
		t.Error(err)
	}
	edited := bytes.Replace(raw, []byte(`"payload":"`), []byte(`"payload":"e30=`), 1)
	if _, _, err := statement.OpenPlan(edited, w.trust, now); err == nil {
		t.Error("edited bytes were taken")
	}
}

func TestTwoAlgorithmsOfOnePersonCountOnce(t *testing.T) {
	w := newWorld(t)
	bob := mustP256(t)
	w.with("bob", bob.Public())
	raw := w.mustAddBy(w.mustSign(statement.KindPlan, w.plan(hosts(4)), "ann", "bob"), bob)
	_, _, err := statement.OpenPlan(raw, w.trust, now)
	w.mustRefuse(err, hotstick.ReasonNotApproved)
}

// Of every signature of ECDSA anybody can make another good one without the key.
func TestAMalleatedSignatureIsNoSecondSigner(t *testing.T) {
	w := newWorld(t)
	bob := mustP256(t)
	w.with("bob", bob.Public())
	raw := w.mustAddBy(w.mustSign(statement.KindPlan, w.plan(hosts(4)), "ann"), bob)
	other := func(s dsse.Signature) dsse.Signature {
		old, err := base64.StdEncoding.DecodeString(s.Sig)
		if err != nil {
			t.Fatal(err)
		}
		s.Sig = base64.StdEncoding.EncodeToString(flipped(t, old))
		return s
	}
	instead := w.signatures(raw, func(s []dsse.Signature) []dsse.Signature { return append(s[:1], other(s[1])) })
	review, err := statement.InspectPlan(instead, w.trust)
	if err != nil || len(review.Approvers) != 1 || review.Missing() != 1 {
		t.Errorf("in place of the first it counts for %v of persons, %d missing, %v", review.Approvers, review.Missing(), err)
	}
	before, err := statement.IDOf(raw)
	if err != nil {
		t.Fatal(err)
	}
	if after, err := statement.IDOf(instead); err != nil || after != before {
		t.Errorf("the statement became another one: %s, %s, %v", before, after, err)
	}
	beside := w.signatures(raw, func(s []dsse.Signature) []dsse.Signature { return append(s, other(s[1])) })
	_, _, err = statement.OpenPlan(beside, w.trust, now)
	w.mustRefuse(err, hotstick.ReasonSignature)
	for _, name := range []string{strings.Repeat("00", 32), statement.KeyID(key("cid").Public()), strings.ToUpper(statement.KeyID(bob.Public()))} {
		renamed := w.signatures(raw, func(s []dsse.Signature) []dsse.Signature {
			twin := other(s[1])
			twin.KeyID = name
			return append(s, twin)
		})
		if _, _, err := statement.OpenPlan(renamed, w.trust, now); err == nil {
			t.Errorf("named %s it counted for another person", name)
		}
	}
	if _, err := statement.AddSignature(instead, bob); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("one key signed twice: %v", err)
	}
}

func TestSignaturesInOtherForms(t *testing.T) {
	k, message := mustP256(t), []byte("message")
	good, err := k.Sign(message)
	if err != nil || !statement.Verify(k.Public(), message, good) || !statement.Verify(k.Public(), message, flipped(t, good)) {
		t.Fatalf("%x, %v", good, err)
	}
	var numbers struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(good, &numbers); err != nil {
		t.Fatal(err)
	}
	raw := append(numbers.R.FillBytes(make([]byte, 32)), numbers.S.FillBytes(make([]byte, 32))...)
	ed, err := key("ann").Sign(message)
	if err != nil {
		t.Fatal(err)
	}
	long := append([]byte{0x30, 0x81}, good[1:]...)
	for what, signature := range map[string][]byte{
		"nothing": nil, "the bare numbers": raw, "something after it": append(bytes.Clone(good), 0), "half of it": good[:len(good)/2],
		"a long length": long, "one of Ed25519": ed, "zeros": {0x30, 6, 2, 1, 0, 2, 1, 0},
	} {
		if statement.Verify(k.Public(), message, signature) {
			t.Errorf("%s: taken", what)
		}
	}
	if statement.Verify(k.Public(), []byte("another"), good) || statement.Verify(mustP256(t).Public(), message, good) ||
		statement.Verify(key("ann").Public(), message, good) || statement.Verify(k.Public()[1:], message, good) || statement.Verify(nil, message, good) {
		t.Error("a signature was taken for another message or key")
	}
}

func TestServersAndHostsHaveNoP256(t *testing.T) {
	w := newWorld(t)
	k := mustP256(t)
	w.trust.ServerKeys = append(w.trust.ServerKeys, k.Public())
	if err := statement.CheckTrust(w.trust); err == nil || !strings.Contains(err.Error(), "the server's") {
		t.Errorf("trust in a server's P-256 key: %v", err)
	}
	raw, err := statement.Sign(statement.KindBan, w.ban(), k)
	if err != nil {
		t.Fatal(err)
	}
	_, err = statement.OpenBan(raw, w.trust)
	w.mustRefuse(err, hotstick.ReasonCatalogUnknown)
	path := filepath.Join(t.TempDir(), "online.pem")
	if err := k.Save(path); err != nil {
		t.Fatal(err)
	}
	if err := statement.SavePublic(path+".pub", k.Public()); err != nil {
		t.Fatal(err)
	}
	if _, err := statement.LoadSigner(path); err == nil || !strings.Contains(err.Error(), "sign with Ed25519") {
		t.Errorf("a server's key: %v", err)
	}
	if _, err := statement.LoadPublic(path + ".pub"); err == nil || !strings.Contains(err.Error(), "sign with Ed25519") {
		t.Errorf("a host's key: %v", err)
	}
	signer, err := statement.LoadAnySigner(path)
	if err != nil || !signer.Public().Equal(k.Public()) {
		t.Errorf("a person's key: %v", err)
	}
	if public, err := statement.LoadAnyPublic(path + ".pub"); err != nil || !public.Equal(k.Public()) {
		t.Errorf("a person's public key: %x, %v", public, err)
	}
}

func TestTrustInAKeyThatIsNone(t *testing.T) {
	w := newWorld(t)
	off := bytes.Clone(mustP256(t).Public())
	off[64] ^= 1
	w.with("bob", off)
	if err := statement.CheckTrust(w.trust); err == nil || !strings.Contains(err.Error(), "no point of P-256") {
		t.Errorf("a point off the curve: %v", err)
	}
}
