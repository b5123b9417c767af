package statement_test

import (
	"testing"

	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/statement/keysource"
	"github.com/hotstick/hotstick/internal/statement/keysource/tokentest"
)

// The author and an approver keep their keys on tokens; what they sign is what every
// loader opens. The plan is longer than tokens sign with Ed25519.
func TestAPlanThatTokensSigned(t *testing.T) {
	tokens, w := tokentest.New(t), newWorld(t)
	open := func(person string) statement.Signer {
		tokens.Plug(person, "4711")
		tokens.Key(person, "4711", "EC:prime256v1", "sign", "01")
		signer, err := keysource.Open("pkcs11:token="+person, keysource.Environment{TokenModule: tokens.Module,
			Ask: func(string) ([]byte, error) { return []byte("4711"), nil }})
		if err != nil {
			t.Fatal(err)
		}
		return signer
	}
	ann, bob := open("ann"), open("bob")
	for i := range w.trust.Persons[:2] {
		w.trust.Persons[i].Keys = nil
	}
	w.with("ann", ann.Public())
	w.with("bob", bob.Public())
	raw, err := statement.Sign(statement.KindPlan, w.plan(hosts(400)), ann)
	if err != nil {
		t.Fatal(err)
	}
	raw = w.mustAdd(w.mustAddBy(raw, bob), "cid")
	if len(raw) < 1500 {
		t.Errorf("the plan has %d bytes, which tells nothing", len(raw))
	}
	if _, _, err := statement.OpenPlan(raw, w.trust, now); err != nil {
		t.Error(err)
	}
}
