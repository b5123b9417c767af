package catalog_test

import (
	"context"
	"errors"
	"flag"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
)

func TestAPatchTravelsFromThePublisherToALoader(t *testing.T) {
	w := newWorld(t)
	patch := w.patch(1, build61, build612)
	published := w.mustPublish(patch)
	patch.Published = w.now
	agentDir := t.TempDir()
	agent := w.mustClientIn(agentDir, live{w.repo})
	loader := w.mustClient(catalog.NewStaged(agentDir))
	w.mustRefresh(agent)
	view := w.mustRefresh(loader)
	if !reflect.DeepEqual(view.Patches, []hotstick.Patch{patch}) || !reflect.DeepEqual(view.Trust, w.spec.Trust) || view.Version != published.Version {
		t.Errorf("the loader sees %+v", view)
	}
	if want := w.now.Add(catalog.TimestampLife); !view.Expires.Equal(want) || view.Expired(w.now) || !view.Expired(want) {
		t.Errorf("the view ends at %s, want %s", view.Expires, want)
	}

	digest := patch.Artifacts[1].Digest
	if _, err := loader.Artifact(context.Background(), digest); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an artifact that is not staged: %v", err)
	}
	path, err := agent.Keep(context.Background(), digest)
	if err != nil {
		t.Fatal(err)
	}
	if data := w.must(os.ReadFile(path)); string(data) != string(w.data[digest]) {
		t.Errorf("the agent keeps %q", data)
	}
	if data := w.must(loader.Artifact(context.Background(), digest)); string(data) != string(w.data[digest]) {
		t.Errorf("the loader got %q", data)
	}
}

func TestAViewFindsPatches(t *testing.T) {
	w := newWorld(t)
	one, two := w.patch(1, build61, build612), w.patch(2, build61)
	w.mustPublish(one)
	view := w.mustPublish(two)
	one.Published, two.Published = w.now, w.now
	for _, v := range []catalog.View{view, {Patches: view.Patches}} {
		if p, ok := v.Patch(two.Ref); !ok || !reflect.DeepEqual(p, two) {
			t.Errorf("%+v, %v", p, ok)
		}
		if p, ok := v.ByModule(build612, "hotstick_unix_ioctl_1"); !ok || p.Ref != one.Ref {
			t.Errorf("%+v, %v", p, ok)
		}
		if _, ok := v.ByModule(build612, "hotstick_unix_ioctl_2"); ok {
			t.Error("a module was found for a build that has none")
		}
		if p, a, ok := v.ByArtifact(one.Artifacts[1].Digest); !ok || p.Ref != one.Ref || a != one.Artifacts[1] {
			t.Errorf("%+v, %+v, %v", p, a, ok)
		}
		if _, ok := v.Patch(hotstick.PatchRef{Name: "unix-ioctl", Level: 9}); ok {
			t.Error("a patch that does not exist was found")
		}
		if _, _, ok := v.ByArtifact(hotstick.NewDigest(nil)); ok {
			t.Error("an artifact that does not exist was found")
		}
	}
}

func TestALevelGainsBuildsAndNeverChangesBytes(t *testing.T) {
	w := newWorld(t)
	w.mustPublish(w.patch(1, build61))
	if _, err := catalog.Publish(w.publication(w.patch(1, build61)), key("publisher")); !errors.Is(err, catalog.ErrPublished) {
		t.Errorf("the same again: %v", err)
	}
	view := w.mustPublish(w.patch(1, build61, build612))
	if p, _ := view.Patch(hotstick.PatchRef{Name: "unix-ioctl", Level: 1}); len(view.Patches) != 1 || len(p.Artifacts) != 2 {
		t.Errorf("%+v", view.Patches)
	}

	other := w.patch(1, build61)
	other.Artifacts[0].Module = "another_name"
	if _, err := catalog.Publish(w.publication(other), key("publisher")); err == nil || errors.Is(err, catalog.ErrPublished) {
		t.Errorf("another module name: %v", err)
	}
	bytes := w.patch(7, build61)
	bytes.Ref.Level = 1
	if _, err := catalog.Publish(w.publication(bytes), key("publisher")); err == nil || !strings.Contains(err.Error(), "higher level") {
		t.Errorf("other bytes: %v", err)
	}
	reworded := w.patch(1, build61)
	reworded.Summary = "something else"
	if _, err := catalog.Publish(w.publication(reworded), key("publisher")); err == nil || errors.Is(err, catalog.ErrPublished) {
		t.Errorf("another manifest: %v", err)
	}
}

func TestThePublisherLooksBeforeSigning(t *testing.T) {
	w := newWorld(t)
	tests := []struct {
		name string
		edit func(*catalog.Publication)
	}{
		{"no live patch", func(p *catalog.Publication) {
			data := []byte("an ordinary driver")
			p.Patch.Artifacts[0].Digest, p.Patch.Artifacts[0].SizeBytes = hotstick.NewDigest(data), int64(len(data))
			p.Read = func(hotstick.Artifact) ([]byte, error) { return data, nil }
		}},
		{"other bytes than the patch says", func(p *catalog.Publication) {
			p.Read = func(hotstick.Artifact) ([]byte, error) { return []byte("module, but another"), nil }
		}},
		{"a length that lies", func(p *catalog.Publication) { p.Patch.Artifacts[0].SizeBytes++ }},
		{"a file that cannot be read", func(p *catalog.Publication) {
			p.Read = func(hotstick.Artifact) ([]byte, error) { return nil, fs.ErrNotExist }
		}},
		{"no look at all", func(p *catalog.Publication) { p.Check = nil }},
		{"no artifact", func(p *catalog.Publication) { p.Patch.Artifacts = nil }},
		{"a CVE that is none", func(p *catalog.Publication) { p.Patch.CVEs = []string{"<script>"} }},
		{"a function with spaces", func(p *catalog.Publication) { p.Patch.Functions = []string{"vmlinux:a b"} }},
		{"a function of nothing", func(p *catalog.Publication) { p.Patch.Functions = []string{"unix_ioctl"} }},
		{"an endless summary", func(p *catalog.Publication) { p.Patch.Summary = strings.Repeat("x", 2000) }},
		{"one artifact for two builds", func(p *catalog.Publication) {
			a := p.Patch.Artifacts[0]
			a.Build = build612
			p.Patch.Artifacts = append(p.Patch.Artifacts, a)
		}},
		{"a fraction of a second", func(p *catalog.Publication) { p.Expires = p.Expires.Add(1) }},
		{"targets that somebody else signed", func(p *catalog.Publication) {
			p.Targets = w.must(catalog.EmptyTargets(start.AddDate(1, 0, 0), key("mallory")))
		}},
		{"targets that nobody signed", func(p *catalog.Publication) { p.Targets = w.must(catalog.EmptyTargets(start.AddDate(1, 0, 0))) }},
		{"no targets", func(p *catalog.Publication) { p.Targets = nil }},
	}
	for _, test := range tests {
		p := w.publication(w.patch(1, build61))
		test.edit(&p)
		if _, err := catalog.Publish(p, key("publisher")); err == nil {
			t.Errorf("%s: published", test.name)
		}
	}
	if _, err := catalog.Publish(w.publication(w.patch(1, build61)), key("mallory")); err == nil {
		t.Error("a stranger published")
	}
	// Two levels under one module name could not be told apart in the kernel.
	w.mustPublish(w.patch(1, build61))
	clash := w.patch(2, build61)
	clash.Artifacts[0].Module = "hotstick_unix_ioctl_1"
	if _, err := catalog.Publish(w.publication(clash), key("publisher")); err == nil || !strings.Contains(err.Error(), "module name") {
		t.Errorf("got %v", err)
	}
}

func TestARootThatCannotBeUsedIsNotMade(t *testing.T) {
	tests := []struct {
		name string
		edit func(*catalog.RootSpec)
	}{
		{"no root key", func(s *catalog.RootSpec) { s.RootKeys = nil }},
		{"a threshold of nobody", func(s *catalog.RootSpec) { s.PublisherThreshold = 0 }},
		{"a threshold above the keys", func(s *catalog.RootSpec) { s.RootThreshold = 3 }},
		{"one key twice", func(s *catalog.RootSpec) { s.RootKeys = public("root", "root") }},
		{"a short key", func(s *catalog.RootSpec) { s.RootKeys[0] = s.RootKeys[0][:20] }},
		{"a server that publishes", func(s *catalog.RootSpec) { s.OnlineKeys = public("publisher") }},
		{"a server that owns the root", func(s *catalog.RootSpec) { s.OnlineKeys = public("root2") }},
		{"a server that approves", func(s *catalog.RootSpec) { s.OnlineKeys = public("ann") }},
		{"grants signed by the publisher", func(s *catalog.RootSpec) {
			s.Trust.ServerKeys = []hotstick.TrustedKey{hotstick.TrustedKey(key("publisher").Public())}
		}},
		{"nobody to trust", func(s *catalog.RootSpec) { s.Trust = hotstick.Trust{} }},
		{"too few persons", func(s *catalog.RootSpec) { s.Trust.Approvals = 3 }},
		{"no end", func(s *catalog.RootSpec) { s.Expires = time.Time{} }},
	}
	for _, test := range tests {
		spec := newSpec()
		test.edit(&spec)
		if _, err := catalog.Init(spec, key("root")); err == nil {
			t.Errorf("%s: made", test.name)
		}
	}
	spec := newSpec()
	root, err := catalog.Init(spec, key("root"))
	if err != nil {
		t.Fatal(err)
	}
	if got, version, err := catalog.ReadRoot(root); err != nil || version != 1 || !reflect.DeepEqual(got, spec) {
		t.Errorf("%+v, %d, %v", got, version, err)
	}
}

func TestThresholdsNeedSeveralSigners(t *testing.T) {
	spec := newSpec()
	spec.RootThreshold = 2
	spec.PublisherKeys, spec.PublisherThreshold = public("publisher", "publisher2"), 2
	w := &world{T: t, dir: t.TempDir()}
	half := w.must(catalog.Init(spec, key("root")))
	if _, _, err := catalog.ReadRoot(half); !errors.Is(err, catalog.ErrRefused) {
		t.Errorf("a root with one of two signatures: %v", err)
	}
	if _, err := catalog.Countersign(half, key("root")); err == nil {
		t.Error("one key signed twice")
	}
	root := w.must(catalog.Countersign(half, key("root2")))
	if _, _, err := catalog.ReadRoot(root); err != nil {
		t.Error(err)
	}
	targets := w.must(catalog.EmptyTargets(start.AddDate(1, 0, 0), key("publisher")))
	if _, err := catalog.CreateRepository(w.dir, root, targets, key("online"), start); !errors.Is(err, catalog.ErrRefused) {
		t.Errorf("targets with one of two signatures: %v", err)
	}
	targets = w.must(catalog.Countersign(targets, key("publisher2")))
	if _, err := catalog.CreateRepository(w.dir, root, targets, key("online"), start); err != nil {
		t.Error(err)
	}
	for _, in := range []string{"", "{}", `{"signed":{"_type":"timestamp"},"signatures":[]}`} {
		if _, err := catalog.Countersign([]byte(in), key("root")); err == nil {
			t.Errorf("%q was countersigned", in)
		}
	}
}

func TestARepositoryAcceptsOnlyWhatFollows(t *testing.T) {
	w := newWorld(t)
	patch := w.patch(1, build61)
	good := w.must(catalog.Publish(w.publication(patch), key("publisher")))
	stranger := w.must(catalog.EmptyTargets(start.AddDate(1, 0, 0), key("mallory")))
	same := w.must(catalog.EmptyTargets(start.AddDate(1, 0, 0), key("publisher")))
	expired := w.publication(patch)
	expired.Expires = start.Add(-time.Hour)
	tests := []struct {
		name    string
		targets []byte
		cause   error
	}{
		{"a missing artifact", good, catalog.ErrRefused},
		{"a stranger's", stranger, catalog.ErrRefused},
		{"an older version", same, catalog.ErrRefused},
		{"an expired one", w.must(catalog.Publish(expired, key("publisher"))), catalog.ErrExpired},
		{"an edited one", []byte(strings.Replace(string(good), "again", "never", 1)), catalog.ErrRefused},
		{"half of it", good[:len(good)/2], catalog.ErrRefused},
		{"a root", w.repo.Root(), catalog.ErrRefused},
	}
	for _, test := range tests {
		if _, err := w.repo.Accept(test.targets, w.now); !errors.Is(err, test.cause) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	if v := w.repo.View(); v.Version != 1 || len(v.Patches) != 0 {
		t.Errorf("the catalog has changed: %+v", v)
	}
	w.mustUpload(patch)
	for range 2 {
		view, err := w.repo.Accept(good, w.now)
		if err != nil || view.Version != 2 || len(view.Patches) != 1 {
			t.Errorf("%+v, %v", view, err)
		}
	}
}

func TestAPublishedLevelKeepsItsBytesWhoeverSigns(t *testing.T) {
	w := newWorld(t)
	w.mustPublish(w.patch(1, build61))
	// A publisher with another program than ours.
	other := w.patch(8, build61)
	other.Ref.Level = 1
	w.mustUpload(other)
	targets := w.forge(w.repo.Targets(), func(signed map[string]any) {
		version(3)(signed)
		signed["x-hotstick"].(map[string]any)["patches"] = []hotstick.Patch{other}
		a := other.Artifacts[0]
		signed["targets"] = map[string]any{"sha256-" + a.Digest.Hex() + ".ko": map[string]any{"length": a.SizeBytes, "hashes": map[string]any{"sha256": a.Digest.Hex()}}}
	}, "publisher")
	if _, err := w.repo.Accept(targets, w.now); !errors.Is(err, catalog.ErrRefused) || !strings.Contains(err.Error(), "other bytes") {
		t.Errorf("got %v", err)
	}
}

var update = flag.Bool("update", false, "write the golden files anew")

// TestGoldenCatalog keeps the format: the files must come out byte for byte as
// they did, and those that old versions wrote must still be read.
func TestGoldenCatalog(t *testing.T) {
	w := newWorld(t)
	patch := w.patch(1, build61, build612)
	w.mustPublish(patch)
	patch.Published = w.now
	golden := filepath.Join("testdata", "catalog")
	for name, data := range *w.source() {
		path := filepath.Join(golden, name)
		if *update {
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, data, 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		if string(w.must(os.ReadFile(path))) != string(data) {
			t.Errorf("%s: the format has changed: %s", name, data)
		}
	}
	view := w.mustRefresh(w.mustClient(catalog.NewStaged(golden)))
	if !reflect.DeepEqual(view.Patches, []hotstick.Patch{patch}) || !reflect.DeepEqual(view.Trust, w.spec.Trust) {
		t.Errorf("%+v", view)
	}
}

func TestArtifactsAreBoundedAndHiddenUntilListed(t *testing.T) {
	w := newWorld(t)
	if _, err := w.repo.AddArtifact(strings.NewReader("")); err == nil {
		t.Error("an empty artifact was taken")
	}
	if _, err := w.repo.AddArtifact(io.LimitReader(zeros{}, hotstick.MaxArtifactBytes+1)); err == nil {
		t.Error("an artifact beyond the limit was taken")
	}
	if _, err := w.repo.AddArtifact(io.MultiReader(strings.NewReader("half"), broken{})); err == nil {
		t.Error("half an artifact was taken")
	}
	digest, err := w.repo.AddArtifact(strings.NewReader("module"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.repo.Open(catalog.ArtifactFile(digest)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an artifact that nothing lists is served: %v", err)
	}
	for range 300 {
		if _, err := w.repo.AddArtifact(strings.NewReader("module again")); err != nil {
			t.Fatal(err)
		}
	}
	left, err := filepath.Glob(filepath.Join(w.dir, "incoming", "*"))
	if err != nil || len(left) != 2 {
		t.Errorf("%d files wait: %v", len(left), err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("the line broke") }

func TestOnlyTheCatalogsFilesAreServed(t *testing.T) {
	w := newWorld(t)
	view := w.mustPublish(w.patch(1, build61))
	if err := os.WriteFile(filepath.Join(w.dir, "secret"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	staged := catalog.NewStaged(w.dir)
	for name, ok := range map[string]bool{
		"1.root.json": true, "timestamp.json": true, "2.snapshot.json": true, "2.targets.json": true,
		catalog.ArtifactFile(view.Patches[0].Artifacts[0].Digest): true,
		"2.root.json": false, "root.json": false, "01.root.json": false, "1.timestamp.json": false, "secret": false, "": false, ".": false,
		"..": false, "../x": false, "targets": false, "targets/": false, "targets/../1.root.json": false, "/etc/passwd": false, "incoming": false,
		"1.root.json/": false, "timestamp.json\x00": false, strings.ToUpper("timestamp.json"): false, "99999999999999999999.root.json": false,
	} {
		file, err := w.repo.Open(name)
		if (err == nil) != ok || (!ok && !errors.Is(err, fs.ErrNotExist)) {
			t.Errorf("%q: %v", name, err)
		}
		if err == nil {
			if _, isSeeker := file.(io.ReadSeeker); !isSeeker {
				t.Errorf("%q cannot be served in ranges", name)
			}
			file.Close()
		}
		if _, err := staged.Fetch(context.Background(), name, 1<<20); (err == nil) != ok {
			t.Errorf("staged %q: %v", name, err)
		}
	}
}

func TestTheServerRenewsWhatItSigns(t *testing.T) {
	w := newWorld(t)
	c := w.mustClient(live{w.repo})
	renewals := 0
	for range 24 * 30 {
		w.now = w.now.Add(time.Hour)
		renewed, err := w.repo.Refresh(w.now)
		if err != nil {
			t.Fatal(err)
		}
		if renewed {
			renewals++
		}
		if v := w.repo.View(); v.Expires.Sub(w.now) < catalog.TimestampLife/2 {
			t.Fatalf("at %s the catalog ends at %s", w.now, v.Expires)
		}
	}
	w.mustRefresh(c)
	if renewals < 50 || renewals > 60 {
		t.Errorf("%d renewals in 30 days", renewals)
	}
	left, err := filepath.Glob(filepath.Join(w.dir, "*.snapshot.json"))
	if err != nil || len(left) > 9 {
		t.Errorf("%d snapshots are left: %v", len(left), err)
	}
}

func TestARepositoryOpensAsItWas(t *testing.T) {
	w := newWorld(t)
	before := w.mustPublish(w.patch(1, build61))
	w.mustPublish(w.patch(2, build61))
	for i := range 3 {
		repo, err := catalog.OpenRepository(w.dir, key("online"))
		if err != nil {
			t.Fatal(err)
		}
		w.repo = repo
		if v := repo.View(); v.Version != before.Version+1+int64(i) || len(v.Patches) != 2+i || v.Expired(w.now) {
			t.Errorf("%+v", v)
		}
		w.mustPublish(w.patch(3+i, build61, build612))
		w.mustRefresh(w.mustClient(live{w.repo}))
	}
}

func TestADamagedRepositoryDoesNotOpen(t *testing.T) {
	for name, damage := range map[string]func(w *world){
		"a missing snapshot":       func(w *world) { os.Remove(filepath.Join(w.dir, "2.snapshot.json")) },
		"a missing root":           func(w *world) { os.Remove(filepath.Join(w.dir, "1.root.json")) },
		"a missing timestamp":      func(w *world) { os.Remove(filepath.Join(w.dir, "timestamp.json")) },
		"a missing artifact":       func(w *world) { os.RemoveAll(filepath.Join(w.dir, "targets")) },
		"targets that were edited": func(w *world) { w.damage("2.targets.json", "again", "never") },
		"a snapshot cut short":     func(w *world) { os.Truncate(filepath.Join(w.dir, "2.snapshot.json"), 100) },
	} {
		w := newWorld(t)
		w.mustPublish(w.patch(1, build61))
		damage(w)
		if _, err := catalog.OpenRepository(w.dir, key("online")); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
	w := newWorld(t)
	if _, err := catalog.CreateRepository(w.dir, w.repo.Root(), w.repo.Targets(), key("online"), w.now); err == nil {
		t.Error("a repository was made over another")
	}
	if _, err := catalog.CreateRepository(t.TempDir(), w.repo.Root(), w.repo.Targets(), key("another server"), w.now); err == nil {
		t.Error("a repository was made with a key that the root does not name")
	}
	if _, err := catalog.CreateRepository(t.TempDir(), w.repo.Root(), w.repo.Targets(), key("online"), w.now.AddDate(1, 0, 0)); !errors.Is(err, catalog.ErrExpired) {
		t.Errorf("a repository of expired targets: %v", err)
	}
}

func (w *world) damage(name, old, new string) {
	w.Helper()
	path := filepath.Join(w.dir, name)
	data := string(w.must(os.ReadFile(path)))
	if !strings.Contains(data, old) {
		w.Fatalf("%s does not hold %q", name, old)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(data, old, new, 1)), 0o644); err != nil {
		w.Fatal(err)
	}
}
