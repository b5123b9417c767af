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
	changes, stop := kept.Changes()
	defer stop()
	w.start()
	for deadline := time.After(20 * time.Second); ; {
		var open []store.Exposure
		w.must(kept.View(t.Context(), func(tx store.Tx) (err error) {
			open, err = tx.Exposures().OfHost("h-0000000000000001", true)
			return err
		}))
		if len(open) == 1 {
			if e := open[0]; e.CVE != "CVE-2026-0001" || e.Reason != hotstick.ExposedInRange || e.Feed != "debian" || e.Document != "DEBIAN-CVE-2026-0001" {
				t.Errorf("open is %+v", e)
			}
			return
		}
		select {
		case <-changes:
		case <-deadline:
			t.Fatalf("open are %+v", open)
		}
	}
}
