package exposures

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/decide/exposure"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/store/memory"
	"github.com/hotstick/hotstick/internal/store/sqlite"
)

const cve1, cve2, cve3 = "CVE-2026-0001", "CVE-2026-0002", "CVE-2026-0003"

var debian = hotstick.KernelProduct{Distribution: "debian:12", Package: "linux", Scheme: hotstick.DebVersions}

// world is a store, a catalog, a clock that stands, and a loop.
type world struct {
	testing.TB
	ctx     context.Context
	store   store.Store
	clock   time.Time
	patches []hotstick.Patch
	version int64
	loop    *Loop
}

func (w *world) View() catalog.View {
	return catalog.NewView(w.version, w.clock, hotstick.Trust{}, w.patches)
}

// newWorld has one feed, osv, that says nothing yet.
func newWorld(t testing.TB, s store.Store) *world {
	w := &world{TB: t, ctx: context.Background(), store: s, clock: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)}
	w.restart()
	w.mustUpdate(func(tx store.Tx) error { return tx.Feeds().Put(store.Feed{Name: "osv"}) })
	return w
}

func (w *world) tree() *exposure.Tree {
	tree, err := exposure.DefaultTree()
	if err != nil {
		w.Fatal(err)
	}
	return tree
}

func (w *world) restart() {
	w.Helper()
	w.loop = New(Options{Store: w.store, Catalog: w, Tree: w.tree(), Now: func() time.Time { return w.clock }, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err := w.loop.Begin(w.ctx); err != nil {
		w.Fatal(err)
	}
}

func (w *world) pass(d time.Duration) { w.clock = w.clock.Add(d) }

func (w *world) mustUpdate(fn func(store.Tx) error) {
	w.Helper()
	if err := w.store.Update(w.ctx, fn); err != nil {
		w.Fatal(err)
	}
}

func (w *world) mustRound() {
	w.Helper()
	if err := w.loop.Round(w.ctx); err != nil {
		w.Fatal(err)
	}
}

// checkIn is a check-in of a host: the kernel that it booted, and its live patches.
func (w *world) checkIn(id hotstick.HostID, version string, loaded ...hotstick.LoadedPatch) {
	w.Helper()
	f := hotstick.Facts{Host: hotstick.HostFacts{DistributionID: "debian", DistributionVersion: "12"}}
	f.Kernel.Build = hotstick.KernelBuild{Release: version, Arch: "x86_64", BuildID: "0123456789abcdef"}
	f.Kernel.Package = hotstick.KernelPackage{Source: "linux", Scheme: hotstick.DebVersions, Version: version}
	w.mustUpdate(func(tx store.Tx) error {
		if err := tx.Hosts().Put(store.Host{ID: id, Name: string(id), Facts: &f, Patches: loaded, LastSeen: w.clock}); err != nil {
			return err
		}
		_, err := tx.Events().Append(store.Event{Kind: inventory.HostFacts, Host: id})
		return err
	})
}

func (w *world) revoke(id hotstick.HostID) {
	w.Helper()
	w.mustUpdate(func(tx store.Tx) error {
		if err := tx.Hosts().Delete(id); err != nil {
			return err
		}
		_, err := tx.Events().Append(store.Event{Kind: inventory.HostRevoked, Host: id})
		return err
	})
}

// say puts a document that says that Debian 12 is open to CVEs before a version.
func (w *world) say(id, fixed string, cves ...string) {
	w.Helper()
	var said []hotstick.Advisory
	for _, cve := range cves {
		said = append(said, hotstick.Advisory{CVE: cve, Product: debian, Status: hotstick.AdvisoryAffected, Ranges: []hotstick.VersionRange{{Fixed: fixed}}})
	}
	w.mustUpdate(func(tx store.Tx) error {
		return tx.Advisories().Put(store.AdvisoryDocument{Feed: "osv", ID: id, Fetched: w.clock}, said)
	})
}

// intervals draws all intervals of a host, with minutes since the world began.
func (w *world) intervals(id hotstick.HostID) (lines []string) {
	w.Helper()
	begin := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	err := w.store.View(w.ctx, func(tx store.Tx) error {
		all, err := tx.Exposures().OfHost(id, false)
		for _, e := range all {
			line := fmt.Sprintf("%s %s by %s from %.0f", e.CVE, e.Reason, e.Document, e.Began.Sub(begin).Minutes())
			if e.Ended != nil {
				line += fmt.Sprintf(" to %.0f %s", e.Ended.Sub(begin).Minutes(), e.Closed)
			}
			lines = append(lines, line)
		}
		return err
	})
	if err != nil {
		w.Fatal(err)
	}
	return lines
}

func (w *world) want(id hotstick.HostID, lines ...string) {
	w.Helper()
	if got := w.intervals(id); !slices.Equal(got, lines) {
		w.Errorf("%s has\n\t%q, want\n\t%q", id, got, lines)
	}
}

func onBoth(t *testing.T, run func(*world)) {
	t.Run("memory", func(t *testing.T) { run(newWorld(t, memory.Open(time.Now))) })
	t.Run("sqlite", func(t *testing.T) {
		s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "hotstick.db"), time.Now)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		run(newWorld(t, s))
	})
}

func TestAnExposureBeginsWithTheAdvisoryAndEndsWithTheFix(t *testing.T) {
	onBoth(t, func(w *world) {
		w.checkIn("h-1", "6.1.10-1")
		w.checkIn("h-2", "6.1.20-1")
		w.mustRound()
		w.want("h-1")
		w.pass(time.Minute)
		w.say("D-1", "6.1.15-1", cve1, cve2)
		w.mustRound()
		w.want("h-1", cve1+" affected by D-1 from 1", cve2+" affected by D-1 from 1")
		w.want("h-2")
		w.pass(time.Minute)
		w.say("D-2", "6.1.30-1", cve3)
		w.checkIn("h-1", "6.1.20-1")
		w.mustRound()
		w.want("h-1", cve1+" affected by D-1 from 1 to 2 fixed_version_booted", cve2+" affected by D-1 from 1 to 2 fixed_version_booted", cve3+" affected by D-2 from 2")
		w.want("h-2", cve3+" affected by D-2 from 2")
		w.pass(time.Minute)
		w.revoke("h-2")
		w.say("D-1", "6.1.25-1", cve2) // and says nothing of the first any more
		w.mustRound()
		w.want("h-1", cve1+" affected by D-1 from 1 to 2 fixed_version_booted", cve2+" affected by D-1 from 1 to 2 fixed_version_booted",
			cve2+" affected by D-1 from 3", cve3+" affected by D-2 from 2")
		w.want("h-2", cve3+" affected by D-2 from 2 to 3 ")
		w.pass(time.Minute)
		w.mustUpdate(func(tx store.Tx) error {
			return tx.Advisories().Put(store.AdvisoryDocument{Feed: "osv", ID: "D-2", Withdrawn: true}, nil)
		})
		w.mustRound()
		if got := w.intervals("h-1"); got[3] != cve3+" affected by D-2 from 2 to 4 " {
			w.Errorf("what was withdrawn: %q", got)
		}
	})
}

// livePatch is a patch of the catalog that closes a CVE on every host of the test, and how a
// host lists it.
func livePatch(closes string) (hotstick.Patch, func(hotstick.Effect) hotstick.LoadedPatch) {
	p := hotstick.Patch{Ref: hotstick.PatchRef{Name: "fix", Level: 1}, Driver: "klp", CVEs: []string{closes}}
	p.Artifacts = []hotstick.Artifact{{Module: "fix_1", Build: hotstick.KernelBuild{Release: "6.1.10-1", Arch: "x86_64", BuildID: "0123456789abcdef"}}}
	return p, func(e hotstick.Effect) hotstick.LoadedPatch {
		return hotstick.LoadedPatch{Module: "fix_1", Driver: "klp", State: e}
	}
}

func TestALivePatchClosesWhileItIsInEffect(t *testing.T) {
	onBoth(t, func(w *world) {
		patch, as := livePatch(cve1)
		w.patches, w.version = []hotstick.Patch{patch}, 1
		w.say("D-1", "6.1.15-1", cve1)
		w.checkIn("h-1", "6.1.10-1")
		w.mustRound()
		w.pass(time.Minute)
		w.checkIn("h-1", "6.1.10-1", as(hotstick.TransitionIn))
		w.mustRound()
		w.want("h-1", cve1+" affected by D-1 from 0")
		w.pass(time.Minute)
		w.checkIn("h-1", "6.1.10-1", as(hotstick.InEffect))
		w.mustRound()
		w.want("h-1", cve1+" affected by D-1 from 0 to 2 patch_in_effect")
		// Somebody takes it out; the list of patches alone is no event.
		w.pass(2 * time.Minute)
		w.mustUpdate(func(tx store.Tx) error {
			h, err := tx.Hosts().Get("h-1")
			if err != nil {
				return err
			}
			h.Patches = []hotstick.LoadedPatch{as(hotstick.Disabled)}
			return tx.Hosts().Put(h)
		})
		w.mustRound()
		w.want("h-1", cve1+" affected by D-1 from 0 to 2 patch_in_effect", cve1+" affected by D-1 from 4")
		// The catalog takes back that it closes anything, and then says it again.
		w.pass(time.Minute)
		w.checkIn("h-1", "6.1.10-1", as(hotstick.InEffect))
		w.mustRound()
		w.pass(time.Minute)
		w.patches, w.version = nil, 2
		w.mustRound()
		w.pass(time.Minute)
		w.patches, w.version = []hotstick.Patch{patch}, 3
		w.mustRound()
		w.want("h-1", cve1+" affected by D-1 from 0 to 2 patch_in_effect", cve1+" affected by D-1 from 4 to 5 patch_in_effect", cve1+" affected by D-1 from 6 to 7 patch_in_effect")
	})
}

func TestARestartEndsAndBeginsNothing(t *testing.T) {
	onBoth(t, func(w *world) {
		w.say("D-1", "6.1.15-1", cve1, cve2)
		w.say("D-2", "6.1.30-1", cve3)
		for i := range 5 {
			w.checkIn(hotstick.HostID(fmt.Sprint("h-", i)), fmt.Sprintf("6.1.%d-1", 10+i*3))
		}
		w.mustRound()
		draw := func() (all []string) {
			for i := range 5 {
				all = append(all, w.intervals(hotstick.HostID(fmt.Sprint("h-", i)))...)
			}
			return all
		}
		before := draw()
		if len(before) != 2*2+5 {
			w.Fatalf("the test is wrong: %q", before)
		}
		// The server is away for a week, and the hosts with it.
		w.pass(7 * 24 * time.Hour)
		w.restart()
		w.mustRound()
		w.pass(DefaultSilentAfter - time.Minute)
		w.mustRound()
		if got := draw(); !slices.Equal(got, before) {
			w.Errorf("after a restart\n\t%q, was\n\t%q", got, before)
		}
		// All but one come back. What that one had closed is not known any more.
		for i := range 4 {
			w.checkIn(hotstick.HostID(fmt.Sprint("h-", i)), fmt.Sprintf("6.1.%d-1", 10+i*3))
		}
		w.pass(2 * time.Minute)
		w.mustRound()
		at := (7*24*time.Hour + DefaultSilentAfter + time.Minute).Minutes()
		w.want("h-4", fmt.Sprintf("%s host_silent by D-1 from %.0f", cve1, at), fmt.Sprintf("%s host_silent by D-1 from %.0f", cve2, at), cve3+" affected by D-2 from 0")
		w.want("h-3", cve3+" affected by D-2 from 0")
	})
}

func TestWhatHappenedWhileTheServerWasAwayIsWritten(t *testing.T) {
	onBoth(t, func(w *world) {
		w.say("D-1", "6.1.15-1", cve1)
		w.say("D-2", "6.1.15-1", cve2)
		for _, id := range []hotstick.HostID{"h-1", "h-2", "h-3"} {
			w.checkIn(id, "6.1.10-1")
		}
		w.mustRound()
		w.pass(time.Minute)
		w.say("D-2", "6.1.15-1", cve3)
		w.checkIn("h-2", "6.1.20-1")
		w.revoke("h-3")
		w.restart()
		w.mustRound()
		w.want("h-1", cve1+" affected by D-1 from 0", cve2+" affected by D-2 from 0 to 1 ", cve3+" affected by D-2 from 1")
		w.want("h-2", cve1+" affected by D-1 from 0 to 1 fixed_version_booted", cve2+" affected by D-2 from 0 to 1 ")
		w.want("h-3", cve1+" affected by D-1 from 0 to 1 ", cve2+" affected by D-2 from 0 to 1 ")
	})
}

func TestWithoutAFeedNothingIsDone(t *testing.T) {
	w := newWorld(t, memory.Open(time.Now))
	w.mustUpdate(func(tx store.Tx) error { return tx.Feeds().Delete("osv") })
	w.checkIn("h-1", "6.1.10-1")
	w.mustRound()
	if w.loop.Fleet() != nil {
		t.Error("hosts were judged without a feed")
	}
	w.mustUpdate(func(tx store.Tx) error { return tx.Feeds().Put(store.Feed{Name: "osv"}) })
	w.say("D-1", "6.1.15-1", cve1)
	w.mustRound()
	if got := w.loop.Fleet().Hosts(cve1); !slices.Equal(got, []hotstick.HostID{"h-1"}) {
		t.Errorf("open are %v", got)
	}
	// One that is deleted while the server is away still ends what it began.
	w.mustUpdate(func(tx store.Tx) error {
		if err := tx.Advisories().Put(store.AdvisoryDocument{Feed: "osv", ID: "D-1", Withdrawn: true}, nil); err != nil {
			return err
		}
		return errors.Join(tx.Advisories().Sweep(w.clock), tx.Feeds().Delete("osv"))
	})
	w.pass(time.Minute)
	w.restart()
	w.mustRound()
	w.want("h-1", cve1+" affected by D-1 from 0 to 1 ")
}

func TestTheVendorsWordBeatsOthers(t *testing.T) {
	w := newWorld(t, memory.Open(time.Now))
	w.say("D-1", "6.1.15-1", cve1)
	w.mustUpdate(func(tx store.Tx) error {
		said := []hotstick.Advisory{{CVE: cve1, Product: debian, Status: hotstick.AdvisoryNotAffected}}
		return tx.Advisories().Put(store.AdvisoryDocument{Feed: "debian", ID: "T-1"}, said)
	})
	w.checkIn("h-1", "6.1.10-1")
	w.mustRound()
	w.want("h-1", cve1+" affected by D-1 from 0")
	w.mustUpdate(func(tx store.Tx) error { return tx.Feeds().Put(store.Feed{Name: "debian", Vendor: []string{"debian"}}) })
	w.pass(time.Minute)
	w.mustRound()
	w.want("h-1", cve1+" affected by D-1 from 0 to 1 product_not_affected")
}

// failing is a store that fails after so many reads and writes.
type failing struct {
	store.Store
	left int
}

var errFull = errors.New("the disk is full")

func (f *failing) Update(ctx context.Context, fn func(store.Tx) error) error {
	if f.left--; f.left < 0 {
		return errFull
	}
	return f.Store.Update(ctx, fn)
}

func (f *failing) View(ctx context.Context, fn func(store.Tx) error) error {
	if f.left--; f.left < 0 {
		return errFull
	}
	return f.Store.View(ctx, fn)
}

// TestStoredIntervalsFollowTheFleet plays hosts, documents, restarts, time and writes that
// fail in any order: after every round that ends well the store has open what a fleet that is
// judged from nothing has open, and no interval ends that did not have to.
func TestStoredIntervalsFollowTheFleet(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		w := newWorld(t, memory.Open(time.Now))
		patch, as := livePatch(cve1)
		steps := rapid.SliceOfN(rapid.IntRange(0, 9), 5, 40).Draw(r, "steps")
		for _, step := range steps {
			host := hotstick.HostID(fmt.Sprint("h-", rapid.IntRange(0, 3).Draw(r, "host")))
			version := fmt.Sprintf("6.1.%d-1", rapid.SampledFrom([]int{10, 20, 30}).Draw(r, "version"))
			switch step {
			case 0, 1, 2:
				if known, err := w.host(host); err != nil || !known.Revoked {
					w.checkIn(host, version)
				}
			case 3:
				if known, err := w.host(host); err != nil || !known.Revoked {
					w.checkIn(host, "6.1.10-1", as(hotstick.InEffect))
				}
			case 4, 5:
				cves := rapid.SliceOfN(rapid.SampledFrom([]string{cve1, cve2, cve3}), 0, 3).Draw(r, "cves")
				w.say(rapid.SampledFrom([]string{"D-1", "D-2"}).Draw(r, "document"), version, cves...)
			case 6:
				w.restart()
			case 7:
				w.version++
				if w.patches = nil; rapid.Bool().Draw(r, "patched") {
					w.patches = []hotstick.Patch{patch}
				}
			case 9:
				w.pass(rapid.SampledFrom([]time.Duration{time.Minute, 2 * DefaultSilentAfter, anewEvery}).Draw(r, "time"))
			case 8:
				if _, err := w.host(host); err == nil && rapid.IntRange(0, 4).Draw(r, "revoked") == 0 {
					w.revoke(host)
				}
			}
			w.pass(time.Second)
			if rapid.IntRange(0, 2).Draw(r, "fails") == 0 {
				whole := w.store
				w.loop.store = &failing{whole, rapid.IntRange(0, 8).Draw(r, "after")}
				err := w.loop.Round(w.ctx)
				if w.loop.store = whole; err != nil && !errors.Is(err, errFull) {
					r.Fatal(err)
				}
				continue
			}
			w.mustRound()
			w.compare(r)
		}
	})
}

func (w *world) host(id hotstick.HostID) (h store.Host, err error) {
	err = w.store.View(w.ctx, func(tx store.Tx) error { h, err = tx.Hosts().Get(id); return err })
	return h, err
}

// compare judges everything from nothing, and compares with what the store has as open.
func (w *world) compare(r *rapid.T) {
	want, got := map[string]bool{}, map[string]bool{}
	fresh := New(Options{Store: w.store, Catalog: w, Tree: w.tree(), Now: func() time.Time { return w.clock }})
	fresh.basis.patches, fresh.away = w.patches, w.loop.away
	fleet, err := fresh.judgeAll(w.ctx)
	if err != nil {
		r.Fatal(err)
	}
	for e := range exposure.Events(nil, fleet, w.clock) {
		want[string(e.Host)+" "+e.CVE] = true
	}
	for i := range 4 {
		err := w.store.View(w.ctx, func(tx store.Tx) error {
			all, err := tx.Exposures().OfHost(hotstick.HostID(fmt.Sprint("h-", i)), false)
			for j, e := range all {
				if e.Ended == nil {
					got[string(e.Host)+" "+e.CVE] = true
				}
				if j > 0 && all[j-1].CVE == e.CVE && all[j-1].Ended.Equal(e.Began) {
					r.Fatalf("an interval ended and began anew: %+v", all[j-1:j+1])
				}
			}
			return err
		})
		if err != nil {
			r.Fatal(err)
		}
	}
	if fmt.Sprint(want) != fmt.Sprint(got) {
		r.Fatalf("open are %v, want %v", got, want)
	}
}

func TestTheLoopFollowsWhatIsCommitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.Open(time.Now))
		w.clock = time.Now()
		w.loop.now = time.Now
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- w.loop.Run(ctx) }()
		synctest.Wait()
		w.checkIn("h-1", "6.1.10-1")
		w.say("D-1", "6.1.15-1", cve1)
		<-time.After(2 * coalesce)
		synctest.Wait()
		if got := w.loop.Fleet().Hosts(cve1); len(got) != 1 || len(w.intervals("h-1")) != 1 {
			t.Errorf("open are %v, %q", got, w.intervals("h-1"))
		}
		// Silence has no event.
		w.say("D-1", "6.1.5-1", cve1)
		<-time.After(2 * coalesce)
		if got := w.loop.Fleet().Hosts(cve1); len(got) != 0 {
			t.Errorf("open are %v", got)
		}
		<-time.After(DefaultSilentAfter + 2*scanEvery)
		synctest.Wait()
		if got := w.loop.Fleet().Hosts(cve1); len(got) != 1 {
			t.Errorf("of a host that is silent for an hour open are %v", got)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
