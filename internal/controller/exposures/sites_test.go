package exposures

import (
	"maps"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/exposure"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/store"
)

// label gives a host other labels, as a check-in with new facts does.
func (w *world) label(id hotstick.HostID, labels map[string]string) {
	w.Helper()
	w.mustUpdate(func(tx store.Tx) error {
		h, err := tx.Hosts().Get(id)
		if err != nil {
			return err
		}
		f := *h.Facts
		f.Labels, h.Facts = labels, &f
		if err := tx.Hosts().Put(h); err != nil {
			return err
		}
		_, err = tx.Events().Append(store.Event{Kind: inventory.HostFacts, Host: id})
		return err
	})
}

func TestAPictureHasTheLabelsThatDecideAndStaysAsItWas(t *testing.T) {
	onBoth(t, func(w *world) {
		want := func(p *Picture, sites map[hotstick.HostID]exposure.Site) {
			w.Helper()
			if p == nil || p.Fleet == nil || !maps.Equal(p.Sites, sites) {
				w.Errorf("the picture is %+v, want %v", p, sites)
			}
		}
		w.say("D-1", "6.1.15-1", cve1)
		w.checkIn("h-1", "6.1.10-1")
		w.checkIn("h-2", "6.1.10-1")
		w.label("h-2", map[string]string{"exposure": "Small", "rack": "a1"})
		w.mustRound()
		first := w.loop.Picture()
		was := map[hotstick.HostID]exposure.Site{"h-2": {Reach: "small"}}
		want(first, was)
		w.label("h-1", map[string]string{"criticality": "low"})
		w.label("h-2", map[string]string{"rack": "a1"})
		w.mustRound()
		now := map[hotstick.HostID]exposure.Site{"h-1": {Criticality: "low"}}
		want(w.loop.Picture(), now)
		want(first, was)
		w.revoke("h-1")
		w.mustRound()
		want(w.loop.Picture(), nil)
		w.label("h-2", map[string]string{"exposure": "open"})
		w.pass(2 * time.Minute) // it looks at every host
		w.restart()
		w.mustRound()
		want(w.loop.Picture(), map[hotstick.HostID]exposure.Site{"h-2": {Reach: "open"}})
	})
}
