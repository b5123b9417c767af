package loader

import (
	"slices"

	"github.com/hotstick/hotstick"
)

// phases is the closed table of an attempt's steps in the loader. It is a part
// of the table of host states: the loader says no word that the server does not
// know. It is drawn in docs/reference/loader-phases.md.
//
// Confirmed ends an attempt; what may follow is an order to revert it, its
// removal by somebody else, or a crash that names it.
var phases = map[hotstick.HostState][]hotstick.HostState{
	hotstick.Armed:     {hotstick.Applying, hotstick.Reverting, hotstick.Failed, hotstick.Interrupted, hotstick.Quarantined},
	hotstick.Applying:  {hotstick.Probation, hotstick.Reverting, hotstick.Failed, hotstick.Interrupted, hotstick.Quarantined},
	hotstick.Probation: {hotstick.Confirmed, hotstick.Reverting, hotstick.Interrupted, hotstick.Quarantined},
	hotstick.Reverting: {hotstick.Reverted, hotstick.Failed, hotstick.Interrupted, hotstick.Quarantined},
	hotstick.Confirmed: {hotstick.Reverting, hotstick.Failed, hotstick.Quarantined},
}

// openPhases are the phases in which an attempt is in the ledger, in order.
var openPhases = []hotstick.HostState{hotstick.Armed, hotstick.Applying, hotstick.Probation, hotstick.Reverting}

func isOpen(s hotstick.HostState) bool { return slices.Contains(openPhases, s) }

// canMove reports whether the table allows the step.
func canMove(from, to hotstick.HostState) bool { return slices.Contains(phases[from], to) }
