package loader_test

import (
	"crypto/ed25519"
	"reflect"
	"strings"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/fake"
	"github.com/hotstick/hotstick/internal/loader"
	"github.com/hotstick/hotstick/internal/loader/link"
)

var rootA, rootB = hotstick.NewDigest([]byte("root a")), hotstick.NewDigest([]byte("root b"))

// told is the world's loader, started anew and told that trust starts from a root.
func (w *world) told(root hotstick.Digest) *loader.Loader {
	w.t.Helper()
	host := &simulated{machine: w.machine, build: build, now: w.clock}
	l, err := loader.New(loader.Config{Drivers: driver.Set{&watched{Kernel: w.machine, w: w}}, Clock: host, Disk: w.disk, Kernel: host, Root: root,
		Catalog: (*staging)(w), Limits: w.limits, Identity: func() (ed25519.PublicKey, error) { return ed25519.PublicKey(identity.Public()), nil }})
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

// refreshed has the loader take the staged catalog, and returns its answer.
func (w *world) refreshed(l *loader.Loader) link.Response {
	w.t.Helper()
	resp, err := l.Exchange(w.t.Context(), link.Request{Catalog: true})
	if err != nil {
		w.t.Fatal(err)
	}
	return resp
}

func TestAnotherRootIsPinnedOnlyWhereAPersonAsksForIt(t *testing.T) {
	w := newWorld(t)
	p := w.publish("fix@1", fake.Behaviour{})
	w.mustConfirm(p)
	bad := w.publish("bad@1", fake.Behaviour{})
	w.exchange(w.ban(bad))
	l := w.told(rootA)
	if resp := w.refreshed(l); resp.CatalogVersion == 0 || resp.Root != "" {
		t.Fatalf("the first root: catalog %d, root %s", resp.CatalogVersion, resp.Root)
	}
	before := w.ledger()
	if before.Root != rootA || len(before.Roots) != 0 {
		t.Fatalf("the ledger pins %s", before.Root)
	}

	// Whoever writes the loader's configuration gets a loader without a catalog.
	l = w.told(rootB)
	if resp := w.refreshed(l); resp.CatalogVersion != 0 {
		t.Error("a loader that is told another root takes a catalog")
	}
	if refused, err := l.Exchange(t.Context(), link.Request{Documents: nil}); err != nil || w.ledger().Root != rootA {
		t.Errorf("the agent's calls pin another root: %v, %v", refused, err)
	}
	for _, epoch := range []uint64{0, before.Epoch} {
		if err := l.PinRoot(rootB, epoch); err == nil || !strings.Contains(err.Error(), "what was signed before must end") {
			t.Errorf("a root of epoch %d is pinned where epoch %d was seen: %v", epoch, before.Epoch, err)
		}
	}
	for range 2 {
		if err := l.PinRoot(rootB, before.Epoch+1); err != nil {
			t.Fatal(err)
		}
	}
	after := w.ledger()
	if after.Root != rootB || after.Epoch != before.Epoch+1 || len(after.Roots) != 1 || after.Roots[0].Root != rootB {
		t.Errorf("pinned is %s in epoch %d, and remembered %v", after.Root, after.Epoch, after.Roots)
	}
	after.Root, after.Epoch, after.Roots, after.Boot = before.Root, before.Epoch, before.Roots, before.Boot
	if !reflect.DeepEqual(after, before) {
		t.Errorf("pinning changed more of the ledger:\n%+v\n%+v", before, after)
	}
	if resp := w.refreshed(w.told(rootB)); resp.Root != rootB {
		t.Errorf("the server is told of the root %q", resp.Root)
	}
	if resp := w.refreshed(w.told(rootA)); resp.CatalogVersion != 0 {
		t.Error("the old root counts again")
	}
}

func TestWhatWasSignedUnderTheOldRootStartsNothingUnderTheNewOne(t *testing.T) {
	w := newWorld(t)
	p := w.publish("fix@1", fake.Behaviour{})
	plan, id := w.plan(p, nil)
	w.refreshed(w.told(rootA))
	l := w.told(rootB)
	if err := l.PinRoot(rootB, w.ledger().Epoch+1); err != nil {
		t.Fatal(err)
	}
	l = w.told(rootB) // the world's catalog is still that of the old epoch, as a thief would serve it
	w.refreshed(l)
	if _, err := l.Exchange(t.Context(), link.Request{}); err != nil {
		t.Fatal(err)
	}
	w.loader = l
	w.exchange(plan)
	if resp := w.exchange(w.grant(id, 1, nil)); len(resp.Refusals) == 0 {
		t.Error("a grant of the old epoch is taken")
	}
	if w.ledger().Attempt != nil {
		t.Error("something of the old epoch starts")
	}
}

func TestNoOtherRootIsPinnedInTheMiddleOfAnAttempt(t *testing.T) {
	w := newWorld(t)
	w.offer(w.publish("fix@1", fake.Behaviour{}), 1)
	if w.ledger().Attempt == nil {
		t.Fatal("no attempt is under way")
	}
	if err := w.loader.PinRoot(rootB, 99); err == nil {
		t.Error("another root is pinned meanwhile")
	}
}
