package driver

import (
	"errors"

	"github.com/hotstick/hotstick"
)

// Passing reports whether what keeps a driver from use here may pass by itself: its tool
// failed or hung when it was asked last, or what it said could not be made out. That is no
// word on the host: a system that is not there, or takes no patches, says so.
func Passing(c hotstick.Capabilities) bool {
	if c.Available || c.Reason == nil {
		return false
	}
	switch c.Reason.Code {
	case hotstick.ReasonToolFailed, hotstick.ReasonVerificationFailed, hotstick.ReasonTransitionBusy, hotstick.ReasonTransitionStalled:
		return true
	}
	return false
}

// Unasked says why a system's program did not answer. Only where the program is not there the
// system is not there: one that could not be run, or took too long, may answer the next time.
func Unasked(err error) *Refusal {
	if errors.Is(err, ErrNoProgram) {
		return Refuse(hotstick.ReasonUnsupported, "%v", err)
	}
	refusal := Refuse(hotstick.ReasonToolFailed, "%v", err)
	refusal.Retry = true
	return refusal
}
