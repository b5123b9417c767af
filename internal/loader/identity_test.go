package loader_test

import (
	"crypto/ed25519"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/fake"
	"github.com/hotstick/hotstick/internal/loader"
	"github.com/hotstick/hotstick/internal/loader/link"
)

func TestAnotherIdentityIsPinnedOnlyWhereAPersonAsksForIt(t *testing.T) {
	w := newWorld(t)
	if _, err := w.loader.Exchange(t.Context(), link.Request{}); err != nil {
		t.Fatal(err)
	}
	before := w.ledger()
	if before.Identity != hotstick.NewFingerprint(identity.Public()) {
		t.Fatalf("pinned is %s", before.Identity)
	}
	other, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	host := &simulated{machine: w.machine, build: build, now: w.clock}
	l, err := loader.New(loader.Config{Drivers: driver.Set{&watched{Kernel: w.machine, w: w}}, Clock: host, Disk: w.disk, Kernel: host,
		Catalog: (*staging)(w), Limits: w.limits, Identity: func() (ed25519.PublicKey, error) { return other, nil }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Exchange(t.Context(), link.Request{}); err != nil {
		t.Fatal(err)
	}
	if got := w.ledger().Identity; got != before.Identity {
		t.Fatalf("an agent that shows another key is pinned: %s", got)
	}
	for range 2 {
		if err := l.PinAnew(); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.ledger().Identity; got != hotstick.NewFingerprint(other) {
		t.Errorf("pinned is %s", got)
	}
}

func TestNoOtherIdentityIsPinnedInTheMiddleOfAnAttempt(t *testing.T) {
	w := newWorld(t)
	w.offer(w.publish("fix@1", fake.Behaviour{}), 1)
	if w.ledger().Attempt == nil {
		t.Fatal("no attempt is under way")
	}
	if err := w.loader.PinAnew(); err == nil {
		t.Error("another identity is pinned meanwhile")
	}
}
