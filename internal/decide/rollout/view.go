// Package rollout decides the next step of a rollout: [Next] takes everything
// the server knows of one plan and the time, and returns what to commit. It is
// pure: same view, same time, same decision, and it never depends on the order
// of a map.
//
// # The rules
//
//   - A wave opens per lane when every host of the earlier waves in that lane is
//     terminal, the earlier waves' gates passed and their bake is over. The very
//     first wave also gates the other lanes: one host of the fleet goes first.
//   - A host starts only if every failure domain it is in has a free slot before
//     it starts. Slots are held from admission to the end of probation; a lost
//     host keeps its slot.
//   - A failed gate halts the plan for good, bans the patch and sends every host
//     that took it back to the level before.
//   - After a halt nothing is admitted. An admitted host whose last grant may
//     still be alive keeps its slot until that grant is over.
//   - Reverts ignore holds and halts and have their own budget: a quarter of the
//     plan's hosts, at least one at a time. A host that reverts by itself needs
//     no room.
//   - A host that started and then fell silent is lost.
//
// The loop in internal/controller commits a decision on the condition that the
// plan's generation has not moved, and unique slot rows; so two servers may
// decide at once and only one of them wins.
package rollout

import (
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/gate"
)

// View is everything one decision rests on.
type View struct {
	Plan      hotstick.Plan
	ID        hotstick.PlanID
	Status    hotstick.PlanStatus
	Reason    *hotstick.Reason
	Reverting bool
	// Started is when the plan was started and announced.
	Started *time.Time
	// Hosts in the order of the plan's host list.
	Hosts []Host
	// Slots in use by all plans, this one included.
	Slots []Slot
	// StopAll blocks every start in the fleet.
	StopAll bool
	// Banned: the plan's patch is banned.
	Banned bool
	Limits Limits
}

// Limits are the server's time limits.
type Limits struct {
	// SilentAfter is how long a started host may be silent before it is lost.
	SilentAfter time.Duration
	// GrantLife is how long after its signing a grant may still start a host,
	// drift included.
	GrantLife time.Duration
}

// DefaultLimits are what the server uses if nothing else is configured.
var DefaultLimits = Limits{SilentAfter: 5 * time.Minute, GrantLife: 65 * time.Second}

// Host is one listed host as the server knows it.
type Host struct {
	Listed  hotstick.PlanHost
	State   hotstick.HostState
	Attempt int
	Reason  *hotstick.Reason
	// Evidence came with the newest report.
	Evidence []hotstick.Evidence
	// Updated is when State was reached, by the server's clock.
	Updated time.Time
	// Granted is when the newest grant of the attempt was signed.
	Granted *time.Time
	// LastSeen is the newest check-in; zero if it never checked in.
	LastSeen time.Time
	// Announced: the host's loader has the plan in its ledger.
	Announced bool
	// Elsewhere: another plan holds slots for this host.
	Elsewhere bool
	// Struck: the host's loader holds a strike against the patch.
	Struck bool
	// InEffect is the level in the host's kernel by its newest check-in.
	InEffect hotstick.PatchRef
}

// Slot is one unit of a domain's budget in use.
type Slot struct {
	Domain string
	Value  string
	Index  int
	Plan   hotstick.PlanID
	Host   hotstick.HostID
}

// Decision is what to commit. An empty decision changes nothing. The loop applies
// Changes before Starts: an interrupted host becomes waiting and is admitted for
// its next attempt in one decision.
type Decision struct {
	// Status is the plan's new status, empty if it stays.
	Status hotstick.PlanStatus
	// Reason goes with Status.
	Reason *hotstick.Reason
	// Revert starts sending back every host that took the patch.
	Revert bool
	// Ban forbids the plan's patch fleet-wide.
	Ban *hotstick.Reason
	// Starts are the hosts to admit, each with the slots to take.
	Starts []Start
	// Changes are other steps of hosts: lost, ordered back, released.
	Changes []Change
	// Release lists terminal hosts whose slots are free again.
	Release []hotstick.HostID
	// Check is when to decide again if nothing else happens; zero if only a
	// change can matter.
	Check time.Time
	// Gates are the verdicts, one a wave, for the screens.
	Gates []gate.Verdict
	// Waits says for every waiting host what it waits for.
	Waits map[hotstick.HostID]hotstick.Reason
}

// Start admits one host for one attempt.
type Start struct {
	Host    hotstick.HostID
	Attempt int
	Slots   []Slot
}

// Change is one host's step that is not a start.
type Change struct {
	Host   hotstick.HostID
	State  hotstick.HostState
	Reason hotstick.Reason
}

// Empty reports whether there is nothing to commit.
func (d Decision) Empty() bool {
	return d.Status == "" && !d.Revert && d.Ban == nil &&
		len(d.Starts) == 0 && len(d.Changes) == 0 && len(d.Release) == 0
}
