package hotstick

import "fmt"

// HostState is where one host stands in one plan. The set is closed: an unknown
// value is an error at the boundary. [HostState.NextStates] lists every allowed step.
type HostState string

const (
	// Waiting: listed in the plan, not started. A [Reason] says for what.
	Waiting HostState = "waiting"
	// Admitted: the server holds its slots and gives it a grant when it asks.
	Admitted HostState = "admitted"
	// Armed: its loader has written the intent durably; the load may follow at
	// any moment.
	Armed HostState = "armed"
	// Applying: the kernel is moving tasks to the new code.
	Applying HostState = "applying"
	// Probation: in effect, and must stay healthy; it reverts by itself.
	Probation HostState = "probation"
	// Confirmed: probation ended well.
	Confirmed HostState = "confirmed"
	// Reverting: the level before the attempt is being put back.
	Reverting HostState = "reverting"
	// Reverted: the level before the attempt is in effect again.
	Reverted HostState = "reverted"
	// Failed: refused or failed before anything changed in the kernel, or the
	// way back failed too (the reason says which).
	Failed HostState = "failed"
	// Interrupted: the attempt was cut short for a cause that is not the patch.
	Interrupted HostState = "interrupted"
	// Quarantined: the host went down with the patch and never arms it again
	// without a signed clear.
	Quarantined HostState = "quarantined"
	// Lost: started, then silent. It keeps its slots until an operator writes
	// it off.
	Lost HostState = "lost"
	// Skipped: passed over by a logged decision, such as one about a host that is
	// silent, or an operator's about one that ended badly. It is caught up if its
	// reason ends while the plan runs.
	Skipped HostState = "skipped"
)

// hostTransitions is the table of allowed steps between host states.
var hostTransitions = map[HostState][]HostState{
	Waiting:     {Admitted, Skipped},
	Admitted:    {Armed, Waiting, Applying, Probation, Failed, Quarantined, Reverted, Reverting, Confirmed, Interrupted, Lost},
	Armed:       {Applying, Probation, Confirmed, Failed, Reverting, Reverted, Interrupted, Quarantined, Lost},
	Applying:    {Probation, Confirmed, Reverting, Reverted, Failed, Interrupted, Quarantined, Lost},
	Probation:   {Confirmed, Reverting, Reverted, Failed, Interrupted, Quarantined, Lost},
	Confirmed:   {Waiting, Reverting, Reverted, Failed, Quarantined},
	Reverting:   {Reverted, Failed, Interrupted, Quarantined, Lost},
	Lost:        {Armed, Applying, Probation, Confirmed, Reverting, Reverted, Failed, Interrupted, Quarantined, Skipped},
	Interrupted: {Waiting, Skipped},
	Failed:      {Waiting, Skipped},
	Reverted:    {Skipped},
	Quarantined: {Skipped},
	Skipped:     {Waiting},
}

// HostStates returns the closed set, in the order of a host's life.
func HostStates() []HostState {
	return []HostState{Waiting, Admitted, Armed, Applying, Probation, Confirmed,
		Reverting, Reverted, Failed, Interrupted, Quarantined, Lost, Skipped}
}

// NextStates returns the states that may follow s, for the diagram and tests.
func (s HostState) NextStates() []HostState { return hostTransitions[s] }

// CanBecome reports whether the step from s to next is allowed.
func (s HostState) CanBecome(next HostState) bool {
	for _, n := range hostTransitions[s] {
		if n == next {
			return true
		}
	}
	return false
}

// Validate reports an unknown state.
func (s HostState) Validate() error {
	if _, ok := hostTransitions[s]; !ok {
		return fmt.Errorf("cannot use %q as a host state", string(s))
	}
	return nil
}

// Terminal reports whether the attempt is over: nothing more happens to the
// host in this plan without a new decision.
func (s HostState) Terminal() bool {
	switch s {
	case Confirmed, Reverted, Failed, Interrupted, Quarantined, Skipped:
		return true
	}
	return false
}

// HoldsSlot reports whether a host in this state may be disturbed at any moment
// and therefore counts against its disruption budgets. Probation counts, healthy
// or not: every dead man may fire at once if the network goes.
func (s HostState) HoldsSlot() bool {
	switch s {
	case Admitted, Armed, Applying, Probation, Reverting, Lost:
		return true
	}
	return false
}

// PlanStatus is where a plan stands. The set is closed; [PlanStatus.CanBecome]
// says which steps are allowed.
type PlanStatus string

const (
	// Proposed: signed by its author, waiting for approvers.
	Proposed PlanStatus = "proposed"
	// Approved: enough other persons signed; it may be started.
	Approved PlanStatus = "approved"
	// Running: waves open as their gates pass.
	Running PlanStatus = "running"
	// Held: promotes nothing and starts nothing until it is resumed.
	Held PlanStatus = "held"
	// Halted: starts nothing more, for good. Reverts may still run.
	Halted PlanStatus = "halted"
	// Completed: every host is terminal. It runs again only where its signatures let a
	// level that somebody else took away be put back, and only there can it be halted.
	Completed PlanStatus = "completed"
	// Expired: its signed life ended before it completed.
	Expired PlanStatus = "expired"
)

var planTransitions = map[PlanStatus][]PlanStatus{
	Proposed:  {Approved, Halted, Expired},
	Approved:  {Running, Halted, Expired},
	Running:   {Held, Halted, Completed, Expired},
	Held:      {Running, Halted, Expired},
	Halted:    {},
	Completed: {Running, Halted},
	Expired:   {},
}

// PlanStatuses returns the closed set, in the order of a plan's life.
func PlanStatuses() []PlanStatus {
	return []PlanStatus{Proposed, Approved, Running, Held, Halted, Completed, Expired}
}

// NextStatuses returns the statuses that may follow s.
func (s PlanStatus) NextStatuses() []PlanStatus { return planTransitions[s] }

// CanBecome reports whether the step from s to next is allowed.
func (s PlanStatus) CanBecome(next PlanStatus) bool {
	for _, n := range planTransitions[s] {
		if n == next {
			return true
		}
	}
	return false
}

// Validate reports an unknown status.
func (s PlanStatus) Validate() error {
	if _, ok := planTransitions[s]; !ok {
		return fmt.Errorf("cannot use %q as a plan status", string(s))
	}
	return nil
}

// Active reports whether the plan may still start hosts.
func (s PlanStatus) Active() bool { return s == Running || s == Held }

// Over reports whether the plan has come to its end. No host starts in it again,
// unless one that is completed runs again after drift.
func (s PlanStatus) Over() bool { return s == Halted || s == Completed || s == Expired }
