package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
)

// copyDir copies a state directory, as a backup or a snapshot of a machine does.
func (w *world) copyDir(from string) string {
	w.Helper()
	to := w.TempDir()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		w.Fatal(err)
	}
	return to
}

// away is a source that is not there.
type away struct{}

func (away) Fetch(context.Context, string, int64) ([]byte, error) {
	return nil, errors.New("cannot reach the mirror")
}

func (w *world) mustFollow(c *catalog.Client, want string, mirrors ...catalog.Fetcher) catalog.View {
	w.Helper()
	view, got, err := w.follow(c, mirrors...)
	if err != nil || got != want {
		w.Errorf("the mirrors are %q, want %q: %v", got, want, err)
	}
	return view
}

func (w *world) follow(c *catalog.Client, mirrors ...catalog.Fetcher) (catalog.View, string, error) {
	w.Helper()
	var list []catalog.Mirror
	for i, m := range mirrors {
		list = append(list, catalog.Mirror{Name: fmt.Sprintf("mirror%d", i), Source: m})
	}
	view, reports, err := c.Follow(context.Background(), w.now, list...)
	var states []string
	for i, r := range reports {
		states = append(states, string(r.State))
		if named := r.State == catalog.MirrorCurrent || r.State == catalog.MirrorBehind; r.Name != list[i].Name || named != (r.Err == nil) {
			w.Errorf("%s is %s: %v", r.Name, r.State, r.Err)
		}
	}
	return view, strings.Join(states, " "), err
}

func TestMaliciousMirror(t *testing.T) {
	w := newWorld(t)
	w.mustPublish(w.patch(1, build61))
	old := w.source()
	w.mustPublish(w.patch(2, build61))
	good := w.source()
	forged := good.with("timestamp.json", w.forge((*good)["timestamp.json"], version(99), "mallory"))
	redirect := mirror(t, func(rw http.ResponseWriter, r *http.Request) {
		http.Redirect(rw, r, "http://169.254.169.254/", http.StatusFound)
	})
	// One good mirror of three is enough, wherever it stands; the others are named.
	for _, test := range []struct {
		want    string
		mirrors []catalog.Fetcher
	}{
		{"lies lies current", []catalog.Fetcher{forged, redirect, good}},
		{"current lies lies", []catalog.Fetcher{good, forged, redirect}},
		{"behind lies current", []catalog.Fetcher{old, forged, good}},
		{"current behind away", []catalog.Fetcher{good, old, away{}}},
		{"current lies away", []catalog.Fetcher{good, good.with("timestamp.json", w.forge((*good)["timestamp.json"], func(s map[string]any) { s["expires"] = "2026-11-21T09:00:00Z" }, "online")), good.with("timestamp.json", nil)}},
	} {
		if v := w.mustFollow(w.mustClient(nil), test.want, test.mirrors...); len(v.Patches) != 2 {
			t.Errorf("%s: %+v", test.want, v)
		}
	}
	// No good one: an error that names all, and the trusted view stays.
	c := w.mustClient(nil)
	w.mustFollow(c, "current", good)
	if v, got, err := w.follow(c, forged, away{}); err == nil || got != "lies away" || !strings.Contains(err.Error(), "mirror0 is lies") || !strings.Contains(err.Error(), "mirror1 is away") {
		t.Errorf("%+v, %q, %v", v, got, err)
	}
	if v, err := c.Load(); err != nil || len(v.Patches) != 2 {
		t.Errorf("%+v, %v", v, err)
	}
	if _, _, err := c.Follow(t.Context(), w.now); err == nil {
		t.Error("followed nobody")
	}
}

func TestMixAndMatchAcrossMirrors(t *testing.T) {
	w := newWorld(t)
	w.mustPublish(w.patch(1, build61))
	a := w.source()
	w.mustPublish(w.patch(2, build61))
	b := w.source()
	// Each file is from one of two honest states; only whole states are taken.
	for _, name := range []string{"3.snapshot.json", "3.targets.json"} {
		for what, data := range map[string][]byte{"the older": (*a)["2"+name[1:]], "none": nil} {
			c := w.mustClient(b.with(name, data))
			if v, err := c.Refresh(t.Context(), w.now); err == nil {
				t.Errorf("%s for %s: %+v", what, name, v)
			}
		}
	}
	c := w.mustClient(nil)
	w.mustFollow(c, "behind current", a, b)
	mixed := b.with("timestamp.json", (*a)["timestamp.json"])
	if v := w.mustFollow(c, "behind current", mixed, b); len(v.Patches) != 2 {
		t.Errorf("%+v", v)
	}
	// The bytes of one artifact under the name of another.
	p := w.patch(2, build61)
	one, two := catalog.ArtifactFile(w.patch(1, build61).Artifacts[0].Digest), catalog.ArtifactFile(p.Artifacts[0].Digest)
	c = w.mustClient(b.with(two, (*b)[one]))
	w.mustRefresh(c)
	if data, err := c.Artifact(t.Context(), p.Artifacts[0].Digest); !errors.Is(err, catalog.ErrRefused) {
		t.Errorf("%q, %v", data, err)
	}
}

func TestTwoTimestampsOfOneVersionAreNamed(t *testing.T) {
	w := newWorld(t)
	w.mustPublish(w.patch(1, build61))
	good := w.source()
	c := w.mustClient(nil)
	w.mustFollow(c, "current", good)
	// A thief of the online key tells this host something else than the others.
	twin := good.with("timestamp.json", w.forge((*good)["timestamp.json"], func(s map[string]any) { s["expires"] = "2026-11-21T20:00:00Z" }, "online"))
	w.mustFollow(c, "current lies", good, twin)
	w.mustFollow(c, "lies", twin)
}

func TestRollbackAcrossReinstall(t *testing.T) {
	w := newWorld(t)
	w.mustPublish(w.patch(1, build61))
	yesterday := w.source()
	w.mustPublish(w.patch(2, build61))
	// The agent's directory is the loader's source; the loader has its own.
	agent, loader := t.TempDir(), t.TempDir()
	w.mustRefresh(w.mustClientIn(agent, live{w.repo}))
	w.mustRefresh(w.mustClientIn(loader, catalog.NewStaged(agent)))

	// The agent is installed anew, and is given yesterday; even by a thief of the
	// online key, under versions that are newer than all others.
	for name, evil := range map[string]*source{"honest": yesterday, "stolen key": w.steal(yesterday, 2, (*yesterday)["2.targets.json"], 77)} {
		agent := t.TempDir()
		w.mustRefresh(w.mustClientIn(agent, evil)) // it has no memory
		c := w.mustClientIn(loader, catalog.NewStaged(agent))
		w.mustFail(c, catalog.ErrRefused, "version")
		if v, err := c.Load(); err != nil || len(v.Patches) != 2 {
			t.Errorf("%s: the loader has %+v, %v", name, v, err)
		}
	}
	// Without a stolen key even an agent without memory is not fooled for long.
	w.now = w.now.Add(catalog.TimestampLife)
	w.mustFail(w.mustClient(yesterday), catalog.ErrExpired, "timestamp")
}

func TestRollbackAcrossARestoredStateDirectory(t *testing.T) {
	w := newWorld(t)
	w.mustPublish(w.patch(1, build61))
	yesterday, dir := w.source(), t.TempDir()
	w.mustRefresh(w.mustClientIn(dir, yesterday))
	backup := w.copyDir(dir)
	w.now = w.now.Add(20 * time.Hour)
	w.mustPublish(w.patch(2, build61))
	w.rotateOnline()
	w.mustRefresh(w.mustClientIn(dir, live{w.repo}))

	// The restored state moves on, and does not stay where it was longer than the
	// signatures live, whatever the clock says.
	w.mustRefresh(w.mustClientIn(w.copyDir(backup), live{w.repo}))
	w.now = start.Add(catalog.TimestampLife)
	stuck := w.copyDir(backup)
	w.mustFail(w.mustClientIn(stuck, yesterday), catalog.ErrExpired, "timestamp")
	// Parts of the old state in the new one: no file makes another forgotten.
	w.now = start.Add(21 * time.Hour)
	for _, part := range [][]string{{"timestamp.json"}, {"time.json"}, {"timestamp.json", "time.json", "2.snapshot.json", "2.targets.json"}} {
		mixed := w.copyDir(dir)
		for _, name := range part {
			data := w.must(os.ReadFile(filepath.Join(backup, name)))
			if err := os.WriteFile(filepath.Join(mixed, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		c := w.mustClientIn(mixed, yesterday)
		if v, err := c.Refresh(t.Context(), w.now); !errors.Is(err, catalog.ErrRefused) {
			t.Errorf("with %v of the backup: %+v, %v", part, v, err)
		}
		if v := w.mustRefresh(w.mustClientIn(mixed, live{w.repo})); len(v.Patches) != 2 || v.Trust.Epoch != 6 {
			t.Errorf("with %v of the backup, then: %+v", part, v)
		}
	}
}

// A reboot may lose whatever was written after the last sync. So each file is made
// durable under its name before the next is named, and timestamp.json, which makes
// the rest trusted, comes after all that it stands for.
func TestRollbackAcrossARebootWithUnsyncedState(t *testing.T) {
	w := newWorld(t)
	w.mustPublish(w.patch(1, build61))
	yesterday, dir := w.source(), t.TempDir()
	w.mustRefresh(w.mustClientIn(dir, yesterday))
	w.mustPublish(w.patch(2, build61))
	w.rotateOnline()
	var order []string
	c := w.mustClientIn(w.copyDir(dir), live{w.repo})
	c.CutPower(func(name string) error { order = append(order, name); return nil })
	w.mustRefresh(c)
	if want := []string{"2.root.json", "3.targets.json", "4.snapshot.json", "timestamp.json", "time.json"}; !slices.Equal(order, want) {
		t.Fatalf("written in the order %v, want %v", order, want)
	}
	for n := range len(order) + 1 {
		lost, happened := w.copyDir(dir), false
		c := w.mustClientIn(lost, live{w.repo})
		c.CutPower(cutAt(n, &happened))
		if _, err := c.Refresh(t.Context(), w.now); (err == nil) != (n == len(order)) {
			t.Fatalf("cut at %d: %v", n, err)
		}
		c = w.mustClientIn(lost, yesterday)
		_, err := c.Refresh(t.Context(), w.now)
		if n == 0 && err != nil {
			t.Errorf("nothing new was kept, and yesterday is refused: %v", err)
		}
		if n > 0 && !errors.Is(err, catalog.ErrRefused) {
			t.Errorf("%v were kept, and yesterday came back: %v", order[:n], err)
		}
	}
}

func TestFreezeOfTheTimestampOnly(t *testing.T) {
	w := newWorld(t)
	w.mustPublish(w.patch(1, build61))
	frozen := (*w.source())["timestamp.json"]
	c := w.mustClient(w.source())
	w.mustRefresh(c)
	// Everything else moves on: it is not what the timestamp names.
	w.now = w.now.Add(20 * time.Hour)
	w.mustPublish(w.patch(2, build61))
	s := w.source().with("timestamp.json", frozen)
	c = w.mustClientIn(w.TempDir(), s)
	if v := w.mustRefresh(c); len(v.Patches) != 1 {
		t.Errorf("%+v", v)
	}
	w.now = start.Add(catalog.TimestampLife)
	w.mustFail(c, catalog.ErrExpired, "timestamp")
}

func TestFreezeOfOneHost(t *testing.T) {
	w := newWorld(t)
	w.mustPublish(w.patch(1, build61))
	yesterday := w.source()
	frozen := w.mustClient(yesterday)
	other := w.mustClient(live{w.repo})
	w.now = w.now.Add(20 * time.Hour)
	w.mustPublish(w.patch(2, build61))
	// The frozen host still believes; what it reports is behind the others.
	mine, theirs := w.mustRefresh(frozen), w.mustRefresh(other)
	if mine.Version >= theirs.Version || mine.Expired(w.now) || theirs.Expired(w.now) {
		t.Errorf("%d and %d", mine.Version, theirs.Version)
	}
	w.now = start.Add(catalog.TimestampLife)
	w.mustFail(frozen, catalog.ErrExpired, "timestamp")
	// Who knows better sees that the mirror was frozen, and is not merely behind.
	w.mustFollow(other, "expired current", yesterday, live{w.repo})
	// A second mirror undoes it.
	if v := w.mustFollow(frozen, "expired current", w.source().with("timestamp.json", w.forge((*w.source())["timestamp.json"], func(s map[string]any) { s["expires"] = start.Format(time.RFC3339) }, "online")), live{w.repo}); len(v.Patches) != 2 {
		t.Errorf("%+v", v)
	}
}

func TestAThousandRootsAreFollowedInBoundedSteps(t *testing.T) {
	if testing.Short() {
		t.Skip("signs a thousand roots")
	}
	w := newWorld(t)
	s := w.source()
	root := (*s)["1.root.json"]
	for v := int64(2); v <= 1000; v++ {
		(*s)[fmt.Sprintf("%d.root.json", v)] = w.forge(root, version(v), "root")
	}
	c := w.mustClient(s)
	for step := range 100 {
		_, err := c.Refresh(t.Context(), w.now)
		if err == nil {
			if want := 999 / 64; step != want {
				t.Errorf("%d steps, want %d", step, want)
			}
			return
		}
		if !errors.Is(err, catalog.ErrRefused) || !strings.Contains(err.Error(), "new roots at once") {
			t.Fatal(err)
		}
	}
	t.Error("there is no end")
}

func TestAGapInTheChainOfRoots(t *testing.T) {
	w := newWorld(t)
	s := w.source()
	root := (*s)["1.root.json"]
	for v := int64(2); v <= 5; v++ {
		(*s)[fmt.Sprintf("%d.root.json", v)] = w.forge(root, version(v), "root")
	}
	dir := t.TempDir()
	// The third is missing: there is no way past it, and the fifth is not the third.
	w.mustRefresh(w.mustClientIn(dir, s.with("3.root.json", nil)))
	if _, err := os.Stat(filepath.Join(dir, "3.root.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	w.mustFail(w.mustClientIn(dir, s.with("3.root.json", (*s)["5.root.json"])), catalog.ErrRefused, "version")
	w.mustFail(w.mustClientIn(dir, s.with("3.root.json", (*s)["2.root.json"])), catalog.ErrRefused, "version")
	w.mustRefresh(w.mustClientIn(dir, s))
	if _, err := os.Stat(filepath.Join(dir, "5.root.json")); err != nil {
		t.Error(err)
	}
	// A gap on our own disk stops the chain there; the source fills it.
	if err := os.Remove(filepath.Join(dir, "3.root.json")); err != nil {
		t.Fatal(err)
	}
	w.mustRefresh(w.mustClientIn(dir, s))
	if _, err := os.Stat(filepath.Join(dir, "3.root.json")); err != nil {
		t.Error(err)
	}
}

func TestWrongSoftware(t *testing.T) {
	w := newWorld(t)
	sibling := build61
	sibling.Release, sibling.BuildID = "6.1.0-47-rt-amd64", strings.Repeat("ab", 20)
	arm := build61
	arm.Arch = "aarch64"
	patch := w.patch(1, build61)
	w.mustPublish(patch)
	c := w.mustClient(live{w.repo})
	view := w.mustRefresh(c)
	for name, build := range map[string]hotstick.KernelBuild{"a sibling flavour": sibling, "another architecture": arm, "the same release, built again": {Release: build61.Release, Arch: build61.Arch, BuildID: strings.Repeat("cd", 20)}, "none": {}} {
		if a, ok := view.Patches[0].Artifact(build); ok {
			t.Errorf("%s gets %+v", name, a)
		}
		if p, ok := view.ByModule(build, patch.Artifacts[0].Module); ok {
			t.Errorf("%s takes its module for %s", name, p.Ref)
		}
	}
	// The right bytes for another kernel cannot be listed for this one as well.
	w.data[patch.Artifacts[0].Digest] = []byte("module")
	wrong := w.patch(2, build61)
	wrong.Artifacts = append(wrong.Artifacts, hotstick.Artifact{Build: sibling, Digest: patch.Artifacts[0].Digest, SizeBytes: patch.Artifacts[0].SizeBytes, Module: "hotstick_x"})
	if _, err := catalog.Publish(w.publication(wrong), key("publisher")); err == nil || !strings.Contains(err.Error(), "same artifact") {
		t.Error(err)
	}
	// Nor half of a file, or a file that begins the same.
	digest := w.patch(1, build61).Artifacts[0].Digest
	for _, data := range [][]byte{w.data[digest][:10], append(slices.Clone(w.data[digest]), "more"...)} {
		c := w.mustClient(w.source().with(catalog.ArtifactFile(digest), data))
		w.mustRefresh(c)
		if got, err := c.Artifact(t.Context(), digest); !errors.Is(err, catalog.ErrRefused) {
			t.Errorf("%q, %v", got, err)
		}
	}
}
