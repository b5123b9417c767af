package server

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/store/memory"
)

// TestAServerReadsItsFeedsAndKnowsWhichHostsAreOpen has a host that runs Debian's kernel, and
// a directory with one advisory that a feed is named for.
func TestAServerReadsItsFeedsAndKnowsWhichHostsAreOpen(t *testing.T) {
	t.Parallel()
	kept := memory.Open(time.Now)
	w := newWorld(t, kept)
	w.stop()
	dir := t.TempDir()
	w.must(os.WriteFile(filepath.Join(dir, "one.json"), []byte(`{"id": "DEBIAN-CVE-2026-0001", "modified": "2026-11-01T00:00:00Z", "upstream": ["CVE-2026-0001"],
		"affected": [{"package": {"ecosystem": "Debian:12", "name": "linux"}, "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "6.1.20-1"}]}]}]}`), 0o600))
	facts := hotstick.Facts{Host: hotstick.HostFacts{DistributionID: "debian", DistributionVersion: "12"}}
	facts.Kernel.Build = buildA
	facts.Kernel.Package = hotstick.KernelPackage{Source: "linux", Scheme: hotstick.DebVersions, Version: "6.1.10-1"}
	w.must(kept.Update(t.Context(), func(tx store.Tx) error {
		if err := tx.Hosts().Put(store.Host{ID: "h-0000000000000001", Name: "db-1", Facts: &facts, LastSeen: tx.Now()}); err != nil {
			return err
		}
		return tx.Feeds().Put(store.Feed{Name: "debian", Kind: store.FeedPath, Location: dir, Enabled: true, Period: time.Hour})
	}))
	w.start()
	if e := w.opened(kept, "h-0000000000000001"); e.CVE != "CVE-2026-0001" || e.Reason != hotstick.ExposedInRange || e.Feed != "debian" || e.Document != "DEBIAN-CVE-2026-0001" {
		t.Errorf("open is %+v", e)
	}
}

// opened waits until a host is open to one CVE.
func (w *world) opened(kept store.Store, id hotstick.HostID) store.Exposure {
	w.Helper()
	changes, stop := kept.Changes()
	defer stop()
	for deadline := time.After(20 * time.Second); ; {
		open := w.openTo(kept, id)
		if len(open) == 1 {
			return open[0]
		}
		select {
		case <-changes:
		case <-deadline:
			w.Fatalf("open are %+v", open)
		}
	}
}

func (w *world) openTo(kept store.Store, id hotstick.HostID) (open []store.Exposure) {
	w.Helper()
	w.must(kept.View(w.Context(), func(tx store.Tx) (err error) { open, err = tx.Exposures().OfHost(id, true); return err }))
	return open
}

// TestAServerLearnsHowLongItWasAwayBeforeHostsCheckIn has hosts that were last heard of two
// hours ago: two with the fix, of which one calls as soon as the server is there, and one
// without.
func TestAServerLearnsHowLongItWasAwayBeforeHostsCheckIn(t *testing.T) {
	t.Parallel()
	kept := memory.Open(time.Now)
	w := newWorld(t, kept)
	w.stop()
	host := func(id hotstick.HostID, version string, ago time.Duration) {
		facts := hotstick.Facts{Host: hotstick.HostFacts{DistributionID: "debian", DistributionVersion: "12"}}
		facts.Kernel.Build = buildA
		facts.Kernel.Package = hotstick.KernelPackage{Source: "linux", Scheme: hotstick.DebVersions, Version: version}
		w.must(kept.Update(t.Context(), func(tx store.Tx) error {
			return tx.Hosts().Put(store.Host{ID: id, Name: string(id), Facts: &facts, LastSeen: tx.Now().Add(-ago)})
		}))
	}
	const caller, late, open = "h-0000000000000001", "h-0000000000000002", "h-0000000000000003"
	host(caller, "6.1.20-1", 2*time.Hour)
	host(late, "6.1.20-1", 2*time.Hour)
	host(open, "6.1.10-1", 2*time.Hour)
	w.must(kept.Update(t.Context(), func(tx store.Tx) error {
		said := hotstick.Advisory{CVE: "CVE-2026-0001", Product: hotstick.KernelProduct{Distribution: "debian:12", Package: "linux", Scheme: hotstick.DebVersions},
			Status: hotstick.AdvisoryAffected, Ranges: []hotstick.VersionRange{{Fixed: "6.1.20-1"}}}
		return tx.Advisories().Put(store.AdvisoryDocument{Feed: "debian", ID: "DEBIAN-CVE-2026-0001", Fetched: tx.Now()}, []hotstick.Advisory{said})
	}))
	w.open()
	host(caller, "6.1.20-1", 0)
	w.run()
	w.opened(kept, open)
	for _, id := range []hotstick.HostID{caller, late} {
		if open := w.openTo(kept, id); len(open) != 0 {
			t.Errorf("%s is open: %+v", id, open)
		}
	}
}
