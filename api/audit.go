package api

import (
	"time"

	"github.com/hotstick/hotstick"
)

// AuditCheckpoint is the newest head of the audit log, signed.
type AuditCheckpoint struct {
	// Checkpoint is a signed note: origin, number of leaves, Merkle root, epoch, time.
	Checkpoint string `json:"checkpoint"`
	// Disputed is set while a host holds a checkpoint that this log does not continue.
	Disputed *AuditDispute `json:"disputed,omitempty"`
}

// AuditDispute is a host's evidence that the log was rewritten or put back.
type AuditDispute struct {
	Host hotstick.HostID `json:"host"`
	At   time.Time       `json:"at"`
	// Kept is the checkpoint that the host holds, and Offered the one that did not
	// follow; both are signed notes.
	Kept    string `json:"kept"`
	Offered string `json:"offered"`
}

// AuditProof is a Merkle proof: hashes of 32 bytes.
type AuditProof struct {
	Hashes [][]byte `json:"hashes"`
}

// AuditLeaf is one leaf of the audit log.
type AuditLeaf struct {
	Seq int64 `json:"seq"`
	// Leaf is the exact line that the log commits to.
	Leaf string `json:"leaf"`
	// Hashes are those that are stored with it: its own, then those of the subtrees
	// that it completes.
	Hashes [][]byte `json:"hashes"`
}

// AuditLeaves is a range of leaves, in order.
type AuditLeaves struct {
	Leaves []AuditLeaf `json:"leaves"`
	// Size is how many leaves the log has.
	Size int64 `json:"size"`
}

// AuditInclusion is a leaf with the proof that a log has it.
type AuditInclusion struct {
	AuditLeaf
	// Proof shows it in the log of the asked size.
	Proof [][]byte `json:"proof"`
}

// ReconcileRequest allows starts again on a server whose database was put back.
type ReconcileRequest struct {
	Reason string `json:"reason"`
	// AcceptSilent goes on without the hosts that were not heard since.
	AcceptSilent bool `json:"accept_silent,omitempty"`
}

// ReconcileResult says what hosts knew better, and what was done.
type ReconcileResult struct {
	// Halted are the rollouts that were open in the older database.
	Halted []hotstick.PlanID `json:"halted"`
	// Banned are bans that hosts hold and the database did not know.
	Banned []hotstick.PatchRef `json:"banned"`
	// Ahead are hosts that know a plan which the database does not.
	Ahead []hotstick.HostID `json:"ahead"`
	// Silent are hosts that were not heard since the database was put back.
	Silent []hotstick.HostID `json:"silent"`
}
