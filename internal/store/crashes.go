package store

import (
	"time"

	"github.com/hotstick/hotstick"
)

// CrashStop keeps a level from one kind of machine, because a machine of that kind went
// down with it. It holds in every plan until a signed clear lifts it.
type CrashStop struct {
	Print hotstick.CrashPrint
	// Host is the machine that went down, with its name at that time.
	Host     hotstick.HostID
	HostName string
	// Reason is crash or crash_named_patch.
	Reason hotstick.Reason
	At     time.Time
}

// Clone returns what a store keeps of s.
func (s CrashStop) Clone() CrashStop {
	s.Reason, s.At = *cloneReason(&s.Reason), Instant(s.At)
	return s
}

// CrashTable holds the stops that stand, one row a crash print.
type CrashTable interface {
	// StopPrint stores a stop; ErrTaken if its print is stopped already.
	StopPrint(s CrashStop) error
	// LiftPrints deletes the stops of a patch level, if there are any, and returns how
	// many.
	LiftPrints(ref hotstick.PatchRef) (int, error)
	// CrashStops returns the stops of a patch level, or all where it is zero, by patch,
	// level, build and model.
	CrashStops(ref hotstick.PatchRef) ([]CrashStop, error)
}
