package catalog_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
)

func (w *world) recall(ref hotstick.PatchRef, action hotstick.RecallAction) hotstick.Recall {
	return hotstick.Recall{Patch: ref, Action: action, Reason: "panics under load", Issued: w.now}
}

// recallFile is targets metadata in which the publishers recall.
func (w *world) recallFile(recalls ...hotstick.Recall) []byte {
	w.Helper()
	r := w.revision()
	r.Recalls = recalls
	return w.must(catalog.Revise(r, key("publisher")))
}

func (w *world) mustRecall(recalls ...hotstick.Recall) {
	w.Helper()
	if _, err := w.repo.Accept(w.recallFile(recalls...), w.now); err != nil {
		w.Fatal(err)
	}
}

func TestARecallReachesEveryHost(t *testing.T) {
	w := newWorld(t)
	one, two := w.patch(1, build61), w.patch(2, build61, build612)
	w.mustPublish(one)
	w.mustPublish(two)
	dir := t.TempDir()
	c := w.mustClientIn(dir, live{w.repo})
	w.mustRefresh(c)
	if v := w.mustRefresh(c); len(v.Recalls) != 0 {
		t.Errorf("%+v", v.Recalls)
	}
	w.mustRecall(w.recall(two.Ref, hotstick.RecallBlock))
	w.now = w.now.Add(time.Hour)
	w.mustRecall(w.recall(two.Ref, hotstick.RecallRevert))
	cleared := w.now
	w.now = w.now.Add(time.Hour)
	w.mustRecall(w.recall(two.Ref, hotstick.RecallBlock))
	v := w.mustRefresh(c)
	for _, test := range []struct {
		name  string
		ref   hotstick.PatchRef
		since time.Time
		want  hotstick.RecallAction
	}{
		{"never cleared: the most that was asked for", two.Ref, time.Time{}, hotstick.RecallRevert},
		{"cleared in between", two.Ref, cleared, hotstick.RecallBlock},
		{"cleared after all", two.Ref, w.now, ""},
		{"another level", one.Ref, time.Time{}, ""},
		{"another patch", hotstick.PatchRef{Name: "zzz", Level: 2}, time.Time{}, ""},
	} {
		if r, ok := v.Recalled(test.ref, test.since); r.Action != test.want || ok != (test.want != "") {
			t.Errorf("%s: %+v", test.name, r)
		}
	}
	// The loader, and the server after a restart, say the same.
	repo, err := catalog.OpenRepository(w.dir, key("online"))
	if err != nil || len(repo.View().Recalls) != 3 {
		t.Errorf("%v", err)
	}
	if v := w.mustRefresh(w.mustClient(catalog.NewStaged(dir))); len(v.Recalls) != 3 {
		t.Errorf("the loader knows %+v", v.Recalls)
	}
}

func TestARecallIsNeverForgotten(t *testing.T) {
	w := newWorld(t)
	bad := w.patch(1, build61)
	w.mustPublish(bad)
	before := w.source()
	dir := t.TempDir()
	w.mustRecall(w.recall(bad.Ref, hotstick.RecallRevert))
	w.mustRefresh(w.mustClientIn(dir, live{w.repo}))
	known := func(when string) {
		t.Helper()
		v, err := w.mustClientIn(dir, nil).Load()
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		if _, ok := v.Recalled(bad.Ref, time.Time{}); !ok && err == nil {
			t.Errorf("%s: the recall is forgotten", when)
		}
	}
	known("after a restart")

	// Nobody takes it out: not the publishers by mistake, not with a new root.
	without := w.forge(w.repo.Targets(), func(s map[string]any) { version(4)(s); delete(at(t, s, "x-hotstick"), "recalls") }, "publisher")
	if _, err := w.repo.Accept(without, w.now); !errors.Is(err, catalog.ErrRefused) || !strings.Contains(err.Error(), "recall") {
		t.Error(err)
	}
	// And if a thief of publishers' and online keys does, a host that has seen it knows.
	s := w.steal(before, 9, w.forge(without, version(9), "publisher"), 90)
	v := w.mustRefresh(w.mustClientIn(dir, s))
	if _, ok := v.Recalled(bad.Ref, time.Time{}); !ok {
		t.Error("forgotten, because the newest catalog does not say it")
	}
	known("after a catalog without it")
	// The state of the catalog may go; what was seen stays.
	for _, name := range []string{"timestamp.json", "time.json"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	v = w.mustRefresh(w.mustClientIn(dir, before))
	if _, ok := v.Recalled(bad.Ref, time.Time{}); !ok {
		t.Error("forgotten with the rest of the state")
	}
	// A file that cannot be read is no file without recalls.
	if err := os.WriteFile(filepath.Join(dir, "recalls.json"), []byte(`{"recalls":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if v, err := w.mustClientIn(dir, nil).Load(); err == nil {
		t.Errorf("loaded %+v", v)
	}
	if v, err := w.mustClientIn(dir, before).Refresh(t.Context(), w.now); err == nil {
		t.Errorf("refreshed to %+v", v)
	}
}

func TestARecallIsDurableBeforeTheCatalogThatBroughtIt(t *testing.T) {
	w := newWorld(t)
	bad := w.patch(1, build61)
	w.mustPublish(bad)
	dir := t.TempDir()
	w.mustRefresh(w.mustClientIn(dir, live{w.repo}))
	w.mustRecall(w.recall(bad.Ref, hotstick.RecallBlock))
	for n := range 10 {
		state, happened := w.copyDir(dir), false
		c := w.mustClientIn(state, live{w.repo})
		c.CutPower(cutAt(n, &happened))
		_, _ = c.Refresh(t.Context(), w.now)
		v, err := w.mustClientIn(state, nil).Load()
		if err != nil {
			t.Fatalf("cut at file %d: %v", n, err)
		}
		if _, ok := v.Recalled(bad.Ref, time.Time{}); !ok && n > 0 {
			t.Errorf("cut at file %d: no recall in version %d", n, v.Version)
		}
		if !happened {
			return
		}
	}
	t.Error("it never ended")
}

func TestARecallComesAsADroppedFile(t *testing.T) {
	w := newWorld(t)
	bad, fine := w.patch(1, build61), w.patch(2, build61)
	w.mustPublish(bad)
	w.mustPublish(fine)
	dir := t.TempDir()
	c := w.mustClientIn(dir, live{w.repo})
	before := w.mustRefresh(c)
	file := w.recallFile(w.recall(bad.Ref, hotstick.RecallRevert))
	for range 2 { // the second time brings nothing new
		news, err := c.TakeRecalls(file)
		if err != nil || (len(news) == 1) != (len(before.Recalls) == 0) {
			t.Errorf("%+v, %v", news, err)
		}
		before.Recalls = news
	}
	// It takes effect without the server, and nothing but the recall is taken.
	for name, c := range map[string]*catalog.Client{"at once": c, "after a restart": w.mustClientIn(dir, nil)} {
		v, err := c.Load()
		if _, ok := v.Recalled(bad.Ref, time.Time{}); err != nil || !ok || v.Version != before.Version || len(v.Patches) != 2 {
			t.Errorf("%s: %+v, %v", name, v, err)
		}
		if _, ok := v.Recalled(fine.Ref, time.Time{}); ok {
			t.Errorf("%s: another level is recalled as well", name)
		}
	}
	if _, err := c.Artifact(t.Context(), fine.Artifacts[0].Digest); err != nil {
		t.Error(err)
	}
	// Age does not matter, signatures do.
	old := w.forge(file, func(s map[string]any) {
		s["expires"] = "2020-01-01T00:00:00Z"
		at(t, s, "x-hotstick")["recalls"] = []hotstick.Recall{w.recall(fine.Ref, hotstick.RecallBlock)}
	}, "publisher")
	if news, err := c.TakeRecalls(old); err != nil || len(news) != 1 {
		t.Errorf("%+v, %v", news, err)
	}
	for name, data := range map[string][]byte{"by nobody": w.forge(file, nothing), "by the online key": w.forge(file, nothing, "online"), "by a stranger": w.forge(file, nothing, "mallory"),
		"text": []byte("recall everything"), "empty": {}, "a snapshot": (*w.source())["1.snapshot.json"], "too much": make([]byte, catalog.MaxTargetsBytes+1),
		"out of order": w.forge(file, func(s map[string]any) {
			r := w.recall(fine.Ref, hotstick.RecallBlock)
			at(t, s, "x-hotstick")["recalls"] = []hotstick.Recall{r, r}
		}, "publisher"),
		"an action that nobody knows": w.forge(file, func(s map[string]any) { at(t, s, "x-hotstick", "recalls", 0)["action"] = "reboot" }, "publisher"),
	} {
		if news, err := c.TakeRecalls(data); !errors.Is(err, catalog.ErrRefused) || news != nil {
			t.Errorf("%s: %+v, %v", name, news, err)
		}
	}
	// On a host that has never had a catalog it waits.
	empty := t.TempDir()
	if _, err := w.mustClientIn(empty, nil).TakeRecalls(file); err != nil {
		t.Error(err)
	}
	if v := w.mustRefresh(w.mustClientIn(empty, live{w.repo})); len(v.Recalls) != 1 {
		t.Errorf("%+v", v.Recalls)
	}
}

func TestADelegateRecallsItsOwnOnly(t *testing.T) {
	w := newWorld(t)
	w.mustDelegate(acme())
	w.mustPublish(w.patch(1, build61))
	own := w.acmePatch(1, build61)
	w.mustPublishAs("acme", own)
	c := w.mustClient(live{w.repo})
	w.mustRefresh(c)
	r := w.revision()
	r.Delegation, r.Own = "acme", w.ownOf("acme")
	r.Recalls = []hotstick.Recall{w.recall(hotstick.PatchRef{Name: "unix-ioctl", Level: 1}, hotstick.RecallRevert)}
	if _, err := catalog.Revise(r, key("acme")); err == nil {
		t.Error("acme recalled what is not its own")
	}
	r.Recalls = []hotstick.Recall{w.recall(own.Ref, hotstick.RecallRevert)}
	file := w.must(catalog.Revise(r, key("acme")))
	if news, err := c.TakeRecalls(file); err != nil || len(news) != 1 {
		t.Errorf("as a dropped file: %+v, %v", news, err)
	}
	v, err := w.repo.AcceptDelegated(catalog.Delegated{Name: "acme", Metadata: file}, w.now)
	if _, ok := v.Recalled(own.Ref, time.Time{}); err != nil || !ok {
		t.Errorf("%+v, %v", v.Recalls, err)
	}
	// With the delegation its recalls may not go; the publishers take them over.
	if _, err := w.repo.Accept(w.delegations(), w.now); !errors.Is(err, catalog.ErrRefused) {
		t.Errorf("the recall went with the delegation: %v", err)
	}
	over := w.revision()
	over.Delegations, over.Recalls = []catalog.Delegation{}, v.Recalls
	if v, err := w.repo.Accept(w.must(catalog.Revise(over, key("publisher"))), w.now); err != nil || len(v.Recalls) != 1 {
		t.Errorf("%+v, %v", v.Recalls, err)
	}
	if v := w.mustRefresh(c); len(v.Recalls) != 1 || refs(v) != "unix-ioctl@1" {
		t.Errorf("%+v", v)
	}
}

// A server that was stolen holds a recall back; another mirror has it.
func TestASuppressedRecallComesFromASecondMirror(t *testing.T) {
	w := newWorld(t)
	bad := w.patch(1, build61)
	w.mustPublish(bad)
	held := w.source()
	c := w.mustClient(nil)
	w.mustFollow(c, "current", held)
	w.mustRecall(w.recall(bad.Ref, hotstick.RecallRevert))
	v := w.mustFollow(c, "behind current", held, live{w.repo})
	if _, ok := v.Recalled(bad.Ref, time.Time{}); !ok {
		t.Errorf("%+v", v.Recalls)
	}
	// The thief's own counting on does not undo it.
	v, _, err := w.follow(c, w.steal(held, 2, (*held)["2.targets.json"], 99), live{w.repo})
	if _, ok := v.Recalled(bad.Ref, time.Time{}); err != nil || !ok {
		t.Errorf("%+v, %v", v.Recalls, err)
	}
}

func TestRecallsThatCannotBeUsed(t *testing.T) {
	w := newWorld(t)
	good := w.recall(hotstick.PatchRef{Name: "x", Level: 1}, hotstick.RecallBlock)
	for name, change := range map[string]func(r *hotstick.Recall){
		"no patch":         func(r *hotstick.Recall) { r.Patch.Name = "" },
		"no level":         func(r *hotstick.Recall) { r.Patch.Level = 0 },
		"no action":        func(r *hotstick.Recall) { r.Action = "" },
		"no reason":        func(r *hotstick.Recall) { r.Reason = "" },
		"a long reason":    func(r *hotstick.Recall) { r.Reason = strings.Repeat("x", 1001) },
		"no time":          func(r *hotstick.Recall) { r.Issued = time.Time{} },
		"half a second":    func(r *hotstick.Recall) { r.Issued = r.Issued.Add(time.Millisecond) },
		"a time elsewhere": func(r *hotstick.Recall) { r.Issued = r.Issued.In(time.FixedZone("x", 3600)) },
	} {
		r := w.revision()
		bad := good
		change(&bad)
		r.Recalls = []hotstick.Recall{bad}
		if _, err := catalog.Revise(r, key("publisher")); err == nil {
			t.Errorf("%s was signed", name)
		}
	}
	// A level need not be in the catalog to be recalled: it may have been.
	w.mustRecall(good)
}
