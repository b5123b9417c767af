// Package api holds the public requests and responses of the operator API, as
// plain types that the server, the console and the Go client share.
//
// The API is JSON over HTTPS under /api/v1. Errors are RFC 9457 problems
// ([Problem]) with a code, a message and a hint. Lists are paged with opaque
// tokens. Times are RFC 3339 in UTC. Text for people (fields named text) is made
// by the server from typed reasons; programs should read the codes beside it.
package api

import (
	"encoding/json"
	"time"

	"github.com/hotstick/hotstick"
)

// Reason is a typed reason with its text for people.
type Reason struct {
	hotstick.Reason
	// Text is one sentence.
	Text string `json:"text"`
}

// Problem is an error answer (application/problem+json).
type Problem struct {
	Type   string `json:"type,omitempty"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	// Code is for programs, such as not_found, conflict, refused.
	Code string `json:"code"`
	// Hint says what to do about it.
	Hint string `json:"hint,omitempty"`
}

// Version describes the server.
type Version struct {
	Version   string `json:"version"`
	Revision  string `json:"revision,omitempty"`
	GoVersion string `json:"go_version"`
	Protocol  int    `json:"protocol"`
}

// Session tells who is signed in.
type Session struct {
	Person hotstick.Person `json:"person"`
	Role   string          `json:"role"`
	// SingleControl is true where one person alone may author and approve.
	SingleControl bool   `json:"single_control"`
	Version       string `json:"version"`
}

// LoginRequest exchanges a token for a console session.
type LoginRequest struct {
	Token string `json:"token"`
}

// JoinTokenRequest asks for a single-use join token.
type JoinTokenRequest struct {
	// TTLSeconds is the token's life, 60 to 604800; 0 means one hour.
	TTLSeconds int `json:"ttl_seconds,omitempty"`
}

// JoinToken is shown once and stored only as a digest.
type JoinToken struct {
	Token   string    `json:"token"`
	Expires time.Time `json:"expires"`
	// Command is the one line to run on the new host.
	Command string `json:"command"`
}

// Overview answers: are we covered, what is moving, what needs a person.
type Overview struct {
	// Headline is the page's first line, state first.
	Headline string `json:"headline"`
	Hosts    int    `json:"hosts"`
	Silent   int    `json:"silent"`
	// Struck counts hosts that refuse some patch after a crash.
	Struck   int             `json:"struck"`
	Coverage []BuildCoverage `json:"coverage"`
	// Rollouts are those that are not over, newest first.
	Rollouts []RolloutSummary `json:"rollouts"`
	// Awaiting lists plans that wait for approvals.
	Awaiting []RolloutSummary `json:"awaiting"`
	Bans     []Ban            `json:"bans"`
	Events   []Event          `json:"events"`
	// StopAll is true while new starts are blocked fleet-wide.
	StopAll bool      `json:"stop_all"`
	At      time.Time `json:"at"`
}

// BuildCoverage counts, for one kernel build, the hosts by the level in effect.
type BuildCoverage struct {
	Build hotstick.KernelBuild `json:"build"`
	Hosts int                  `json:"hosts"`
	// Newest is the newest level in the catalog, not banned, that fits this build.
	Newest hotstick.PatchRef `json:"newest"`
	// Covered counts hosts whose newest truthful report says Newest or higher is
	// in effect.
	Covered int          `json:"covered"`
	Levels  []LevelCount `json:"levels"`
	CVEs    []string     `json:"cves,omitempty"`
}

// LevelCount counts hosts at one level; the zero level is the kernel as booted.
type LevelCount struct {
	Level hotstick.PatchRef `json:"level"`
	Hosts int               `json:"hosts"`
}

// Host is one line of the host list.
type Host struct {
	ID    hotstick.HostID      `json:"id"`
	Name  string               `json:"name"`
	Build hotstick.KernelBuild `json:"build"`
	// State is what the screen shows: applied, unpatched, transitioning,
	// probation, reverting, reverted, failed, quarantined, waiting, stale,
	// unknown.
	State string `json:"state"`
	// InEffect is the level that the truth source says is in effect.
	InEffect hotstick.PatchRef `json:"in_effect"`
	Reason   *Reason           `json:"reason,omitempty"`
	LastSeen time.Time         `json:"last_seen"`
	// Silent: not heard of for longer than the staleness limit.
	Silent  bool                `json:"silent"`
	Strikes []hotstick.PatchRef `json:"strikes,omitempty"`
	Labels  map[string]string   `json:"labels,omitempty"`
	Boots   int                 `json:"boots"`
}

// HostList is one page of hosts.
type HostList struct {
	Hosts []Host `json:"hosts"`
	Total int    `json:"total"`
	// Next is the token of the next page; empty on the last.
	Next string `json:"next,omitempty"`
}

// HostDetail is everything known of one host.
type HostDetail struct {
	Host     Host                 `json:"host"`
	Facts    *hotstick.Facts      `json:"facts,omitempty"`
	Identity hotstick.Fingerprint `json:"identity"`
	Enrolled time.Time            `json:"enrolled"`
	Patches  []LoadedPatch        `json:"patches"`
	Readings []hotstick.Reading   `json:"readings"`
	Rollouts []HostRollout        `json:"rollouts"`
	Timeline []Event              `json:"timeline"`
	// Why answers in a few lines what the host is doing and why.
	Why []string `json:"why"`
}

// LoadedPatch is a patch in a host's kernel, with its catalog name where known.
type LoadedPatch struct {
	hotstick.LoadedPatch
	Ref hotstick.PatchRef `json:"ref"`
	// Foreign: not in our catalog.
	Foreign bool `json:"foreign"`
}

// HostRollout is a host's line in one rollout.
type HostRollout struct {
	Plan    hotstick.PlanID    `json:"plan"`
	Name    string             `json:"name"`
	Patch   hotstick.PatchRef  `json:"patch"`
	Wave    int                `json:"wave"`
	State   hotstick.HostState `json:"state"`
	Attempt int                `json:"attempt"`
	Reason  *Reason            `json:"reason,omitempty"`
	Updated time.Time          `json:"updated"`
}

// Why is the answer to "hotstick why HOST".
type Why struct {
	Host  Host     `json:"host"`
	Lines []string `json:"lines"`
	// Reason is the one that matters most now.
	Reason *Reason `json:"reason,omitempty"`
	// Changes says what would change the state.
	Changes string `json:"changes,omitempty"`
}

// Patch is one level in the catalog.
type Patch struct {
	hotstick.Patch
	Ban *Ban `json:"ban,omitempty"`
	// InEffectHosts counts the hosts that truthfully run this level.
	InEffectHosts int `json:"in_effect_hosts"`
	// FittingHosts counts the hosts whose kernel build has an artifact.
	FittingHosts int `json:"fitting_hosts"`
	// SignedBy names the key IDs that signed the targets metadata.
	SignedBy []string `json:"signed_by,omitempty"`
}

// Catalog is the catalog as the server trusts it.
type Catalog struct {
	Patches []Patch        `json:"patches"`
	Version int64          `json:"version"`
	Expires time.Time      `json:"expires"`
	Trust   hotstick.Trust `json:"trust"`
	// Warning is set when signatures are about to expire.
	Warning string `json:"warning,omitempty"`
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

// DraftRequest asks the planner for a plan.
type DraftRequest struct {
	Name  string `json:"name,omitempty"`
	Patch string `json:"patch"`
	// Selector is a CEL expression over a host, such as host.labels.role == "db".
	// Empty is refused: write true to mean every host.
	Selector string          `json:"selector"`
	Author   hotstick.Person `json:"author"`
	Settings PlanSettings    `json:"settings"`
}

// PlanSettings are the speeds of a plan; zero means the default.
type PlanSettings struct {
	ProbationSeconds  int `json:"probation_seconds,omitempty"`
	TransitionSeconds int `json:"transition_seconds,omitempty"`
	BakeSeconds       int `json:"bake_seconds,omitempty"`
	DelaySeconds      int `json:"delay_seconds,omitempty"`
	LifeSeconds       int `json:"life_seconds,omitempty"`
	// Budgets bound the disturbed hosts per domain kind, such as rack: 1.
	Budgets map[string]int `json:"budgets,omitempty"`
}

// Draft is a plan to be signed, with its host list.
type Draft struct {
	// Payload is the exact bytes to sign.
	Payload json.RawMessage     `json:"payload"`
	Hosts   []hotstick.PlanHost `json:"hosts"`
	// LeftOut lists the selected hosts that are not in the plan, and why.
	LeftOut []LeftOut `json:"left_out,omitempty"`
}

// LeftOut is a selected host that a plan leaves out.
type LeftOut struct {
	Host   hotstick.HostID `json:"host"`
	Name   string          `json:"name"`
	Reason Reason          `json:"reason"`
}

// SubmitRequest hands in a plan that its author signed.
type SubmitRequest struct {
	Envelope json.RawMessage     `json:"envelope"`
	Hosts    []hotstick.PlanHost `json:"hosts"`
}

// Bundle is what an approver checks and signs.
type Bundle struct {
	Plan     hotstick.PlanID     `json:"plan"`
	Envelope json.RawMessage     `json:"envelope"`
	Hosts    []hotstick.PlanHost `json:"hosts"`
	// Previous is the last plan for the same patch name, for the difference.
	Previous *hotstick.Plan `json:"previous,omitempty"`
}

// ApprovalRequest adds a signature: the envelope with one more of them.
type ApprovalRequest struct {
	Envelope json.RawMessage `json:"envelope"`
}

// ActionRequest carries the reason an operator gives for hold, halt and revert.
type ActionRequest struct {
	Reason string `json:"reason,omitempty"`
	// Hosts narrows a revert; empty means every host of the plan.
	Hosts []hotstick.HostID `json:"hosts,omitempty"`
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

// RolloutSummary is one line of the rollout list.
type RolloutSummary struct {
	Plan    hotstick.PlanID            `json:"plan"`
	Name    string                     `json:"name"`
	Patch   hotstick.PatchRef          `json:"patch"`
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
	SingleControl bool        `json:"single_control"`
	Waves         []Wave      `json:"waves"`
	Budgets       []BudgetUse `json:"budgets"`
	Timeline      []Event     `json:"timeline"`
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

// Wave is one column of the wave track.
type Wave struct {
	Index int    `json:"index"`
	Name  string `json:"name"`
	Hosts []Cell `json:"hosts"`
	// Gate stands between this wave and the next.
	Gate Gate `json:"gate"`
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

// BudgetUse is one failure domain's slots.
type BudgetUse struct {
	Domain string `json:"domain"`
	Value  string `json:"value"`
	Used   int    `json:"used"`
	Max    int    `json:"max"`
}

// Event is one entry of the audit log.
type Event struct {
	Seq   int64           `json:"seq"`
	At    time.Time       `json:"at"`
	Kind  string          `json:"kind"`
	Actor string          `json:"actor,omitempty"`
	Plan  hotstick.PlanID `json:"plan,omitempty"`
	Host  hotstick.HostID `json:"host,omitempty"`
	// HostName is the host's name then, opaque.
	HostName string              `json:"host_name,omitempty"`
	Patch    hotstick.PatchRef   `json:"patch"`
	State    string              `json:"state,omitempty"`
	Reason   *Reason             `json:"reason,omitempty"`
	Evidence []hotstick.Evidence `json:"evidence,omitempty"`
	Text     string              `json:"text"`
}

// EventList is a page of the audit log, newest first.
type EventList struct {
	Events []Event `json:"events"`
	Next   string  `json:"next,omitempty"`
}

// PublishRequest hands a new signed targets file to the server; its artifacts
// were uploaded before.
type PublishRequest struct {
	Targets json.RawMessage `json:"targets"`
}

// Change is what the live stream (/api/v1/stream) sends: something changed, so
// views of these things should be read again.
type Change struct {
	Seq  int64           `json:"seq"`
	Kind string          `json:"kind"`
	Plan hotstick.PlanID `json:"plan,omitempty"`
	Host hotstick.HostID `json:"host,omitempty"`
}
