package rollout

import "github.com/hotstick/hotstick"

// MayDismiss reports whether a host in this state may be dismissed: its attempt is
// over, ended badly, and nothing but an operator's word lets it go.
func MayDismiss(s hotstick.HostState) bool {
	switch s {
	case hotstick.Quarantined, hotstick.Reverted, hotstick.Failed, hotstick.Interrupted:
		return true
	}
	return false
}

// Dismissal is the reason with which a host that ended badly is skipped on an
// operator's word. It keeps what happened to the host as its cause, for the gates go
// on counting that; said is the operator with the reason given.
func Dismissal(s hotstick.HostState, happened *hotstick.Reason, said hotstick.Reason) hotstick.Reason {
	out := hotstick.Reason{Code: hotstick.ReasonDismissed, Subject: said.Subject + ": " + said.Detail}
	if happened != nil {
		out.Cause, out.Detail = happened.Code, happened.Subject
	}
	if judgedAs(out.Cause) != s {
		out.Cause = usualCause[s]
	}
	return out
}

// usualCause stands for causes that do not tell by themselves in which state a host
// ended.
var usualCause = map[hotstick.HostState]hotstick.ReasonCode{
	hotstick.Quarantined: hotstick.ReasonCrash,
	hotstick.Reverted:    hotstick.ReasonRevertOrdered,
	hotstick.Failed:      hotstick.ReasonVerificationFailed,
	hotstick.Interrupted: hotstick.ReasonCleanShutdown,
}

// judgedAs is the state in which a host ended, by the cause of its dismissal.
func judgedAs(cause hotstick.ReasonCode) hotstick.HostState {
	switch cause {
	case hotstick.ReasonCrash, hotstick.ReasonCrashNamed:
		return hotstick.Quarantined
	case hotstick.ReasonCleanShutdown:
		return hotstick.Interrupted
	case hotstick.ReasonTransitionStalled, hotstick.ReasonAgentSilent, hotstick.ReasonRevertOrdered, hotstick.ReasonRecalled, hotstick.ReasonOperator, hotstick.ReasonSwitchedOff,
		hotstick.ReasonProbeFailed, hotstick.ReasonKernelLog, hotstick.ReasonTaint:
		return hotstick.Reverted
	}
	return hotstick.Failed
}

// Outcome is the state in which a host's line came to rest: for one that was
// dismissed the state before.
func Outcome(s hotstick.HostState, why *hotstick.Reason) hotstick.HostState {
	if s == hotstick.Skipped && why != nil && why.Code == hotstick.ReasonDismissed {
		return judgedAs(why.Cause)
	}
	return s
}

// dismissed is a dismissed host as it was before.
func dismissed(h *Host) (state hotstick.HostState, happened *hotstick.Reason) {
	return judgedAs(h.Reason.Cause), &hotstick.Reason{Code: h.Reason.Cause, Subject: h.Reason.Detail}
}
