package hotstick

import "time"

// CoverState is what is known of the day on which live patches for a kernel end.
type CoverState string

const (
	// CoverEnds: it is known; after that day the host must boot another kernel.
	CoverEnds CoverState = "ends"
	// CoverUnknown: there are live patches, and nobody can tell until when. It is never
	// taken for a day, near or far.
	CoverUnknown CoverState = "unknown"
	// CoverUnpromised: live patches come from whoever builds them, as long as they do.
	CoverUnpromised CoverState = "unpromised"
	// CoverNone: there are no live patches for this kernel; every fix needs a reboot.
	CoverNone CoverState = "none"
)

// CoverStates returns the closed set.
func CoverStates() []CoverState {
	return []CoverState{CoverEnds, CoverUnknown, CoverUnpromised, CoverNone}
}

// CoverReason is what an answer about a kernel's cover follows from. Each belongs to one
// state.
type CoverReason string

const (
	// CoverTold: the live-patch system on the host says so.
	CoverTold CoverReason = "told"
	// CoverCounted: counted in months from the day on which the kernel was published.
	CoverCounted CoverReason = "counted"
	// CoverBaseline: the next update for which the system restarts.
	CoverBaseline CoverReason = "next_baseline"
	// CoverSet: the rule names the day.
	CoverSet CoverReason = "set"
	// CoverReleaseUnknown: nobody told when the kernel was published.
	CoverReleaseUnknown CoverReason = "release_unknown"
	// CoverChoiceUnknown: the vendor covers chosen kernels only, and nothing shows that this
	// is one.
	CoverChoiceUnknown CoverReason = "choice_unknown"
	// CoverUnpublished: the vendor does not say how long it covers a kernel.
	CoverUnpublished CoverReason = "unpublished"
	// CoverNoRule: no rule is for this system and kernel.
	CoverNoRule CoverReason = "no_rule"
	// CoverOwn: no vendor promises anything; patches are built by whoever wants them.
	CoverOwn CoverReason = "own_patches"
	// CoverNoSystem: no live-patch system of the host can be used.
	CoverNoSystem CoverReason = "no_system"
	// CoverOver: the live-patch system on the host says that its cover is over, and not since
	// when.
	CoverOver CoverReason = "over"
	// CoverLeftOut: the vendor makes no live patches for such kernels.
	CoverLeftOut CoverReason = "left_out"
)

// CoverReasons returns the closed set.
func CoverReasons() []CoverReason {
	return []CoverReason{CoverTold, CoverCounted, CoverBaseline, CoverSet, CoverReleaseUnknown, CoverChoiceUnknown, CoverUnpublished, CoverNoRule, CoverOwn, CoverNoSystem, CoverOver, CoverLeftOut}
}

// State is the one that the reason belongs to; unknown for one that is not of the set.
func (r CoverReason) State() CoverState {
	switch r {
	case CoverTold, CoverCounted, CoverBaseline, CoverSet:
		return CoverEnds
	case CoverOwn:
		return CoverUnpromised
	case CoverNoSystem, CoverOver, CoverLeftOut:
		return CoverNone
	}
	return CoverUnknown
}

// ReleaseOrigin says who told when a kernel was published.
type ReleaseOrigin string

const (
	// ReleasedByAdvisory: the advisory that came with it.
	ReleasedByAdvisory ReleaseOrigin = "advisory"
	// ReleasedByRepository: the index of the archive that it was installed from.
	ReleasedByRepository ReleaseOrigin = "repository"
	// ReleasedByOperator: a file of the operator's.
	ReleasedByOperator ReleaseOrigin = "operator"
)

// KernelRelease is the day on which a vendor published a kernel, and by whose word; zero
// if nobody told. The day on which it was built is another one.
type KernelRelease struct {
	Day    time.Time     `json:"day"`
	Origin ReleaseOrigin `json:"origin"`
}

// Cover is until when there are live patches for a kernel.
type Cover struct {
	State CoverState `json:"state"`
	// Until is the last day, in UTC, that is covered; zero unless it ends.
	Until  time.Time   `json:"until,omitzero"`
	Reason CoverReason `json:"reason"`
	// Driver is of the live-patch system whose cover it is; empty if there is none.
	Driver string `json:"driver,omitempty"`
	// Rule is the one that holds, and Source where that is written; empty where none does.
	Rule   string `json:"rule,omitempty"`
	Source string `json:"source,omitempty"`
	// Released is what was counted from; zero where nothing was.
	Released KernelRelease `json:"released,omitzero"`
}

// Ended reports whether the last day is over.
func (c Cover) Ended(now time.Time) bool {
	return c.State == CoverEnds && !now.Before(c.Until.AddDate(0, 0, 1))
}
