package catalog_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/hotstick/hotstick/catalog"
)

// pendingRoot is a next root with two owners who must both sign, signed by these.
func (w *world) pendingRoot(signers ...string) []byte {
	w.Helper()
	next := w.spec
	next.RootKeys, next.RootThreshold = public("ada", "bob"), 2
	return w.must(catalog.NextRoot(w.repo.Root(), next, keys(signers...)...))
}

func (w *world) mustPaper(data []byte) catalog.Paper {
	w.Helper()
	p, err := catalog.ReadPaper(data)
	if err != nil {
		w.Fatal(err)
	}
	return p
}

func TestASignatureCountsOnlyIfItIsValid(t *testing.T) {
	w := newWorld(t)
	signed := w.pendingRoot("root", "ada")
	p := w.mustPaper(signed)
	for name, want := range map[string]bool{"root": true, "ada": true, "bob": false, "mallory": false} {
		if got := p.SignedBy(key(name).Public()); got != want {
			t.Errorf("%s has signed: %t, want %t", name, got, want)
		}
	}
	later := bytes.Replace(signed, []byte(`"version": 2`), []byte(`"version": 3`), 1)
	if bytes.Equal(later, signed) {
		t.Fatal("the root's version is written otherwise")
	}
	if w.mustPaper(later).SignedBy(key("ada").Public()) {
		t.Error("a signature of another document counts")
	}
}

func TestSignaturesOfTwoCopiesComeTogether(t *testing.T) {
	w := newWorld(t)
	draft := w.pendingRoot()
	mine := w.must(catalog.Countersign(w.must(catalog.Countersign(draft, key("root"))), key("ada")))
	theirs := w.must(catalog.Countersign(draft, key("bob")))
	stranger := w.must(catalog.Countersign(theirs, key("mallory")))
	asked := public("root", "ada", "bob")
	for _, other := range [][]byte{theirs, stranger} {
		merged := w.must(catalog.Merge(mine, other, asked))
		if p := w.mustPaper(merged); !p.SignedBy(key("bob").Public()) || p.SignedBy(key("mallory").Public()) {
			t.Errorf("bob %t, mallory %t", p.SignedBy(key("bob").Public()), p.SignedBy(key("mallory").Public()))
		}
		if _, err := w.repo.AcceptRoot(merged, nil, w.now); err != nil {
			t.Errorf("enough have signed: %v", err)
		}
	}
	if again := w.must(catalog.Merge(mine, mine, asked)); !bytes.Equal(again, mine) {
		t.Error("a merge with itself changes something")
	}
}

func TestSwappedPaperIsNotMerged(t *testing.T) {
	w := newWorld(t)
	mine := w.pendingRoot("root")
	evil := w.spec
	evil.RootKeys = public("mallory")
	other := w.must(catalog.NextRoot(w.repo.Root(), evil, key("mallory")))
	if _, err := catalog.Merge(mine, other, public("mallory")); !errors.Is(err, catalog.ErrRefused) {
		t.Errorf("another root: %v", err)
	}
	forged := bytes.Replace(w.pendingRoot("root", "ada"), []byte(`"sig": "`), []byte(`"sig": "00`), -1)
	merged := w.must(catalog.Merge(w.pendingRoot(), forged, public("root", "ada")))
	if strings.Contains(string(merged), `"sig"`) {
		t.Error("forged signatures came with it")
	}
}

func TestACopyNeedsNoServer(t *testing.T) {
	w := newWorld(t)
	w.mustPublish(w.patch(1, build61))
	c := w.mustClientIn(t.TempDir(), live{w.repo})
	w.mustRefresh(c)
	copied, err := c.Copy(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if v := w.mustRefresh(copied); len(v.Patches) != 1 {
		t.Errorf("%+v", v)
	}
	if own, err := copied.Delegated("nobody"); own != nil || err != nil {
		t.Errorf("%s, %v", own, err)
	}
	if anchor, err := copied.Anchor(); err != nil || !bytes.Equal(anchor, w.repo.Root()) {
		t.Errorf("%v", err)
	}
}
