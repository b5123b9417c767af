package rollout

import (
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/planted"
)

const (
	// FarWindow is how far away a canary's next window may be before a stand-in
	// takes its place.
	FarWindow = 24 * time.Hour
	// GapAfter is for how long a silent host counts as down in domains that are not
	// quorum domains.
	GapAfter = 24 * time.Hour
	// RevertPatience is how long the reverts of a quorum domain wait for members that
	// are down.
	RevertPatience = 15 * time.Minute
)

// retryPauses are the pauses after which an interrupted attempt is tried again,
// by how many attempts there were.
var retryPauses = [...]time.Duration{0, time.Minute, 5 * time.Minute}

// phase is what a host is to the decider at the moment.
type phase uint8

const (
	// resting: nothing to decide.
	resting phase = iota
	// leaving: passed over at once.
	leaving
	// absent: passed over once its wave is open.
	absent
	// stayed: held back for a reason of its own that will end.
	stayed
	// ready: starts when wave, window and budgets allow.
	ready
	// retry: interrupted, and its pause is over.
	retry
	// returned: skipped, and its reason is over.
	returned
	// admitted: holds slots and has not started.
	admitted
	// dropped: its admission is taken back.
	dropped
	// moving: started. sending: on its way back.
	moving
	sending
	// missing: started, and silent for too long.
	missing
	// astray: lost.
	astray
	// resurfaced: lost, heard of again, and nothing of ours is under way there.
	resurfaced
	// forgotten: under way, while its loader knows of no attempt.
	forgotten
	// ordered: under way and wanted back.
	ordered
	// patched: confirmed and heard of.
	patched
	// recalled: confirmed, heard of, and wanted back by an operator.
	recalled
)

// goesBack reports whether a host of this phase could be ordered back within the
// reverts' budget.
func (p phase) goesBack() bool { return p == patched || p == recalled }

// edges collects the times at which a host's stance changes.
type edges struct {
	now  time.Time
	next int64
}

// past reports whether t has come, and remembers it if it has not.
func (e *edges) past(t time.Time) bool {
	if !e.now.Before(t) {
		return true
	}
	if n := t.UnixNano(); e.next == 0 || n < e.next {
		e.next = n
	}
	return false
}

// stanceOf says what a host is now, and until when.
func (r *Rollout) stanceOf(i int32) stance {
	h, s := &r.hosts[i], &r.at[i]
	e := &edges{now: r.now}
	silent := h.LastSeen.IsZero() || e.past(h.LastSeen.Add(r.frame.Limits.SilentAfter))
	st := stance{back: h.State == hotstick.Reverting, moving: h.State.HoldsSlot() && h.State != hotstick.Lost,
		done: h.State == hotstick.Confirmed || skippedFor(h, hotstick.ReasonAlreadyInEffect)}
	st.phase, _ = r.phaseOf(i, silent, e)
	st.awaits = r.awaitsReapply(h, silent, e)
	for k, d := range s.domains {
		if d == nil {
			continue
		}
		down := r.isDown(h, r.kinds[k].quorum, silent, e)
		if down && !st.back {
			st.down |= 1 << k
		}
		if (down || h.State.HoldsSlot() && !(planted.Bug("probation-frees-slot") && h.State == hotstick.Probation)) && !holdsSlot(r.held[h.Listed.Host], d) {
			st.extra |= 1 << k
		}
	}
	st.until = e.next
	return st
}

// isDown reports whether a host counts as down in a domain, whatever our own
// attempt on it.
func (r *Rollout) isDown(h *Host, quorum, silent bool, e *edges) bool {
	ill := !h.IllSince.IsZero()
	switch {
	case h.State == hotstick.Lost:
		return true
	case skippedFor(h, hotstick.ReasonWrittenOff):
		return false
	case quorum:
		return (ill || silent || r.unheard(h, e) || stranded(h)) && !planted.Bug("quorum-forgets-the-down")
	case ill && r.sinceStart(h.IllSince):
		return true
	}
	// Only who was there at the start, or came since, fell silent since.
	if !silent || h.LastSeen.IsZero() {
		return false
	}
	from := h.LastSeen.Add(r.frame.Limits.SilentAfter)
	return r.sinceStart(from) && !e.past(from.Add(GapAfter))
}

// rebooting reports whether a host that is silent may be so because it reboots, as its
// plan has it do: for as long as the plan lets a level take to come into effect.
func (r *Rollout) rebooting(h *Host, e *edges) bool {
	lane, ok := r.plan.LaneOf(h.Listed)
	if h.State == hotstick.Probation || !ok || !hotstick.Reboots(lane.Driver) {
		return false
	}
	return !e.past(h.LastSeen.Add(max(r.frame.Limits.SilentAfter, time.Duration(r.plan.TransitionOf(lane))*time.Second)))
}

// reboots reports whether a host's level comes by a reboot.
func (r *Rollout) reboots(h *Host) bool {
	lane, ok := r.plan.LaneOf(h.Listed)
	return ok && hotstick.Reboots(lane.Driver)
}

// silence is why a host that was started and is silent is lost.
func (r *Rollout) silence(h *Host) hotstick.Reason {
	if r.reboots(h) {
		return hotstick.Reason{Code: hotstick.ReasonNotBack, Subject: h.Listed.Name}
	}
	return hotstick.Reason{Code: hotstick.ReasonSilentAfter}
}

// stranded reports whether a host's way back failed, so that nobody knows what its
// kernel runs, or runs well. It is so until somebody retries, dismisses or writes
// off the host.
func stranded(h *Host) bool {
	return h.State == hotstick.Failed && causeOf(h.Reason) == hotstick.ReasonRevertFailed
}

// sinceStart reports whether t is not before the plan's start.
func (r *Rollout) sinceStart(t time.Time) bool {
	return r.frame.Started == nil || !t.Before(*r.frame.Started)
}

// phaseOf says what a host is to the decider, and why where that needs a reason.
func (r *Rollout) phaseOf(i int32, silent bool, e *edges) (phase, hotstick.Reason) {
	h := &r.hosts[i]
	switch h.State {
	case hotstick.Waiting:
		return r.waitingPhase(h, silent, e)
	case hotstick.Interrupted:
		return r.interruptedPhase(h, silent, e)
	case hotstick.Skipped:
		if r.isBack(h, silent, e) {
			return returned, hotstick.Reason{Code: hotstick.ReasonCaughtUp}
		}
	case hotstick.Admitted:
		return r.admittedPhase(h, silent, e)
	case hotstick.Armed, hotstick.Applying, hotstick.Probation, hotstick.Reverting:
		switch {
		case silent && r.rebooting(h, e):
			return moving, hotstick.Reason{}
		case silent:
			return missing, r.silence(h)
		case h.State != hotstick.Reverting && h.Recall != nil:
			return ordered, r.backReason(h)
		case r.isForgotten(h, e):
			return forgotten, hotstick.Reason{Code: hotstick.ReasonForgotten}
		case h.State == hotstick.Reverting:
			return sending, hotstick.Reason{}
		}
		return moving, hotstick.Reason{}
	case hotstick.Lost:
		if r.hasResurfaced(h, silent, e) {
			return resurfaced, r.resurfacedReason(h)
		}
		return astray, r.silence(h)
	case hotstick.Confirmed:
		switch {
		case silent:
		case h.Recall != nil:
			return recalled, r.backReason(h)
		default:
			return patched, hotstick.Reason{}
		}
	}
	return resting, hotstick.Reason{}
}

// cause is the reason behind a host's phase.
func (r *Rollout) cause(i int32) hotstick.Reason {
	_, why := r.phaseOf(i, r.silent(&r.hosts[i]), &edges{now: r.now})
	return why
}

func (r *Rollout) silent(h *Host) bool {
	return h.LastSeen.IsZero() || !r.now.Before(h.LastSeen.Add(r.frame.Limits.SilentAfter))
}

// unheard reports whether nothing but the server's own absence speaks for a host
// that was last heard of long ago.
func (r *Rollout) unheard(h *Host, e *edges) bool {
	l := &r.frame.Limits
	return l.Away > 0 && e.past(h.LastSeen.Add(l.SilentAfter-l.Away))
}

func (r *Rollout) waitingPhase(h *Host, silent bool, e *edges) (phase, hotstick.Reason) {
	if why := r.leaveOut(h); why != nil {
		return leaving, *why
	}
	if why := r.absence(h, silent, e); why != nil {
		return absent, *why
	}
	switch {
	case r.unheard(h, e):
		return stayed, hotstick.Reason{Code: hotstick.ReasonHostSilent, Subject: h.Listed.Name}
	case h.Elsewhere:
		return stayed, hotstick.Reason{Code: hotstick.ReasonOtherPlan}
	case !h.Announced && r.frame.Started != nil && r.plan.Waves[r.waveOf(h)].DelaySeconds > 0:
		return stayed, hotstick.Reason{Code: hotstick.ReasonDelay, Detail: "the host has not seen the plan yet"}
	}
	return ready, hotstick.Reason{}
}

// patchOf is what the host gets.
func (r *Rollout) patchOf(h *Host) hotstick.PatchRef { return h.Listed.PatchIn(r.plan.Patch) }

// leaveOut says why a plan passes over a host for good, or nil.
func (r *Rollout) leaveOut(h *Host) *hotstick.Reason {
	p := r.patchOf(h)
	switch {
	case h.Recall != nil:
		return h.Recall
	case r.stopped(h) != nil:
		return r.stopped(h)
	case h.Struck:
		return struck(p, h.Reason)
	case h.RevertedBefore:
		return &hotstick.Reason{Code: hotstick.ReasonRevertedBefore, Subject: p.String()}
	case h.InEffect.Name == p.Name && h.InEffect.Level >= p.Level && !r.downgrades(h):
		return &hotstick.Reason{Code: hotstick.ReasonAlreadyInEffect, Subject: h.InEffect.String()}
	case h.Build != hotstick.KernelBuild{} && h.Build != h.Listed.Build:
		return &hotstick.Reason{Code: hotstick.ReasonWrongBuild, Subject: h.Listed.Name, Detail: "it runs " + h.Build.String() + " by now"}
	}
	return nil
}

// downgrades reports whether the plan was made to take the host down from the level in
// effect: it lists that one, a newer one, to go back to. Whether that is permitted
// the host's loader judges by the signed downgrade.
func (r *Rollout) downgrades(h *Host) bool {
	if h.InEffect.Level <= r.patchOf(h).Level {
		return false
	}
	lane, ok := r.plan.LaneOf(h.Listed)
	return ok && slices.ContainsFunc(lane.RevertTo, func(t hotstick.RevertTarget) bool { return t.Patch == h.InEffect })
}

// struck is why a host that holds a strike is left out, with the power cut that
// brought it, if it was one: then nothing speaks against the patch.
func struck(p hotstick.PatchRef, happened *hotstick.Reason) *hotstick.Reason {
	why := &hotstick.Reason{Code: hotstick.ReasonStruck, Subject: p.String()}
	if causeOf(happened) == hotstick.ReasonPowerCut {
		why.Cause, why.Detail = happened.Code, happened.Subject+", "+happened.Detail
	}
	return why
}

// absence says why a host cannot be worked on for now, or nil.
func (r *Rollout) absence(h *Host, silent bool, e *edges) *hotstick.Reason {
	switch {
	case excluded(h, e):
		return h.Excluded
	case h.Barred != nil:
		return h.Barred
	case r.crashed(h) != nil:
		return r.crashed(h)
	case !r.calendarOf(h).left:
		return &hotstick.Reason{Code: hotstick.ReasonWindowClosed, Subject: h.Listed.Calendar}
	case silent:
		return &hotstick.Reason{Code: hotstick.ReasonHostSilent, Subject: h.Listed.Name}
	case !h.IllSince.IsZero(): // its probation would blame the patch
		return &hotstick.Reason{Code: hotstick.ReasonProbeFailed, Subject: h.Listed.Name}
	}
	return nil
}

// crashed says which host of the same kernel build and model went down with the patch,
// or nil.
func (r *Rollout) crashed(h *Host) *hotstick.Reason {
	return CrashedElsewhere(r.frame.Crashes, hotstick.CrashPrint{Patch: r.patchOf(h), Build: h.Listed.Build, Model: h.Model})
}

func excluded(h *Host, e *edges) bool {
	return h.Excluded != nil && !planted.Bug("exclusion-ignored") && (h.Excluded.Until == nil || !e.past(*h.Excluded.Until))
}

// interruptedPhase: an attempt that was cut short for a cause that is not the patch
// is made anew, with growing pauses, and not for ever.
func (r *Rollout) interruptedPhase(h *Host, silent bool, e *edges) (phase, hotstick.Reason) {
	cause := hotstick.Reason{Code: hotstick.ReasonCleanShutdown}
	if h.Reason != nil {
		cause = *h.Reason
	}
	if why := r.leaveOut(h); why != nil {
		return leaving, *why
	}
	if h.Attempt > len(retryPauses) {
		return leaving, cause
	}
	if why := r.absence(h, silent, e); why != nil {
		return absent, *why
	}
	if r.unheard(h, e) || !e.past(h.Updated.Add(retryPauses[max(h.Attempt, 1)-1])) {
		return resting, cause
	}
	return retry, cause
}

// isBack reports whether the reason for which a host was skipped is over, and no
// other stands in its way.
func (r *Rollout) isBack(h *Host, silent bool, e *edges) bool {
	if h.Reason == nil || r.leaveOut(h) != nil || r.absence(h, silent, e) != nil || r.unheard(h, e) {
		return false
	}
	return passing(h.Reason.Code)
}

// passing reports whether a host that is skipped for this waits again by itself once the
// reason is over.
func passing(code hotstick.ReasonCode) bool {
	switch code {
	case hotstick.ReasonHostSilent, hotstick.ReasonProbeFailed, hotstick.ReasonExcluded, hotstick.ReasonCloned,
		hotstick.ReasonStruck, hotstick.ReasonRevertedBefore, hotstick.ReasonWindowClosed, hotstick.ReasonBanned, hotstick.ReasonRecalled,
		hotstick.ReasonCrashedElsewhere, hotstick.ReasonHeldOnHost, hotstick.ReasonSwitchedOff, hotstick.ReasonOtherMaster, hotstick.ReasonHoldLifted, hotstick.ReasonWrongBuild:
		return true
	}
	return false
}

// Spent reports whether a host was passed over because its attempts were cut short too
// often. Nothing brings it back by itself: a person may have it tried again.
func Spent(state hotstick.HostState, why *hotstick.Reason, attempt int) bool {
	return state == hotstick.Skipped && attempt > len(retryPauses) && why != nil &&
		why.Code != hotstick.ReasonDismissed && !passing(why.Code)
}

// mayReturn reports whether a skipped host can come back by itself before the
// plan's end.
func (r *Rollout) mayReturn(h *Host) bool {
	if h.State != hotstick.Skipped || h.Reason == nil || r.leaveOut(h) != nil {
		return false
	}
	switch h.Reason.Code {
	case hotstick.ReasonHostSilent, hotstick.ReasonProbeFailed:
		return true
	case hotstick.ReasonExcluded:
		return h.Excluded == nil || h.Excluded.Until != nil && h.Excluded.Until.Before(r.plan.NotAfter)
	}
	return false
}

// admittedPhase: an admission is taken back where the host may not start any more
// and cannot have started.
func (r *Rollout) admittedPhase(h *Host, silent bool, e *edges) (phase, hotstick.Reason) {
	if silent && h.Granted != nil {
		return missing, hotstick.Reason{Code: hotstick.ReasonSilentAfter}
	}
	var why *hotstick.Reason
	switch {
	case h.Recall != nil:
		why = h.Recall
	case r.stopped(h) != nil:
		why = r.stopped(h)
	case excluded(h, e):
		why = h.Excluded
	case h.Barred != nil:
		why = h.Barred
	case r.crashed(h) != nil:
		why = r.crashed(h)
	case silent:
		why = &hotstick.Reason{Code: hotstick.ReasonHostSilent, Subject: h.Listed.Name}
	}
	if why != nil && r.unusable(h, e) {
		return dropped, *why
	}
	return admitted, hotstick.Reason{Code: hotstick.ReasonAwaitingGrant}
}

// unusable reports whether no grant of an admitted host can still start it. A host
// that is silent since its grant's end may have started.
func (r *Rollout) unusable(h *Host, e *edges) bool {
	if h.Granted == nil {
		return true
	}
	end := h.Granted.Add(r.frame.Limits.GrantLife)
	return e.past(end) && !h.LastSeen.Before(end)
}

// isForgotten reports whether a host that is heard of has said for so long that no
// attempt is open that no report of its end can be on its way: an older ledger was
// put back. It is not silent, so it was heard of long after its last step. A host
// that was ordered back is ordered again until it follows or refuses.
func (r *Rollout) isForgotten(h *Host, e *edges) bool {
	if h.Busy || h.State == hotstick.Reverting && causeOf(h.Reason) == hotstick.ReasonRevertOrdered {
		return false
	}
	return e.past(h.Updated.Add(2*r.frame.Limits.SilentAfter)) && r.grantOver(h, e)
}

// grantOver reports whether no grant of a host can start it any more.
func (r *Rollout) grantOver(h *Host, e *edges) bool {
	return h.Granted == nil || e.past(h.Granted.Add(r.frame.Limits.GrantLife))
}

// hasResurfaced reports whether a lost host is back and can no longer start. Its
// reports come with its check-ins and are taken first, so one that still counts as
// lost, and whose loader has nothing open, either never started or ended what it
// had started without the server's knowledge.
func (r *Rollout) hasResurfaced(h *Host, silent bool, e *edges) bool {
	if silent || h.Busy || !h.LastSeen.After(h.Updated) {
		return false
	}
	return r.grantOver(h, e) && (h.Granted == nil || !h.LastSeen.Before(h.Granted.Add(r.frame.Limits.GrantLife)))
}

// resurfacedReason is revert_ordered for a host that took the level and is wanted
// back, and caught_up for any other.
func (r *Rollout) resurfacedReason(h *Host) hotstick.Reason {
	if (h.Began || h.InEffect == r.patchOf(h)) && (r.frame.Reverting || h.Recall != nil) {
		return r.backReason(h)
	}
	return hotstick.Reason{Code: hotstick.ReasonCaughtUp}
}

// backReason is why a host goes back to the level before.
func (r *Rollout) backReason(h *Host) hotstick.Reason {
	why := hotstick.Reason{Code: hotstick.ReasonRevertOrdered, Cause: causeOf(r.frame.Reason)}
	if !r.frame.Reverting && h.Recall != nil {
		why.Cause, why.Subject, why.Detail = h.Recall.Code, h.Recall.Subject, h.Recall.Detail
		if why.Cause == hotstick.ReasonRevertOrdered {
			why.Cause = ""
		}
	}
	return why
}

// waveOf is the wave in which a host may start.
func (r *Rollout) waveOf(h *Host) int {
	switch {
	case h.Late:
		return len(r.plan.Waves) - 1
	case h.Standing && h.Listed.StandIn != nil:
		return h.Listed.StandIn.Wave
	}
	return h.Listed.Wave
}

// idle reports whether a host is neither under way nor has it been in this
// attempt.
func idle(h *Host) bool {
	switch h.State {
	case hotstick.Waiting, hotstick.Interrupted, hotstick.Skipped:
		return true
	}
	return h.State == hotstick.Failed && hostCause(h.Reason)
}

func skippedFor(h *Host, code hotstick.ReasonCode) bool {
	return h.State == hotstick.Skipped && h.Reason != nil && h.Reason.Code == code
}

// HostCause reports whether a host failed for a cause of its own, which says
// nothing of the patch: no gate counts it, and a stand-in may take its place.
func HostCause(code hotstick.ReasonCode) bool {
	switch code {
	case hotstick.ReasonWrongBuild, hotstick.ReasonForeignPatch, hotstick.ReasonModulesDisabled,
		hotstick.ReasonUnsupported, hotstick.ReasonUncleanBoots, hotstick.ReasonLedgerUnwritable,
		hotstick.ReasonStruck, hotstick.ReasonRevertedBefore, hotstick.ReasonDowngrade,
		hotstick.ReasonTransitionBusy, hotstick.ReasonSettling, hotstick.ReasonCatalogExpired,
		hotstick.ReasonCatalogUnknown, hotstick.ReasonAlreadyInEffect, hotstick.ReasonGrantExpired,
		hotstick.ReasonGrantReplayed, hotstick.ReasonDelay, hotstick.ReasonLabels,
		hotstick.ReasonUsersLoggedIn, hotstick.ReasonInhibited, hotstick.ReasonNotEntitled, hotstick.ReasonCoverEnded,
		hotstick.ReasonNoWayBack, hotstick.ReasonDrainFailed, hotstick.ReasonRebootPending, hotstick.ReasonHoldLifted:
		return true
	}
	return false
}

func hostCause(why *hotstick.Reason) bool { return why != nil && HostCause(why.Code) }

func causeOf(r *hotstick.Reason) hotstick.ReasonCode {
	if r == nil {
		return ""
	}
	return r.Code
}
