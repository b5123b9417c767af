package hotstick

import "time"

// Drift is how a host's kernel differs from what its loader's ledger and the server
// expect of it, because of something that Hotstick did not do.
type Drift struct {
	Kind DriftKind `json:"kind"`
	// Expected is the level that should be in effect, zero for the kernel as it booted;
	// Found is what is.
	Expected PatchRef `json:"expected"`
	Found    PatchRef `json:"found"`
	// Module is the live patch that was found and is not ours, or ours that is disabled;
	// Master is the system that says it is its own. Both are empty where unknown.
	Module string `json:"module,omitempty"`
	Master string `json:"master,omitempty"`
	// Since is when the server was told, and Before the newest check-in in which all was
	// as expected: it happened between the two. Before is zero if there was none.
	Since  time.Time `json:"since"`
	Before time.Time `json:"before,omitzero"`
	// Pending: it was seen in one check-in only, or the host has only just booted. It is
	// not shown yet, nor acted on.
	Pending bool `json:"pending,omitempty"`
}

// Shown returns the drift that a person is told of; nil if there is none.
func (d *Drift) Shown() *Drift {
	if d == nil || d.Pending {
		return nil
	}
	return d
}

// DriftKind says what happened to a host outside Hotstick. The set is closed.
type DriftKind string

// The kinds. A kexec into the same kernel build is a boot like any other, as far as
// a kernel tells; one into another build is other_kernel.
const (
	// DriftRemoved: the expected level is not loaded any more, in the same boot.
	DriftRemoved DriftKind = "removed"
	// DriftDisabled: its module is there, and somebody disabled it.
	DriftDisabled DriftKind = "disabled"
	// DriftForeign: a live patch that is not ours is loaded.
	DriftForeign DriftKind = "foreign"
	// DriftRebooted: the host booted, and the level did not come back in time.
	DriftRebooted DriftKind = "rebooted_without"
	// DriftKernel: the host booted another kernel build than that on which its level was
	// confirmed.
	DriftKernel DriftKind = "other_kernel"
	// DriftSnapshot: the machine was put back to an earlier moment, and its ledger with it.
	DriftSnapshot DriftKind = "snapshot"
)

// driftGlossary is also the closed set.
var driftGlossary = map[DriftKind]string{
	DriftRemoved:  "Somebody took the level out of the kernel.",
	DriftDisabled: "Somebody disabled the level; its code is in memory, and no task runs it.",
	DriftForeign:  "Somebody loaded a live patch that is not ours.",
	DriftRebooted: "The host booted, and its level did not come back.",
	DriftKernel:   "The host booted another kernel build than the one its level is for.",
	DriftSnapshot: "The machine was put back to an earlier moment, and with it what its loader remembers.",
}

// DriftKinds returns the closed set.
func DriftKinds() []DriftKind {
	return []DriftKind{DriftRemoved, DriftDisabled, DriftForeign, DriftRebooted, DriftKernel, DriftSnapshot}
}

// Meaning returns one sentence that explains the kind, and whether it exists.
func (k DriftKind) Meaning() (string, bool) {
	s, ok := driftGlossary[k]
	return s, ok
}
