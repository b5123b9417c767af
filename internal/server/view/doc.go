// Package view makes what the screens show from stored records. Everything is a
// pure function: same records, same time, same answer.
//
// # Truth
//
// A host is called applied only if its newest report, of the current boot and
// younger than the staleness limit, says that a level of ours is in effect with
// nothing foreign above it. A host that has not reported for longer is stale,
// whatever it ran then; one in a transition is transitioning; one whose truth
// source could not be read is unknown. Where a rollout concerns the host, its
// state there is shown instead of applied or unpatched, never instead of stale or
// unknown.
package view

import (
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/decide/why"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/store"
)

// Moment is what every screen rests on beside its own records.
type Moment struct {
	Now time.Time
	// StaleAfter is how old a report may be.
	StaleAfter time.Duration
	// Trusted is the catalog as the server trusts it.
	Trusted catalog.View
	Modules inventory.Modules
	// Recalls are those that no clear has lifted.
	Recalls []hotstick.Recall
	// Freezes are those that hold and those to come.
	Freezes []api.Freeze
	// Plans are all plans, for the names and statuses that hosts' lines lack.
	Plans map[hotstick.PlanID]store.Plan
}

// NewMoment gathers it.
func NewMoment(now time.Time, staleAfter time.Duration, c catalog.View, plans []store.Plan, freezes []api.Freeze) Moment {
	m := Moment{Now: now, Freezes: freezes, StaleAfter: staleAfter, Trusted: c, Modules: inventory.NewModules(c.Patches),
		Plans: make(map[hotstick.PlanID]store.Plan, len(plans))}
	for _, p := range plans {
		m.Plans[p.ID] = p
	}
	return m
}

// Reason adds the text for people, with commands about what it is a reason for.
func Reason(r *hotstick.Reason, at why.Place) *api.Reason {
	if r == nil {
		return nil
	}
	return &api.Reason{Reason: *r, Text: why.Text(*r), Changes: why.Remedy(*r, at)}
}

// onPlan is a plan as a remedy's commands call it.
func onPlan(p store.Plan) why.Place { return why.Place{Plan: p.ID.Short(), Patch: p.Patch} }

// place is the plan with the freeze that holds its hosts back.
func (m Moment) place(p store.Plan) why.Place {
	at := onPlan(p)
	for _, f := range m.Freezes {
		if f.Active {
			at.Freeze = f.ID
			break
		}
	}
	return at
}

// of is the same for one of its hosts.
func of(at why.Place, host string) why.Place {
	at.Host = host
	return at
}

// nonNil makes an empty list of a missing one: lists are never null on the wire.
func nonNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
