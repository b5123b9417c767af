package catalog_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
)

// acme is a vendor that may publish its own patches for Debian's 6.1 kernels.
func acme() catalog.Delegation {
	return catalog.Delegation{Name: "acme", Keys: public("acme"), Threshold: 1, Scope: catalog.Scope{
		Patches: []string{"acme-*"}, Vendors: []string{"acme"}, Drivers: []string{"klp"},
		Builds: []catalog.BuildScope{{Release: "6.1.0-*-amd64", Arch: "x86_64"}},
	}}
}

// acmePatch makes a level that is within acme's scope.
func (w *world) acmePatch(level int, builds ...hotstick.KernelBuild) hotstick.Patch {
	p := w.patch(level, builds...)
	p.Ref.Name, p.Vendor = "acme-fix", "acme"
	for i, a := range p.Artifacts {
		data := append([]byte("module by acme: "), w.data[a.Digest]...)
		a.Digest, a.SizeBytes, a.Module = hotstick.NewDigest(data), int64(len(data)), fmt.Sprintf("acme_fix_%d", level)
		w.data[a.Digest] = data
		p.Artifacts[i] = a
	}
	return p
}

func (w *world) revision() catalog.Revision {
	return catalog.Revision{Root: w.repo.Root(), Targets: w.repo.Targets(), Expires: w.now.AddDate(0, 6, 0)}
}

func (w *world) delegations(list ...catalog.Delegation) []byte {
	w.Helper()
	r := w.revision()
	r.Delegations = append([]catalog.Delegation{}, list...)
	return w.must(catalog.Revise(r, key("publisher")))
}

func (w *world) mustDelegate(list ...catalog.Delegation) {
	w.Helper()
	if _, err := w.repo.Accept(w.delegations(list...), w.now); err != nil {
		w.Fatal(err)
	}
}

// ownOf returns what a delegate has published last, from the repository's files.
func (w *world) ownOf(name string) []byte {
	w.Helper()
	for v := 50; v > 0; v-- {
		if data, err := os.ReadFile(filepath.Join(w.dir, fmt.Sprintf("%d.%s.json", v, name))); err == nil {
			return data
		}
	}
	return nil
}

func (w *world) publicationOf(name string, p hotstick.Patch) catalog.Publication {
	pub := w.publication(p)
	pub.Delegation, pub.Own = name, w.ownOf(name)
	return pub
}

func (w *world) mustPublishAs(name string, p hotstick.Patch) catalog.View {
	w.Helper()
	w.mustUpload(p)
	view, err := w.repo.AcceptDelegated(catalog.Delegated{Name: name, Metadata: w.must(catalog.Publish(w.publicationOf(name, p), key(name)))}, w.now)
	if err != nil {
		w.Fatal(err)
	}
	return view
}

func refs(v catalog.View) string {
	var list []string
	for _, p := range v.Patches {
		list = append(list, p.Ref.String())
	}
	return strings.Join(list, " ")
}

func TestADelegatePublishesByItself(t *testing.T) {
	w := newWorld(t)
	w.mustPublish(w.patch(1, build61))
	dir := t.TempDir()
	c := w.mustClientIn(dir, live{w.repo})
	w.mustRefresh(c)
	w.mustDelegate(acme())
	if v := w.mustRefresh(c); refs(v) != "unix-ioctl@1" || len(v.Delegations) != 1 || v.Delegations[0].Name != "acme" {
		t.Errorf("before it has published: %+v", v)
	}
	p := w.acmePatch(1, build61)
	w.mustPublishAs("acme", p)
	w.mustPublishAs("acme", w.acmePatch(2, build61))
	w.mustPublish(w.patch(2, build61))
	const want = "unix-ioctl@1 unix-ioctl@2 acme-fix@1 acme-fix@2"
	if v := w.mustRefresh(c); refs(v) != want {
		t.Errorf("got %s", refs(v))
	}
	if data, err := c.Artifact(t.Context(), p.Artifacts[0].Digest); err != nil || !bytes.HasPrefix(data, []byte("module by acme")) {
		t.Errorf("%q, %v", data, err)
	}
	// It travels through the host to the loader, survives a restart of either, and
	// of the repository.
	loader := t.TempDir()
	w.mustRefresh(w.mustClientIn(loader, catalog.NewStaged(dir)))
	if v, err := w.mustClientIn(loader, nil).Load(); err != nil || refs(v) != want {
		t.Errorf("the loader has %s, %v", refs(v), err)
	}
	repo, err := catalog.OpenRepository(w.dir, key("online"))
	if err != nil || refs(repo.View()) != want {
		t.Errorf("reopened: %v, %v", repo, err)
	}
	// A generic TUF client finds the file as well.
	state, out := t.TempDir(), t.TempDir()
	if err := catalog.InitGeneric(state, w.repo.Root()); err != nil {
		t.Fatal(err)
	}
	g := catalog.NewGeneric(state, *w.source())
	if err := g.Refresh(t.Context(), w.now); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Download(t.Context(), "sha256-"+p.Artifacts[0].Digest.Hex()+".ko", inTargets{*w.source()}, out); err != nil {
		t.Error(err)
	}
	// The same again changes nothing.
	if v, err := w.repo.AcceptDelegated(catalog.Delegated{Name: "acme", Metadata: w.ownOf("acme")}, w.now); err != nil || v.Version != w.repo.View().Version {
		t.Errorf("%d, %v", v.Version, err)
	}
}

func TestADelegateStaysWithinItsScope(t *testing.T) {
	w := newWorld(t)
	w.mustDelegate(acme())
	w.mustPublishAs("acme", w.acmePatch(1, build61))
	rt := build61
	rt.Release = "6.1.0-47-rt-arm64"
	for name, change := range map[string]func(p *hotstick.Patch){
		"another's patch":         func(p *hotstick.Patch) { p.Ref.Name = "unix-ioctl" },
		"a name that begins so":   func(p *hotstick.Patch) { p.Ref.Name = "acm" },
		"another vendor":          func(p *hotstick.Patch) { p.Vendor = "canonical" },
		"no vendor":               func(p *hotstick.Patch) { p.Vendor = "" },
		"another driver":          func(p *hotstick.Patch) { p.Driver = "kpatch" },
		"another kernel line":     func(p *hotstick.Patch) { p.Artifacts[0].Build = build612 },
		"another flavour":         func(p *hotstick.Patch) { p.Artifacts[0].Build = rt },
		"another architecture":    func(p *hotstick.Patch) { p.Artifacts[0].Build.Arch = "aarch64" },
		"one build too many":      func(p *hotstick.Patch) { p.Artifacts = append(p.Artifacts, w.acmePatch(3, build612).Artifacts...) },
		"nothing, which it may":   func(*hotstick.Patch) {},
		"the same level, changed": func(p *hotstick.Patch) { p.Ref.Level, p.Summary = 1, "other" },
	} {
		p := w.acmePatch(2, build61)
		change(&p)
		_, err := catalog.Publish(w.publicationOf("acme", p), key("acme"))
		if (err == nil) != (name == "nothing, which it may") {
			t.Errorf("%s: %v", name, err)
		}
		// Signed by hand it is refused where it arrives, and by every client.
		if err == nil || name == "the same level, changed" {
			continue
		}
		entries := map[string]any{}
		for _, a := range p.Artifacts {
			entries["sha256-"+a.Digest.Hex()+".ko"] = map[string]any{"length": a.SizeBytes, "hashes": map[string]any{"sha256": a.Digest.Hex()}}
		}
		forged := w.forge(w.ownOf("acme"), func(s map[string]any) {
			version(2)(s)
			s["targets"], s["x-hotstick"].(map[string]any)["patches"] = entries, []hotstick.Patch{p}
		}, "acme")
		if _, err := w.repo.AcceptDelegated(catalog.Delegated{Name: "acme", Metadata: forged}, w.now); !errors.Is(err, catalog.ErrRefused) {
			t.Errorf("%s: the repository says %v", name, err)
		}
		w.mustFail(w.mustClient(w.stealDelegated("acme", 2, forged)), catalog.ErrRefused, "scope")
	}
}

// stealDelegated is what a thief of the online key can serve: a delegate's file
// that the repository never took.
func (w *world) stealDelegated(name string, v int, data []byte) *source {
	w.Helper()
	s := w.source()
	snapshot := w.forge(w.newest("snapshot"), func(signed map[string]any) {
		version(90)(signed)
		meta := signed["meta"].(map[string]any)
		one := map[string]any{}
		link(name+".json", int64(v), data)(one)
		meta[name+".json"] = one["meta"].(map[string]any)[name+".json"]
	}, "online")
	timestamp := w.forge((*s)["timestamp.json"], func(signed map[string]any) {
		version(90)(signed)
		link("snapshot.json", 90, snapshot)(signed)
	}, "online")
	return s.with(fmt.Sprintf("%d.%s.json", v, name), data).with("90.snapshot.json", snapshot).with("timestamp.json", timestamp)
}

func (w *world) newest(role string) []byte {
	w.Helper()
	return w.ownOf(role)
}

func TestOnlyTheDelegateSignsForItself(t *testing.T) {
	w := newWorld(t)
	w.mustDelegate(acme())
	w.mustPublishAs("acme", w.acmePatch(1, build61))
	for _, signer := range []string{"publisher", "online", "mallory", "root"} {
		if _, err := catalog.Publish(w.publicationOf("acme", w.acmePatch(2, build61)), key(signer)); err == nil {
			t.Errorf("%s published as acme", signer)
		}
		forged := w.forge(w.ownOf("acme"), version(2), signer)
		if _, err := w.repo.AcceptDelegated(catalog.Delegated{Name: "acme", Metadata: forged}, w.now); !errors.Is(err, catalog.ErrRefused) {
			t.Errorf("%s: %v", signer, err)
		}
		w.mustFail(w.mustClient(w.stealDelegated("acme", 2, forged)), catalog.ErrRefused, "not enough signatures")
	}
	// Nor does it sign for the publishers, delegate, or answer to another name.
	if _, err := catalog.Publish(w.publication(w.patch(5, build61)), key("acme")); err == nil {
		t.Error("acme published as a publisher")
	}
	if _, err := w.repo.Accept(w.forge(w.repo.Targets(), version(3), "acme"), w.now); !errors.Is(err, catalog.ErrRefused) {
		t.Error(err)
	}
	r := w.revision()
	r.Delegation, r.Own, r.Delegations = "acme", w.ownOf("acme"), []catalog.Delegation{acme()}
	if _, err := catalog.Revise(r, key("acme")); err == nil {
		t.Error("a delegate delegated")
	}
	nested := w.forge(w.ownOf("acme"), func(s map[string]any) {
		version(2)(s)
		top := at(t, s, "x-hotstick")
		top["delegations"] = []any{map[string]any{"name": "x", "scope": acme().Scope}}
	}, "acme")
	for name, d := range map[string]catalog.Delegated{"nested": {Name: "acme", Metadata: nested}, "another name": {Name: "other", Metadata: w.ownOf("acme")},
		"an old version": {Name: "acme", Metadata: w.forge(w.ownOf("acme"), func(s map[string]any) { s["expires"] = "2027-01-01T00:00:00Z" }, "acme")},
		"expired":        {Name: "acme", Metadata: w.forge(w.ownOf("acme"), func(s map[string]any) { version(2)(s); s["expires"] = "2020-01-01T00:00:00Z" }, "acme")}} {
		if _, err := w.repo.AcceptDelegated(d, w.now); !errors.Is(err, catalog.ErrRefused) && !errors.Is(err, catalog.ErrExpired) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDelegationsThatCannotBeUsed(t *testing.T) {
	w := newWorld(t)
	for name, change := range map[string]func(d *catalog.Delegation){
		"a role of TUF's":         func(d *catalog.Delegation) { d.Name = "snapshot" },
		"a path":                  func(d *catalog.Delegation) { d.Name = "../x" },
		"no name":                 func(d *catalog.Delegation) { d.Name = "" },
		"no keys":                 func(d *catalog.Delegation) { d.Keys = nil },
		"threshold 0":             func(d *catalog.Delegation) { d.Threshold = 0 },
		"threshold 2 of 1":        func(d *catalog.Delegation) { d.Threshold = 2 },
		"one key twice":           func(d *catalog.Delegation) { d.Keys = public("acme", "acme") },
		"a short key":             func(d *catalog.Delegation) { d.Keys = []hotstick.TrustedKey{make([]byte, 31)} },
		"no patches":              func(d *catalog.Delegation) { d.Scope.Patches = nil },
		"all patches by a star":   func(d *catalog.Delegation) { d.Scope.Patches = []string{"*"} },
		"no vendors":              func(d *catalog.Delegation) { d.Scope.Vendors = nil },
		"no drivers":              func(d *catalog.Delegation) { d.Scope.Drivers = []string{} },
		"no builds":               func(d *catalog.Delegation) { d.Scope.Builds = nil },
		"all builds by a star":    func(d *catalog.Delegation) { d.Scope.Builds[0].Release = "*" },
		"a build of no machine":   func(d *catalog.Delegation) { d.Scope.Builds[0].Arch = "" },
		"half a build ID":         func(d *catalog.Delegation) { d.Scope.Builds[0].BuildID = "abc" },
		"too many vendors to see": func(d *catalog.Delegation) { d.Scope.Vendors = slices.Repeat([]string{"x"}, 1001) },
	} {
		d := acme()
		change(&d)
		r := w.revision()
		r.Delegations = []catalog.Delegation{d}
		if _, err := catalog.Revise(r, key("publisher")); err == nil {
			t.Errorf("%s was signed", name)
		}
	}
	r := w.revision()
	r.Delegations = []catalog.Delegation{acme(), acme()}
	if _, err := catalog.Revise(r, key("publisher")); err == nil {
		t.Error("one delegation twice was signed")
	}
	// Whoever steals the server must not be able to publish as anybody.
	online := acme()
	online.Keys = public("online")
	if _, err := w.repo.Accept(w.delegations(online), w.now); !errors.Is(err, catalog.ErrRefused) {
		t.Errorf("a delegation to the online key: %v", err)
	}
	good := w.delegations(acme())
	for name, edit := range map[string]func(s map[string]any){
		"a scope less":     func(s map[string]any) { delete(at(t, s, "x-hotstick"), "delegations") },
		"another's scope":  func(s map[string]any) { at(t, s, "x-hotstick", "delegations", 0)["name"] = "other" },
		"terminating":      func(s map[string]any) { at(t, s, "delegations", "roles", 0)["terminating"] = true },
		"other paths":      func(s map[string]any) { at(t, s, "delegations", "roles", 0)["paths"] = []any{"*"} },
		"digests of paths": func(s map[string]any) { at(t, s, "delegations", "roles", 0)["path_hash_prefixes"] = []any{"0"} },
		"succinct roles":   func(s map[string]any) { at(t, s, "delegations")["succinct_roles"] = bins(4) },
		"a delegation and no field of ours": func(s map[string]any) {
			at(t, s, "x-hotstick")["delegations"], at(t, s, "delegations")["roles"] = []any{}, []any{}
		},
	} {
		if _, err := w.repo.Accept(w.forge(good, edit, "publisher"), w.now); !errors.Is(err, catalog.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := w.repo.Accept(good, w.now); err != nil {
		t.Error(err)
	}
}

func TestADelegatesKeysAreReplaced(t *testing.T) {
	w := newWorld(t)
	w.mustDelegate(acme())
	w.mustPublishAs("acme", w.acmePatch(1, build61))
	c := w.mustClient(live{w.repo})
	w.mustRefresh(c)
	next := acme()
	next.Keys, next.Threshold = public("acme two", "acme three"), 2
	targets := w.delegations(next)
	if _, err := w.repo.Accept(targets, w.now); !errors.Is(err, catalog.ErrRefused) {
		t.Errorf("what the stolen key had signed stays: %v", err)
	}
	fresh := w.forge(w.ownOf("acme"), version(2), "acme two")
	if _, err := w.repo.Accept(targets, w.now, catalog.Delegated{Name: "acme", Metadata: fresh}); !errors.Is(err, catalog.ErrRefused) {
		t.Errorf("with one key of two: %v", err)
	}
	fresh = w.must(catalog.Countersign(fresh, key("acme three")))
	if _, err := w.repo.Accept(targets, w.now, catalog.Delegated{Name: "acme", Metadata: fresh}); err != nil {
		t.Fatal(err)
	}
	if v := w.mustRefresh(c); refs(v) != "acme-fix@1" {
		t.Errorf("%+v", v)
	}
	w.mustFail(w.mustClient(w.stealDelegated("acme", 3, w.forge(fresh, version(3), "acme"))), catalog.ErrRefused, "not enough signatures")
}

func TestADelegationEnds(t *testing.T) {
	w := newWorld(t)
	w.mustPublish(w.patch(1, build61))
	w.mustDelegate(acme())
	w.mustPublishAs("acme", w.acmePatch(1, build61))
	c := w.mustClient(live{w.repo})
	w.mustRefresh(c)
	w.mustDelegate()
	if v := w.mustRefresh(c); refs(v) != "unix-ioctl@1" || len(v.Delegations) != 0 {
		t.Errorf("%+v", v)
	}
	// The name never comes back: what it had published would, with it.
	if _, err := w.repo.Accept(w.delegations(acme()), w.now); !errors.Is(err, catalog.ErrRefused) || !strings.Contains(err.Error(), "another name") {
		t.Error(err)
	}
	again := acme()
	again.Name = "acme-two"
	w.mustDelegate(again)
	if v := w.mustRefresh(c); refs(v) != "unix-ioctl@1" || len(v.Delegations) != 1 {
		t.Errorf("%+v", v)
	}
	if repo, err := catalog.OpenRepository(w.dir, key("online")); err != nil || repo.View().Version != w.repo.View().Version {
		t.Error(err)
	}
}

func TestPowerCutWhileADelegatePublishes(t *testing.T) {
	for n := 0; ; n++ {
		w := newWorld(t)
		w.mustDelegate(acme())
		w.mustPublishAs("acme", w.acmePatch(1, build61))
		dir, happened := t.TempDir(), false
		w.mustRefresh(w.mustClientIn(dir, live{w.repo}))
		p := w.acmePatch(2, build61)
		w.mustUpload(p)
		own := w.must(catalog.Publish(w.publicationOf("acme", p), key("acme")))
		w.repo.CutPower(cutAt(n, &happened))
		_, err := w.repo.AcceptDelegated(catalog.Delegated{Name: "acme", Metadata: own}, w.now)
		if (err == nil) == happened {
			t.Fatalf("cut at file %d: %v", n, err)
		}
		if w.repo, err = catalog.OpenRepository(w.dir, key("online")); err != nil {
			t.Fatalf("cut at file %d: %v", n, err)
		}
		if _, err := w.repo.AcceptDelegated(catalog.Delegated{Name: "acme", Metadata: own}, w.now); err != nil {
			t.Errorf("cut at file %d, then: %v", n, err)
		}
		// The same on a host.
		client := w.mustClientIn(dir, live{w.repo})
		cut := false
		client.CutPower(cutAt(n, &cut))
		_, err = client.Refresh(t.Context(), w.now)
		if (err == nil) == cut {
			t.Fatalf("cut at file %d: %v", n, err)
		}
		if v, err := w.mustClientIn(dir, nil).Load(); err != nil || refs(v) != "acme-fix@1" && refs(v) != "acme-fix@1 acme-fix@2" {
			t.Errorf("cut at file %d: %s, %v", n, refs(v), err)
		}
		if v := w.mustRefresh(w.mustClientIn(dir, live{w.repo})); refs(v) != "acme-fix@1 acme-fix@2" {
			t.Errorf("cut at file %d, then: %s", n, refs(v))
		}
		if !happened && !cut {
			return
		}
	}
}

func TestARepositoryWithADamagedDelegateDoesNotOpen(t *testing.T) {
	w := newWorld(t)
	w.mustDelegate(acme())
	w.mustPublishAs("acme", w.acmePatch(1, build61))
	file := filepath.Join(w.dir, "1.acme.json")
	good := w.must(os.ReadFile(file))
	for name, data := range map[string][]byte{"empty": {}, "another": w.forge(good, nothing, "acme", "mallory")} {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := catalog.OpenRepository(w.dir, key("online")); err == nil || !strings.Contains(err.Error(), "acme") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := catalog.OpenRepository(w.dir, key("online")); err == nil {
		t.Error("without it")
	}
	if err := os.WriteFile(file, good, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := catalog.OpenRepository(w.dir, key("online")); err != nil {
		t.Error(err)
	}
}

func TestAThiefOfTheOnlineKeyCannotHideADelegate(t *testing.T) {
	w := newWorld(t)
	w.mustDelegate(acme())
	w.mustPublishAs("acme", w.acmePatch(1, build61))
	first := w.ownOf("acme")
	w.mustPublishAs("acme", w.acmePatch(2, build61))
	s := w.source()
	c := w.mustClient(s)
	w.mustRefresh(c)
	hide := func(signed map[string]any) { delete(signed["meta"].(map[string]any), "acme.json") }
	serve := func(edit func(map[string]any), names ...string) *source {
		snapshot := w.forge(w.newest("snapshot"), func(signed map[string]any) { version(90)(signed); edit(signed) }, names...)
		timestamp := w.forge((*w.source())["timestamp.json"], func(signed map[string]any) {
			version(90)(signed)
			link("snapshot.json", 90, snapshot)(signed)
		}, names...)
		return w.source().with("90.snapshot.json", snapshot).with("timestamp.json", timestamp)
	}
	*s = *serve(hide, "online")
	w.mustFail(c, catalog.ErrRefused, "acme")
	*s = *w.stealDelegated("acme", 1, first)
	w.mustFail(c, catalog.ErrRefused, "")
	// Not even where TUF forgets the old snapshot, because the online keys change.
	w.rotateOnline()
	*s = *serve(hide, "new online")
	w.mustFail(c, catalog.ErrRefused, "acme")
	*s = *w.source()
	if v := w.mustRefresh(c); refs(v) != "acme-fix@1 acme-fix@2" {
		t.Errorf("got %s", refs(v))
	}
}

func TestAnExpiredDelegationHoldsNobodyElseUp(t *testing.T) {
	w := newWorld(t)
	w.mustDelegate(acme())
	w.mustPublish(w.patch(1, build61))
	p := w.acmePatch(1, build61)
	pub := w.publicationOf("acme", p)
	pub.Expires = w.now.Add(10 * 24 * time.Hour)
	w.mustUpload(p)
	if _, err := w.repo.AcceptDelegated(catalog.Delegated{Name: "acme", Metadata: w.must(catalog.Publish(pub, key("acme")))}, w.now); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(10 * 24 * time.Hour)
	if _, err := w.repo.Refresh(w.now); err != nil {
		t.Fatal(err)
	}
	w.mustPublish(w.patch(2, build61))
	v := w.mustRefresh(w.mustClient(live{w.repo}))
	if refs(v) != "unix-ioctl@1 unix-ioctl@2 acme-fix@1" || v.Expired(w.now) {
		t.Errorf("%s, expired %v", refs(v), v.Expired(w.now))
	}
	for ref, want := range map[hotstick.PatchRef]bool{p.Ref: true, {Name: "unix-ioctl", Level: 2}: false} {
		if got := v.ExpiredFor(ref, w.now); got != want {
			t.Errorf("%s: expired is %v", ref, got)
		}
	}
}

func TestPeopleAreWarnedBeforeTheirSignaturesExpire(t *testing.T) {
	w := newWorld(t)
	w.mustDelegate(acme())
	p := w.acmePatch(1, build61)
	pub := w.publicationOf("acme", p)
	pub.Expires = w.now.AddDate(0, 3, 0)
	w.mustUpload(p)
	if _, err := w.repo.AcceptDelegated(catalog.Delegated{Name: "acme", Metadata: w.must(catalog.Publish(pub, key("acme")))}, w.now); err != nil {
		t.Fatal(err)
	}
	v := w.repo.View()
	for _, test := range []struct {
		at   time.Time
		want string
	}{
		{start, ""},
		{start.Add(catalog.TimestampLife), "timestamp"},
		{pub.Expires.Add(-catalog.ExpiryWarning - time.Second), "timestamp snapshot"},
		{pub.Expires.Add(-catalog.ExpiryWarning), "timestamp snapshot acme"},
		{start.AddDate(0, 6, -7), "timestamp snapshot acme targets"},
		{start.AddDate(2, 0, -7), "timestamp snapshot acme targets root"},
	} {
		var got []string
		for _, e := range v.ExpiresWithin(test.at, catalog.ExpiryWarning) {
			got = append(got, e.Role)
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("at %s: %q, want %q", test.at, got, test.want)
		}
	}
}

func TestPublishersAndDelegatesAreUnambiguousTogether(t *testing.T) {
	w := newWorld(t)
	other := acme()
	other.Name, other.Keys = "other", public("other")
	w.mustDelegate(acme(), other)
	p := w.acmePatch(1, build61)
	w.mustPublishAs("acme", p)
	again := w.acmePatch(2, build61)
	again.Artifacts[0] = p.Artifacts[0]
	for name, same := range map[string]hotstick.Patch{"level": p, "artifact": again} {
		data := w.must(catalog.Publish(w.publicationOf("other", same), key("other")))
		if _, err := w.repo.AcceptDelegated(catalog.Delegated{Name: "other", Metadata: data}, w.now); !errors.Is(err, catalog.ErrRefused) || !strings.Contains(err.Error(), "together") {
			t.Errorf("the same %s: %v", name, err)
		}
	}
}
