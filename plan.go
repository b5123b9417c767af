package hotstick

import (
	"encoding/json"
	"time"
)

// PlanSchema is the only plan format this version reads or writes.
const PlanSchema = "hotstick/plan/v1"

// Plan is the immutable description of a rollout: what goes where, in which
// order and how fast. Its author and its approvers sign exactly these bytes;
// any edit is another plan.
type Plan struct {
	Schema string `json:"schema"`
	// Name is for people; the plan's identity is the digest of its payload.
	Name string `json:"name"`
	// Patch is what every lane brings into effect. A plan that closes a CVE with the
	// patches of several systems has none: each of its lanes has its own.
	Patch PatchRef `json:"patch"`
	// CVE is what such a plan closes; empty where the plan has a Patch. A loader of before
	// this was written refuses a plan that has it.
	CVE    string `json:"cve,omitempty"`
	Author Person `json:"author"`
	// Epoch fences servers: a loader refuses a plan of an older epoch.
	Epoch     uint64    `json:"epoch"`
	CreatedAt time.Time `json:"created_at"`
	// NotAfter ends the plan's life; nothing starts later.
	NotAfter time.Time `json:"not_after"`
	Lanes    []Lane    `json:"lanes"`
	Waves    []Wave    `json:"waves"`
	// HostsRoot is the root of the Merkle tree over the listed hosts, in the
	// order of the plan's host list (see internal/statement).
	HostsRoot string `json:"hosts_root"`
	HostCount int    `json:"host_count"`
	// Budgets bound how many hosts of one failure domain may be disturbed at once.
	Budgets []Budget `json:"budgets"`
	// Probation is how long, in seconds, each host must stay healthy before it
	// is confirmed; meanwhile it reverts by itself.
	ProbationSeconds int `json:"probation_seconds"`
	// TransitionSeconds bounds the wait for the kernel's transition before it is
	// reversed, in lanes that say nothing else.
	TransitionSeconds int `json:"transition_seconds"`
	// Gate says what the gates of this plan ask for.
	Gate GateSettings `json:"gate"`
	// Calendars are the maintenance windows that hosts name, resolved to instants
	// when the plan was made, so that nobody needs to know a time zone later.
	Calendars []Calendar `json:"calendars,omitempty"`
	// Late says which hosts that the plan does not list may join its last wave;
	// nil means none.
	Late *LateRule `json:"late,omitempty"`
	// Continues is the plan whose work this one takes over, such as one for the
	// level before. Waves that the older plan had proven keep their credit
	// ([Wave].Proven), and loaders count delays from the first plan of the chain.
	// Starting this plan halts the older one.
	Continues PlanID `json:"continues,omitempty"`
	// Reapply is how often the server may give each host another grant after somebody
	// outside Hotstick took the level away there; 0 means that it only says so. A loader
	// of before this was written refuses a plan that has it.
	Reapply int `json:"reapply,omitempty"`
	// Policy is the document that shaped the plan; zero if none did.
	Policy PolicyRef `json:"policy,omitzero"`
	// Approvals raises the number of persons besides the author who must sign; it
	// never lowers what the catalog's trust asks.
	Approvals int `json:"approvals,omitempty"`
	// Emergency is the signed envelope of the template under which the plan may run
	// faster and with one approval; empty for ordinary plans.
	Emergency json.RawMessage `json:"emergency,omitempty"`
}

// PolicyRef names the policy document that shaped a plan.
type PolicyRef struct {
	Name   string `json:"name"`
	Digest Digest `json:"digest"`
}

// GateSettings are what a plan's gates ask for. Zero values mean the defaults of
// internal/decide/gate. Rates are in parts per million, so that signed bytes hold
// no fractions.
type GateSettings struct {
	// MinReadings is how many hosts of a wave must be confirmed, if it has as many,
	// before its gate may pass; waves of fewer need them all.
	MinReadings int `json:"min_readings,omitempty"`
	// FreshSeconds is how old the newest reading of a wave may be when its gate
	// passes.
	FreshSeconds int `json:"fresh_seconds,omitempty"`
	// BackgroundPPM is the share of hosts that go down during a rollout for causes
	// that are not the patch.
	BackgroundPPM int `json:"background_ppm,omitempty"`
	// FalseAlarmPPM bounds the chance that the rates alone halt a rollout of a good
	// patch.
	FalseAlarmPPM int `json:"false_alarm_ppm,omitempty"`
	// SlowTransitionMillis slows the rollout down where transitions take longer.
	SlowTransitionMillis int `json:"slow_transition_millis,omitempty"`
	// StopAll: in a plan for a CVE, one patch that fails halts the whole plan. Otherwise its
	// own lanes stop and the others go on. A loader of before this was written refuses a
	// plan that has it.
	StopAll bool `json:"stop_all,omitempty"`
}

// Calendar lists when hosts of one kind may start. A host may finish what it
// started after a window has closed.
type Calendar struct {
	Name string `json:"name"`
	// Opens are in order and do not overlap.
	Opens []Interval `json:"opens"`
}

// Interval is the time from From until just before Until, in UTC.
type Interval struct {
	From  time.Time `json:"from"`
	Until time.Time `json:"until"`
}

// LateRule lets hosts that came after planning join the plan's last wave. The
// labels are compared with those set on the host itself, by the host.
type LateRule struct {
	Labels map[string]string `json:"labels"`
	// Calendar names the plan's calendar in whose windows they may start; empty means
	// at any time.
	Calendar string `json:"calendar,omitempty"`
}

// Lane is one kernel build within a plan, and in a plan for a CVE one kernel build under
// one driver. Gates run per lane.
type Lane struct {
	Build  KernelBuild `json:"build"`
	Driver string      `json:"driver"`
	// Patch is what the lane brings into effect, where the plan has none for all; see
	// [Plan.PatchOf].
	Patch    PatchRef `json:"patch,omitzero"`
	Artifact Digest   `json:"artifact"`
	Module   string   `json:"module"`
	// RevertTo lists the levels that hosts of this lane may go back to; the
	// plan's signatures are the permission for that downgrade. The kernel as it
	// booted is written with level 0.
	RevertTo []RevertTarget `json:"revert_to"`
	// TransitionSeconds is how long a level may take to come into effect here, if that is
	// not what the plan says for all: a package's installation or a reboot takes longer than
	// a kernel's transition. A loader of before this was written refuses a plan that has it, so
	// a plan for one patch says it for all.
	TransitionSeconds int `json:"transition_seconds,omitempty"`
}

// RevertTarget is a level that a host may go back to. A zero target means the
// kernel as it booted, with no live patch of ours.
type RevertTarget struct {
	Patch    PatchRef `json:"patch"`
	Artifact Digest   `json:"artifact,omitempty"`
	Module   string   `json:"module,omitempty"`
}

// Wave is a set of hosts that may start together once the wave before has its
// readings. Hosts carry their wave's index.
type Wave struct {
	Name string `json:"name"`
	// Hosts counts the hosts listed for this wave.
	Hosts int `json:"hosts"`
	// DelaySeconds is how long after the plan's announcement, on the loader's
	// own clock, a host of this wave may start at the earliest.
	DelaySeconds int `json:"delay_seconds"`
	// BakeSeconds is how long the wave must stay healthy after its last host was
	// confirmed before the next wave opens.
	BakeSeconds int `json:"bake_seconds"`
	// Manual: the wave also waits for an operator's word (next-wave). The word
	// never replaces a gate or a bake.
	Manual bool `json:"manual,omitempty"`
	// Proven: the plan that this one continues passed this wave's gate. Once the
	// canaries of this plan have passed, the wave opens without waiting for those
	// before it, and none after it waits for its bake.
	Proven bool `json:"proven,omitempty"`
}

// PlanHost is one line of a plan's host list. Identity, Build, Driver, Calendar and Wave
// are bound by the plan's Merkle root, and Patch follows from the lane; Name and Domains
// are what the server knew then.
type PlanHost struct {
	Host     HostID      `json:"host"`
	Name     string      `json:"name"`
	Identity Fingerprint `json:"identity"`
	Build    KernelBuild `json:"build"`
	// Driver and Patch say which lane the host is in, in a plan for a CVE; they are empty
	// where the plan has one patch for all, since there is one lane for each kernel build.
	Driver  string            `json:"driver,omitempty"`
	Patch   PatchRef          `json:"patch,omitzero"`
	Wave    int               `json:"wave"`
	Domains map[string]string `json:"domains,omitempty"`
	// Calendar names the plan's calendar in whose windows the host may start; empty
	// means at any time.
	Calendar string `json:"calendar,omitempty"`
	// StandIn is set for a host that may take the place of a canary which cannot
	// start. It may then start in the canary's wave instead of its own.
	StandIn *StandIn `json:"stand_in,omitempty"`
}

// StandIn names the canary that a host may stand in for, and its wave. The order
// of stand-ins of one canary is that of the plan's host list.
type StandIn struct {
	For  HostID `json:"for"`
	Wave int    `json:"wave"`
}

// EarliestWave is the first wave in which the host may start. The Merkle leaf
// binds it: it is what a loader holds the host to.
func (h PlanHost) EarliestWave() int {
	if h.StandIn != nil {
		return min(h.Wave, h.StandIn.Wave)
	}
	return h.Wave
}

// Budget bounds the hosts of each domain of one kind (a label key such as rack,
// or "fleet" for all hosts) that may be disturbed at once. Exactly one of Max and
// Percent is set.
type Budget struct {
	Domain string `json:"domain"`
	Max    int    `json:"max,omitempty"`
	// Percent of the plan's hosts in each domain, rounded down, never below one.
	Percent int `json:"percent,omitempty"`
	// Quorum: every member that is down counts, whatever the cause, and a domain
	// that was begun is finished before the next one begins.
	Quorum bool `json:"quorum,omitempty"`
	// Open is how many quorum domains of this kind may be partly done at once; 0
	// means one.
	Open int `json:"open,omitempty"`
	// MixedSeconds bounds how long a quorum domain may run both levels; beyond it
	// no other domain of the kind begins. 0 means no limit.
	MixedSeconds int `json:"mixed_seconds,omitempty"`
}

// Limit is how many hosts of a domain may be disturbed at once, if the plan lists
// as many hosts of it.
func (b Budget) Limit(hosts int) int {
	if b.Percent > 0 {
		return max(1, hosts*b.Percent/100)
	}
	return b.Max
}

// FleetDomain is the domain kind that every host belongs to.
const FleetDomain = "fleet"

// Limits of one plan. A plan beyond them is refused before it is read further.
const (
	MaxPlanWaves   = 200
	MaxPlanLanes   = 5000
	MaxPlanHosts   = 1_000_000
	MaxPlanBudgets = 32
	// MaxReapply bounds how often a plan may put its level back on one host.
	MaxReapply = 5
	// MaxStandIns bounds the stand-ins of one canary.
	MaxStandIns = 3
	// MaxPlanApprovals bounds what a plan asks for beyond the catalog's trust.
	MaxPlanApprovals = 64
	// MaxCalendars bounds the calendars of a plan, and MaxIntervals the windows of
	// each.
	MaxCalendars = 64
	MaxIntervals = 1000
)
