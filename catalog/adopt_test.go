package catalog_test

import (
	"strings"
	"testing"

	"github.com/hotstick/hotstick/catalog"
)

func TestARootThatNobodyVouchesForIsAdoptedByItsOwnersAndByNoClient(t *testing.T) {
	w := newWorld(t)
	p := w.patch(1, build61)
	w.mustUpload(p)
	w.mustPublish(p)
	served := w.source()
	pinned := w.mustClient(served)
	w.mustRefresh(pinned)
	last := w.repo.Root()
	spec, _, err := catalog.ReadRoot(last)
	if err != nil {
		t.Fatal(err)
	}
	owner := key("new owner")
	refound := func(edit func(*catalog.RootSpec)) []byte {
		s := spec
		s.RootKeys, s.RootThreshold = public("new owner"), 1
		s.Trust.Epoch++
		edit(&s)
		return w.must(catalog.NextRoot(last, s, owner))
	}
	for _, c := range []struct {
		name string
		root []byte
		says string
	}{
		{"of the same epoch", refound(func(s *catalog.RootSpec) { s.Trust.Epoch-- }), "must end"},
		{"of another server", refound(func(s *catalog.RootSpec) {
			s.OnlineKeys, s.Trust.ServerKeys = public("stranger"), public("stranger")
		}), "online key"},
		{"of other publishers", refound(func(s *catalog.RootSpec) {
			s.PublisherKeys, s.PublisherThreshold = public("stranger"), 1
		}), "publishers"},
		{"that is none", []byte("{}"), ""},
	} {
		if err := catalog.AdoptRoot(w.dir, c.root, key("online")); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("a root %s: %v", c.name, err)
		}
	}
	root := refound(func(*catalog.RootSpec) {})
	for range 2 {
		if err := catalog.AdoptRoot(w.dir, root, key("online")); err != nil {
			t.Fatal(err)
		}
	}
	if w.repo, err = catalog.OpenRepository(w.dir, key("online")); err != nil {
		t.Fatal(err)
	}
	if v := w.repo.View(); v.Trust.Epoch != spec.Trust.Epoch+1 || len(v.Patches) != 1 {
		t.Errorf("the repository is in epoch %d with %d patches", v.Trust.Epoch, len(v.Patches))
	}
	*served = *w.source()
	if _, err := pinned.Refresh(t.Context(), w.now); err == nil {
		t.Error("a client takes a root that its own does not vouch for")
	}
	if trust, err := pinned.Trust(); err != nil || trust.Epoch != spec.Trust.Epoch {
		t.Errorf("the client is in epoch %d, %v", trust.Epoch, err)
	}
	fresh, err := catalog.NewClient(t.TempDir(), root, w.source())
	if err != nil {
		t.Fatal(err)
	}
	if v := w.mustRefresh(fresh); v.Trust.Epoch != spec.Trust.Epoch+1 {
		t.Errorf("who pins the new root is in epoch %d", v.Trust.Epoch)
	}
}
