package controller

import (
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/store"
)

var theirs = hotstick.PatchRef{Name: "sle-unix", Level: 3}

// forCVEs makes the plan one for a CVE: the first host gets our patch, all others that of
// a vendor's system, one of them before the rest.
func forCVEs(w *world, p *hotstick.Plan) {
	p.CVE, p.Patch = "CVE-2026-52928", hotstick.PatchRef{}
	vendor := p.Lanes[0]
	p.Lanes[0].Patch = patch
	vendor.Driver, vendor.Patch, vendor.Artifact, vendor.Module = "suse", theirs, hotstick.NewDigest([]byte("recipe")), "livepatch_3"
	p.Lanes = append(p.Lanes, vendor)
	for i := range w.hosts {
		h := &w.hosts[i]
		h.Driver, h.Patch, h.Wave = "suse", theirs, min(i, 2)
		if i == 0 {
			h.Driver, h.Patch = "klp", patch
		}
	}
	p.Waves = []hotstick.Wave{{Name: "first-host", Hosts: 1}, {Name: "canary-1", Hosts: 1}, {Name: "wave-2", Hosts: len(w.hosts) - 2}}
}

// A vendor's patch that harms its canary after hundreds of hosts have it, however that
// came: it is banned once, all of its hosts are wanted back, no transaction takes in more
// than a hundred of them, and a server that dies in between leaves nobody out.
func TestAPatchOfManyHostsIsTakenBackInManyTransactions(t *testing.T) {
	inBubble(t, 252, func(w *world) {
		w.event(func(tx store.Tx) error {
			for i, listed := range w.hosts {
				line, err := tx.Plans().Host(w.plan, listed.Host)
				w.must(err)
				if line.State, line.Attempt = hotstick.Confirmed, 1; i == 1 {
					line.State, line.Reason = hotstick.Quarantined, &hotstick.Reason{Code: hotstick.ReasonCrashNamed}
				}
				w.must(tx.Plans().PutHost(line))
				_, err = tx.Events().Append(store.Event{Kind: inventory.HostState, Plan: w.plan, Host: listed.Host, State: string(line.State)})
				w.must(err)
			}
			return nil
		})
		before := -1
		for range 20 {
			w.control = w.newController() // as after a crash
			w.control.Round(w.Context())
			named := w.kindsLogged()[inventory.HostRecalled]
			if before >= 0 && named == before {
				break
			}
			before = named
		}
		kinds := w.kindsLogged()
		if kinds[inventory.HostRecalled] != 250 || kinds[inventory.LaneStopped] != 1 || kinds[inventory.PatchBanned] != 1 {
			t.Errorf("%d hosts are wanted back, %d stops, %d bans", kinds[inventory.HostRecalled], kinds[inventory.LaneStopped], kinds[inventory.PatchBanned])
		}
		if p := w.status(); p.Status != hotstick.Running && p.Status != hotstick.Completed || p.Reverting {
			t.Errorf("the plan is %s, reverting %v", p.Status, p.Reverting)
		}
		if line := w.line(0); line.State != hotstick.Confirmed || line.Recall != nil {
			t.Errorf("the host with the other patch is %s, wanted back for %+v", line.State, line.Recall)
		}
	}, forCVEs)
}
