package hotstick

// InOldWords returns the reason in the words that a reader of the first protocol knows,
// on the wire and on the loader's socket alike: it refuses the whole message otherwise,
// at every check-in, and the host is lost to it.
func (r Reason) InOldWords() Reason {
	r.Code, r.Cause = r.Code.inOldWords(), r.Cause.inOldWords()
	return r
}

func (c ReasonCode) inOldWords() ReasonCode {
	switch c {
	case ReasonSwitchedOff, ReasonHeldOnHost:
		return ReasonOperator
	case ReasonNotReversible, ReasonOtherMaster, ReasonNotCovered, ReasonPolicyUnknown:
		return ReasonUnsupported
	case ReasonNotEntitled, ReasonCoverEnded, ReasonNoWayBack, ReasonUsersLoggedIn, ReasonInhibited, ReasonFunctionTaken:
		return ReasonUnsupported
	case ReasonHoldLifted:
		return ReasonOperator
	case ReasonTouchFailed, ReasonCrashedElsewhere, ReasonToolFailed, ReasonDrainFailed, ReasonOldKernel, ReasonNotBack, ReasonRebootPending:
		return ReasonVerificationFailed
	}
	return c
}

// ReportsInOldWords returns the reports with their reasons in old words; the reports that
// were given stay as they are.
func ReportsInOldWords(reports []Report) []Report {
	old := make([]Report, len(reports))
	for i, r := range reports {
		if r.Reason != nil {
			reason := r.Reason.InOldWords()
			r.Reason = &reason
		}
		old[i] = r
	}
	return old
}
