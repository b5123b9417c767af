package api

import (
	"encoding/json"
	"time"

	"github.com/hotstick/hotstick"
)

// ActionRequest carries the reason an operator gives, for the audit log.
type ActionRequest struct {
	Reason string `json:"reason,omitempty"`
}

// RevertRequest says which hosts go back to the level before. At most one of Wave
// and Hosts is set; with neither it is every host of the plan, which is then
// halted.
type RevertRequest struct {
	Reason string `json:"reason,omitempty"`
	// Wave is a wave's index, counted from 0.
	Wave  *int              `json:"wave,omitempty"`
	Hosts []hotstick.HostID `json:"hosts,omitempty"`
}

// RetryRequest says which hosts get a new attempt. Exactly one of Hosts and Failed
// is set: an empty list is never all hosts.
type RetryRequest struct {
	Reason string            `json:"reason,omitempty"`
	Hosts  []hotstick.HostID `json:"hosts,omitempty"`
	// Failed means every host of the plan that failed or was interrupted, or was interrupted
	// so often that it was skipped.
	Failed bool `json:"failed,omitempty"`
}

// DismissRequest lets go of one host of a plan that ended badly: it no longer holds
// its lane, its strike stays, and the plan does not patch it.
type DismissRequest struct {
	Host hotstick.HostID `json:"host"`
	// Reason is needed: whoever asks why the lane went on reads it.
	Reason string `json:"reason"`
}

// ExcludeRequest keeps a host out of every rollout for a while.
type ExcludeRequest struct {
	Until time.Time `json:"until"`
	// Reason is needed: whoever counts the gap asks for it.
	Reason string `json:"reason"`
}

// Exclusion is a host that an operator keeps out of rollouts.
type Exclusion struct {
	Host   hotstick.HostID `json:"host"`
	Name   string          `json:"name"`
	Until  time.Time       `json:"until"`
	Reason string          `json:"reason"`
	By     hotstick.Person `json:"by"`
}

// ExclusionList lists the exclusions in effect.
type ExclusionList struct {
	Exclusions []Exclusion `json:"exclusions"`
}

// WriteOffResult says what giving up a host freed.
type WriteOffResult struct {
	Host hotstick.HostID `json:"host"`
	Name string          `json:"name"`
	// Freed are the slots that it no longer holds.
	Freed []SlotUse `json:"freed"`
}

// SlotUse is one unit of a disruption budget that a host holds.
type SlotUse struct {
	Plan   hotstick.PlanID `json:"plan"`
	Name   string          `json:"name"`
	Domain string          `json:"domain"`
	Value  string          `json:"value"`
}

// FreezeRequest asks for a time in which nothing starts. Reverts go on.
type FreezeRequest struct {
	// From is when it begins; zero means now.
	From   time.Time `json:"from,omitzero"`
	Until  time.Time `json:"until"`
	Reason string    `json:"reason"`
}

// Freeze is a time in which nothing starts.
type Freeze struct {
	ID string `json:"id"`
	hotstick.Interval
	Reason string          `json:"reason"`
	By     hotstick.Person `json:"by,omitempty"`
	// Active: it holds now.
	Active bool `json:"active"`
}

// FreezeList lists the freezes that hold or are to come, by their start.
type FreezeList struct {
	Freezes []Freeze `json:"freezes"`
}

// ClearRequest hands in a signed clear.
type ClearRequest struct {
	Envelope json.RawMessage `json:"envelope"`
}

// ClearResult says what a clear lifted.
type ClearResult struct {
	Patch hotstick.PatchRef `json:"patch"`
	// Ban: the ban was lifted.
	Ban bool `json:"ban"`
	// Recall: the recalls were lifted.
	Recall bool `json:"recall,omitempty"`
	// Hosts may take the patch again once their loaders have the clear.
	Hosts []hotstick.HostID `json:"hosts"`
}

// StopRequest stops everything, or lifts the stop.
type StopRequest struct {
	Reason string `json:"reason,omitempty"`
	// Lift allows new starts again; halted plans stay halted.
	Lift bool `json:"lift,omitempty"`
}

// StopResult says what was stopped.
type StopResult struct {
	Halted  []RolloutSummary `json:"halted"`
	StopAll bool             `json:"stop_all"`
}

// Ban is a patch that nobody may arm.
type Ban struct {
	Patch  hotstick.PatchRef `json:"patch"`
	Reason Reason            `json:"reason"`
	At     time.Time         `json:"at"`
	By     string            `json:"by"`
}

// BanRequest bans a patch level, for a reason.
type BanRequest struct {
	Reason string `json:"reason"`
}
