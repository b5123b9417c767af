package checker

import (
	"time"

	"github.com/hotstick/hotstick"
)

// Ground is the body of a simulator's begin event: what is true of the world and
// no program can change.
type Ground struct {
	// Began is the wall-clock time at the trace's beginning. Only a trace with it tells
	// of nonces, and of the clears that people signed.
	Began time.Time    `json:"began"`
	Hosts []GroundHost `json:"hosts"`
	// Artifacts are what the signed catalog lists.
	Artifacts []GroundArtifact `json:"artifacts"`
	// Approvals is how many persons besides the author must sign a plan.
	Approvals int `json:"approvals"`
	// SettleMillis is how old a boot must be before anything is loaded.
	SettleMillis int64 `json:"settle_millis"`
	// GrantMillis is the longest life of a grant.
	GrantMillis int64 `json:"grant_millis"`
	// SilenceMillis is how long an agent may be silent during an attempt.
	SilenceMillis int64 `json:"silence_millis"`
	// StaleMillis is the age beyond which no screen calls a host's level applied.
	StaleMillis int64 `json:"stale_millis"`
	// SilentMillis is after how long without a check-in a server knows that a host
	// is down.
	SilentMillis int64 `json:"silent_millis"`
}

// GroundHost is one machine.
type GroundHost struct {
	Host  hotstick.HostID      `json:"host"`
	Name  string               `json:"name"`
	Build hotstick.KernelBuild `json:"build"`
	// Labels are those set on the host itself.
	Labels map[string]string `json:"labels,omitempty"`
	// System is the driver of the host's own live-patch system; empty where the trace does
	// not tell.
	System string `json:"system,omitempty"`
	// Things are the values, as each boot begins, of what levels touch beside the kernel's
	// code.
	Things map[string]string `json:"things,omitempty"`
}

// GroundArtifact is one artifact of the catalog.
type GroundArtifact struct {
	Digest hotstick.Digest      `json:"digest"`
	Build  hotstick.KernelBuild `json:"build"`
	Patch  hotstick.PatchRef    `json:"patch"`
	Module string               `json:"module"`
	Driver string               `json:"driver,omitempty"`
	// Stays: its system cannot take it out of a running kernel.
	Stays bool `json:"stays,omitempty"`
	// Touches are the values that the level gives to things beside the kernel's code.
	Touches map[string]string `json:"touches,omitempty"`
}

// Shown is the body of a shown event: what the screen rests on.
type Shown struct {
	// HeardMillis is when, in the trace's time, the newest check-in that counted
	// reached a server.
	HeardMillis int64 `json:"heard_millis"`
	// SentMillis is when the host sent it.
	SentMillis int64 `json:"sent_millis"`
}

// Promoted is the outcome in the gate event of a simulator's wave that a person
// opened by hand: Wave is how many are open so.
const Promoted = "promoted"

// Causes of fault events that rules look at. The simulator writes more of them,
// as it likes.
const (
	// FaultOwned: from now on somebody else owns the server and its online key.
	FaultOwned = "owned_server"
	// FaultStore and FaultStoreOver: the store fails, and serves again.
	FaultStore     = "store_failing"
	FaultStoreOver = "store_serving"
	// FaultLoaderDown and FaultLoaderUp: a host's loader process is away.
	FaultLoaderDown = "loader_down"
	FaultLoaderUp   = "loader_up"
	// FaultAgentDown and FaultAgentUp: a host's agent process is away.
	FaultAgentDown = "agent_down"
	FaultAgentUp   = "agent_up"
	// FaultForeign: somebody else changes the host's live patches by hand.
	FaultForeign = "foreign_hand"
	// FaultDisk and FaultDiskOver: a host's disk takes no writes, and takes them
	// again.
	FaultDisk     = "disk_failing"
	FaultDiskOver = "disk_writing"
	// FaultLedger: a host's ledger was replaced by an older copy of itself.
	FaultLedger = "ledger_restored"
	// FaultClock: a host's wall clock jumped.
	FaultClock = "clock_jump"
	// FaultLifted and FaultHeld: a host's own live-patch system starts patches by itself,
	// and is on hold again.
	FaultLifted = "hold_lifted"
	FaultHeld   = "hold_on"
	// PeopleRecall: the publishers recalled Patch.
	PeopleRecall = "people_recall"
	// PeopleClear: enough persons signed the clear whose payload's digest Grant is.
	PeopleClear = "people_clear"
	// FaultsEnd: there are no faults after this; FaultRunEnd: the run is over, and
	// what is to happen must have happened.
	FaultsEnd   = "faults_end"
	FaultRunEnd = "run_end"
)

// What a step is for.
const (
	StepApply  = "apply"
	StepRemove = "remove"
	StepSettle = "settle"
)

// Causes of down events.
const (
	DownClean = "clean"
	DownRack  = "rack_power"
)
