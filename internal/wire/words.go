package wire

import (
	"slices"

	"github.com/hotstick/hotstick"
)

// inOldWords returns the reason code that a reader of protocol 1 knows for one that it
// does not: it refuses the whole message otherwise, at every check-in, and the host is
// lost to it.
func inOldWords(code hotstick.ReasonCode) hotstick.ReasonCode {
	switch code {
	case hotstick.ReasonSwitchedOff, hotstick.ReasonHeldOnHost:
		return hotstick.ReasonOperator
	case hotstick.ReasonNotReversible, hotstick.ReasonOtherMaster:
		return hotstick.ReasonUnsupported
	case hotstick.ReasonTouchFailed, hotstick.ReasonCrashedElsewhere:
		return hotstick.ReasonVerificationFailed
	}
	return code
}

// asOf returns the check-in as a protocol has it. Fields are left out by their tags.
func (m *SyncRequest) asOf(protocol int) *SyncRequest {
	if protocol > 1 {
		return m
	}
	old := *m
	old.Reports = slices.Clone(m.Reports)
	for i, r := range old.Reports {
		if r.Reason != nil {
			reason := *r.Reason
			reason.Code, reason.Cause = inOldWords(reason.Code), inOldWords(reason.Cause)
			old.Reports[i].Reason = &reason
		}
	}
	old.Loader.Refusals = slices.Clone(m.Loader.Refusals)
	for i := range old.Loader.Refusals {
		reason := &old.Loader.Refusals[i].Reason
		reason.Code, reason.Cause = inOldWords(reason.Code), inOldWords(reason.Cause)
	}
	return &old
}
