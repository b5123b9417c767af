package api

import (
	"encoding/json"
	"time"

	"github.com/hotstick/hotstick"
)

// StatementRequest hands in a signed statement.
type StatementRequest struct {
	Envelope json.RawMessage `json:"envelope"`
}

// Downgrade allows an older level on hosts that have confirmed a newer one.
type Downgrade struct {
	// ID is the digest of what the downgrade says.
	ID    hotstick.Digest   `json:"id"`
	Patch hotstick.PatchRef `json:"patch"`
	// From is the newest level that a host may have confirmed.
	From     int                    `json:"from"`
	Hosts    []hotstick.HostID      `json:"hosts"`
	Builds   []hotstick.KernelBuild `json:"builds"`
	Why      string                 `json:"why"`
	IssuedAt time.Time              `json:"issued_at"`
	NotAfter time.Time              `json:"not_after"`
}

// DowngradeList lists the downgrades that hold.
type DowngradeList struct {
	Downgrades []Downgrade `json:"downgrades"`
}

// Waiver excepts hosts from a policy until it ends.
type Waiver struct {
	// ID is the digest of what the waiver says.
	ID     hotstick.Digest `json:"id"`
	Name   string          `json:"name"`
	Policy string          `json:"policy"`
	// Text is the digest of the policy documents that it is for; empty for any.
	Text hotstick.Digest `json:"text,omitempty"`
	// Rules need not be kept by the hosts; with LeaveOut they are not touched at all.
	Rules    []string `json:"rules"`
	LeaveOut bool     `json:"leave_out,omitempty"`
	// Hosts is the expression that chooses them.
	Hosts string `json:"hosts"`
	Why   string `json:"why"`
	// By are the persons who signed it, as far as they may still.
	By       []hotstick.Person `json:"by"`
	IssuedAt time.Time         `json:"issued_at"`
	NotAfter time.Time         `json:"not_after"`
	// Standing is holds, ended, replaced (by a younger one of its name) or distrusted.
	Standing string `json:"standing"`
}

// WaiverList lists the waivers that were handed in.
type WaiverList struct {
	Waivers []Waiver `json:"waivers"`
}

// Evidence is what a laboratory or a builder says of one artifact of a patch level.
type Evidence struct {
	// ID is the digest of what the evidence says.
	ID hotstick.Digest `json:"id"`
	// Kind is lab, provenance or tests.
	Kind  string               `json:"kind"`
	Build hotstick.KernelBuild `json:"build"`
	// By are those who signed it and whom the catalog's root names for evidence.
	By     []string  `json:"by"`
	Passed bool      `json:"passed"`
	At     time.Time `json:"at"`
}

// EvidenceResult says which level evidence was taken for.
type EvidenceResult struct {
	Patch hotstick.PatchRef `json:"patch"`
}
