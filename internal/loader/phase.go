package loader

import (
	"fmt"
	"strings"

	"github.com/hotstick/hotstick"
)

// phases is the closed table of an attempt's steps in the loader. It is a part
// of the table of host states: the loader says no word that the server does not
// know. The diagram in docs/reference/loader-phases.md is generated from it.
var phases = map[hotstick.HostState][]hotstick.HostState{
	hotstick.Armed:     {hotstick.Applying, hotstick.Reverting, hotstick.Failed, hotstick.Interrupted, hotstick.Quarantined},
	hotstick.Applying:  {hotstick.Probation, hotstick.Reverting, hotstick.Interrupted, hotstick.Quarantined},
	hotstick.Probation: {hotstick.Confirmed, hotstick.Reverting, hotstick.Interrupted, hotstick.Quarantined},
	hotstick.Reverting: {hotstick.Reverted, hotstick.Failed, hotstick.Interrupted, hotstick.Quarantined},
}

// openPhases are the phases in which an attempt is in the ledger, in order.
var openPhases = []hotstick.HostState{hotstick.Armed, hotstick.Applying, hotstick.Probation, hotstick.Reverting}

// canMove reports whether the table allows the step.
func canMove(from, to hotstick.HostState) bool {
	for _, s := range phases[from] {
		if s == to {
			return true
		}
	}
	return false
}

// PhaseDiagram draws the table of an attempt's phases in the mermaid language.
func PhaseDiagram() string {
	var b strings.Builder
	b.WriteString("stateDiagram-v2\n    [*] --> armed\n")
	terminal := map[hotstick.HostState]bool{}
	var ends []hotstick.HostState
	for _, from := range openPhases {
		for _, to := range phases[from] {
			fmt.Fprintf(&b, "    %s --> %s\n", from, to)
			if _, open := phases[to]; !open && !terminal[to] {
				terminal[to] = true
				ends = append(ends, to)
			}
		}
	}
	for _, s := range ends {
		fmt.Fprintf(&b, "    %s --> [*]\n", s)
	}
	return b.String()
}
