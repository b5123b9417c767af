package api

import (
	"encoding/json"
	"time"

	"github.com/hotstick/hotstick"
)

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
	// Recalls are those that no clear has lifted, by patch and level.
	Recalls []hotstick.Recall `json:"recalls,omitempty"`
	// Expiring is what people must sign again within a week, the earliest first.
	Expiring []Expiry `json:"expiring,omitempty"`
	Events   []Event  `json:"events"`
	// StopAll is true while new starts are blocked fleet-wide.
	StopAll bool `json:"stop_all"`
	// Unreconciled: the database is an older one than hosts have seen, and nothing
	// starts before it is reconciled.
	Unreconciled bool `json:"unreconciled,omitempty"`
	// Freezes are the change freezes that hold or are to come.
	Freezes []Freeze `json:"freezes,omitempty"`
	// Drifting counts hosts whose kernel is not as expected, Stalled those on which a
	// transition does not end.
	Drifting int `json:"drifting,omitempty"`
	Stalled  int `json:"stalled,omitempty"`
	// Crashes are the levels that are stopped on one kind of machine.
	Crashes []CrashStop `json:"crashes,omitempty"`
	// Excluded counts the hosts that operators keep out of rollouts: a gap.
	Excluded int       `json:"excluded,omitempty"`
	At       time.Time `json:"at"`
}

// CrashStop keeps a level from one kind of machine, because a machine of that kind went
// down with it.
type CrashStop struct {
	hotstick.CrashPrint
	// Host went down, Name is what it was called, and Reason is why that is blamed on the
	// level.
	Host   hotstick.HostID `json:"host"`
	Name   string          `json:"name"`
	Reason *Reason         `json:"reason,omitempty"`
	At     time.Time       `json:"at"`
}

// CrashStopList lists the stops that no clear has lifted.
type CrashStopList struct {
	Crashes []CrashStop `json:"crashes"`
}

// Expiry is the end of one signed file of the catalog.
type Expiry struct {
	// Role is root, targets or the name of a delegation; also snapshot or timestamp,
	// which the server renews by itself, once they have ended.
	Role string    `json:"role"`
	At   time.Time `json:"at"`
}

// BuildCoverage counts, for one kernel build, the hosts by the level in effect.
type BuildCoverage struct {
	Build hotstick.KernelBuild `json:"build"`
	Hosts int                  `json:"hosts"`
	// Newest is the newest level in the catalog, neither banned nor recalled, that fits this build.
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
	// Drift is set while the kernel is not as expected for a cause that is not Hotstick.
	Drift *hotstick.Drift `json:"drift,omitempty"`
	// Stall is the transition that does not end; in a list of hosts without its blockers.
	Stall *hotstick.Stall `json:"stall,omitempty"`
	// Hold is set while a person on the host holds it; Off says what switches Hotstick off
	// there (file or command_line); Masters are other systems that load live patches,
	// in a list of hosts without their modules.
	Hold    *hotstick.HostHold `json:"hold,omitempty"`
	Off     string             `json:"off,omitempty"`
	Masters []hotstick.Master  `json:"masters,omitempty"`
	// Barred is what on the host itself keeps any live patch from starting there: it is
	// switched off, held, or a live-patch system stands in the way.
	Barred *Reason `json:"barred,omitempty"`
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
	// Slots are the units of disruption budgets that the host holds.
	Slots []SlotUse `json:"slots,omitempty"`
	// Excluded is set while an operator keeps the host out of rollouts.
	Excluded *Exclusion `json:"excluded,omitempty"`
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
	Plan    hotstick.PlanID     `json:"plan"`
	Name    string              `json:"name"`
	Status  hotstick.PlanStatus `json:"status"`
	Patch   hotstick.PatchRef   `json:"patch"`
	Wave    int                 `json:"wave"`
	State   hotstick.HostState  `json:"state"`
	Attempt int                 `json:"attempt"`
	Reason  *Reason             `json:"reason,omitempty"`
	Updated time.Time           `json:"updated"`
}

// Why is the answer to "hotstick why HOST".
type Why struct {
	Host  Host     `json:"host"`
	Lines []string `json:"lines"`
	// Reason is the one that matters most now, and Text says it with what ends it;
	// empty if nothing keeps the host.
	Reason *Reason `json:"reason,omitempty"`
	Text   string  `json:"text,omitempty"`
	// Changes says what would change the state.
	Changes string `json:"changes,omitempty"`
}

// RolloutWhy is the answer to "hotstick why ROLLOUT": why the rollout, its waves
// and its lanes do not move. Things that move, or are over, say so.
type RolloutWhy struct {
	Plan    hotstick.PlanID     `json:"plan"`
	Name    string              `json:"name"`
	Status  hotstick.PlanStatus `json:"status"`
	Rollout Standing            `json:"rollout"`
	Waves   []Standing          `json:"waves"`
	Lanes   []Standing          `json:"lanes"`
}

// Standing is where a rollout, a wave or a lane stands, in one sentence: why it
// does not move, what it waits for, what would change that.
type Standing struct {
	// Name is for people: a wave's name, a lane's kernel build.
	Name string `json:"name"`
	// Build is a lane's kernel build ID.
	Build string `json:"build,omitempty"`
	// Moving: nothing keeps it; Over: it has nothing left to do.
	Moving bool   `json:"moving"`
	Over   bool   `json:"over"`
	Text   string `json:"text"`
	// Reason is nil where it moves or is over.
	Reason *Reason `json:"reason,omitempty"`
}

// Patch is one level in the catalog.
type Patch struct {
	hotstick.Patch
	Ban *Ban `json:"ban,omitempty"`
	// Recall is the one that no clear has lifted.
	Recall *hotstick.Recall `json:"recall,omitempty"`
	// InEffectHosts counts the hosts that truthfully run this level.
	InEffectHosts int `json:"in_effect_hosts"`
	// FittingHosts counts the hosts whose kernel build has an artifact.
	FittingHosts int `json:"fitting_hosts"`
	// SignedBy names the key IDs that signed the targets metadata.
	SignedBy []string `json:"signed_by,omitempty"`
	// Evidence is what laboratories and builders signed about the artifacts, oldest
	// first; Proven are the kinds of it that speak for every artifact.
	Evidence []Evidence `json:"evidence,omitempty"`
	Proven   []string   `json:"proven,omitempty"`
	// Recipes are the artifacts, in their order, of a driver that loads no bytes of ours.
	// The list of patches leaves them out.
	Recipes []hotstick.Recipe `json:"recipes,omitempty"`
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

// PublishRequest hands new signed targets metadata to the server: the publishers',
// those of delegates, or both. Artifacts were uploaded before.
type PublishRequest struct {
	Targets json.RawMessage `json:"targets,omitempty"`
	// Delegated is the new metadata of delegates, by the name of the delegation.
	Delegated map[string]json.RawMessage `json:"delegated,omitempty"`
}

// RootRequest hands the root that follows the current one to the server.
type RootRequest struct {
	Root json.RawMessage `json:"root"`
	// Targets are the publishers' new metadata, needed where the root changes the
	// publishers.
	Targets json.RawMessage `json:"targets,omitempty"`
}
