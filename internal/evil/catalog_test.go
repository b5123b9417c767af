package evil_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/evil"
	"github.com/hotstick/hotstick/internal/kernel/kmod"
	"github.com/hotstick/hotstick/internal/statement"
)

var (
	start = time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)
	build = hotstick.KernelBuild{Release: "6.1.0-47-amd64", Arch: "x86_64", BuildID: "0123456789abcdef0123456789abcdef01234567"}
	other = hotstick.KernelBuild{Release: "6.12.9+bpo-amd64", Arch: "x86_64", BuildID: "89abcdef0123456789abcdef0123456789abcdef"}
)

func key(name string) *statement.Key {
	seed := sha256.Sum256([]byte("hotstick evil test key of " + name))
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

// shop is a real repository behind a web server that a thief owns.
type shop struct {
	*testing.T
	dir  string
	repo *catalog.Repository
	now  time.Time
	// honest are the artifacts that the publisher signed.
	honest map[hotstick.Digest]bool
	// old are the timestamps that there were, and plan is one that loads the newest level.
	old  [][]byte
	plan evil.Plan

	mu       sync.Mutex // guards what follows
	strategy evil.Strategy
	loot     evil.Loot
	files    int // that were not honest
	random   *rand.Rand
}

func newShop(t *testing.T) *shop {
	s := &shop{T: t, dir: t.TempDir(), now: start, random: rand.New(rand.NewPCG(1, 2)), honest: map[hotstick.Digest]bool{}}
	person := func(name string) hotstick.TrustedPerson {
		return hotstick.TrustedPerson{Person: hotstick.Person(name), Keys: public(name)}
	}
	root, err := catalog.Init(catalog.RootSpec{RootKeys: public("root"), RootThreshold: 1, PublisherKeys: public("publisher"), PublisherThreshold: 1,
		OnlineKeys: public("online"), Expires: start.AddDate(2, 0, 0),
		Trust: hotstick.Trust{Persons: []hotstick.TrustedPerson{person("ann"), person("bob")}, Approvals: 1, ServerKeys: public("online"), Epoch: 1}}, key("root"))
	s.must(err)
	targets, err := catalog.EmptyTargets(start.AddDate(0, 6, 0), key("publisher"))
	s.must(err)
	s.repo, err = catalog.CreateRepository(s.dir, root, targets, key("online"), s.now)
	s.must(err)
	for level := 1; level <= 2; level++ {
		s.remember()
		s.publish(level)
	}
	return s
}

func (s *shop) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *shop) remember() {
	data, err := os.ReadFile(filepath.Join(s.dir, "timestamp.json"))
	s.must(err)
	s.old = append(s.old, data)
}

// publish publishes a level, and makes the plan that loads it.
func (s *shop) publish(level int) {
	s.Helper()
	p := hotstick.Patch{Ref: hotstick.PatchRef{Name: "fix", Level: level}, Summary: "made up", CVEs: []string{"CVE-2026-1000"}, Driver: "klp",
		Reversibility: hotstick.ReversibleLive, Replace: true, Functions: []string{"vmlinux:unix_ioctl"}}
	data := map[hotstick.Digest][]byte{}
	s.plan = evil.Plan{Body: hotstick.Plan{Patch: p.Ref}}
	for _, b := range []hotstick.KernelBuild{build, other} {
		module := fmt.Sprintf("fix_%d", level)
		raw := kmod.Compose(kmod.Info{Name: module, Vermagic: b.Release + " SMP ", Livepatch: true, License: "GPL", SrcVersion: "0123456789ABCDEF01234567", Arch: b.Arch})
		a := hotstick.Artifact{Build: b, Digest: hotstick.NewDigest(raw), SizeBytes: int64(len(raw)), Module: module}
		data[a.Digest], s.honest[a.Digest] = raw, true
		p.Artifacts = append(p.Artifacts, a)
		s.plan.Body.Lanes = append(s.plan.Body.Lanes, hotstick.Lane{Build: b, Artifact: a.Digest, Module: module})
		_, err := s.repo.AddArtifact(bytes.NewReader(raw))
		s.must(err)
	}
	targets, err := catalog.Publish(catalog.Publication{Root: s.repo.Root(), Targets: s.repo.Targets(), Patch: p, Now: s.now, Expires: start.AddDate(0, 6, 0),
		Read:  func(a hotstick.Artifact) ([]byte, error) { return data[a.Digest], nil },
		Check: func(hotstick.Patch, hotstick.Artifact, []byte) error { return nil }}, key("publisher"))
	s.must(err)
	_, err = s.repo.Accept(targets, s.now)
	s.must(err)
}

// recall takes the newest level back.
func (s *shop) recall() {
	s.Helper()
	s.remember()
	targets, err := catalog.Revise(catalog.Revision{Root: s.repo.Root(), Targets: s.repo.Targets(), Expires: start.AddDate(0, 6, 0),
		Recalls: []hotstick.Recall{{Patch: s.plan.Body.Patch, Action: hotstick.RecallBlock, Reason: "bad", Issued: s.now}}}, key("publisher"))
	s.must(err)
	_, err = s.repo.Accept(targets, s.now)
	s.must(err)
}

func (s *shop) file(name string) []byte {
	data, err := os.ReadFile(filepath.Join(s.dir, filepath.FromSlash(name)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	s.must(err)
	return data
}

// ServeHTTP gives what the thief makes of each file.
func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := strings.TrimPrefix(r.URL.Path, "/")
	data := s.file(name)
	if s.strategy.Serve != nil {
		f := evil.File{Host: "h-1", Name: name, Honest: data, Read: s.file, Now: s.now, Random: s.random}
		if name == "timestamp.json" {
			f.Old = s.old
		}
		if served := s.strategy.Serve(&s.loot, f); !bytes.Equal(served, data) {
			s.files++
			data = served
		}
	}
	if data == nil {
		http.NotFound(w, r)
		return
	}
	_, err := w.Write(data)
	if err != nil {
		return // the client has heard enough
	}
}

// owned hands the shop to a thief who has a key of its own, or one that it should not
// have.
func (s *shop) owned(strategy evil.Strategy, own string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.strategy, s.files = strategy, 0
	s.loot = evil.Loot{Online: key("online"), Own: key(own), Plans: []evil.Plan{s.plan}}
}

// client is a host's, in a directory of its own.
func (s *shop) client(web string) (*catalog.Client, string) {
	s.Helper()
	source, err := catalog.NewWeb(web, nil)
	s.must(err)
	dir := s.TempDir()
	c, err := catalog.NewClient(dir, s.file("1.root.json"), source)
	s.must(err)
	return c, dir
}

// claims checks that whatever the client has is what a publisher signed.
func (s *shop) claims(c *catalog.Client) {
	s.Helper()
	view, err := c.Load()
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	s.must(err)
	for _, p := range view.Patches {
		for _, a := range p.Artifacts {
			if !s.honest[a.Digest] {
				s.Errorf("the client lists %s, which nobody published", a.Digest.Short())
			}
			path, err := c.Keep(s.Context(), a.Digest)
			if err != nil {
				continue
			}
			if data, err := os.ReadFile(path); err != nil || hotstick.NewDigest(data) != a.Digest {
				s.Errorf("the client keeps other bytes for %s: %v", a.Digest.Short(), err)
			}
		}
	}
}

// attempt is what becomes of one strategy.
type attempt struct {
	strategy string
	// fresh is what a host that has seen nothing yet says to it, and knows one that has
	// seen the newest catalog; empty if it takes what it gets, which then is honest.
	fresh, knows string
	// with is a key that the thief does not have. With it the attack succeeds, which
	// shows that nothing but its signature is wrong.
	with string
	// chance: what it serves is drawn, so nobody can tell what hosts say.
	chance  bool
	success func(s *shop, c *catalog.Client, dir string, err error) bool
}

func attempts() []attempt {
	listsOwn := func(s *shop, c *catalog.Client, _ string, err error) bool {
		view, _ := c.Load()
		return err == nil && slices.ContainsFunc(view.Patches, func(p hotstick.Patch) bool { return !s.honest[p.Artifacts[0].Digest] })
	}
	follows := func(n int) func(*shop, *catalog.Client, string, error) bool {
		return func(_ *shop, _ *catalog.Client, dir string, _ error) bool {
			_, err := os.Stat(filepath.Join(dir, fmt.Sprintf("%d.root.json", n)))
			return err == nil
		}
	}
	return []attempt{
		{strategy: "bytes-of-another-build"},
		{strategy: "bytes-of-the-thief"},
		{strategy: "bytes-with-more-behind-them"},
		{strategy: "bytes-with-one-bit-flipped"},
		{strategy: "everything-at-once", chance: true},
		// Until it ends, a host that has seen nothing newer cannot tell.
		{strategy: "metadata-of-last-year", knows: "we had"},
		{strategy: "hide-the-recall", knows: "we had"},
		{strategy: "recalled-level-again", knows: "we had"},
		{strategy: "old-snapshot", knows: "version"},
		{strategy: "mixed-snapshots", knows: "targets.json"},
		{strategy: "metadata-renewed-for-ever"},
		{strategy: "metadata-signed-by-the-online-key", fresh: "signatures", knows: "signatures"},
		{strategy: "metadata-signed-by-the-thief", fresh: "signatures", knows: "signatures", with: "publisher", success: listsOwn},
		{strategy: "root-by-the-online-key", fresh: "signatures", knows: "signatures"},
		{strategy: "root-by-the-thief", fresh: "signatures", knows: "signatures", with: "root", success: follows(2)},
		{strategy: "thousand-roots", fresh: "signatures", knows: "signatures", with: "root", success: follows(65)},
		{strategy: "endless-metadata", fresh: "more than", knows: "more than"},
	}
}

// TestWhatAThiefServesIsRefused runs each strategy that serves files against a real
// client of the catalog, over a real web server.
func TestWhatAThiefServesIsRefused(t *testing.T) {
	all := map[string]evil.Strategy{}
	for _, s := range evil.Strategies() {
		if s.Serve != nil {
			all[s.Name] = s
		}
	}
	for _, a := range attempts() {
		t.Run(a.strategy, func(t *testing.T) {
			a.run(t, all[a.strategy])
		})
		delete(all, a.strategy)
	}
	for name := range all {
		t.Errorf("%s is tried nowhere", name)
	}
}

func (a attempt) run(t *testing.T, strategy evil.Strategy) {
	s := newShop(t)
	web := httptest.NewServer(s)
	defer web.Close()
	known, _ := s.client(web.URL)
	_, err := known.Refresh(t.Context(), s.now)
	s.must(err)
	s.owned(strategy, "thief")
	fresh, _ := s.client(web.URL)
	for what, c := range map[string]struct {
		*catalog.Client
		want string
	}{"a host that has seen nothing": {fresh, a.fresh}, "a host that knows the newest catalog": {known, a.knows}} {
		_, err := c.Refresh(t.Context(), s.now)
		if !a.chance && ((err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s says %v, want %q", what, err, c.want)
		}
		s.claims(c.Client)
	}
	for s.files == 0 && a.chance {
		_, err := fresh.Refresh(t.Context(), s.now) // whatever it says, its claims must hold
		t.Logf("a host says %v", err)
		s.claims(fresh)
	}
	if s.files == 0 {
		t.Error("the thief served nothing but what is honest")
	}
	if a.success == nil {
		return
	}
	s.owned(strategy, a.with)
	c, dir := s.client(web.URL)
	if _, err := c.Refresh(t.Context(), s.now); !a.success(s, c, dir, err) {
		t.Errorf("with the key of the %s it fails as well: %v", a.with, err)
	}
}

// TestMetadataThatIsRenewedForEverEndsWithWhatThePublishersSigned, and so does the
// oldest catalog that is served for ever.
func TestMetadataThatIsRenewedForEverEndsWithWhatThePublishersSigned(t *testing.T) {
	for name, end := range map[string]time.Time{"metadata-renewed-for-ever": start.AddDate(0, 6, 1), "metadata-of-last-year": start.Add(catalog.TimestampLife + time.Hour)} {
		s := newShop(t)
		web := httptest.NewServer(s)
		s.owned(strategy(t, name), "thief")
		c, _ := s.client(web.URL)
		_, err := c.Refresh(t.Context(), s.now)
		s.must(err)
		s.now = end
		if _, err := c.Refresh(t.Context(), s.now); !errors.Is(err, catalog.ErrExpired) {
			t.Errorf("%s: %s later the client says %v", name, end.Sub(start), err)
		}
		if view, err := c.Load(); err != nil || !view.Expired(s.now) {
			t.Errorf("%s: the view has not expired: %v", name, err)
		}
		web.Close()
	}
}

// TestARecallThatWasSeenIsNotHidden by any old catalog.
func TestARecallThatWasSeenIsNotHidden(t *testing.T) {
	for _, name := range []string{"hide-the-recall", "recalled-level-again", "old-snapshot", "mixed-snapshots", "metadata-of-last-year"} {
		s := newShop(t)
		s.recall()
		web := httptest.NewServer(s)
		c, _ := s.client(web.URL)
		_, err := c.Refresh(t.Context(), s.now)
		s.must(err)
		s.owned(strategy(t, name), "thief")
		if _, err := c.Refresh(t.Context(), s.now); err == nil {
			t.Errorf("%s: the client goes back", name)
		}
		if view, err := c.Load(); err != nil || len(view.Recalls) != 1 {
			t.Errorf("%s: the client knows of %d recalls: %v", name, len(view.Recalls), err)
		}
		web.Close()
	}
}

// TestAThiefCanHideWhatAHostHasNotSeen, until what the publishers signed ends, and
// count versions up so that honest metadata looks old until there is a new root.
func TestAThiefCanHideWhatAHostHasNotSeen(t *testing.T) {
	s := newShop(t)
	s.recall()
	web := httptest.NewServer(s)
	defer web.Close()
	s.owned(strategy(t, "hide-the-recall"), "thief")
	c, _ := s.client(web.URL)
	view, err := c.Refresh(t.Context(), s.now)
	if err != nil || len(view.Recalls) != 0 {
		t.Errorf("a host that sees one side only has %d recalls: %v", len(view.Recalls), err)
	}
	s.owned(strategy(t, "fast-forward"), "thief")
	_, err = c.Refresh(t.Context(), s.now)
	s.must(err)
	s.owned(evil.Strategy{}, "thief")
	if _, err := c.Refresh(context.Background(), s.now); !errors.Is(err, catalog.ErrRefused) {
		t.Errorf("after the fast-forward the honest catalog is taken: %v", err)
	}
}

func strategy(t *testing.T, name string) evil.Strategy {
	t.Helper()
	for _, s := range append(evil.Strategies(), evil.Allowed()...) {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("no strategy is called %s", name)
	return evil.Strategy{}
}
