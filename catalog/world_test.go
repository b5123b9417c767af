package catalog_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/statement"
)

var (
	start    = time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)
	build61  = hotstick.KernelBuild{Release: "6.1.0-47-amd64", Arch: "x86_64", BuildID: "0123456789abcdef0123456789abcdef01234567"}
	build612 = hotstick.KernelBuild{Release: "6.12.9+bpo-amd64", Arch: "x86_64", BuildID: "89abcdef0123456789abcdef0123456789abcdef"}
)

// world is a repository, the keys of everybody, and a clock that tests move.
type world struct {
	*testing.T
	dir  string
	repo *catalog.Repository
	spec catalog.RootSpec
	now  time.Time
	data map[hotstick.Digest][]byte
}

// key returns the key that belongs to a name.
func key(name string) *statement.Key {
	seed := sha256.Sum256([]byte("hotstick catalog test key of " + name))
	k, err := statement.NewKey(seed[:])
	if err != nil {
		panic(err)
	}
	return k
}

func keys(names ...string) []statement.Signer {
	var list []statement.Signer
	for _, n := range names {
		list = append(list, key(n))
	}
	return list
}

func public(names ...string) []hotstick.TrustedKey {
	var list []hotstick.TrustedKey
	for _, n := range names {
		list = append(list, key(n).Public())
	}
	return list
}

func newSpec() catalog.RootSpec {
	person := func(name string) hotstick.TrustedPerson {
		return hotstick.TrustedPerson{Person: hotstick.Person(name), Keys: []hotstick.TrustedKey{hotstick.TrustedKey(key(name).Public())}}
	}
	return catalog.RootSpec{
		RootKeys: public("root", "root2"), RootThreshold: 1,
		PublisherKeys: public("publisher"), PublisherThreshold: 1,
		OnlineKeys: public("online"),
		Trust: hotstick.Trust{Persons: []hotstick.TrustedPerson{person("ann"), person("bob"), person("cid")}, Approvals: 2,
			ServerKeys: []hotstick.TrustedKey{hotstick.TrustedKey(key("online").Public())}, Epoch: 5},
		Expires: start.AddDate(2, 0, 0),
	}
}

func newWorld(t *testing.T) *world {
	w := &world{T: t, dir: t.TempDir(), spec: newSpec(), now: start, data: map[hotstick.Digest][]byte{}}
	root := w.must(catalog.Init(w.spec, keys("root")...))
	targets := w.must(catalog.EmptyTargets(start.AddDate(0, 6, 0), key("publisher")))
	repo, err := catalog.CreateRepository(w.dir, root, targets, key("online"), w.now)
	if err != nil {
		t.Fatal(err)
	}
	w.repo = repo
	return w
}

func (w *world) must(data []byte, err error) []byte {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
	return data
}

// patch makes a level with an artifact for each build.
func (w *world) patch(level int, builds ...hotstick.KernelBuild) hotstick.Patch {
	p := hotstick.Patch{Ref: hotstick.PatchRef{Name: "unix-ioctl", Level: level}, Summary: "SIOCATMARK is refused <again> & again", CVEs: []string{"CVE-2026-52928"},
		Driver: "klp", Reversibility: hotstick.ReversibleLive, Replace: true, Functions: []string{"vmlinux:unix_ioctl"}}
	for _, b := range builds {
		data := fmt.Appendf(nil, "module of level %d for %s", level, b.BuildID)
		a := hotstick.Artifact{Build: b, Digest: hotstick.NewDigest(data), SizeBytes: int64(len(data)), Module: fmt.Sprintf("hotstick_unix_ioctl_%d", level)}
		w.data[a.Digest] = data
		p.Artifacts = append(p.Artifacts, a)
	}
	return p
}

func (w *world) publication(p hotstick.Patch) catalog.Publication {
	return catalog.Publication{
		Root: w.repo.Root(), Targets: w.repo.Targets(), Patch: p, Now: w.now, Expires: w.now.AddDate(0, 6, 0),
		Read: func(a hotstick.Artifact) ([]byte, error) { return w.data[a.Digest], nil },
		Check: func(_ hotstick.Patch, _ hotstick.Artifact, data []byte) error {
			if !bytes.HasPrefix(data, []byte("module")) {
				return errors.New("cannot use it: no live patch")
			}
			return nil
		},
	}
}

func (w *world) mustUpload(p hotstick.Patch) {
	w.Helper()
	for _, a := range p.Artifacts {
		if digest, err := w.repo.AddArtifact(bytes.NewReader(w.data[a.Digest])); err != nil || digest != a.Digest {
			w.Fatalf("%s, %v", digest, err)
		}
	}
}

// mustPublish takes one patch level all the way into the repository.
func (w *world) mustPublish(p hotstick.Patch) catalog.View {
	w.Helper()
	w.mustUpload(p)
	view, err := w.repo.Accept(w.must(catalog.Publish(w.publication(p), key("publisher"))), w.now)
	if err != nil {
		w.Fatal(err)
	}
	return view
}

func (w *world) mustClient(source catalog.Fetcher) *catalog.Client {
	w.Helper()
	return w.mustClientIn(w.TempDir(), source)
}

func (w *world) mustClientIn(dir string, source catalog.Fetcher) *catalog.Client {
	w.Helper()
	c, err := catalog.NewClient(dir, w.must(os.ReadFile(filepath.Join(w.dir, "1.root.json"))), source)
	if err != nil {
		w.Fatal(err)
	}
	return c
}

func (w *world) mustRefresh(c *catalog.Client) catalog.View {
	w.Helper()
	view, err := c.Refresh(context.Background(), w.now)
	if err != nil {
		w.Fatal(err)
	}
	return view
}

// mustFail checks that the client refuses its source for this cause, and keeps
// what it trusted.
func (w *world) mustFail(c *catalog.Client, cause error, why string) {
	w.Helper()
	before, beforeErr := c.Load()
	_, err := c.Refresh(context.Background(), w.now)
	if !errors.Is(err, cause) || !strings.Contains(fmt.Sprint(err), why) {
		w.Errorf("got %v, want %v with %q", err, cause, why)
	}
	after, afterErr := c.Load()
	if before.Version != after.Version || len(before.Patches) != len(after.Patches) || (beforeErr == nil) != (afterErr == nil) {
		w.Errorf("the trusted view was version %d (%v) and is %d (%v)", before.Version, beforeErr, after.Version, afterErr)
	}
}

// source serves the repository's files as they were at one moment, with changes:
// what an attacker in the middle, or a server that was taken over, can do.
type source map[string][]byte

func (w *world) source() *source {
	w.Helper()
	s := source{}
	err := filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(w.dir, path)
		if err == nil {
			s[filepath.ToSlash(name)], err = os.ReadFile(path)
		}
		return err
	})
	if err != nil {
		w.Fatal(err)
	}
	return &s
}

func (s source) Fetch(_ context.Context, name string, _ int64) ([]byte, error) {
	data, ok := s[name]
	if !ok {
		return nil, fmt.Errorf("cannot fetch %s: %w", name, fs.ErrNotExist)
	}
	return data, nil
}

// with returns the source with one file changed; nil removes it.
func (s *source) with(name string, data []byte) *source {
	changed := maps.Clone(*s)
	changed[name] = data
	if data == nil {
		delete(changed, name)
	}
	return &changed
}

// live serves whatever the repository serves when it is asked.
type live struct{ *catalog.Repository }

func (l live) Fetch(_ context.Context, name string, maxBytes int64) ([]byte, error) {
	file, err := l.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxBytes+1))
	if int64(len(data)) > maxBytes {
		return nil, errors.New("too large")
	}
	return data, err
}

// inTargets serves the artifacts of a source to a client that asks without the
// directory.
type inTargets struct{ source }

func (s inTargets) Fetch(ctx context.Context, name string, maxBytes int64) ([]byte, error) {
	return s.source.Fetch(ctx, "targets/"+name, maxBytes)
}
