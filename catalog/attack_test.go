package catalog_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/secure-systems-lab/go-securesystemslib/cjson"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
)

// forge edits the signed part of a metadata file and signs it anew with the keys
// that the attacker has.
func (w *world) forge(data []byte, edit func(signed map[string]any), names ...string) []byte {
	w.Helper()
	var doc map[string]any
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := dec.Decode(&doc); err != nil {
		w.Fatal(err)
	}
	signed := doc["signed"].(map[string]any)
	edit(signed)
	payload, err := cjson.EncodeCanonical(signed)
	if err != nil {
		w.Fatal(err)
	}
	signatures := []any{}
	for _, n := range names {
		sig, err := key(n).Sign(payload)
		if err != nil {
			w.Fatal(err)
		}
		signatures = append(signatures, map[string]any{"keyid": tufID(key(n).Public()), "sig": hex.EncodeToString(sig)})
	}
	doc["signatures"] = signatures
	return w.must(json.Marshal(doc))
}

func tufID(public hotstick.TrustedKey) string {
	sum := sha256.Sum256(fmt.Appendf(nil, `{"keytype":"ed25519","keyval":{"public":"%x"},"scheme":"ed25519"}`, []byte(public)))
	return hex.EncodeToString(sum[:])
}

func nothing(map[string]any) {}

// replace changes one text in a file that must hold it.
func (w *world) replace(data []byte, old, new string) []byte {
	w.Helper()
	if !bytes.Contains(data, []byte(old)) {
		w.Fatalf("there is no %q in %s", old, data)
	}
	return bytes.Replace(data, []byte(old), []byte(new), 1)
}

func version(v int64) func(map[string]any) {
	return func(signed map[string]any) { signed["version"] = v }
}

// link makes timestamp or snapshot metadata name another file.
func link(name string, v int64, data []byte) func(map[string]any) {
	return func(signed map[string]any) {
		sum := sha256.Sum256(data)
		signed["meta"] = map[string]any{name: map[string]any{"version": v, "length": len(data), "hashes": map[string]any{"sha256": hex.EncodeToString(sum[:])}}}
	}
}

// steal builds what a thief of the online key can serve: given targets, under
// a snapshot and a timestamp of the given versions, signed properly.
func (w *world) steal(s *source, targetsVersion int64, targets []byte, v int64, names ...string) *source {
	w.Helper()
	if len(names) == 0 {
		names = []string{"online"}
	}
	snapshot := w.forge((*s)["1.snapshot.json"], func(signed map[string]any) {
		version(v)(signed)
		link("targets.json", targetsVersion, targets)(signed)
	}, names...)
	timestamp := w.forge((*s)["timestamp.json"], func(signed map[string]any) {
		version(v)(signed)
		link("snapshot.json", v, snapshot)(signed)
	}, names...)
	return s.with(fmt.Sprintf("%d.targets.json", targetsVersion), targets).with(fmt.Sprintf("%d.snapshot.json", v), snapshot).with("timestamp.json", timestamp)
}

func TestMetadataThatWasTamperedWithIsRefused(t *testing.T) {
	w := newWorld(t)
	patch := w.patch(1, build61)
	w.mustPublish(patch)
	good := w.source()
	tests := []struct {
		name   string
		source func() *source
		why    string
	}{
		{"an unsigned timestamp", func() *source { return good.with("timestamp.json", w.forge((*good)["timestamp.json"], nothing)) }, "not enough signatures"},
		{"a timestamp by a stranger", func() *source {
			return good.with("timestamp.json", w.forge((*good)["timestamp.json"], nothing, "mallory"))
		}, "not enough signatures"},
		{"a timestamp by the publisher", func() *source {
			return good.with("timestamp.json", w.forge((*good)["timestamp.json"], nothing, "publisher"))
		}, "not enough signatures"},
		{"a timestamp under somebody else's key ID", func() *source {
			forged := w.forge((*good)["timestamp.json"], version(9), "mallory")
			return good.with("timestamp.json", bytes.ReplaceAll(forged, []byte(tufID(key("mallory").Public())), []byte(tufID(key("online").Public()))))
		}, "not enough signatures"},
		{"an edited timestamp", func() *source {
			return good.with("timestamp.json", w.replace((*good)["timestamp.json"], "2026-11-22", "2036-11-22"))
		}, "not enough signatures"},
		{"a truncated timestamp", func() *source { return good.with("timestamp.json", (*good)["timestamp.json"][:200]) }, "no end"},
		{"an empty timestamp", func() *source { return good.with("timestamp.json", []byte{}) }, "early"},
		{"an oversized timestamp", func() *source {
			return good.with("timestamp.json", append(bytes.Repeat([]byte(" "), catalog.MaxTimestampBytes), (*good)["timestamp.json"]...))
		}, "limit"},
		{"a doubled field", func() *source {
			return good.with("timestamp.json", w.replace((*good)["timestamp.json"], `"_type":`, `"_type": "timestamp", "_type":`))
		}, "twice"},
		{"an unknown field", func() *source {
			return good.with("timestamp.json", w.replace((*good)["timestamp.json"], `{`, `{"comment":1,`))
		}, "unknown field"},
		{"a snapshot for a timestamp", func() *source { return good.with("timestamp.json", (*good)["2.snapshot.json"]) }, "metadata where timestamp"},
		{"an edited snapshot", func() *source {
			return good.with("2.snapshot.json", w.replace((*good)["2.snapshot.json"], "sha256", "sha512"))
		}, "unknown field"},
		{"a snapshot of another length", func() *source {
			return good.with("2.snapshot.json", append([]byte(" "), (*good)["2.snapshot.json"]...))
		}, "limit"},
		{"edited targets", func() *source {
			return good.with("2.targets.json", w.replace((*good)["2.targets.json"], "again", "never"))
		}, "not enough signatures"},
		{"truncated targets", func() *source { return good.with("2.targets.json", (*good)["2.targets.json"][:100]) }, "no end"},
		{"oversized targets", func() *source { return good.with("2.targets.json", make([]byte, catalog.MaxTargetsBytes)) }, "limit"},
		{"a mixture: old snapshot under the new name", func() *source { return good.with("2.snapshot.json", (*good)["1.snapshot.json"]) }, "hash"},
		{"a mixture: old targets under the new name", func() *source { return good.with("2.targets.json", (*good)["1.targets.json"]) }, "hash"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := &world{T: t, dir: w.dir, repo: w.repo, now: w.now}
			// Once as the first thing a host ever sees, once after a good view.
			w.mustFail(w.mustClient(test.source()), catalog.ErrRefused, test.why)
			s := w.source().with("timestamp.json", (*good)["timestamp.json"])
			c := w.mustClient(s)
			w.mustRefresh(c)
			*s = *test.source()
			if _, err := c.Refresh(context.Background(), w.now); err != nil && !errors.Is(err, catalog.ErrRefused) {
				t.Errorf("after a good view: %v", err)
			}
			if v, err := c.Load(); err != nil || v.Version != 2 || !slices.EqualFunc(v.Patches, []hotstick.Patch{patch}, func(a, b hotstick.Patch) bool { return a.Summary == b.Summary }) {
				t.Errorf("after a good view: the trusted view is %+v, %v", v, err)
			}
		})
	}
}

func TestMissingMetadataIsNotAnEmptyCatalog(t *testing.T) {
	w := newWorld(t)
	w.mustPublish(w.patch(1, build61))
	for _, name := range []string{"timestamp.json", "2.snapshot.json", "2.targets.json"} {
		w.mustFail(w.mustClient(w.source().with(name, nil)), fs.ErrNotExist, name)
	}
}

func TestOldMetadataIsRefused(t *testing.T) {
	w := newWorld(t)
	w.mustPublish(w.patch(1, build61))
	old := w.source()
	w.mustPublish(w.patch(2, build61))
	s := w.source()
	c := w.mustClient(s)
	w.mustRefresh(c)
	*s = *old
	w.mustFail(c, catalog.ErrRefused, "version")
}

func TestAFrozenCatalogExpires(t *testing.T) {
	w := newWorld(t)
	s := w.source()
	c := w.mustClient(s)
	before := w.mustRefresh(c)
	w.now = w.now.Add(catalog.TimestampLife + time.Second)
	w.mustFail(c, catalog.ErrExpired, "timestamp")
	if v, err := c.Load(); err != nil || v.Version != before.Version || !v.Expired(w.now) {
		t.Errorf("a host that boots without network has %+v, %v", v, err)
	}
	// Each of the four can be the one that has expired.
	for name, at := range map[string]time.Time{"snapshot": start.Add(catalog.SnapshotLife + time.Hour), "targets": start.AddDate(0, 6, 1), "root": start.AddDate(2, 0, 1)} {
		w := newWorld(t)
		s := w.source()
		end := at.Add(time.Hour).Format(time.RFC3339)
		*s = *s.with("timestamp.json", w.forge((*s)["timestamp.json"], func(signed map[string]any) { signed["expires"] = end }, "online"))
		if name == "targets" || name == "root" {
			snapshot := w.forge((*s)["1.snapshot.json"], func(signed map[string]any) { signed["expires"] = end }, "online")
			*s = *s.with("1.snapshot.json", snapshot).with("timestamp.json", w.forge((*s)["timestamp.json"], link("snapshot.json", 1, snapshot), "online"))
		}
		w.now = at
		w.mustFail(w.mustClient(s), catalog.ErrExpired, name)
	}
}

func TestAClockThatIsSetBackBringsNothingBack(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	s := w.source()
	c := w.mustClientIn(dir, s)
	w.now = start.Add(3 * time.Hour)
	w.mustRefresh(c)
	// The same metadata again, after its end, with the clock at its beginning.
	expired := w.forge((*s)["timestamp.json"], func(signed map[string]any) {
		version(7)(signed)
		signed["expires"] = start.Add(2 * time.Hour).Format(time.RFC3339)
	}, "online")
	*s = *s.with("timestamp.json", expired)
	for _, at := range []time.Time{start, {}, start.AddDate(-30, 0, 0)} {
		w.now = at
		w.mustFail(w.mustClientIn(dir, s), catalog.ErrExpired, "timestamp")
	}
	// A clock that ran ahead for a while locks nobody out.
	fresh := w.mustClientIn(t.TempDir(), live{w.repo})
	w.now = start.Add(catalog.TimestampLife - time.Minute)
	w.mustRefresh(fresh)
	w.now = start.Add(catalog.TimestampLife - time.Hour)
	if _, err := w.repo.Refresh(w.now); err != nil {
		t.Fatal(err)
	}
	w.mustRefresh(fresh)
}

func TestAThiefOfTheOnlineKeyCannotPublish(t *testing.T) {
	w := newWorld(t)
	w.mustPublish(w.patch(1, build61))
	s := w.source()
	evil := w.patch(6, build61)
	block := map[string]any{"schema": "hotstick/patches/v1", "patches": []hotstick.Patch{evil}}
	forged := func(names ...string) []byte {
		return w.forge((*s)["2.targets.json"], func(signed map[string]any) {
			version(3)(signed)
			signed["x-hotstick"] = block
			a := evil.Artifacts[0]
			signed["targets"] = map[string]any{"sha256-" + a.Digest.Hex() + ".ko": map[string]any{"length": a.SizeBytes, "hashes": map[string]any{"sha256": a.Digest.Hex()}}}
		}, names...)
	}
	w.mustFail(w.mustClient(w.steal(s, 3, forged("online"), 5)), catalog.ErrRefused, "not enough signatures")
	w.mustFail(w.mustClient(w.steal(s, 3, forged(), 5)), catalog.ErrRefused, "not enough signatures")
	// With the publisher's key it works: it is the signature that decides, not the test.
	if v := w.mustRefresh(w.mustClient(w.steal(s, 3, forged("publisher"), 5))); v.Patches[0].Ref != evil.Ref {
		t.Errorf("%+v", v)
	}
}

func TestAThiefOfTheOnlineKeyCannotTakeAPatchBack(t *testing.T) {
	w := newWorld(t)
	w.mustPublish(w.patch(1, build61))
	s := w.source()
	c := w.mustClient(s)
	w.mustRefresh(c)
	*s = *w.steal(s, 1, (*s)["1.targets.json"], 9)
	w.mustFail(c, catalog.ErrRefused, "version")
}

func TestAThiefOfTheOnlineKeyCannotGoBeyondTheForm(t *testing.T) {
	w := newWorld(t)
	good := w.source()
	timestamp, targets := (*good)["timestamp.json"], (*good)["1.targets.json"]
	edit := func(e func(map[string]any)) []byte { return w.forge(timestamp, e, "online") }
	set := func(k string, v any) []byte { return edit(func(s map[string]any) { s[k] = v }) }
	tests := map[string][]byte{
		"no meta":       set("meta", map[string]any{}),
		"null for meta": set("meta", nil),
		"another file":  edit(link("targets.json", 1, targets)),
		"two files": edit(func(s map[string]any) {
			s["meta"].(map[string]any)["other.json"] = s["meta"].(map[string]any)["snapshot.json"]
		}),
		"no hashes":             set("meta", map[string]any{"snapshot.json": map[string]any{"version": 1, "length": 10}}),
		"no length":             set("meta", map[string]any{"snapshot.json": map[string]any{"version": 1, "hashes": map[string]any{"sha256": strings.Repeat("0", 64)}}}),
		"a huge snapshot":       set("meta", map[string]any{"snapshot.json": map[string]any{"version": 1, "length": catalog.MaxSnapshotBytes + 1, "hashes": map[string]any{"sha256": strings.Repeat("0", 64)}}}),
		"the largest version":   set("version", int64(math.MaxInt64)),
		"version 0":             set("version", 0),
		"a negative version":    set("version", -1),
		"a snapshot beyond all": edit(link("snapshot.json", math.MaxInt64, targets)),
		"another specification": set("spec_version", "2.0.0"),
		"an unknown field":      set("x-hotstick", map[string]any{}),
		"no end":                set("expires", "0001-01-01T00:00:00Z"),
	}
	for name, data := range tests {
		if _, err := w.mustClient(good.with("timestamp.json", data)).Refresh(context.Background(), w.now); !errors.Is(err, catalog.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// What the publisher signs is held to its form as well.
	for name, e := range map[string]func(map[string]any){
		"delegations": func(s map[string]any) { s["delegations"] = map[string]any{"keys": map[string]any{}, "roles": []any{}} },
		"a file of no patch": func(s map[string]any) {
			s["targets"] = map[string]any{"x": map[string]any{"length": 1, "hashes": map[string]any{"sha256": strings.Repeat("0", 64)}}}
		},
		"no patches at all":   func(s map[string]any) { delete(s, "x-hotstick") },
		"patches of tomorrow": func(s map[string]any) { s["x-hotstick"].(map[string]any)["schema"] = "hotstick/patches/v2" },
		"an unlisted artifact": func(s map[string]any) {
			s["x-hotstick"].(map[string]any)["patches"] = []hotstick.Patch{w.patch(1, build61)}
		},
	} {
		c := w.mustClient(w.steal(good, 1, w.forge(targets, e, "publisher"), 2))
		if _, err := c.Refresh(context.Background(), w.now); !errors.Is(err, catalog.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFastForwardIsUndoneByTheNextRoot(t *testing.T) {
	w := newWorld(t)
	w.mustPublish(w.patch(1, build61))
	s := w.source()
	c := w.mustClient(s)
	// The thief counts as far as the format goes.
	*s = *w.steal(s, 2, (*s)["2.targets.json"], 1<<40-1)
	w.mustRefresh(c)
	*s = *w.source()
	w.mustFail(c, catalog.ErrRefused, "version")

	w.rotateOnline()
	*s = *w.source()
	if v := w.mustRefresh(c); v.Trust.Epoch != 6 || v.Version > 10 || len(v.Patches) != 1 {
		t.Errorf("after the new root: %+v", v)
	}
	// And the thief is out.
	*s = *w.steal(s, 2, (*s)["2.targets.json"], 99)
	w.mustFail(c, catalog.ErrRefused, "not enough signatures")
}

// rotateOnline replaces the online key after a theft, as the owners would.
func (w *world) rotateOnline() {
	w.Helper()
	w.spec.OnlineKeys = public("new online")
	w.spec.Trust.ServerKeys = []hotstick.TrustedKey{hotstick.TrustedKey(key("new online").Public())}
	w.spec.Trust.Epoch++
	root := w.must(catalog.NextRoot(w.repo.Root(), w.spec, key("root")))
	if _, err := w.repo.AcceptRoot(root, nil, w.now); err == nil {
		w.Error("a root without the server's key was taken")
	}
	repo, err := catalog.OpenRepository(w.dir, key("new online"))
	if err != nil {
		w.Fatal(err)
	}
	w.repo = repo
	if _, err := w.repo.AcceptRoot(root, nil, w.now); err != nil {
		w.Fatal(err)
	}
}

func TestWhoeverGetsTheOnlineKeysReplacedGainsNothing(t *testing.T) {
	w := newWorld(t)
	w.mustPublish(w.patch(1, build61))
	w.mustPublish(w.patch(2, build61))
	s := w.source()
	c := w.mustClient(s)
	w.mustRefresh(c)
	w.rotateOnline()
	*s = *w.source()
	// TUF itself forgets the old snapshot here, and with it how new the targets were.
	*s = *w.steal(s.with("1.snapshot.json", (*s)["4.snapshot.json"]), 2, (*s)["2.targets.json"], 9, "new online")
	w.mustFail(c, catalog.ErrRefused, "version 2")
}

func TestARootIsFollowedOnlyIfTheOldOneSaysSo(t *testing.T) {
	w := newWorld(t)
	s := w.source()
	next := w.spec
	next.RootKeys, next.RootThreshold = public("new root"), 1
	mallory := w.spec
	mallory.RootKeys = public("mallory")
	both := w.must(catalog.NextRoot(w.repo.Root(), next, keys("root", "new root")...))
	for name, root := range map[string][]byte{
		"signed by the new key only":   w.must(catalog.NextRoot(w.repo.Root(), next, key("new root"))),
		"signed by the old key only":   w.must(catalog.NextRoot(w.repo.Root(), next, key("root"))),
		"a stranger's":                 w.must(catalog.NextRoot(w.repo.Root(), mallory, key("mallory"))),
		"the first again":              (*s)["1.root.json"],
		"the third":                    w.forge(both, version(3), "root", "new root"),
		"an earlier epoch":             w.forge(both, func(s map[string]any) { s["x-hotstick"].(map[string]any)["trust"].(map[string]any)["epoch"] = 4 }, "root", "new root"),
		"without trust":                w.forge(both, func(s map[string]any) { delete(s, "x-hotstick") }, "root", "new root"),
		"without consistent snapshots": w.forge(both, func(s map[string]any) { s["consistent_snapshot"] = false }, "root", "new root"),
		"oversized":                    append(bytes.Repeat([]byte(" "), catalog.MaxRootBytes), both...),
		"empty":                        {},
	} {
		c := w.mustClient(s.with("2.root.json", root))
		if _, err := c.Refresh(context.Background(), w.now); !errors.Is(err, catalog.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := w.repo.AcceptRoot(root, nil, w.now); !errors.Is(err, catalog.ErrRefused) && name != "the first again" {
			t.Errorf("%s: the repository says %v", name, err)
		}
	}
	c := w.mustClient(live{w.repo})
	if _, err := w.repo.AcceptRoot(both, nil, w.now); err != nil {
		t.Fatal(err)
	}
	w.mustRefresh(c)
	back := w.spec
	back.Trust.Epoch = 4
	if _, err := catalog.NextRoot(both, back, key("new root")); err == nil {
		t.Error("a root of an earlier epoch was made")
	}
}

func TestAnEndlessChainOfRootsIsRefused(t *testing.T) {
	w := newWorld(t)
	s := w.source()
	root := (*s)["1.root.json"]
	for v := int64(2); v < 100; v++ {
		*s = *s.with(fmt.Sprintf("%d.root.json", v), w.forge(root, version(v), "root"))
	}
	c := w.mustClient(s)
	w.mustFail(c, catalog.ErrRefused, "new roots at once")
	w.mustRefresh(c) // goes on from where it stopped
}

func TestANewRootIsNeverForgotten(t *testing.T) {
	w := newWorld(t)
	w.mustPublish(w.patch(1, build61))
	before := w.source()
	s := w.source()
	dir := t.TempDir()
	c := w.mustClientIn(dir, s)
	w.mustRefresh(c)
	w.rotateOnline()
	// The thief lets the new root through and holds the rest back.
	*s = *before.with("2.root.json", (*w.source())["2.root.json"])
	if _, err := c.Refresh(context.Background(), w.now); !errors.Is(err, catalog.ErrRefused) {
		t.Errorf("the old timestamp under the new root: %v", err)
	}
	*s = *before
	c = w.mustClientIn(dir, s)
	if _, err := c.Refresh(context.Background(), w.now); !errors.Is(err, catalog.ErrRefused) {
		t.Errorf("the old root came back: %v", err)
	}
	// The publishers' word still holds, so a permit does; nothing new starts.
	v, err := c.Load()
	if err != nil || len(v.Patches) != 1 || !v.Expired(w.now) || v.Trust.Epoch != 6 {
		t.Errorf("%+v, %v", v, err)
	}
	*s = *w.source()
	if v := w.mustRefresh(c); v.Expired(w.now) {
		t.Errorf("%+v", v)
	}
}

// racing is a source whose owner takes a new root just before its timestamp is asked
// for, so just after the root was.
type racing struct {
	catalog.Fetcher
	accept func()
}

func (r racing) Fetch(ctx context.Context, name string, maxBytes int64) ([]byte, error) {
	if name == "timestamp.json" {
		r.accept()
	}
	return r.Fetcher.Fetch(ctx, name, maxBytes)
}

func TestAHostThatAsksWhileTheRootChangesDoesNotStayInTheOldEpoch(t *testing.T) {
	for _, c := range []struct {
		what  string
		roots int
		view  func(*world, catalog.Fetcher) (catalog.View, error)
	}{
		{"from the server", 1, func(w *world, f catalog.Fetcher) (catalog.View, error) {
			return w.mustClient(f).Refresh(w.Context(), w.now)
		}},
		{"from a mirror", 1, func(w *world, f catalog.Fetcher) (catalog.View, error) {
			view, _, err := w.mustClient(nil).Follow(w.Context(), w.now, catalog.Mirror{Name: "m", Source: f})
			return view, err
		}},
		{"twice in a row", 2, func(w *world, f catalog.Fetcher) (catalog.View, error) {
			return w.mustClient(f).Refresh(w.Context(), w.now)
		}},
	} {
		w := newWorld(t)
		left := c.roots
		view, err := c.view(w, racing{live{w.repo}, func() {
			if left == 0 {
				return
			}
			left--
			w.spec.Trust.Epoch++
			if _, err := w.repo.AcceptRoot(w.must(catalog.NextRoot(w.repo.Root(), w.spec, key("root"))), nil, w.now); err != nil {
				t.Fatal(err)
			}
		}})
		if err != nil || view.Trust.Epoch != w.spec.Trust.Epoch || view.Version != w.repo.View().Version {
			t.Errorf("%s: version %d of epoch %d, %v; want %d of %d", c.what, view.Version, view.Trust.Epoch, err, w.repo.View().Version, w.spec.Trust.Epoch)
		}
	}
}

func TestAFrozenCatalogThatWasSeenAsExpiredDoesNotComeBackWithTheClock(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	s := w.source()
	c := w.mustClientIn(dir, s)
	end := w.mustRefresh(c).Expires
	for _, ahead := range []time.Duration{time.Second, 10 * 365 * 24 * time.Hour} {
		w.now = end.Add(ahead)
		w.mustFail(c, catalog.ErrExpired, "expired")
		w.now = start.Add(time.Hour)
		w.mustFail(w.mustClientIn(dir, s), catalog.ErrExpired, "expired")
		if v, err := w.mustClientIn(dir, s).Load(); err != nil || !v.Expired(v.Refreshed) {
			t.Errorf("after a restart it ends at %s and was seen at %s, %v", v.Expires, v.Refreshed, err)
		}
	}
	// It is the set that is over: the next one is taken, whatever the clock showed.
	w.now = start.Add(13 * time.Hour)
	if renewed, err := w.repo.Refresh(w.now); err != nil || !renewed {
		t.Fatal(renewed, err)
	}
	*s = *w.source()
	if v := w.mustRefresh(c); v.Expired(v.Refreshed) {
		t.Errorf("the renewed one ends at %s and counts as seen at %s", v.Expires, v.Refreshed)
	}
}

func TestAViewSaysHowFarItsClockWas(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	c := w.mustClientIn(dir, live{w.repo})
	w.now = start.Add(3 * time.Hour)
	w.mustRefresh(c)
	w.now = start
	if v := w.mustRefresh(c); !v.Refreshed.Equal(start.Add(3 * time.Hour)) {
		t.Errorf("with the clock set back it was refreshed at %s", v.Refreshed)
	}
	v, err := w.mustClientIn(dir, nil).Load()
	if err != nil || !v.Refreshed.Equal(start.Add(3*time.Hour)) {
		t.Errorf("after a restart it was refreshed at %s, %v", v.Refreshed, err)
	}
	w.must(nil, os.WriteFile(filepath.Join(dir, "time.json"), []byte("x"), 0o600))
	if v, err := w.mustClientIn(dir, nil).Load(); err != nil || !v.Expired(w.now) {
		t.Errorf("with its file damaged the view is %+v, %v", v, err)
	}
}

func TestPublishersCanBeReplaced(t *testing.T) {
	w := newWorld(t)
	w.mustPublish(w.patch(1, build61))
	dir := t.TempDir()
	c := w.mustClientIn(dir, live{w.repo})
	w.mustRefresh(c)
	w.spec.PublisherKeys = public("new publisher")
	root := w.must(catalog.NextRoot(w.repo.Root(), w.spec, key("root")))
	if _, err := w.repo.AcceptRoot(root, nil, w.now); !errors.Is(err, catalog.ErrRefused) {
		t.Errorf("a root under which the targets are worth nothing: %v", err)
	}
	targets := w.forge(w.repo.Targets(), version(3), "new publisher")
	view, err := w.repo.AcceptRoot(root, targets, w.now)
	if err != nil || len(view.Patches) != 1 {
		t.Fatalf("%+v, %v", view, err)
	}
	// Until it has the new targets, a host that knows the new root trusts none.
	if err := os.WriteFile(filepath.Join(dir, "2.root.json"), root, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Load(); !errors.Is(err, catalog.ErrRefused) {
		t.Errorf("the old publisher's targets: %v", err)
	}
	w.mustRefresh(c)
	if _, err := catalog.Publish(w.publication(w.patch(2, build61)), key("publisher")); err == nil {
		t.Error("the old publisher published")
	}
	second := w.patch(2, build61)
	w.mustUpload(second)
	if _, err := w.repo.Accept(w.must(catalog.Publish(w.publication(second), key("new publisher"))), w.now); err != nil {
		t.Error(err)
	}
}

func TestArtifactsThatWereTamperedWithAreRefused(t *testing.T) {
	w := newWorld(t)
	patch := w.patch(1, build61)
	w.mustPublish(patch)
	digest := patch.Artifacts[0].Digest
	name := catalog.ArtifactFile(digest)
	good := w.data[digest]
	s := w.source()
	dir := t.TempDir()
	c := w.mustClientIn(dir, s)
	w.mustRefresh(c)
	for what, data := range map[string][]byte{
		"other bytes": bytes.Replace(good, []byte("level"), []byte("devil"), 1), "truncated": good[:5], "empty": {},
		"longer": append(bytes.Clone(good), 0), "oversized": make([]byte, 1<<20),
	} {
		*s = *s.with(name, data)
		if got, err := c.Artifact(context.Background(), digest); !errors.Is(err, catalog.ErrRefused) {
			t.Errorf("%s: %q, %v", what, got, err)
		}
		if path, err := c.Keep(context.Background(), digest); !errors.Is(err, catalog.ErrRefused) {
			t.Errorf("%s is kept in %q: %v", what, path, err)
		}
	}
	if _, err := c.Artifact(context.Background(), hotstick.NewDigest([]byte("unlisted"))); !errors.Is(err, catalog.ErrRefused) {
		t.Errorf("an artifact that is not listed: %v", err)
	}
	// What is kept is verified each time, and mended.
	*s = *s.with(name, good)
	for range 2 {
		path, err := c.Keep(context.Background(), digest)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("rot"), 0o644); err != nil {
			t.Fatal(err)
		}
		if data := w.must(c.Artifact(context.Background(), digest)); string(data) != string(good) {
			t.Errorf("got %q", data)
		}
	}
	path, err := c.Keep(context.Background(), digest)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Prune(digest); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("a wanted artifact is gone: %v", err)
	}
	if err := c.Prune(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an unwanted artifact is still there: %v", err)
	}
}

func TestAStagingDirectoryFullOfTraps(t *testing.T) {
	w := newWorld(t)
	w.mustPublish(w.patch(1, build61))
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	trap := func(name string, set func(path string) error) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := set(path); err != nil {
			t.Fatal(err)
		}
		if data, err := catalog.NewStaged(dir).Fetch(context.Background(), name, 1<<20); err == nil {
			t.Errorf("%s: %q", name, data)
		}
	}
	trap("1.root.json", func(p string) error { return os.Symlink(secret, p) })
	trap("2.root.json", func(p string) error { return os.Symlink("../secret", p) })
	trap("3.root.json", func(p string) error { return os.Symlink("3.root.json", p) })
	trap("4.root.json", func(p string) error { return syscall.Mkfifo(p, 0o600) })
	trap("5.root.json", func(p string) error { return os.Mkdir(p, 0o700) })
	trap("6.root.json", func(p string) error { return os.WriteFile(p, make([]byte, 1<<20+1), 0o600) })
	trap("7.root.json", func(p string) error { return os.Symlink("/dev/zero", p) })
	if _, err := catalog.NewStaged(filepath.Join(dir, "missing")).Fetch(context.Background(), "1.root.json", 10); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
}

func TestAPinnedRootCannotBeExchanged(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	w.mustRefresh(w.mustClientIn(dir, live{w.repo}))
	spec := newSpec()
	spec.RootKeys = public("mallory", "root2")
	if _, err := catalog.NewClient(dir, w.must(catalog.Init(spec, key("mallory"))), live{w.repo}); !errors.Is(err, catalog.ErrRefused) {
		t.Errorf("got %v", err)
	}
	for name, root := range map[string][]byte{"unsigned": w.must(catalog.Init(spec)), "text": []byte("x"), "empty": {}, "targets": w.repo.Targets()} {
		if _, err := catalog.NewClient(t.TempDir(), root, nil); !errors.Is(err, catalog.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := catalog.NewClient(t.TempDir(), nil, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no root at all: %v", err)
	}
	c, err := catalog.NewClient(dir, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := c.Load(); err != nil || v.Version != 1 {
		t.Errorf("%+v, %v", v, err)
	}
	root, targets, err := c.Metadata()
	if err != nil || string(root) != string(w.repo.Root()) || string(targets) != string(w.repo.Targets()) {
		t.Errorf("a publisher would extend something else: %v", err)
	}
	if _, err := c.Refresh(context.Background(), w.now); err == nil {
		t.Error("refreshed from nowhere")
	}
}

// addMetadata seeds a target with the files of a catalog.
func addMetadata(f *testing.F) {
	f.Helper()
	seeds, err := filepath.Glob(filepath.Join("testdata", "catalog", "*.json"))
	if err != nil || len(seeds) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, seed := range seeds {
		data, err := os.ReadFile(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
}

func FuzzMetadata(f *testing.F) {
	addMetadata(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		catalog.ReadLinks(data)
		if _, v, err := catalog.ReadRoot(data); err == nil && v < 1 {
			t.Errorf("a root of version %d", v)
		}
		_, _ = catalog.Countersign(data, key("root"))
	})
}
