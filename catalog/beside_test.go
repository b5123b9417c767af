package catalog_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
)

// recallIn is targets metadata of some version in which the publisher recalls.
func (w *world) recallIn(v int64, recalls ...hotstick.Recall) []byte {
	w.Helper()
	return w.forge(w.recallFile(recalls...), version(v), "publisher")
}

// mustKnow checks that a client knows the recall of a level, also after a restart.
func (w *world) mustKnow(who, dir string, ref hotstick.PatchRef) {
	w.Helper()
	v, err := w.mustClientIn(dir, nil).Load()
	if _, ok := v.Recalled(ref, time.Time{}); err != nil || !ok {
		w.Errorf("%s does not know that %s is recalled: %v, %v", who, ref, v.Recalls, err)
	}
}

// A thief of the online keys has hosts believe in catalogs of the year 2100, so that
// no honest one is ever newer.
func TestAThiefWhoCountsVersionsUpKeepsNoRecallFromAHost(t *testing.T) {
	w := newWorld(t)
	bad := w.patch(1, build61)
	w.mustPublish(bad)
	held := w.source()
	ahead := w.steal(held, 2, (*held)["2.targets.json"], 1<<39)
	agent, loader := t.TempDir(), t.TempDir()
	c := w.mustClientIn(agent, ahead)
	w.mustRefresh(c)
	w.mustRefresh(w.mustClientIn(loader, catalog.NewStaged(agent)))

	w.mustRecall(w.recall(bad.Ref, hotstick.RecallRevert))
	_, reports, err := c.Follow(t.Context(), w.now, catalog.Mirror{Name: "honest", Source: live{w.repo}})
	if err == nil || reports[0].State != catalog.MirrorBehind || reports[0].Recalls != 1 {
		t.Errorf("%+v, %v", reports, err)
	}
	w.mustKnow("the agent", agent, bad.Ref)
	// The loader sees only the agent's directory. It is told once, and remembers.
	own := w.mustClientIn(loader, catalog.NewStaged(agent))
	if v := w.mustRefresh(own); len(v.Recalls) != 1 || v.Version != 1<<39 {
		t.Errorf("the loader has %+v", v)
	}
	w.mustKnow("the loader", loader, bad.Ref)
	// The file goes when the catalog itself says it.
	s := w.steal(held, 3, w.must(os.ReadFile(filepath.Join(w.dir, "3.targets.json"))), 1<<39+1)
	if _, reports, err := c.Follow(t.Context(), w.now, catalog.Mirror{Source: s}); err != nil || reports[0].Recalls != 0 {
		t.Errorf("%+v, %v", reports, err)
	}
	if _, err := os.Stat(filepath.Join(agent, "recalls", "1.json")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is still there: %v", err)
	}
}

func TestAFrozenCatalogKeepsNoRecallFromAHost(t *testing.T) {
	w := newWorld(t)
	bad := w.patch(1, build61)
	w.mustPublish(bad)
	agent, loader := t.TempDir(), t.TempDir()
	c := w.mustClientIn(agent, live{w.repo})
	w.mustRefresh(c)
	own := w.mustClientIn(loader, catalog.NewStaged(agent))
	w.mustRefresh(own)
	// Nobody renews the timestamp any more; only the publishers' mirror has news.
	recall := w.recallFile(w.recall(bad.Ref, hotstick.RecallRevert))
	w.now = w.now.Add(2 * catalog.TimestampLife)
	web := w.source().with("recalls/1.json", recall)
	if _, got, err := w.follow(c, web); err == nil || got != "expired" {
		t.Errorf("%q, %v", got, err)
	}
	w.mustKnow("the agent", agent, bad.Ref)
	v, err := own.Refresh(t.Context(), w.now)
	if _, ok := v.Recalled(bad.Ref, time.Time{}); err != nil || !ok || !v.Expired(w.now) {
		t.Errorf("the loader has %+v, %v", v, err)
	}
	// It was new once; the metadata is as old as it was.
	w.mustFail(own, catalog.ErrExpired, "timestamp")
	w.mustKnow("the loader", loader, bad.Ref)
}

func TestRecallsBesideTheCatalogAreAddedUp(t *testing.T) {
	w := newWorld(t)
	one, two, three := w.patch(1, build61).Ref, w.patch(2, build61).Ref, w.patch(3, build61).Ref
	w.mustPublish(w.patch(1, build61))
	served := w.source()
	ofOne, ofTwo := w.recallIn(3, w.recall(one, hotstick.RecallBlock)), w.recallIn(3, w.recall(two, hotstick.RecallBlock))
	both := w.recallIn(4, w.recall(one, hotstick.RecallBlock), w.recall(two, hotstick.RecallBlock))
	all := w.recallIn(5, w.recall(one, hotstick.RecallBlock), w.recall(two, hotstick.RecallBlock), w.recall(three, hotstick.RecallRevert))
	agent := t.TempDir()
	c := w.mustClientIn(agent, nil)
	for _, test := range []struct {
		what    string
		mirrors []catalog.Fetcher
		state   string
		recalls int
		files   int
	}{
		{"none", []catalog.Fetcher{served}, "current", 0, 0},
		{"two publishers who did not know of each other", []catalog.Fetcher{served.with("recalls/1.json", ofOne), served.with("recalls/1.json", ofTwo)}, "current current", 2, 2},
		{"the same again", []catalog.Fetcher{served.with("recalls/1.json", ofOne)}, "current", 2, 2},
		{"both in one", []catalog.Fetcher{served.with("recalls/1.json", ofOne).with("recalls/2.json", both)}, "current", 2, 2},
		{"all in one", []catalog.Fetcher{served.with("recalls/1.json", all)}, "current", 3, 2},
		{"one that nobody signed", []catalog.Fetcher{served.with("recalls/1.json", w.forge(all, version(6), "online"))}, "lies", 3, 2},
		{"nonsense", []catalog.Fetcher{served.with("recalls/1.json", []byte("<html>"))}, "lies", 3, 2},
		{"too long", []catalog.Fetcher{served.with("recalls/1.json", make([]byte, catalog.MaxTargetsBytes+1))}, "lies", 3, 2},
	} {
		w.mustFollow(c, test.state, test.mirrors...)
		v, err := c.Load()
		if err != nil || len(v.Recalls) != test.recalls {
			t.Errorf("%s: %+v, %v", test.what, v.Recalls, err)
		}
		files, err := os.ReadDir(filepath.Join(agent, "recalls"))
		if err != nil && !errors.Is(err, os.ErrNotExist) || len(files) != test.files {
			t.Errorf("%s: %v, %v", test.what, files, err)
		}
		if v := w.mustRefresh(w.mustClient(catalog.NewStaged(agent))); len(v.Recalls) != test.recalls {
			t.Errorf("%s: the loader knows %+v", test.what, v.Recalls)
		}
	}
}

func TestARecallOfADelegateComesBesideTheCatalog(t *testing.T) {
	w := newWorld(t)
	w.mustDelegate(acme())
	own := w.acmePatch(1, build61)
	w.mustPublishAs("acme", own)
	held := w.source()
	agent := t.TempDir()
	c := w.mustClientIn(agent, w.stealDelegated("acme", 1, w.ownOf("acme")))
	w.mustRefresh(c)
	r := w.revision()
	r.Delegation, r.Own = "acme", w.ownOf("acme")
	r.Recalls = []hotstick.Recall{w.recall(own.Ref, hotstick.RecallRevert)}
	file := w.must(catalog.Revise(r, key("acme")))
	for name, mirror := range map[string]func() catalog.Fetcher{
		"as a file": func() catalog.Fetcher { return held.with("recalls/1.json", file) },
		"in a catalog that is behind": func() catalog.Fetcher {
			if _, err := w.repo.AcceptDelegated(catalog.Delegated{Name: "acme", Metadata: file}, w.now); err != nil {
				t.Fatal(err)
			}
			return live{w.repo}
		},
	} {
		dir := w.copyDir(agent)
		if _, reports, err := w.mustClientIn(dir, nil).Follow(t.Context(), w.now, catalog.Mirror{Source: mirror()}); err == nil || reports[0].Recalls != 1 {
			t.Errorf("%s: %+v, %v", name, reports, err)
		}
		w.mustKnow(name, dir, own.Ref)
		if v := w.mustRefresh(w.mustClient(catalog.NewStaged(dir))); len(v.Recalls) != 1 {
			t.Errorf("%s: the loader knows %+v", name, v.Recalls)
		}
	}
}

// waiting is a mirror that answers when it is let go.
type waiting struct {
	catalog.Fetcher
	asked, release chan struct{}
}

func (s waiting) Fetch(ctx context.Context, name string, maxBytes int64) ([]byte, error) {
	s.asked <- struct{}{}
	<-s.release
	return s.Fetcher.Fetch(ctx, name, maxBytes)
}

func TestASlowMirrorKeepsNobodyFromTheServer(t *testing.T) {
	w := newWorld(t)
	w.mustPublish(w.patch(1, build61))
	old := w.source()
	c := w.mustClient(live{w.repo})
	mirror := waiting{old, make(chan struct{}, 100), make(chan struct{})}
	done := make(chan error, 1)
	go func() {
		_, _, err := c.Follow(context.Background(), w.now, catalog.Mirror{Name: "slow", Source: mirror})
		done <- err
	}()
	<-mirror.asked // the mirror has the question, and the client no answer
	w.mustPublish(w.patch(2, build61))
	if v := w.mustRefresh(c); len(v.Patches) != 2 {
		t.Errorf("%+v", v)
	}
	close(mirror.release)
	if err := <-done; err == nil {
		t.Error("the mirror's old catalog was taken although the server had a newer one meanwhile")
	}
	if v, err := c.Load(); err != nil || len(v.Patches) != 2 {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestAnArtifactThatTheServerHoldsBackComesFromAMirror(t *testing.T) {
	w := newWorld(t)
	p := w.patch(1, build61)
	w.mustPublish(p)
	digest := p.Artifacts[0].Digest
	name := catalog.ArtifactFile(digest)
	without, other := w.source().with(name, nil), w.source().with(name, bytes.Repeat([]byte("x"), int(p.Artifacts[0].SizeBytes)))
	for i, test := range []struct {
		others []catalog.Fetcher
		ok     bool
	}{
		{nil, false}, {[]catalog.Fetcher{away{}}, false}, {[]catalog.Fetcher{other}, false},
		{[]catalog.Fetcher{away{}, other, without, w.source()}, true},
	} {
		c := w.mustClient(without)
		w.mustRefresh(c)
		path, err := c.Keep(t.Context(), digest, test.others...)
		if (err == nil) != test.ok {
			t.Errorf("%d: %v", i, err)
			continue
		}
		if data, readErr := os.ReadFile(path); test.ok && (readErr != nil || hotstick.NewDigest(data) != digest) {
			t.Errorf("%d: %q, %v", i, data, readErr)
		}
	}
}

func TestASlowServerLeavesTheMirrorsTheirShareOfTime(t *testing.T) {
	w := newWorld(t)
	p := w.patch(1, build61)
	w.mustPublish(p)
	dir := t.TempDir()
	w.mustRefresh(w.mustClientIn(dir, live{w.repo}))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if _, err := w.mustClientIn(dir, stuck{make(chan struct{})}).Keep(ctx, p.Artifacts[0].Digest, w.source()); err != nil {
		t.Error(err)
	}
}
