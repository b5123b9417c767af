package why

import (
	"regexp"
	"slices"
	"strings"

	"github.com/hotstick/hotstick"
)

// remedies says what a person could do about a reason. A code that is
// neither here nor in endsByItself leaves nothing to do.
var remedies = map[hotstick.ReasonCode]string{
	hotstick.ReasonNotApproved:        "Other persons approve it: hotstick rollout approve PLAN --key FILE",
	hotstick.ReasonNotStarted:         "Start it: hotstick rollout start PLAN",
	hotstick.ReasonPlanHeld:           "Resume it: hotstick rollout resume PLAN",
	hotstick.ReasonPlanHalted:         "A halted plan never resumes: make a new one with hotstick rollout plan",
	hotstick.ReasonPlanExpired:        "A plan whose life is over never resumes: make a new one with hotstick rollout plan",
	hotstick.ReasonStopAll:            "Allow new starts again: hotstick stop --lift",
	hotstick.ReasonUnreconciled:       "Take in what the hosts know better, and allow starts again: hotstick server reconcile --reason TEXT",
	hotstick.ReasonNeedsPromotion:     "Open it by hand: hotstick rollout next-wave PLAN",
	hotstick.ReasonFreeze:             "It goes on when the freeze ends, or is taken away: hotstick freeze remove ID --reason TEXT",
	hotstick.ReasonExcluded:           "It is caught up when the exclusion ends, or is lifted: hotstick host include HOST --reason TEXT",
	hotstick.ReasonCloned:             "Join one of the two machines anew on itself, with hotstick-agent join --new-identity; then: hotstick host unclone HOST --reason TEXT",
	hotstick.ReasonHostSilent:         "Look at the host: is it up, and does its agent reach the server?",
	hotstick.ReasonAgentSilent:        "Look at the host: is it up, and does its agent reach the server?",
	hotstick.ReasonCanaryLost:         "Look at the lost canary; a second loss of the same kind fails the rollout. If the patch is not to blame, dismiss the host so that a stand-in goes first: hotstick rollout dismiss PLAN HOST --reason TEXT",
	hotstick.ReasonLaneHeld:           "Retry what failed, or dismiss it so that a stand-in goes first: hotstick rollout retry PLAN --failed --reason TEXT, or hotstick rollout dismiss PLAN HOST --reason TEXT",
	hotstick.ReasonTooFewReadings:     "Bring the wave's missing hosts back, or exclude them: hotstick host exclude HOST --until TIME --reason TEXT",
	hotstick.ReasonStaleReadings:      "Look at the wave's hosts: none has checked in lately.",
	hotstick.ReasonDomainIll:          "Bring the members that are down back; one that is gone for good is written off: hotstick host write-off HOST --reason TEXT",
	hotstick.ReasonSlow:               "Look at why transitions take so long, such as load; limits are full again when they are quick.",
	hotstick.ReasonSilentAfter:        "If the host is gone for good, write it off to free its slots: hotstick host write-off HOST --reason TEXT",
	hotstick.ReasonBanned:             "Lifting a ban needs a clear signed by the approvers: hotstick clear make PATCH@LEVEL --ban --key FILE",
	hotstick.ReasonRecalled:           "Lifting a recall needs a clear signed by the approvers: hotstick clear make PATCH@LEVEL --recall --key FILE",
	hotstick.ReasonStruck:             "Lifting a strike needs a clear signed by the approvers: hotstick clear make PATCH@LEVEL --host HOST --key FILE",
	hotstick.ReasonRevertedBefore:     "It comes back only with a clear signed by the approvers: hotstick clear make PATCH@LEVEL --host HOST --key FILE",
	hotstick.ReasonDowngrade:          "An older level needs a downgrade statement signed by the approvers.",
	hotstick.ReasonHeldOnHost:         "Whoever holds the host lets it go, on the host: hotstick-agent unhold",
	hotstick.ReasonSwitchedOff:        "Remove the file /etc/hotstick/off on the host, or hotstick=off from its kernel command line.",
	hotstick.ReasonCrashedElsewhere:   "Read the crash first. Lifting the stop needs a clear signed by the approvers: hotstick clear make PATCH@LEVEL --crashes --key FILE",
	hotstick.ReasonNotReversible:      "Use a level with a better way back, or sign a waiver to the policy.",
	hotstick.ReasonTouchFailed:        "Look at the reason's detail on the host, and put that right; then a new attempt may be made.",
	hotstick.ReasonOtherMaster:        "Adopt the host on the host itself: hotstick-agent adopt; or stop the other system.",
	hotstick.ReasonForeignPatch:       "Remove the other live patch with the tool that loaded it.",
	hotstick.ReasonFunctionTaken:      "End the probe or program that is named, for as long as the patch is loaded; the host tells of it within a quarter of an hour.",
	hotstick.ReasonCatalogExpired:     "Renew the catalog's signatures with its offline keys.",
	hotstick.ReasonModuleUnsigned:     "Sign the module with a key that the kernel trusts (scripts/sign-file), and publish it as a new level.",
	hotstick.ReasonKeyMissing:         "Enrol the key on the host (mokutil --import CERTIFICATE, then reboot), or sign the module with a key that it trusts: hotstick host show HOST",
	hotstick.ReasonModulesDisabled:    "Only a reboot turns module loading on again.",
	hotstick.ReasonUnsupported:        "Only another kernel, with live patching, can take it.",
	hotstick.ReasonWrongBuild:         "Make a new plan: the host boots another kernel now.",
	hotstick.ReasonNoArtifact:         "Publish an artifact for this kernel build: hotstick patch publish FOLDER --key FILE",
	hotstick.ReasonNotCovered:         "Publish a patch for the host's system and kernel build, or one for the driver reboot: hotstick patch publish FOLDER --key FILE",
	hotstick.ReasonDigestMismatch:     "Look at who changed the bytes on their way; publish the patch anew if they are lost.",
	hotstick.ReasonNotLivepatch:       "Build the module as a live patch, and publish it as a new level.",
	hotstick.ReasonSignature:          "Look at the keys: they may have been changed, or somebody forged a statement.",
	hotstick.ReasonNotInPlan:          "Make a plan that lists the host.",
	hotstick.ReasonLabels:             "Set the labels on the host itself, or make a plan that lists it.",
	hotstick.ReasonPolicyUnknown:      "Draft a new plan with the policy's document, and see whom it leaves out: hotstick rollout plan --fixes CVE --policy FILE --dry-run",
	hotstick.ReasonNotEligible:        "Change the policy, or grant a signed waiver.",
	hotstick.ReasonRevertUnlisted:     "Make a plan that names this level in revert_to.",
	hotstick.ReasonKernelRefused:      "Read the host's kernel log, then try again: hotstick rollout retry PLAN",
	hotstick.ReasonTransitionStalled:  "Look at the task that does not move, then try again: hotstick rollout retry PLAN",
	hotstick.ReasonUncleanBoots:       "Find out why the host went down; it waits half an hour after the last time.",
	hotstick.ReasonStaleEpoch:         "Make a new plan in the current epoch.",
	hotstick.ReasonLedgerUnwritable:   "Make room on, or repair, the disk of the host's loader.",
	hotstick.ReasonVerificationFailed: "Look at what the kernel says of the patch, then try again: hotstick rollout retry PLAN",
	hotstick.ReasonProbeFailed:        "Look at what the probe says.",
	hotstick.ReasonKernelLog:          "Read the host's kernel log.",
	hotstick.ReasonTaint:              "Find out what tainted the kernel.",
	hotstick.ReasonCrash:              "Look at the host's crash trace.",
	hotstick.ReasonPowerCut:           "Nothing speaks against the patch. One clear signed by the approvers lifts the strikes of all whom the cut struck: hotstick clear make PATCH@LEVEL --host HOST --key FILE",
	hotstick.ReasonCrashNamed:         "Repair the patch, and publish it as a new level.",
	hotstick.ReasonGateFailed:         "Look at the evidence; a repaired patch goes out as a new level by a new plan.",
	hotstick.ReasonRate:               "Look at the hosts that failed; a repaired patch goes out as a new level by a new plan.",
	hotstick.ReasonRevertFailed:       "Only a reboot brings the level before back.",
	hotstick.ReasonNotEntitled:        "Enable the vendor's live patching on the host with its own tool, and adopt it: hotstick-agent adopt",
	hotstick.ReasonCoverEnded:         "Plan a reboot into a kernel that the vendor covers.",
	hotstick.ReasonNoWayBack:          "Use a level with a better way back, or reboot the host.",
	hotstick.ReasonUsersLoggedIn:      "Ask them to log out; the host is tried again then.",
	hotstick.ReasonInhibited:          "Look at what inhibits it on the host, and end that: systemd-inhibit --list, or the lock on the package that is named. Then try again: hotstick rollout retry PLAN",
	hotstick.ReasonToolFailed:         "Read what the tool said, put that right on the host, then try again: hotstick rollout retry PLAN",
	hotstick.ReasonHoldLifted:         "Find out who did it and why; hotstick-agent adopt puts it on hold again.",
	hotstick.ReasonDrainFailed:        "Move the host's work away by hand, or find out what stays; then try again: hotstick rollout retry PLAN",
	hotstick.ReasonOldKernel:          "Read the console of the failed boot: the new kernel did not come up.",
	hotstick.ReasonNotBack:            "Look at the host's console. Its slot stays held until it is back or written off.",
	hotstick.ReasonRebootPending:      "Reboot the host in a window of its own, then plan it again.",
	hotstick.ReasonRemovedOutside:     "Find out who removed the patch; a new plan brings it back, or this one where its policy says drift: reapply.",
}

// endsByItself says what a wait is for that needs nobody.
var endsByItself = map[hotstick.ReasonCode]string{
	hotstick.ReasonWaveNotOpen:      "It goes on when the wave before has passed its gate.",
	hotstick.ReasonBake:             "It goes on when the bake is over and nothing has failed.",
	hotstick.ReasonDelay:            "It goes on when the delay is over.",
	hotstick.ReasonUnderWay:         "It goes on when those hosts are confirmed.",
	hotstick.ReasonNoReadings:       "It goes on when hosts of the wave are confirmed.",
	hotstick.ReasonBudget:           "It starts when a host of that domain is confirmed or reverted.",
	hotstick.ReasonDomainUnfinished: "It starts when the domain that was begun is finished.",
	hotstick.ReasonStandingBy:       "It starts in its own wave, or when the canary cannot start.",
	hotstick.ReasonWindowClosed:     "It starts in the next window.",
	hotstick.ReasonAwaitingGrant:    "It starts at its next check-in.",
	hotstick.ReasonTransitionBusy:   "It starts when the other transition is over.",
	hotstick.ReasonOtherPlan:        "It starts when the other plan is done with the host.",
	hotstick.ReasonSettling:         "It starts when the host has settled.",
	hotstick.ReasonCatalogUnknown:   "It starts when the host has verified the catalog.",
	hotstick.ReasonServerRestarting: "It goes on when the server has listened for long enough to know who is down.",
	hotstick.ReasonCleanShutdown:    "It is tried again when the host is back.",
	hotstick.ReasonGrantExpired:     "It gets a new grant at its next check-in.",
	hotstick.ReasonGrantReplayed:    "It gets a new grant at its next check-in.",
	hotstick.ReasonCaughtUp:         "It starts when budgets and windows allow.",
	hotstick.ReasonDrifted:          "It starts when budgets and windows allow; if the level goes once more than the plan says, it stays away and people are told.",
	hotstick.ReasonForgotten:        "It is tried again as a new attempt, or passed over if it runs the level already.",
}

// Place is what a remedy's commands are about, so that they can be copied as they
// stand. What is empty, or no plain word, stays a word in capitals.
type Place struct {
	// Plan is its name in commands, such as the start of its digest.
	Plan string
	// Host is whom the reason is about, unless the reason names another one.
	Host  string
	Patch hotstick.PatchRef
	// Freeze is the ID of the freeze that holds.
	Freeze string
}

// Remedy says what a person could do about the state that a reason describes; empty
// if nothing is needed or time alone does it. Where the code itself needs nobody,
// its cause may.
func Remedy(r hotstick.Reason, at Place) string {
	text := remedies[r.Code]
	if text == "" || r.Cause == hotstick.ReasonSilentAfter || r.Cause == hotstick.ReasonPowerCut {
		if of := remedies[r.Cause]; of != "" {
			text = of
		}
	}
	patch := ""
	if !at.Patch.IsZero() {
		patch = at.Patch.String()
	}
	if r.Code == hotstick.ReasonLaneHeld && r.Cause == hotstick.ReasonNoReadings && strings.HasSuffix(r.Detail, " elsewhere") {
		text = remedies[hotstick.ReasonTooFewReadings] // each of its hosts was passed over, and none ended badly
	}
	if names := struck(r); len(names) > 0 {
		text = strings.ReplaceAll(text, "--host HOST", "--host "+strings.Join(names, " --host "))
	}
	return fill(text, word{"PLAN", at.Plan}, word{"HOST", culprit(r, at.Host)}, word{"PATCH@LEVEL", patch}, word{"ID", at.Freeze})
}

// word is what stands in a remedy in capitals, and what it is.
type word struct{ stands, is string }

// fill puts plain words in the place of those in capitals.
func fill(text string, words ...word) string {
	for _, w := range words {
		if !plain.MatchString(w.is) {
			continue
		}
		text = strings.ReplaceAll(text, " "+w.stands+" ", " "+w.is+" ")
		if rest, ends := strings.CutSuffix(text, " "+w.stands); ends {
			text = rest + " " + w.is
		}
	}
	return text
}

// plain matches what a shell takes as one word and no option. Names come from hosts:
// nothing else of them may get into a command that somebody copies.
var plain = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@:-]*$`)

// struck are the hosts that a power cut struck, as far as the reason names them all and
// every name is a plain word.
func struck(r hotstick.Reason) []string {
	_, list, found := strings.Cut(r.Detail, "; it struck ")
	if !found || r.Cause != hotstick.ReasonPowerCut {
		return nil
	}
	names := strings.Split(list, ", ")
	if slices.ContainsFunc(names, func(name string) bool { return !plain.MatchString(name) }) {
		return nil
	}
	return names
}

// culprit is the host that a reason's remedy is about: the one that the reason names,
// or the one that has the reason; empty if that cannot be told.
func culprit(r hotstick.Reason, host string) string {
	switch r.Code {
	case hotstick.ReasonCanaryLost:
		return r.Subject
	case hotstick.ReasonLaneHeld:
		if r.Cause != hotstick.ReasonNoReadings {
			return r.Subject
		}
		return r.Detail
	case hotstick.ReasonSilentAfter:
		if r.Subject != "" {
			return r.Subject
		}
		return host
	case hotstick.ReasonExcluded, hotstick.ReasonCloned, hotstick.ReasonStruck, hotstick.ReasonRevertedBefore:
		return host
	}
	// A budget whose slot is kept begins with the name of who keeps it.
	if name, _, found := strings.Cut(r.Detail, " keeps its slot"); found && r.Cause == hotstick.ReasonSilentAfter {
		return name
	}
	return ""
}

// Ends says what ends a wait that needs nobody; empty for others.
func Ends(r hotstick.Reason) string { return endsByItself[r.Code] }
