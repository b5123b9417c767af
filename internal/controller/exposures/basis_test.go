package exposures

import (
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/store"
)

// TestAHostThatCallsFirstDoesNotMakeTheOthersSilent has a server that is away for two hours,
// and a host that calls while the loop has not looked at any yet: reading all documents goes
// before that.
func TestAHostThatCallsFirstDoesNotMakeTheOthersSilent(t *testing.T) {
	onBoth(t, func(w *world) {
		w.say("D-1", "6.1.15-1", cve1)
		for _, id := range []hotstick.HostID{"h-1", "h-2", "h-3"} {
			w.checkIn(id, "6.1.20-1")
		}
		w.mustRound()
		w.pass(2 * time.Hour)
		w.restart()
		w.pass(time.Minute)
		w.checkIn("h-1", "6.1.20-1")
		w.mustRound()
		w.want("h-1")
		w.want("h-2")
		w.want("h-3")
		// A host that does not call in time is silent all the same.
		w.pass(DefaultSilentAfter - 30*time.Second)
		w.checkIn("h-1", "6.1.20-1")
		w.checkIn("h-2", "6.1.20-1")
		w.mustRound()
		w.want("h-2")
		w.want("h-3", cve1+" host_silent by D-1 from 180")
	})
}

// tell says of the feed osv what an operator would, with the event that it is told by.
func (w *world) tell(f store.Feed) {
	w.Helper()
	f.Name = "osv"
	w.mustUpdate(func(tx store.Tx) error {
		if err := tx.Feeds().Put(f); err != nil {
			return err
		}
		_, err := tx.Events().Append(store.Event{Kind: inventory.FeedChanged, State: f.Name})
		return err
	})
}

// leaveOut puts two documents that were read when their feed was called complete for Debian
// 12: one names it, and the other names Debian 11 alone.
func (w *world) leaveOut() {
	w.Helper()
	older := hotstick.KernelProduct{Distribution: "debian:11", Package: "linux", Scheme: hotstick.DebVersions}
	w.mustUpdate(func(tx store.Tx) error {
		for id, said := range map[string]hotstick.Advisory{
			"D-1": {CVE: cve1, Product: older, Status: hotstick.AdvisoryAffected, Ranges: []hotstick.VersionRange{{Fixed: "5.10.300-1"}}},
			"D-2": {CVE: cve2, Product: debian, Status: hotstick.AdvisoryAffected, Ranges: []hotstick.VersionRange{{Fixed: "6.1.5-1"}}},
		} {
			d := store.AdvisoryDocument{Feed: "osv", ID: id, Fetched: w.clock, Complete: []string{"debian:11", "debian:12"}}
			if err := tx.Advisories().Put(d, []hotstick.Advisory{said}); err != nil {
				return err
			}
		}
		return nil
	})
}

// TestWhatAFeedIsNotCompleteForAnyMoreIsOpenBeforeItIsReadAgain changes what an operator says
// of a feed, whose documents nobody can read anew.
func TestWhatAFeedIsNotCompleteForAnyMoreIsOpenBeforeItIsReadAgain(t *testing.T) {
	whole := store.Feed{Enabled: true, Complete: []string{"debian:12", "debian:11"}}
	for name, back := range map[string]store.Feed{
		"taken back":               {Enabled: true},
		"taken back for a release": {Enabled: true, Complete: []string{"debian:11"}},
		"the feed is not read":     {Complete: whole.Complete},
		"the feed is taken out":    {Enabled: true, Complete: whole.Complete, Removed: true},
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(w *world) {
				w.tell(whole)
				w.leaveOut()
				w.checkIn("h-1", "6.1.10-1")
				w.mustRound()
				if stand, _ := w.loop.Fleet().Stand("h-1", cve1); stand != hotstick.NeverListed {
					t.Fatalf("the test is wrong: it is %s", stand)
				}
				w.pass(time.Minute)
				w.tell(back)
				w.mustRound()
				w.want("h-1", cve1+" no_source by  from 1")
				w.pass(time.Minute)
				w.leaveOut() // as they were read before
				w.mustRound()
				w.pass(time.Minute)
				w.restart()
				w.mustRound()
				w.want("h-1", cve1+" no_source by  from 1")
				w.pass(time.Minute)
				w.tell(whole)
				w.mustRound()
				w.want("h-1", cve1+" no_source by  from 1 to 4 not_listed")
			})
		})
	}
}

// TestAFeedsNewWordReachesNoDocumentThatWasReadBefore: a document is complete only if it was
// found to be when it was read.
func TestAFeedsNewWordReachesNoDocumentThatWasReadBefore(t *testing.T) {
	onBoth(t, func(w *world) {
		w.say("D-1", "6.1.5-1", cve1)
		w.checkIn("h-1", "6.1.10-1")
		w.mustUpdate(func(tx store.Tx) error {
			said := hotstick.Advisory{CVE: cve2, Product: hotstick.KernelProduct{Distribution: "debian:11", Package: "linux", Scheme: hotstick.DebVersions}, Status: hotstick.AdvisoryAffected}
			return tx.Advisories().Put(store.AdvisoryDocument{Feed: "osv", ID: "D-2", Fetched: w.clock}, []hotstick.Advisory{said})
		})
		w.tell(store.Feed{Enabled: true, Complete: []string{"debian:12"}})
		w.mustRound()
		w.want("h-1", cve2+" no_source by  from 0")
	})
}
