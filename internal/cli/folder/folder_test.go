package folder_test

import (
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/cli/folder"
	"github.com/hotstick/hotstick/internal/statement"
)

var start = time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)

// world is a server's catalog and a directory that it was exported to.
type world struct {
	*testing.T
	repo *catalog.Repository
	// server is the repository's directory.
	server, dir string
	root        []byte
}

func key(name string) *statement.Key {
	seed := sha256.Sum256([]byte("hotstick folder test key of " + name))
	k, err := statement.NewKey(seed[:])
	if err != nil {
		panic(err)
	}
	return k
}

func public(names ...string) []hotstick.TrustedKey {
	var list []hotstick.TrustedKey
	for _, n := range names {
		list = append(list, key(n).Public())
	}
	return list
}

func id(name string) string { return statement.KeyID(key(name).Public()) }

func spec() catalog.RootSpec {
	person := func(name string) hotstick.TrustedPerson {
		return hotstick.TrustedPerson{Person: hotstick.Person(name), Keys: []hotstick.TrustedKey{hotstick.TrustedKey(key(name).Public())}}
	}
	return catalog.RootSpec{RootKeys: public("owner"), RootThreshold: 1, PublisherKeys: public("publisher"), PublisherThreshold: 1,
		OnlineKeys: public("online"), Expires: start.Add(1000 * time.Hour),
		Trust: hotstick.Trust{Persons: []hotstick.TrustedPerson{person("ada"), person("bob")}, Approvals: 1, Epoch: 1,
			ServerKeys: []hotstick.TrustedKey{hotstick.TrustedKey(key("online").Public())}}}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, server: t.TempDir(), dir: t.TempDir()}
	w.root = w.must(catalog.Init(spec(), key("owner")))
	targets := w.must(catalog.EmptyTargets(start.Add(500*time.Hour), key("publisher")))
	var err error
	if w.repo, err = catalog.CreateRepository(w.server, w.root, targets, key("online"), start); err != nil {
		t.Fatal(err)
	}
	w.export()
	return w
}

func (w *world) export() {
	w.Helper()
	c, err := catalog.NewClient(w.dir, w.root, catalog.NewStaged(w.server))
	if err == nil {
		_, err = c.Refresh(w.Context(), start)
	}
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) must(data []byte, err error) []byte {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
	return data
}

func (w *world) open() *folder.Folder {
	w.Helper()
	f, err := folder.Open(w.dir, w.root)
	if err != nil {
		w.Fatal(err)
	}
	return f
}

// nextRoot makes the next root with a change, signed by nobody.
func (w *world) nextRoot(change folder.RootChange) []byte {
	w.Helper()
	change.Expires = start.Add(2000 * time.Hour)
	next, err := change.Apply(spec())
	if err != nil {
		w.Fatal(err)
	}
	return w.must(catalog.NextRoot(w.root, next))
}

func (w *world) sign(f *folder.Folder, role, name string) error {
	s, err := f.Standing(role)
	if err != nil {
		return err
	}
	signed, err := s.Sign(key(name))
	if err != nil {
		return err
	}
	return f.Keep(role, signed)
}

func TestSignersComeOneAfterTheOther(t *testing.T) {
	w := newWorld(t)
	f := w.open()
	change := folder.RootChange{Owners: folder.KeyChange{Add: public("second"), Threshold: 2}}
	if err := f.Keep(folder.Root, w.nextRoot(change)); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		signer  string
		want    error
		missing []int
	}{
		{"ada", folder.ErrNotAsked, []int{1, 2}},
		{"owner", nil, []int{0, 1}},
		{"owner", folder.ErrSigned, []int{0, 1}},
		{"second", nil, []int{0, 0}},
	} {
		f = w.open() // each on a laptop of their own
		if err := w.sign(f, folder.Root, step.signer); !errors.Is(err, step.want) {
			t.Errorf("%s: %v, want %v", step.signer, err, step.want)
		}
		s, err := f.Standing(folder.Root)
		if err != nil {
			t.Fatal(err)
		}
		if got := []int{s.Needs[0].Missing(), s.Needs[1].Missing()}; !slices.Equal(got, step.missing) {
			t.Errorf("after %s %v are missing, want %v", step.signer, got, step.missing)
		}
	}
	ready, err := w.open().Ready()
	if err != nil || !slices.Equal(ready.Roles, []string{folder.Root}) || len(ready.Waiting) != 0 {
		t.Fatalf("%+v, %v", ready, err)
	}
	if _, err := w.repo.AcceptRoot(ready.Root, ready.RootTargets, start); err != nil {
		t.Error(err)
	}
}

func TestARootAndItsNewPublishersTargetsWaitForEachOther(t *testing.T) {
	w := newWorld(t)
	f := w.open()
	change := folder.RootChange{Publishers: folder.KeyChange{Add: public("fresh"), Remove: []string{id("publisher")}}}
	if err := errors.Join(f.Keep(folder.Root, w.nextRoot(change)), w.sign(f, folder.Root, "owner")); err != nil {
		t.Fatal(err)
	}
	if ready, err := f.Ready(); err != nil || ready.Root != nil || len(ready.Waiting) != 1 {
		t.Errorf("without its targets: %+v, %v", ready, err)
	}
	targets := w.must(catalog.Revise(catalog.Revision{Root: f.RootFile, Targets: f.TargetsFile, Expires: start.Add(900 * time.Hour)}))
	if err := f.Keep(folder.Targets, targets); err != nil {
		t.Fatal(err)
	}
	if err := w.sign(f, folder.Targets, "publisher"); !errors.Is(err, folder.ErrNotAsked) {
		t.Errorf("the old publisher: %v", err)
	}
	if err := w.sign(f, folder.Targets, "fresh"); err != nil {
		t.Fatal(err)
	}
	ready, err := f.Ready()
	if err != nil || ready.RootTargets == nil || ready.Targets != nil {
		t.Fatalf("%+v, %v", ready, err)
	}
	if _, err := w.repo.AcceptRoot(ready.Root, ready.RootTargets, start); err != nil {
		t.Error(err)
	}
}

func TestNothingPendingIsReplacedBySomethingElse(t *testing.T) {
	w := newWorld(t)
	f := w.open()
	first, second := w.nextRoot(folder.RootChange{Approvals: 1}), w.nextRoot(folder.RootChange{Epoch: 2})
	if err := f.Keep(folder.Root, first); err != nil {
		t.Fatal(err)
	}
	if err := f.Keep(folder.Root, second); !errors.Is(err, folder.ErrPending) {
		t.Errorf("another root: %v", err)
	}
	if _, err := f.Take(folder.Root, second); !errors.Is(err, folder.ErrPending) {
		t.Errorf("another root from a copy: %v", err)
	}
	if fresh, err := f.Take(folder.Root, first); fresh || err != nil {
		t.Errorf("the same: %t, %v", fresh, err)
	}
	if err := f.Drop(folder.Root); err != nil {
		t.Fatal(err)
	}
	if err := w.open().Drop(folder.Root); !errors.Is(err, folder.ErrNotPending) {
		t.Errorf("dropped twice: %v", err)
	}
}

func TestAPushThatWasNotAnsweredIsSettled(t *testing.T) {
	w := newWorld(t)
	f := w.open()
	if err := errors.Join(f.Keep(folder.Root, w.nextRoot(folder.RootChange{Epoch: 2})), w.sign(f, folder.Root, "owner")); err != nil {
		t.Fatal(err)
	}
	ready, err := f.Ready()
	if err != nil {
		t.Fatal(err)
	}
	if done, err := f.Settle(); len(done) != 0 || err != nil {
		t.Errorf("before the push: %v, %v", done, err)
	}
	// The server has it, and nobody was told.
	if err := os.WriteFile(filepath.Join(w.dir, "2.root.json"), ready.Root, 0o644); err != nil {
		t.Fatal(err)
	}
	if done, err := w.open().Settle(); !slices.Equal(done, []string{folder.Root}) || err != nil {
		t.Errorf("after it: %v, %v", done, err)
	}
	if roles := w.open().Roles(true); len(roles) != 0 {
		t.Errorf("%v is pending still", roles)
	}
}

// A stick passes through many hands.
func TestHostileStick(t *testing.T) {
	mallory := spec()
	mallory.RootKeys = public("mallory")
	for name, spoil := range map[string]func(*world) error{
		"another root in the first one's place": func(w *world) error {
			return os.WriteFile(filepath.Join(w.dir, "1.root.json"), w.must(catalog.Init(mallory, key("mallory"))), 0o644)
		},
		"a next root that its owners did not sign": func(w *world) error {
			return os.WriteFile(filepath.Join(w.dir, "2.root.json"), w.must(catalog.NextRoot(w.root, mallory, key("mallory"))), 0o644)
		},
		"targets that were changed": func(w *world) error {
			return os.WriteFile(filepath.Join(w.dir, "1.targets.json"), w.must(catalog.EmptyTargets(start.Add(time.Hour), key("mallory"))), 0o644)
		},
		"no first root": func(w *world) error { return os.Remove(filepath.Join(w.dir, "1.root.json")) },
		"a pending root that is none": func(w *world) error {
			return errors.Join(os.Mkdir(filepath.Join(w.dir, "pending"), 0o755),
				os.WriteFile(filepath.Join(w.dir, "pending", "root.json"), w.must(catalog.EmptyTargets(start, key("mallory"))), 0o644))
		},
		"a pending file without end": func(w *world) error {
			path := filepath.Join(w.dir, "pending", "targets.json")
			return errors.Join(os.Mkdir(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o644), os.Truncate(path, 1<<40))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if err := spoil(w); err != nil {
				t.Fatal(err)
			}
			if _, err := folder.Open(w.dir, w.root); err == nil {
				t.Error("it was believed")
			}
		})
	}
}

func TestADirectoryWithoutACatalogStaysAsItIs(t *testing.T) {
	w := newWorld(t)
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), "none")} {
		if _, err := folder.Open(dir, w.root); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v", err)
		}
		if entries, _ := os.ReadDir(dir); len(entries) != 0 {
			t.Errorf("%v was written", entries)
		}
	}
}

func TestAPendingRecallIsNeverTakenOut(t *testing.T) {
	w := newWorld(t)
	f := w.open()
	recall := hotstick.Recall{Patch: hotstick.PatchRef{Name: "unix-ioctl", Level: 1}, Action: hotstick.RecallBlock, Reason: "x", Issued: start}
	targets := w.must(catalog.Revise(catalog.Revision{Root: f.RootFile, Targets: f.TargetsFile, Recalls: []hotstick.Recall{recall}, Expires: start.Add(time.Hour)}, key("publisher")))
	if _, err := w.repo.Accept(targets, start); err != nil {
		t.Fatal(err)
	}
	without := w.must(catalog.Revise(catalog.Revision{Root: w.root, Targets: f.TargetsFile, Expires: start.Add(time.Hour)}))
	without = []byte(strings.Replace(string(without), `"version": 2`, `"version": 3`, 1))
	w.export()
	if _, err := w.open().Draft(folder.Targets, without); !errors.Is(err, catalog.ErrRefused) {
		t.Errorf("%v", err)
	}
}

func TestWhatARootChangeCannotName(t *testing.T) {
	one := func(name string) []folder.PersonKey {
		return []folder.PersonKey{{Person: hotstick.Person(name), Key: key("new").Public()}}
	}
	for _, c := range []struct {
		name   string
		change folder.RootChange
		want   string
	}{
		{"a person who is there", folder.RootChange{AddPersons: one("ada")}, "names them already"},
		{"a key of nobody", folder.RootChange{AddKeys: one("grace")}, "no such person"},
		{"nobody to remove", folder.RootChange{RemovePersons: []hotstick.Person{"grace"}}, "cannot remove a person"},
		{"one person twice", folder.RootChange{RemovePersons: []hotstick.Person{"ada", "ada"}}, "cannot remove a person"},
		{"a key that nobody has", folder.RootChange{RemoveKeys: []string{id("new")}}, "none of them"},
		{"an owner who is none", folder.RootChange{Owners: folder.KeyChange{Remove: []string{id("ada")}}}, "none of them"},
		{"every owner at once", folder.RootChange{Owners: folder.KeyChange{Remove: []string{""}}}, "no key ID"},
		{"a server that is none", folder.RootChange{Online: folder.KeyChange{Remove: []string{id("ada")}}}, "none of them"},
	} {
		if _, err := c.change.Apply(spec()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestARootChangeLeavesTheOldRootAlone(t *testing.T) {
	old := spec()
	change := folder.RootChange{RemoveKeys: []string{id("ada")}, AddKeys: []folder.PersonKey{{Person: "ada", Key: key("ada 2").Public()}},
		Online: folder.KeyChange{Add: public("online 2"), Remove: []string{id("online")[:8]}}, Epoch: 2}
	next, err := change.Apply(old)
	if err != nil {
		t.Fatal(err)
	}
	if !key("online 2").Public().Equal(next.OnlineKeys[0]) || string(next.Trust.ServerKeys[0]) != string(next.OnlineKeys[0]) || len(next.Trust.ServerKeys) != 1 {
		t.Errorf("%+v", next)
	}
	if person, ok := statement.PersonOf(next.Trust, key("ada 2").Public()); !ok || person != "ada" {
		t.Errorf("ada's new key is %q's", person)
	}
	if _, still := statement.PersonOf(next.Trust, key("ada").Public()); still {
		t.Error("ada's old key speaks for somebody")
	}
	if want := spec(); !slices.EqualFunc(old.OnlineKeys, want.OnlineKeys, hotstick.TrustedKey.Equal) ||
		string(old.Trust.Persons[0].Keys[0]) != string(want.Trust.Persons[0].Keys[0]) {
		t.Error("the old root was changed")
	}
}
