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
	Plan hotstick.Plan
	ID   hotstick.PlanID
	Frame
	// Hosts in the order of the plan's host list; late hosts follow.
	Hosts []Host
	// Outsiders are hosts that the plan does not list and that are down in a domain
	// of one of its budgets.
	Outsiders []Outsider
	// Slots in use by all plans, this one included.
	Slots []Slot
}

// Frame is what holds for the whole plan at the moment.
type Frame struct {
	Status    hotstick.PlanStatus
	Reason    *hotstick.Reason
	Reverting bool
	// Started is when the plan was started and announced.
	Started *time.Time
	// Promoted is how many waves, from the first, operators have opened by hand; it
	// matters for waves that are manual.
	Promoted int
	// StopAll blocks every start in the fleet.
	StopAll bool
	// Banned: the plan's patch is banned.
	Banned bool
	// Freezes are the change freezes that are known now, past ones left out.
	Freezes []Freeze
	Limits  Limits
}

// Freeze is a time in which nothing starts. Reverts go on.
type Freeze struct {
	hotstick.Interval
	// Reason is shown to whoever waits.
	Reason string
}

// Outsider is a host outside the plan that is down: it counts in the budgets of
// its domains.
type Outsider struct {
	Host    hotstick.HostID
	Domains map[string]string
	// Since is when it went down. Quorum domains count it whenever that was, others
	// only if it was after the plan's start.
	Since time.Time
}

// Limits are the server's time limits.
type Limits struct {
	// SilentAfter is how long a started host may be silent before it is lost, and a
	// waiting one before its wave goes on without it.
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
	// Evidence came with the newest report, as did Timing.
	Evidence []hotstick.Evidence
	Timing   hotstick.Timing
	// Updated is when State was reached, by the server's clock.
	Updated time.Time
	// Granted is when the newest grant of the attempt was signed.
	Granted *time.Time
	// Standing: it took the place of the canary that it stands in for.
	Standing bool
	// Late: it joined by the plan's rule for late hosts and is in no Merkle leaf.
	Late bool
	// Recall is set where an operator wants this host back at the level before.
	Recall *hotstick.Reason
	Posture
}

// Posture is what the server knows of a host beside its line in the plan.
type Posture struct {
	// LastSeen is the newest check-in; zero if it never checked in.
	LastSeen time.Time
	// Announced: the host's loader has the plan in its ledger.
	Announced bool
	// Elsewhere: another plan holds slots for this host.
	Elsewhere bool
	// Struck: the host's loader holds a strike against the patch.
	Struck bool
	// RevertedBefore: the patch was reverted on this host and not cleared since.
	RevertedBefore bool
	// InEffect is the level in the host's kernel by its newest check-in.
	InEffect hotstick.PatchRef
	// Excluded is why an operator keeps the host out, with Until; nil otherwise.
	Excluded *hotstick.Reason
	// IllSince is since when the host's own probes fail while no attempt of ours is
	// under way; zero if they do not.
	IllSince time.Time
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
	// StandIns are hosts that take a canary's place from now on.
	StandIns []hotstick.HostID
	// Check is when to decide again if nothing else happens; zero if only a
	// change can matter.
	Check time.Time
	// Gates are the verdicts, one a wave, for the screens.
	Gates []gate.Verdict
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
		len(d.Starts) == 0 && len(d.Changes) == 0 && len(d.Release) == 0 && len(d.StandIns) == 0
}
