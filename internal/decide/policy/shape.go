package policy

import (
	"time"

	"github.com/hotstick/hotstick"
)

// Shape is what a policy says of every plan made under it. The planner turns it
// and the selected hosts into waves. Zero values mean the planner's defaults.
type Shape struct {
	Policy hotstick.PolicyRef
	// Probation and Transition are each host's; Life is the plan's.
	Probation  time.Duration
	Transition time.Duration
	// TransitionBy has Transition for single drivers; the others have the planner's, but
	// never less than Transition.
	TransitionBy map[string]time.Duration
	Life         time.Duration
	Waves        Waves
	Budgets      []hotstick.Budget
	Calendars    []hotstick.Calendar
	Gate         hotstick.GateSettings
	Late         *hotstick.LateRule
	// Approvals is how many persons besides the author must sign, if that is more
	// than the catalog's trust asks.
	Approvals int
	// Reapply is how often a level that somebody else took away is put back on one host.
	Reapply int
}

// Waves says how a plan's waves are cut.
type Waves struct {
	// FirstBake is the bake of the first host, CanaryBake that of the other canary
	// waves, Bake that of the widening waves.
	FirstBake, CanaryBake, Bake time.Duration
	// StandIns is how many stand-ins each canary gets, at most
	// hotstick.MaxStandIns.
	StandIns int
	// Widen lists, in percent of the hosts left after the canaries, how far each
	// widening wave goes; the last is 100.
	Widen []int
	// Spread caps, per kind of domain, how many hosts of one domain a single wave
	// may hold.
	Spread map[string]int
	// Representative lists label keys; canaries of one build differ in them as far as
	// the fleet allows, the first key first.
	Representative []string
	// RingDelay is, for each ring, the signed delay of its waves after the plan's
	// start. A plan has as many rings as entries; no entry means one ring.
	RingDelay []time.Duration
	// Delay is the signed time between the earliest starts of two waves of a ring.
	Delay time.Duration
	// Manual: widening waves wait for an operator's word.
	Manual bool
}

// Verdict is what a policy says of one host.
type Verdict struct {
	// Reason is why the host is not picked; nil if it is. Its Subject is the rule's
	// name and its Detail the part of the expression that decided.
	Reason *hotstick.Reason
	// Ring is the host's place in Shape.Waves.RingDelay.
	Ring int
	// Calendar is the calendar the host starts in; empty means at any time.
	Calendar string
	// Last: the host goes in the last waves, such as a critical singleton.
	Last bool
}
