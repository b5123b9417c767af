package loader

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/loader/ledger"
)

// A level of a driver that works by steps comes and goes in a process that the loader only
// watches. This file is all that is different for such a level.

const (
	// endGrace is how long after its own limit a step is told to end from outside. It is
	// killed driver.StepGrace after its limit.
	endGrace = 15 * time.Second
	// retryStep is the pause before the same is tried by another step.
	retryStep = 5 * time.Second
	// maxStepTries bounds the steps by which a level is brought in, where each was refused
	// for a cause that may pass, and maxAsks how often one is asked for that cannot be
	// started. The way back has no such bound but its time.
	maxStepTries = 3
	maxAsks      = 24
)

// stepping is what the next step of an attempt rests on where a vendor's tools work for it.
type stepping struct {
	// level and before: the driver of the attempt's level, or of the level before, works by
	// steps.
	level, before bool
	// newest is the newest step of the attempt's phase; nil if there was none.
	newest *driver.Progress
	// wait: a step could not be asked for a moment ago; over: nor will it be again.
	wait, over bool
}

// lookAtStep gathers that. It is called before the kernel is observed, so that what a step
// has left is seen once it has ended.
func (l *Loader) lookAtStep(ctx context.Context) stepping {
	l.mu.Lock()
	a := l.led.Attempt
	s := stepping{wait: l.cfg.Clock.Uptime() < l.run.askFrom, over: l.run.asked >= maxAsks}
	l.mu.Unlock()
	if a == nil {
		return stepping{}
	}
	s.level = l.bySteps(a.Level.Driver)
	names := []string{a.Level.Driver}
	if a.Before != nil {
		s.before = l.bySteps(a.Before.Driver)
		names = append(names, a.Before.Driver)
	}
	if p, was := l.cfg.Drivers.Step(ctx, names...); was && (p.Running || p.Asked >= begun(*a)) {
		s.newest = &p
	}
	return s
}

// begun is the uptime from which a step counts for the attempt's phase.
func begun(a ledger.Attempt) time.Duration {
	if a.Phase == hotstick.Applying {
		return millis(a.LoadMillis)
	}
	return millis(a.SinceMillis)
}

func (l *Loader) bySteps(name string) bool {
	c, _ := l.cfg.Drivers.Of(name)
	_, is := c.(driver.Stepped)
	return is
}

// running is the module of the step that runs; empty if none does.
func (s stepping) running() string {
	if s.newest == nil || !s.newest.Running {
		return ""
	}
	return s.newest.Module
}

// applies reports whether a step was asked for that brings the module in.
func (s stepping) applies(module string) bool {
	return s.newest != nil && s.newest.Apply && s.newest.Module == module
}

// withoutLeftovers drops modules of the attempt that a vendor's system has left disabled in
// memory: nobody else removes them.
func (s stepping) withoutLeftovers(patches []hotstick.LoadedPatch, a ledger.Attempt) []hotstick.LoadedPatch {
	left := func(p hotstick.LoadedPatch) bool {
		return p.State == hotstick.Disabled && (s.level && p.Module == a.Level.Module || s.before && a.Before != nil && p.Module == a.Before.Module)
	}
	if !slices.ContainsFunc(patches, left) {
		return patches
	}
	return slices.DeleteFunc(slices.Clone(patches), left)
}

// end tells a step to end that has taken too long, or that nobody wants any more. However
// ill the host is, it may end what it has begun: a package manager that is killed in the
// middle of a transaction leaves a host that nobody can repair from afar. Only one that has
// not ended long after its own time is killed.
func (l *Loader) end(ctx context.Context, s situation) {
	c, err := l.changer(s.attempt, s.steps.running())
	if err != nil {
		return
	}
	if stepped, is := c.(driver.Stepped); is {
		kill := s.uptime-s.steps.newest.Asked > seconds(s.attempt.Level.TransitionSeconds)+driver.StepGrace
		if err := stepped.End(ctx, kill); err != nil {
			l.cfg.Log.Warn("cannot end a step", "driver", c.Name(), "error", err)
		}
	}
}

// askLater notes that a step could not be asked for, and reports whether it is to be asked
// for again. The caller holds mu.
func (l *Loader) askLater(refused driver.Refusal) bool {
	l.run.asked++
	l.run.askFrom = l.cfg.Clock.Uptime() + retryStep
	return refused.Retry && l.run.asked < maxAsks
}

// loadAgain asks for the attempt's level once more, after a step that has changed nothing.
func (l *Loader) loadAgain(ctx context.Context, s situation) {
	p := s.steps.newest
	l.cfg.Log.Warn("a step is tried again", "module", p.Module, "refused", p.Refused.Reason)
	err := l.hand(ctx, s.attempt, s.attempt.Level, nil, causeAgain)
	l.mu.Lock()
	defer l.mu.Unlock()
	var refused *driver.Refusal
	if err != nil && !(errors.As(err, &refused) && l.askLater(*refused)) {
		l.run.asked = maxAsks
	}
}

// applyTime is how long the attempt's level may take to come into effect. A step has all
// the time of the plan: what a package manager does is no stalled transition.
func (s situation) applyTime() time.Duration {
	if s.steps.level {
		return seconds(s.attempt.Level.TransitionSeconds)
	}
	return s.limits.transition(s.attempt.Level)
}

// nextApplyingByStep: a step brings the level in, or has ended. What is in effect the
// kernel says, and why it is not, the step.
func nextApplyingByStep(s situation) action {
	p := s.steps.newest
	if p == nil {
		return nextApplying(s)
	}
	if a, ill := s.ill(); ill {
		return a
	}
	late := s.uptime-millis(s.attempt.LoadMillis) > s.applyTime()
	state, listed := s.effect(s.attempt.Level.Module)
	switch {
	case p.Running && late:
		return action{verb: doEnd, module: s.attempt.Level.Module}
	case p.Running:
		return action{}
	case !s.observed || listed && state == hotstick.EffectUnknown:
		if late {
			return move(hotstick.Reverting, because(hotstick.ReasonVerificationFailed, "what the step has done could not be read"))
		}
		return action{}
	case p.Refused != nil && p.Refused.Retry && state == hotstick.InEffect && !s.transition():
		return move(hotstick.Probation, nil) // it was killed before it could say so; the kernel does
	case p.Refused != nil && p.Refused.Retry && !late && !s.steps.over && p.Tries+1 < maxStepTries && !listed && s.unchanged():
		if s.steps.wait || s.uptime-p.Ended < retryStep {
			return action{}
		}
		return action{verb: doAgain, module: s.attempt.Level.Module}
	case p.Refused != nil:
		return s.stepFailed(&p.Refused.Reason)
	case state == hotstick.InEffect && !s.transition():
		return move(hotstick.Probation, nil)
	case listed && state == hotstick.TransitionIn || s.transition():
		if late {
			return move(hotstick.Reverting, because(hotstick.ReasonTransitionStalled, ""))
		}
		return s.help()
	case s.uptime-p.Ended < s.limits.TransitionWait || s.attempt.Level.Reboots() && !late:
		return action{} // it may come a moment after the tool has ended
	}
	return s.stepFailed(because(hotstick.ReasonVerificationFailed, "the step ended well, and "+s.attempt.Level.Module+" is not in effect"))
}

// stepFailed ends an attempt whose step has changed nothing, and goes back from one that
// has.
func (s situation) stepFailed(why *hotstick.Reason) action {
	if _, there := s.effect(s.attempt.Level.Module); there || !s.unchanged() {
		return move(hotstick.Reverting, why)
	}
	return move(hotstick.Failed, why)
}

// unchanged reports whether the level before, if there was one, is in effect still.
func (s situation) unchanged() bool {
	if s.attempt.Before == nil {
		return true
	}
	state, _ := s.effect(s.attempt.Before.Module)
	return state == hotstick.InEffect
}

// nextRevertingByStep goes back as for any other level, but one step after the other: what
// was begun on the way forth is made to end first, and what the vendor's system refuses for
// good ends the attempt at once.
func nextRevertingByStep(s situation) action {
	p, limit := s.steps.newest, seconds(s.attempt.Level.TransitionSeconds)
	if p != nil && p.Running {
		forth := p.Apply && p.Module == s.attempt.Level.Module
		if forth || s.uptime-p.Asked > limit+endGrace {
			return action{verb: doEnd, module: p.Module}
		}
		return action{}
	}
	a := nextReverting(s)
	if !(a.verb == doDisable && s.steps.level || a.verb == doRestore && s.steps.before) {
		return a
	}
	tried := p != nil && p.Asked >= millis(s.attempt.SinceMillis)
	switch late := tried && s.uptime-p.First > 3*limit; {
	case s.steps.wait:
		return action{}
	case tried && p.Refused != nil && (!p.Refused.Retry || late):
		r := p.Refused.Reason
		return move(hotstick.Failed, &hotstick.Reason{Code: hotstick.ReasonRevertFailed, Cause: r.Code, Subject: r.Subject, Detail: clip(r.Detail)})
	case late:
		return move(hotstick.Failed, &hotstick.Reason{Code: hotstick.ReasonRevertFailed, Cause: hotstick.ReasonVerificationFailed, Detail: "the vendor's tool ends well, and the level before is not in effect"})
	case tried && s.uptime-p.Ended < retryStep:
		return action{}
	}
	return a
}

// ofVendor reports whether a vendor's own tools load what the driver is for.
func ofVendor(name string) bool {
	class := hotstick.ClassOf(name)
	return class == hotstick.TrustPin || class == hotstick.TrustStep
}
