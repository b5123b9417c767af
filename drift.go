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
	// Detail says what is not on hold any more, where that is the drift; opaque.
	Detail string `json:"detail,omitempty"`
	// Since is when the server was told, and Before the newest check-in in which all was
	// as expected: it happened between the two. Before is zero if there was none.
	Since  time.Time `json:"since"`
	Before time.Time `json:"before,omitzero"`
	// Pending: it was seen in one check-in only, or the host has only just booted. It is
	// not shown yet, nor acted on.
	Pending bool `json:"pending,omitempty"`
	// Under is, of a host whose hold was lifted, how its kernel may begin to differ as well:
	// it is pending, and nobody is told of it.
	Under *UnsettledDrift `json:"under,omitempty"`
}

// UnsettledDrift is a pending drift of what a host's kernel runs, beneath one that says that
// its hold was lifted. Its fields are those of [Drift].
type UnsettledDrift struct {
	Kind     DriftKind `json:"kind"`
	Expected PatchRef  `json:"expected"`
	Found    PatchRef  `json:"found"`
	Module   string    `json:"module,omitempty"`
	Master   string    `json:"master,omitempty"`
	Since    time.Time `json:"since"`
	Before   time.Time `json:"before,omitzero"`
}

// Unsettled is what to keep of a pending drift beneath another one; nil for nil.
func (d *Drift) Unsettled() *UnsettledDrift {
	if d == nil {
		return nil
	}
	return &UnsettledDrift{Kind: d.Kind, Expected: d.Expected, Found: d.Found, Module: d.Module, Master: d.Master, Since: d.Since, Before: d.Before}
}

// Drift is the pending drift that was kept; nil for nil.
func (u *UnsettledDrift) Drift() *Drift {
	if u == nil {
		return nil
	}
	return &Drift{Kind: u.Kind, Expected: u.Expected, Found: u.Found, Module: u.Module, Master: u.Master, Since: u.Since, Before: u.Before, Pending: true}
}

// Shown returns the drift that a person is told of; nil if there is none.
func (d *Drift) Shown() *Drift {
	if d == nil || d.Pending {
		return nil
	}
	if d.Under == nil {
		return d
	}
	told := *d
	told.Under = nil
	return &told
}

// Settling reports whether something differs that is not shown yet.
func (d *Drift) Settling() bool { return d != nil && (d.Pending || d.Under != nil) }

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
	// DriftLifted: the host's live-patch system was on hold, and somebody lets it start
	// patches by itself again. What is in effect is as expected, as yet.
	DriftLifted DriftKind = "hold_lifted"
)

// driftGlossary is also the closed set.
var driftGlossary = map[DriftKind]string{
	DriftRemoved:  "Somebody took the level out of the kernel.",
	DriftDisabled: "Somebody disabled the level; its code is in memory, and no task runs it.",
	DriftForeign:  "Somebody loaded a live patch that is not ours.",
	DriftRebooted: "The host booted, and its level did not come back.",
	DriftKernel:   "The host booted another kernel build than the one its level is for.",
	DriftSnapshot: "The machine was put back to an earlier moment, and with it what its loader remembers.",
	DriftLifted:   "Somebody lets the host's live-patch system start patches by itself again.",
}

// DriftKinds returns the closed set.
func DriftKinds() []DriftKind {
	return []DriftKind{DriftRemoved, DriftDisabled, DriftForeign, DriftRebooted, DriftKernel, DriftSnapshot, DriftLifted}
}

// Meaning returns one sentence that explains the kind, and whether it exists.
func (k DriftKind) Meaning() (string, bool) {
	s, ok := driftGlossary[k]
	return s, ok
}
