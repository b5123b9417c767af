package loader

import (
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/loader/touch"
	"github.com/hotstick/hotstick/internal/planted"
)

// situation is everything that the next step of an attempt rests on.
type situation struct {
	attempt ledger.Attempt
	// patches is what the driver's truth source lists; it means nothing unless
	// observed is true.
	patches  []hotstick.LoadedPatch
	observed bool
	// uptime is the boot's age now.
	uptime time.Duration
	// mayLoad: this very process wrote the intent and has not asked for the load
	// yet. It is never true after a restart, so a load is asked for at most once.
	mayLoad bool
	// loadError is what the driver said if the load ended in an error that is
	// not a refusal: the kernel decides what really happened.
	loadError string
	// refused is set if the driver refused the attempt's level: nothing was loaded.
	refused *hotstick.Reason
	// stop is set if the plan was halted or the patch banned since the intent.
	stop *hotstick.Reason
	// order is set if somebody who may ordered the host back, or a recall or the host's
	// off-switch does.
	order *hotstick.Reason
	// alarm is the first sign of ill health since the load.
	alarm *hotstick.Reason
	// silence is how long the agent has said nothing; 0 where it does not count.
	silence time.Duration
	// answered: every known probe has answered since the probation began.
	answered bool
	// beforeBlocked: the level before was banned, recalled or struck meanwhile,
	// so the way back leads to the kernel as it booted.
	beforeBlocked bool
	touching      touching
	steps         stepping
	// moving is the transition that runs, as this process has followed it.
	moving course
	// movedAt is the uptime at which this process has last seen a transition.
	movedAt time.Duration
	limits  Limits
}

// Limits are the loader's own limits of time.
type Limits struct {
	// AgentSilence is how long the agent may say nothing during an attempt.
	AgentSilence time.Duration
	// Settle is how old a boot must be before anything is loaded.
	Settle time.Duration
	// RecallPatience is how long a confirmed level that is recalled waits for the
	// server's order before it goes back by itself. What is under way goes back at once.
	RecallPatience time.Duration
	// Busy is how long an armed attempt waits for a foreign transition to end.
	Busy time.Duration
	// TransitionWait is how long a transition is left to the kernel. One that lasts
	// longer is reported as stalled, and helped for TransitionHelp. Then it is reversed.
	// Where the plan's limit is the shorter one, that holds.
	TransitionWait, TransitionHelp time.Duration
	// Idle is how long a loader that has nothing to do waits for a call before it ends;
	// 0 is for ever.
	Idle time.Duration
}

// DefaultLimits are used where nothing else is configured. Those of a transition are what
// the kpatch tool has come to use: it waits 15 s, helps, and gives up after 60 s more.
var DefaultLimits = Limits{AgentSilence: 15 * time.Second, Settle: 5 * time.Second, Busy: 10 * time.Second, RecallPatience: 5 * time.Minute,
	TransitionWait: 15 * time.Second, TransitionHelp: time.Minute}

// verb is what to do to the kernel or to the ledger. The set is closed.
type verb int

const (
	// doWait: nothing until something changes.
	doWait verb = iota
	// doMove: write the attempt's next phase, or its end, to the ledger.
	doMove
	// doLoad: ask the kernel for the attempt's level. At most once an attempt.
	doLoad
	// doRestore: load the level before again.
	doRestore
	// doDisable: take a module out of effect, or reverse its transition.
	doDisable
	// doUnload: remove a disabled module's code.
	doUnload
	// doTouch: change one thing beside the kernel, or put it back.
	doTouch
	// doHelp: do what helps the transition of a module of ours along, and never decide
	// how it ends.
	doHelp
	// doEnd: make the step end that runs for the attempt.
	doEnd
	// doAgain: ask for the step once more that brings the attempt's level in.
	doAgain
)

// action is one step.
type action struct {
	verb   verb
	module string
	to     hotstick.HostState
	reason *hotstick.Reason
	step   touch.Step
}

func move(to hotstick.HostState, reason *hotstick.Reason) action {
	return action{verb: doMove, to: to, reason: reason}
}

func because(code hotstick.ReasonCode, detail string) *hotstick.Reason {
	return &hotstick.Reason{Code: code, Detail: detail}
}

// next decides the one next step of an attempt. It is pure.
func next(s situation) action { return withTouches(s, nextOfKernel(s)) }

// nextOfKernel decides it as if the patch touched nothing but the kernel's code.
func nextOfKernel(s situation) action {
	switch s.attempt.Phase {
	case hotstick.Armed:
		return nextArmed(s)
	case hotstick.Applying:
		if s.steps.level {
			return nextApplyingByStep(s)
		}
		return nextApplying(s)
	case hotstick.Probation:
		return nextProbation(s)
	case hotstick.Reverting:
		if s.steps.level || s.steps.before {
			return nextRevertingByStep(s)
		}
		return nextReverting(s)
	}
	return action{}
}

// nextArmed: the intent is durable, the load may not have happened.
func nextArmed(s situation) action {
	if s.refused != nil {
		return move(hotstick.Failed, s.refused)
	}
	since := s.sincePhase()
	if !s.observed {
		switch {
		case s.mayLoad && since > s.limits.Busy:
			return move(hotstick.Failed, because(hotstick.ReasonVerificationFailed, unreadable))
		case !s.mayLoad && since > seconds(s.attempt.Level.TransitionSeconds):
			// It may have been loaded, so it goes the way back.
			return move(hotstick.Reverting, because(hotstick.ReasonVerificationFailed, unreadable))
		}
		return action{}
	}
	state, listed := s.effect(s.attempt.Level.Module)
	switch {
	case s.order != nil:
		return move(hotstick.Reverting, s.order)
	case listed && state != hotstick.Disabled, !s.mayLoad && s.steps.applies(s.attempt.Level.Module):
		// The load was asked for before this loader was restarted.
		return move(hotstick.Applying, nil)
	case !s.mayLoad && s.loadError != "":
		return move(hotstick.Failed, because(hotstick.ReasonVerificationFailed, s.loadError))
	case !s.mayLoad:
		// Nobody can tell whether the load was asked for and refused, or never
		// asked for. A second load of one attempt is never an answer, so the
		// attempt ends and the server may start another one.
		return move(hotstick.Interrupted, because(hotstick.ReasonVerificationFailed, "the loader was restarted between the intent and the load"))
	case s.stop != nil:
		return move(hotstick.Failed, s.stop)
	case s.transition():
		if since > s.limits.Busy {
			return move(hotstick.Failed, because(hotstick.ReasonTransitionBusy, ""))
		}
		return action{}
	case listed:
		return action{verb: doUnload, module: s.attempt.Level.Module}
	case s.steps.wait:
		return action{}
	}
	return action{verb: doLoad, module: s.attempt.Level.Module}
}

// nextApplying: the kernel is moving tasks to the new code.
func nextApplying(s situation) action {
	if a, ill := s.ill(); ill {
		return a
	}
	late := s.uptime-millis(s.attempt.LoadMillis) > s.applyTime()
	state, listed := s.effect(s.attempt.Level.Module)
	switch {
	case !s.observed || listed && state == hotstick.EffectUnknown:
		if late {
			return move(hotstick.Reverting, because(hotstick.ReasonVerificationFailed, "the transition's end could not be read"))
		}
	case !listed || state == hotstick.Disabled || state == hotstick.TransitionOut:
		return move(hotstick.Reverting, because(hotstick.ReasonRemovedOutside, ""))
	case state == hotstick.InEffect && !s.transition(), planted.Bug("transition-ignored"):
		return move(hotstick.Probation, nil)
	case late:
		return move(hotstick.Reverting, because(hotstick.ReasonTransitionStalled, ""))
	}
	return s.help()
}

// nextProbation: in effect, and to be proved healthy.
func nextProbation(s situation) action {
	if a, ill := s.ill(); ill {
		return a
	}
	since, over := s.sincePhase(), s.over()
	state, listed := s.effect(s.attempt.Level.Module)
	switch {
	case !s.observed || listed && state == hotstick.EffectUnknown:
		if over {
			return move(hotstick.Reverting, because(hotstick.ReasonVerificationFailed, "what is in effect could not be read at the end of probation"))
		}
		return action{}
	case !listed || state == hotstick.Disabled || state == hotstick.TransitionOut:
		return move(hotstick.Reverting, because(hotstick.ReasonRemovedOutside, ""))
	case state != hotstick.InEffect || s.transition():
		if over {
			return move(hotstick.Reverting, because(hotstick.ReasonTransitionStalled, "a transition runs at the end of probation"))
		}
		return action{}
	}
	if before := s.attempt.Before; before != nil {
		// The replaced level's code is taken out of memory at once: as long as it
		// is there, the kernel refuses to load that level again.
		if b, there := s.effect(before.Module); there && b == hotstick.Disabled {
			return action{verb: doUnload, module: before.Module}
		}
	}
	switch {
	case over && s.answered:
		return move(hotstick.Confirmed, nil)
	case since >= seconds(s.attempt.Level.ProbationSeconds)+s.patience():
		return move(hotstick.Reverting, because(hotstick.ReasonProbeFailed, "a probe did not answer during probation"))
	}
	return action{}
}

// over reports whether the time of probation is.
func (s situation) over() bool {
	return s.attempt.Phase == hotstick.Probation && s.sincePhase() >= seconds(s.attempt.Level.ProbationSeconds)
}

// patience is how long after the end of probation the last probe may answer. After a
// reboot the agent is started last.
func (s situation) patience() time.Duration {
	if s.attempt.Level.Reboots() {
		return max(s.limits.AgentSilence, seconds(s.attempt.Level.TransitionSeconds))
	}
	return s.limits.AgentSilence
}

// ill returns the step back if anything speaks against the patch.
func (s situation) ill() (action, bool) {
	switch {
	case s.order != nil:
		return move(hotstick.Reverting, s.order), true
	case s.alarm != nil:
		return move(hotstick.Reverting, s.alarm), true
	case s.silence > s.limits.AgentSilence && !planted.Bug("dead-man-sleeps"):
		return move(hotstick.Reverting, because(hotstick.ReasonAgentSilent, "for "+s.silence.Round(time.Second).String())), true
	}
	return action{}, false
}

// unreadable is what a reason says where the driver's truth source does not answer.
const unreadable = "what is loaded cannot be read"

// nextReverting puts the level before back as one step: the older level replaces
// the newer one, or the newer one is disabled where there was none. A transition
// that runs is reversed if it is the new level's, and waited for otherwise, however long
// it takes: it is reported, and helped if it is ours, but nothing else may be begun. Where
// the kernel does not say what is loaded nothing is touched, and the attempt fails
// when that lasts: nobody may take it for gone back.
func nextReverting(s situation) action {
	module := s.attempt.Level.Module
	state, listed := s.effect(module)
	switch {
	case s.observed && listed && state == hotstick.TransitionIn:
		return action{verb: doDisable, module: module}
	case s.observed && s.transition():
		return s.help()
	case s.overdue() && (!s.observed || s.unknown()):
		return move(hotstick.Failed, &hotstick.Reason{Code: hotstick.ReasonRevertFailed, Cause: hotstick.ReasonVerificationFailed, Detail: unreadable})
	case !s.observed || listed && state == hotstick.EffectUnknown:
		return action{}
	}
	target := s.target()
	if target == nil {
		return nextRevertingToNone(s.attempt, state, listed)
	}
	before, there := s.effect(target.Module)
	switch {
	case s.attempt.Level.Reboots() && listed && state == hotstick.InEffect:
		// The level before is of the old kernel, which must run first.
		return action{verb: doDisable, module: module}
	case there && before == hotstick.InEffect && listed && state == hotstick.InEffect:
		return action{verb: doDisable, module: module}
	case there && before == hotstick.InEffect && listed && state == hotstick.Disabled:
		return action{verb: doUnload, module: module}
	case there && before == hotstick.InEffect && !listed:
		return move(hotstick.Reverted, s.attempt.Reason)
	case there && before == hotstick.Disabled:
		return action{verb: doUnload, module: target.Module}
	case !there:
		return action{verb: doRestore, module: target.Module}
	}
	return action{}
}

// target is the level to go back to; nil for the kernel as it booted.
func (s situation) target() *ledger.Level {
	if s.beforeBlocked || planted.Bug("revert-to-none") {
		return nil
	}
	return s.attempt.Before
}

func nextRevertingToNone(attempt ledger.Attempt, state hotstick.Effect, listed bool) action {
	module := attempt.Level.Module
	switch {
	case !listed:
		return move(hotstick.Reverted, attempt.Reason)
	case state == hotstick.InEffect:
		return action{verb: doDisable, module: module}
	case state == hotstick.Disabled:
		return action{verb: doUnload, module: module}
	}
	return action{}
}

// unknown reports whether the truth source lists one of the attempt's levels and
// does not say what it does.
func (s situation) unknown() bool {
	state, _ := s.effect(s.attempt.Level.Module)
	before := hotstick.Effect("")
	if b := s.attempt.Before; b != nil {
		before, _ = s.effect(b.Module)
	}
	return state == hotstick.EffectUnknown || before == hotstick.EffectUnknown
}

// overdue reports whether the way back has taken so long that it has failed, unless
// a transition runs. What comes after one, however long that took, has its full time.
func (s situation) overdue() bool {
	return s.uptime-max(millis(s.attempt.SinceMillis), s.movedAt) > 3*seconds(s.attempt.Level.TransitionSeconds)
}

// effect returns what the truth source says of a module, and whether it is
// listed at all.
func (s situation) effect(module string) (hotstick.Effect, bool) {
	return effect(s.patches, module)
}

func effect(patches []hotstick.LoadedPatch, module string) (hotstick.Effect, bool) {
	for _, p := range patches {
		if p.Module == module {
			return p.State, true
		}
	}
	return "", false
}

// transition reports whether any patch of this kernel is in transition.
func (s situation) transition() bool { return inTransition(s.patches) }

func inTransition(patches []hotstick.LoadedPatch) bool {
	for _, p := range patches {
		if p.State == hotstick.TransitionIn || p.State == hotstick.TransitionOut {
			return true
		}
	}
	return false
}

func (s situation) sincePhase() time.Duration { return s.uptime - millis(s.attempt.SinceMillis) }

func millis(ms int64) time.Duration { return time.Duration(ms) * time.Millisecond }
func seconds(n int) time.Duration   { return time.Duration(n) * time.Second }
