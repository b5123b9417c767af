package api

import (
	"time"

	"github.com/hotstick/hotstick"
)

// RolloutSummary is one line of the rollout list.
type RolloutSummary struct {
	Plan  hotstick.PlanID   `json:"plan"`
	Name  string            `json:"name"`
	Patch hotstick.PatchRef `json:"patch"`
	// CVE is what the plan closes in place of Patch, by a patch of each host's own system.
	CVE     string                     `json:"cve,omitempty"`
	Status  hotstick.PlanStatus        `json:"status"`
	Author  hotstick.Person            `json:"author"`
	Reason  *Reason                    `json:"reason,omitempty"`
	Hosts   int                        `json:"hosts"`
	States  map[hotstick.HostState]int `json:"states"`
	Created time.Time                  `json:"created"`
	Started *time.Time                 `json:"started,omitempty"`
	Ended   *time.Time                 `json:"ended,omitempty"`
	// Reverting is true while hosts are being sent back.
	Reverting bool `json:"reverting"`
}

// RolloutList lists rollouts, newest first.
type RolloutList struct {
	Rollouts []RolloutSummary `json:"rollouts"`
}

// Rollout is one rollout with its wave track.
type Rollout struct {
	RolloutSummary
	Description hotstick.Plan `json:"plan_body"`
	Approvals   []Approval    `json:"approvals"`
	// Needed is how many approvals by other persons the plan needs.
	Needed int `json:"needed"`
	// SingleControl: the author alone may approve.
	SingleControl bool `json:"single_control"`
	// Grouped: the plan has too many hosts to list them here. Waves then count
	// hosts in groups, and the hosts are read page by page (CellList).
	Grouped bool   `json:"grouped"`
	Waves   []Wave `json:"waves"`
	// Lanes in the plan's order.
	Lanes []Lane `json:"lanes"`
	// Budgets are the domains of which anything is used or ill, and the quorum
	// domains that are partly done; the fullest come first and the list is bounded.
	Budgets  []BudgetUse `json:"budgets"`
	Timeline []Event     `json:"timeline"`
	Waits
	Chain
	// Headline answers: is it safe to go on.
	Headline string `json:"headline"`
	// Generation is the plan's generation, for conditional actions.
	Generation uint64    `json:"generation"`
	At         time.Time `json:"at"`
}

// Approval is a valid signature on a plan.
type Approval struct {
	Person hotstick.Person `json:"person"`
	KeyID  string          `json:"key_id"`
	// Role is author or approver.
	Role string `json:"role"`
}

// Waits is what a rollout waits for beside its gates and budgets.
type Waits struct {
	// Stuck is what keeps the rollout as a whole from moving; nil while it moves or
	// has nothing left to do.
	Stuck *Reason `json:"stuck,omitempty"`
	// Calendars are the plan's maintenance windows.
	Calendars []CalendarUse `json:"calendars,omitempty"`
	// Freezes are those in effect and those to come.
	Freezes []Freeze `json:"freezes,omitempty"`
	// Excluded are the plan's hosts that operators keep out; the list is bounded.
	Excluded []Exclusion `json:"excluded,omitempty"`
	// StandIns are the hosts that took the place of a canary.
	StandIns []StandIn `json:"stand_ins,omitempty"`
}

// Chain links a rollout with the plans before and after it.
type Chain struct {
	// Continues is the plan whose work this one takes over.
	Continues *PlanLink `json:"continues,omitempty"`
	// ContinuedBy is the plan that took over this one's work, or is drafted to.
	ContinuedBy *PlanLink `json:"continued_by,omitempty"`
}

// PlanLink names another plan.
type PlanLink struct {
	Plan   hotstick.PlanID     `json:"plan"`
	Name   string              `json:"name"`
	Patch  hotstick.PatchRef   `json:"patch"`
	Status hotstick.PlanStatus `json:"status"`
}

// Wave is one column of the wave track.
type Wave struct {
	Index int    `json:"index"`
	Name  string `json:"name"`
	// Size counts the wave's hosts, and States says how many stand where.
	Size   int                        `json:"size"`
	States map[hotstick.HostState]int `json:"states"`
	// Hosts are the wave's cells; empty where the rollout is grouped.
	Hosts []Cell `json:"hosts"`
	// Groups count the wave's hosts by lane where the rollout is grouped, the
	// largest first.
	Groups []CellGroup `json:"groups,omitempty"`
	// Gate stands between this wave and the next.
	Gate Gate `json:"gate"`
	// Closed is why no further host of it may start; nil if it is open or over.
	Closed *Reason `json:"closed,omitempty"`
	// Absent counts hosts that are passed over for now, such as silent ones.
	Absent int `json:"absent,omitempty"`
	// Manual: it also waits for an operator's word (next-wave); Promoted: the word
	// was given.
	Manual   bool `json:"manual,omitempty"`
	Promoted bool `json:"promoted,omitempty"`
	// Proven: the plan that this one continues passed its gate.
	Proven bool `json:"proven,omitempty"`
}

// CellGroup counts the hosts of one wave and lane by their state. A group without
// a build counts the lanes that are too small to be listed.
type CellGroup struct {
	Build  hotstick.KernelBuild       `json:"build,omitzero"`
	Lanes  int                        `json:"lanes"`
	Hosts  int                        `json:"hosts"`
	States map[hotstick.HostState]int `json:"states"`
}

// CellList is one page of a rollout's hosts, in the plan's order.
type CellList struct {
	Hosts []Cell `json:"hosts"`
	// Total counts the hosts that match.
	Total int `json:"total"`
	// Next is the token of the next page; empty on the last.
	Next string `json:"next,omitempty"`
}

// Lane is one kernel build within a rollout.
type Lane struct {
	Build hotstick.KernelBuild `json:"build"`
	// Driver and Patch say which lane it is and what it brings into effect; Class is what
	// can be promised of that, and Claim the same in words.
	Driver string                     `json:"driver,omitempty"`
	Patch  hotstick.PatchRef          `json:"patch,omitzero"`
	Class  hotstick.TrustClass        `json:"class,omitempty"`
	Claim  string                     `json:"claim,omitempty"`
	Hosts  int                        `json:"hosts"`
	States map[hotstick.HostState]int `json:"states"`
	// Wave is the furthest wave that is open for the lane, counted from 0.
	Wave int `json:"wave"`
	// Held is why the lane does not go on by itself; nil if it does.
	Held *Reason `json:"held,omitempty"`
}

// CalendarUse is one calendar of a plan at the moment.
type CalendarUse struct {
	Name string `json:"name"`
	// Hosts counts the plan's hosts that start in its windows.
	Hosts int  `json:"hosts"`
	Open  bool `json:"open"`
	// Closes is when the open window ends, Opens when the next one begins; nil if
	// there is none.
	Closes *time.Time `json:"closes,omitempty"`
	Opens  *time.Time `json:"opens,omitempty"`
}

// StandIn is a host that took a canary's place.
type StandIn struct {
	Host hotstick.HostID `json:"host"`
	Name string          `json:"name"`
	// For is the canary, and Wave its wave.
	For     hotstick.HostID `json:"for"`
	ForName string          `json:"for_name"`
	Wave    int             `json:"wave"`
}

// Cell is one host in the wave track.
type Cell struct {
	Host    hotstick.HostID      `json:"host"`
	Name    string               `json:"name"`
	Build   hotstick.KernelBuild `json:"build"`
	State   hotstick.HostState   `json:"state"`
	Attempt int                  `json:"attempt"`
	Reason  *Reason              `json:"reason,omitempty"`
	Domains map[string]string    `json:"domains,omitempty"`
	Updated time.Time            `json:"updated"`
	Timing  hotstick.Timing      `json:"timing"`
	// Silent: the host has not checked in lately, so State is old.
	Silent bool `json:"silent"`
	// Wave is the host's own wave, and Calendar the windows it starts in, if any.
	Wave     int    `json:"wave"`
	Calendar string `json:"calendar,omitempty"`
	// StandsInFor is the canary that the host may stand in for.
	StandsInFor hotstick.HostID `json:"stands_in_for,omitempty"`
}

// Gate is the verdict between two waves.
type Gate struct {
	// Verdict is pass, hold, slow or fail.
	Verdict   string `json:"verdict"`
	Reason    Reason `json:"reason"`
	Confirmed int    `json:"confirmed"`
	Needed    int    `json:"needed"`
	Failures  int    `json:"failures"`
	// EarliestAt is when the next wave may open at the earliest, where known.
	EarliestAt *time.Time `json:"earliest_at,omitempty"`
	// Limit is the smallest crash rate that this evidence could have missed:
	// the upper 95 % bound, 0 to 1.
	Limit float64 `json:"limit"`
}

// BudgetUse is one failure domain and its disruption budget.
type BudgetUse struct {
	Domain string `json:"domain"`
	Value  string `json:"value"`
	// Used counts the hosts that hold slots, for whichever plan, and Ill those that
	// are down for another cause and count as well.
	Used int `json:"used"`
	Ill  int `json:"ill,omitempty"`
	Max  int `json:"max"`
	// Quorum: every member that is down counts, and a domain that was begun is
	// finished before the next one begins.
	Quorum bool `json:"quorum,omitempty"`
	// MixedSince is since when a quorum domain runs both levels.
	MixedSince *time.Time `json:"mixed_since,omitempty"`
}
