package controller

import (
	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/store"
)

// news is what a run of events touched, each thing once and in order.
type news struct {
	plans []hotstick.PlanID
	hosts []hotstick.HostID
	slots []holder
	// drifted are hosts that began to drift.
	drifted []hotstick.HostID
	fleet   bool
	seen    map[any]bool
}

// holder is a host for which a plan holds slots.
type holder struct {
	plan hotstick.PlanID
	host hotstick.HostID
}

func (n *news) read(e store.Event) {
	if e.Plan != "" && n.first(e.Plan) {
		n.plans = append(n.plans, e.Plan)
	}
	if e.Host != "" && n.first(e.Host) {
		n.hosts = append(n.hosts, e.Host)
	}
	switch e.Kind {
	case inventory.HostDrifted:
		n.drifted = append(n.drifted, e.Host)
	case inventory.HostState, inventory.SlotsReleased:
		// Admissions take slots, and so do hosts that are sent back after they had
		// confirmed.
		taken := e.State == string(hotstick.Admitted) || e.State == string(hotstick.Reverting)
		if key := (holder{e.Plan, e.Host}); (taken || e.Kind == inventory.SlotsReleased) && n.first(key) {
			n.slots = append(n.slots, key)
		}
	case inventory.PatchBanned, inventory.PatchStopped, inventory.PatchCleared, inventory.FleetStopped, inventory.FleetLifted,
		inventory.FleetFrozen, inventory.FleetThawed, inventory.CatalogPublished, inventory.LogDisputed, inventory.LogReconciled,
		inventory.StatementTaken:
		n.fleet = true
	}
}

func (n *news) first(key any) bool {
	if n.seen[key] {
		return false
	}
	if n.seen == nil {
		n.seen = map[any]bool{}
	}
	n.seen[key] = true
	return true
}
