package hotstick

import (
	"fmt"
	"time"
)

// Reason says why something did not happen, or happened. Code is from a closed
// set; the other fields fill in what the code speaks of. Text for people is made
// at the edge (see internal/decide/why).
type Reason struct {
	Code ReasonCode `json:"code"`
	// Subject is what the code speaks of: a probe, a domain, a wave, a person.
	Subject string `json:"subject,omitempty"`
	// Cause is the reason behind the reason, such as the failed probe behind a
	// failed gate; Detail then belongs to it.
	Cause ReasonCode `json:"cause,omitempty"`
	// Detail is opaque evidence, such as the last line a probe printed.
	Detail string `json:"detail,omitempty"`
	// Until is when the reason ends by itself, where that is known.
	Until *time.Time `json:"until,omitempty"`
}

// Validate reports an unknown code.
func (r Reason) Validate() error {
	if _, ok := reasonGlossary[r.Code]; !ok {
		return fmt.Errorf("cannot use %q as a reason code", string(r.Code))
	}
	if _, ok := reasonGlossary[r.Cause]; !ok && r.Cause != "" {
		return fmt.Errorf("cannot use %q as a cause", string(r.Cause))
	}
	return nil
}

// ReasonCode is one of a closed set of causes.
type ReasonCode string

// Causes for which a host or a wave waits.
const (
	ReasonWaveNotOpen      ReasonCode = "wave_not_open"
	ReasonBake             ReasonCode = "bake"
	ReasonDelay            ReasonCode = "delay"
	ReasonNoReadings       ReasonCode = "no_readings"
	ReasonUnderWay         ReasonCode = "under_way"
	ReasonBudget           ReasonCode = "budget"
	ReasonHostSilent       ReasonCode = "host_silent"
	ReasonPlanHeld         ReasonCode = "plan_held"
	ReasonPlanHalted       ReasonCode = "plan_halted"
	ReasonPlanExpired      ReasonCode = "plan_expired"
	ReasonNotApproved      ReasonCode = "not_approved"
	ReasonNotStarted       ReasonCode = "not_started"
	ReasonStopAll          ReasonCode = "stop_all"
	ReasonUnreconciled     ReasonCode = "unreconciled"
	ReasonLaneHeld         ReasonCode = "lane_held"
	ReasonCanaryLost       ReasonCode = "canary_lost"
	ReasonAwaitingGrant    ReasonCode = "awaiting_grant"
	ReasonTransitionBusy   ReasonCode = "transition_busy"
	ReasonOtherPlan        ReasonCode = "other_plan"
	ReasonAlreadyInEffect  ReasonCode = "already_in_effect"
	ReasonOperator         ReasonCode = "operator"
	ReasonSettling         ReasonCode = "settling"
	ReasonCatalogExpired   ReasonCode = "catalog_expired"
	ReasonCatalogUnknown   ReasonCode = "catalog_unknown"
	ReasonServerRestarting ReasonCode = "server_restarting"
	ReasonWindowClosed     ReasonCode = "window_closed"
	ReasonFreeze           ReasonCode = "freeze"
	ReasonExcluded         ReasonCode = "excluded"
	ReasonCloned           ReasonCode = "cloned"
	ReasonNeedsPromotion   ReasonCode = "needs_promotion"
	ReasonDomainUnfinished ReasonCode = "domain_unfinished"
	ReasonDomainIll        ReasonCode = "domain_ill"
	ReasonStandingBy       ReasonCode = "standing_by"
	ReasonTooFewReadings   ReasonCode = "too_few_readings"
	ReasonStaleReadings    ReasonCode = "stale_readings"
	ReasonSlow             ReasonCode = "slow"
	ReasonSuperseded       ReasonCode = "superseded"
	ReasonWrittenOff       ReasonCode = "written_off"
	ReasonNotEligible      ReasonCode = "not_eligible"
	ReasonWaived           ReasonCode = "waived"
	ReasonCaughtUp         ReasonCode = "caught_up"
	ReasonLabels           ReasonCode = "labels"
	ReasonDismissed        ReasonCode = "dismissed"
	ReasonHeldOnHost       ReasonCode = "held_on_host"
	ReasonSwitchedOff      ReasonCode = "switched_off"
	ReasonCrashedElsewhere ReasonCode = "crashed_elsewhere"
	ReasonNotReversible    ReasonCode = "not_reversible"
	ReasonOtherMaster      ReasonCode = "other_master"
	ReasonDrifted          ReasonCode = "drifted"
	ReasonNotCovered       ReasonCode = "not_covered"
	ReasonPolicyUnknown    ReasonCode = "policy_unknown"
)

// Causes for which a host refuses or fails an attempt.
const (
	ReasonWrongBuild         ReasonCode = "wrong_build"
	ReasonNoArtifact         ReasonCode = "no_artifact"
	ReasonDigestMismatch     ReasonCode = "digest_mismatch"
	ReasonNotLivepatch       ReasonCode = "not_livepatch"
	ReasonSignature          ReasonCode = "signature"
	ReasonNotInPlan          ReasonCode = "not_in_plan"
	ReasonGrantExpired       ReasonCode = "grant_expired"
	ReasonGrantReplayed      ReasonCode = "grant_replayed"
	ReasonBanned             ReasonCode = "banned"
	ReasonRecalled           ReasonCode = "recalled"
	ReasonStruck             ReasonCode = "struck"
	ReasonDowngrade          ReasonCode = "downgrade"
	ReasonRevertUnlisted     ReasonCode = "revert_unlisted"
	ReasonForeignPatch       ReasonCode = "foreign_patch"
	ReasonKernelRefused      ReasonCode = "kernel_refused"
	ReasonModulesDisabled    ReasonCode = "modules_disabled"
	ReasonFunctionTaken      ReasonCode = "function_taken"
	ReasonUnsupported        ReasonCode = "unsupported"
	ReasonTransitionStalled  ReasonCode = "transition_stalled"
	ReasonUncleanBoots       ReasonCode = "unclean_boots"
	ReasonStaleEpoch         ReasonCode = "stale_epoch"
	ReasonLedgerUnwritable   ReasonCode = "ledger_unwritable"
	ReasonVerificationFailed ReasonCode = "verification_failed"
	ReasonRevertedBefore     ReasonCode = "reverted_before"
	ReasonModuleUnsigned     ReasonCode = "module_unsigned"
	ReasonKeyMissing         ReasonCode = "kernel_key_missing"
	ReasonNotEntitled        ReasonCode = "not_entitled"
	ReasonCoverEnded         ReasonCode = "cover_ended"
	ReasonNoWayBack          ReasonCode = "no_way_back"
	ReasonUsersLoggedIn      ReasonCode = "users_logged_in"
	ReasonInhibited          ReasonCode = "inhibited"
)

// Causes for which a patch comes back out, or a host is lost.
const (
	ReasonProbeFailed    ReasonCode = "probe_failed"
	ReasonKernelLog      ReasonCode = "kernel_log"
	ReasonTaint          ReasonCode = "taint"
	ReasonAgentSilent    ReasonCode = "agent_silent"
	ReasonCrash          ReasonCode = "crash"
	ReasonCrashNamed     ReasonCode = "crash_named_patch"
	ReasonCleanShutdown  ReasonCode = "clean_shutdown"
	ReasonRevertOrdered  ReasonCode = "revert_ordered"
	ReasonRevertFailed   ReasonCode = "revert_failed"
	ReasonGateFailed     ReasonCode = "gate_failed"
	ReasonSilentAfter    ReasonCode = "silent_after_start"
	ReasonRemovedOutside ReasonCode = "removed_outside"
	ReasonRate           ReasonCode = "rate"
	ReasonForgotten      ReasonCode = "attempt_forgotten"
	ReasonPowerCut       ReasonCode = "power_cut"
	ReasonTouchFailed    ReasonCode = "touch_failed"
	ReasonToolFailed     ReasonCode = "tool_failed"
	ReasonHoldLifted     ReasonCode = "hold_lifted"
	ReasonDrainFailed    ReasonCode = "drain_failed"
	ReasonOldKernel      ReasonCode = "old_kernel"
	ReasonNotBack        ReasonCode = "not_back"
	ReasonRebootPending  ReasonCode = "reboot_pending"
)

// reasonGlossary says in a sentence what each code means. It is also the closed
// set: a code that is missing here does not exist.
var reasonGlossary = map[ReasonCode]string{
	ReasonWaveNotOpen:      "An earlier wave has not passed its gate yet.",
	ReasonBake:             "The wave before must stay healthy for its bake time first.",
	ReasonDelay:            "The plan's signed delay for this wave has not passed on the host's own clock.",
	ReasonUnderWay:         "Hosts of this wave are still being changed or on probation.",
	ReasonNoReadings:       "The gate has no readings yet; no data is never taken for health.",
	ReasonBudget:           "The disruption budget of a failure domain is used up.",
	ReasonHostSilent:       "The host has not checked in lately.",
	ReasonPlanHeld:         "The rollout is on hold.",
	ReasonPlanHalted:       "The rollout was halted and starts nothing more.",
	ReasonPlanExpired:      "The plan's signed life is over.",
	ReasonNotApproved:      "The plan lacks approvals.",
	ReasonNotStarted:       "The plan is approved and waits to be started.",
	ReasonStopAll:          "Everything was stopped; new starts are blocked.",
	ReasonUnreconciled:     "The server's database is an older one; nothing starts before it is reconciled with the hosts.",
	ReasonLaneHeld:         "The lane of this kernel build has no confirmed canary.",
	ReasonCanaryLost:       "A canary of this lane was lost.",
	ReasonAwaitingGrant:    "Slots are held; the host takes its grant at its next check-in.",
	ReasonTransitionBusy:   "Another live-patch transition is running in this kernel.",
	ReasonOtherPlan:        "Another plan is changing this host.",
	ReasonAlreadyInEffect:  "The host already runs this level.",
	ReasonOperator:         "An operator decided so.",
	ReasonSettling:         "The host booted a moment ago and is given time to settle.",
	ReasonCatalogExpired:   "The catalog's signatures have expired.",
	ReasonCatalogUnknown:   "The host has not verified the catalog yet.",
	ReasonServerRestarting: "The server has just started and is reading its state.",
	ReasonWindowClosed:     "The host's maintenance window is closed.",
	ReasonFreeze:           "A change freeze is on.",
	ReasonExcluded:         "The host is excluded by an operator.",
	ReasonCloned:           "Two machines use the host's identity.",
	ReasonNeedsPromotion:   "The wave waits for an operator to open it.",
	ReasonDomainUnfinished: "Another cluster of its kind was begun and is finished first.",
	ReasonDomainIll:        "Too many members of a failure domain are down already.",
	ReasonStandingBy:       "The host stands by for a canary; its own wave has not come.",
	ReasonTooFewReadings:   "Too few hosts of the wave are confirmed for its gate to judge.",
	ReasonStaleReadings:    "The newest readings are too old for the gate to judge.",
	ReasonSlow:             "A cost is above its limit, so the rollout goes on with smaller budgets.",
	ReasonSuperseded:       "A newer plan continues this one.",
	ReasonWrittenOff:       "The host was written off by an operator.",
	ReasonNotEligible:      "The policy does not pick the host.",
	ReasonWaived:           "A waiver excepts it from the policy.",
	ReasonCaughtUp:         "The host is back and is caught up.",
	ReasonLabels:           "The host's own labels do not match the plan's rule for late hosts.",
	ReasonDismissed:        "An operator dismissed the host: it no longer holds its lane, and this plan does not patch it.",
	ReasonHeldOnHost:       "Somebody on the host holds it: nothing starts there until that person lets it go.",
	ReasonSwitchedOff:      "Hotstick is switched off on the host, by its file or its kernel command line.",
	ReasonCrashedElsewhere: "A host with the same kernel build and hardware went down with this level.",
	ReasonDrifted:          "The level went away by something other than Hotstick, and is put back by a new attempt.",
	ReasonPolicyUnknown:    "The server does not have the plan's policy, so nobody knows whether it picks the host.",
	ReasonNotCovered:       "No patch of any system that this host has fixes it here.",
	ReasonNotReversible:    "The level's way back on this host is worse than the policy demands.",
	ReasonOtherMaster:      "Another live-patch system manages this host's kernel.",

	ReasonWrongBuild:         "The host runs another kernel build than the plan says.",
	ReasonNoArtifact:         "The catalog has no artifact for this kernel build.",
	ReasonDigestMismatch:     "The bytes differ from what the catalog signed.",
	ReasonNotLivepatch:       "The module is not marked as a live patch.",
	ReasonSignature:          "A signature is missing, wrong, or from somebody who may not sign this.",
	ReasonNotInPlan:          "The host is not listed in the plan.",
	ReasonGrantExpired:       "The grant is older than its life allows.",
	ReasonGrantReplayed:      "The grant was used before.",
	ReasonBanned:             "The patch is banned.",
	ReasonRecalled:           "The patch was recalled.",
	ReasonStruck:             "The host went down with this patch once; it needs a signed clear.",
	ReasonDowngrade:          "The level is older than one this host has confirmed.",
	ReasonRevertUnlisted:     "The plan does not name the level this host would have to go back to.",
	ReasonForeignPatch:       "A live patch that is not ours is loaded.",
	ReasonKernelRefused:      "The kernel refused the module.",
	ReasonModulesDisabled:    "The kernel loads no modules any more.",
	ReasonFunctionTaken:      "Somebody else changes the way of a function that the patch replaces; the kernel lets only one do that.",
	ReasonUnsupported:        "The kernel has no live patching.",
	ReasonTransitionStalled:  "A task kept the transition from finishing.",
	ReasonUncleanBoots:       "The host went down uncleanly twice within half an hour.",
	ReasonStaleEpoch:         "The statement is from an older epoch of the server.",
	ReasonLedgerUnwritable:   "The loader cannot write its ledger, so nothing may start.",
	ReasonVerificationFailed: "The load could not be verified in the kernel.",
	ReasonRevertedBefore:     "The patch was reverted here; it needs a signed clear to come back.",
	ReasonModuleUnsigned:     "The kernel takes signed modules only, and this one carries no signature.",
	ReasonKeyMissing:         "The kernel does not trust the key that signed the module.",
	ReasonNotEntitled:        "The vendor's live-patch system is not enabled on the host, or its subscription has ended.",
	ReasonCoverEnded:         "The vendor makes no live patches for this kernel any more.",
	ReasonNoWayBack:          "The host's live-patch system cannot take the level out of a running kernel; only a reboot can.",
	ReasonUsersLoggedIn:      "Somebody is logged in on the host, which has to be rebooted.",
	ReasonInhibited:          "Something on the host forbids a reboot now.",

	ReasonProbeFailed:    "A health probe failed.",
	ReasonKernelLog:      "The kernel logged a fault.",
	ReasonTaint:          "The kernel's taint changed.",
	ReasonAgentSilent:    "The agent fell silent while the patch was on probation.",
	ReasonCrash:          "The host went down uncleanly.",
	ReasonCrashNamed:     "The host crashed and the trace names the patch.",
	ReasonCleanShutdown:  "The host was shut down cleanly in the middle of the attempt.",
	ReasonRevertOrdered:  "A revert was ordered.",
	ReasonRevertFailed:   "The level before could not be put back.",
	ReasonGateFailed:     "The gate judged the patch bad.",
	ReasonSilentAfter:    "The host fell silent after it had started.",
	ReasonRemovedOutside: "The patch was removed by something other than Hotstick.",
	ReasonRate:           "More hosts fail than the fleet's background explains.",
	ReasonForgotten:      "The host's loader knows nothing of the attempt any more; an older ledger was put back.",
	ReasonPowerCut:       "The host went down together with others of its failure domain.",
	ReasonTouchFailed:    "What belongs to the patch beside the kernel, such as a sysctl or a service, could not be set or put back.",
	ReasonToolFailed:     "The vendor's tool failed.",
	ReasonHoldLifted:     "Somebody lets the host's live-patch system start patches by itself again.",
	ReasonDrainFailed:    "The host's work could not be moved away before a reboot.",
	ReasonRebootPending:  "The host needs a reboot before it goes on.",
	ReasonOldKernel:      "The host came back on the kernel that it ran before.",
	ReasonNotBack:        "The host did not come back from its reboot in time.",
}

// Meaning returns one sentence that explains the code to a person, and whether
// the code exists.
func (c ReasonCode) Meaning() (string, bool) {
	s, ok := reasonGlossary[c]
	return s, ok
}

// ReasonCodes returns every known code, unsorted.
func ReasonCodes() []ReasonCode {
	codes := make([]ReasonCode, 0, len(reasonGlossary))
	for c := range reasonGlossary {
		codes = append(codes, c)
	}
	return codes
}
