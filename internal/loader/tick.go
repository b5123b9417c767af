package loader

import (
	"context"
	"errors"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/failpoint"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/trace"
)

// Paces of Run. A running transition is looked at often, so that what is in
// effect is known to some milliseconds; an idle host costs next to nothing.
const (
	paceTransition = 20 * time.Millisecond
	paceStalling   = 200 * time.Millisecond
	paceProbation  = 250 * time.Millisecond
	// pacePermit is for a confirmed level that is to come back after a reboot.
	pacePermit = time.Second
	// paceForeign is for a transition that somebody else has begun.
	paceForeign = time.Second
	paceIdle    = 30 * time.Second
	// paceBlind is for a kernel that does not say what is loaded.
	paceBlind = time.Second
	// stalling is the age from which a transition is looked at less often.
	stalling = 3 * time.Second
	// paceClock is how often the ledger's clock is written while delays run, and
	// paceQuietClock while none do.
	paceClock      = time.Minute
	paceQuietClock = 10 * time.Minute
)

// slowTick is the age from which a tick begins no other step: what a person on the host
// orders waits for its end.
const slowTick = time.Second

// maxSteps bounds the steps of one tick; what is left is done in the next one.
const maxSteps = 16

// Tick does everything that can be done now without waiting, and returns when to
// call again at the latest. One step is: observe, decide, act, write down.
func (l *Loader) Tick(ctx context.Context) time.Duration {
	l.stepping.Lock()
	defer l.stepping.Unlock()
	l.takeDropped()
	l.ask(ctx)
	l.findTracers()
	l.watch(ctx)
	defer l.said()
	began := l.cfg.Clock.Uptime()
	for i := range maxSteps {
		if i > 0 && l.cfg.Clock.Uptime()-began >= slowTick {
			break
		}
		s, open := l.look(ctx)
		l.examine(false)
		if !open {
			if !l.leftover(ctx) && !l.settle(ctx) && !l.schedule(ctx) && !l.idle(ctx) {
				return l.pace()
			}
			continue
		}
		a := next(s)
		if a.verb == doWait || !l.act(ctx, s, a) {
			return l.pace()
		}
	}
	return paceTransition
}

// said rings once the tick's steps are done.
func (l *Loader) said() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ring()
}

// pace is when to look again.
func (l *Loader) pace() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	a, p := l.led.Attempt, l.led.Permit
	switch {
	case a == nil && p != nil && p.AppliedBoot != l.boot && p.HeldBoot != l.boot:
		return pacePermit
	case a == nil && l.led.Unsettled != nil:
		return paceSettle
	case a == nil && l.underWay() && l.known.scheduling.refused == nil:
		return paceSchedule
	case a == nil && l.moving.module != "":
		return paceForeign
	case a == nil:
		return paceIdle
	}
	stalled := l.cfg.Clock.Uptime()-millis(a.SinceMillis) > stalling
	switch {
	case stalled && l.blind != "":
		return paceBlind
	case a.Phase == hotstick.Probation:
		return paceProbation
	case stalled:
		return paceStalling
	}
	return paceTransition
}

// look observes the kernel and gathers everything that the next step of the open
// attempt rests on. It reports false if there is no open attempt.
func (l *Loader) look(ctx context.Context) (situation, bool) {
	steps := l.lookAtStep(ctx)
	patches, err := l.cfg.Drivers.Observe(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.run.stepping = steps.running(); l.run.stepping != "" {
		l.run.movedAt = l.cfg.Clock.Uptime() // the way back has its time once it has ended
	}
	l.saw(patches, err)
	if l.broken != nil || l.led.Attempt == nil {
		return situation{}, false
	}
	l.saveLate()
	a := *l.led.Attempt
	patches = steps.withoutLeftovers(patches, a)
	uptime := l.cfg.Clock.Uptime()
	s := situation{
		attempt: a, patches: patches, observed: err == nil, uptime: uptime,
		mayLoad: l.run.mayLoad, loadError: l.run.loadError, refused: l.run.refused, order: l.run.order,
		silence: l.health.silence(a, uptime), answered: l.health.answered(a),
		moving: l.moving, movedAt: l.run.movedAt, limits: l.cfg.Limits, touching: l.touching(uptime), steps: steps,
	}
	s.stop = l.blocked(a.Level.Patch)
	if a.Plan != "" && l.led.Halted(a.Plan) {
		s.stop = because(hotstick.ReasonPlanHalted, "")
	}
	if off := l.off(); off != nil && s.order == nil && a.Phase != hotstick.Reverting {
		s.order = off
	}
	if a.Before != nil {
		s.beforeBlocked = l.blocked(a.Before.Patch) != nil
	}
	if a.Phase == hotstick.Applying || a.Phase == hotstick.Probation {
		s.alarm = l.alarm(a, s.over())
		if s.order == nil {
			s.order = l.calledBack(a.Level.Patch)
		}
	}
	return s, true
}

// alarm asks the kernel's own log, its taint and the agent's probes. What the
// kernel says goes into the attempt as evidence. Over tells whether probation is. The
// caller holds mu.
func (l *Loader) alarm(a ledger.Attempt, over bool) *hotstick.Reason {
	faults, _, err := l.cfg.Kernel.Faults(a.LogMark)
	if err != nil {
		l.cfg.Log.Warn("cannot read the kernel log", "error", err)
	}
	taint, err := l.cfg.Kernel.Taint()
	if err != nil {
		l.cfg.Log.Warn("cannot read the kernel's taint", "error", err)
		taint = a.TaintBefore
	}
	reason, evidence := kernelAlarm(a, faults, taint)
	if reason == nil {
		if reason = l.health.unhealthy(heeded(a.Phase, a.Level.Reboots(), over), a); reason == nil {
			return nil
		}
		evidence = []hotstick.Evidence{{Kind: "probe", Text: reason.Subject + ": " + reason.Detail}}
	}
	l.led.Attempt.Evidence = evidence
	return reason
}

// blocked says why a patch must not be armed, nil if it may. The caller holds mu.
func (l *Loader) blocked(ref hotstick.PatchRef) *hotstick.Reason {
	switch {
	case l.led.Struck(ref):
		return &hotstick.Reason{Code: hotstick.ReasonStruck, Subject: ref.String()}
	case l.led.Banned(ref):
		return &hotstick.Reason{Code: hotstick.ReasonBanned, Subject: ref.String()}
	}
	if r, ok := l.recalled(ref); ok {
		return recallReason(r)
	}
	return nil
}

// saveLate writes what could not be written before. The caller holds mu.
func (l *Loader) saveLate() {
	if l.unsaved {
		if err := l.save(l.led); err == nil {
			l.cfg.Log.Info("the ledger is written again")
		}
	}
}

// act does one step and reports whether another one may follow at once.
func (l *Loader) act(ctx context.Context, s situation, a action) bool {
	level := s.attempt.Level
	switch a.verb {
	case doMove:
		if a.reason != nil && a.reason.Code == hotstick.ReasonTransitionStalled {
			a.reason = l.testify(*a.reason)
		}
		l.move(s, a)
		return true
	case doTouch:
		return l.touch(ctx, a.step) && ctx.Err() == nil
	case doHelp:
		l.help(ctx, s.attempt, a.module)
		return false
	case doEnd:
		l.end(ctx, s)
		return false
	case doLoad:
		return l.load(ctx, s)
	case doAgain:
		l.loadAgain(ctx, s)
		return false
	case doRestore:
		failpoint.Here(failpoint.LoaderRestoreBefore)
		err := l.hand(ctx, s.attempt, *s.attempt.Before, []string{level.Module}, "revert")
		failpoint.Here(failpoint.LoaderRestoreAfter)
		return l.wayBack(s, err)
	case doDisable:
		l.tellAct(trace.KindDisable, s.attempt, a.module, "")
		failpoint.Here(failpoint.LoaderDisableBefore)
		err := l.disable(ctx, s.attempt, a.module)
		failpoint.Here(failpoint.LoaderDisableAfter)
		return l.wayBack(s, err)
	case doUnload:
		l.tellAct(trace.KindUnload, s.attempt, a.module, "")
		failpoint.Here(failpoint.LoaderUnloadBefore)
		err := l.unload(ctx, s.attempt, a.module)
		failpoint.Here(failpoint.LoaderUnloadAfter)
		if s.attempt.Phase == hotstick.Armed && err != nil {
			l.unloadable(refusal(err))
			return true
		}
		if s.attempt.Phase == hotstick.Probation && err != nil {
			// The replaced code may stay a little longer; the way back removes it.
			l.cfg.Log.Warn("cannot unload the replaced level yet", "module", a.module, "error", err)
			return false
		}
		return l.wayBack(s, err)
	}
	return false
}

// load asks the kernel for the attempt's level, once in the attempt's life.
func (l *Loader) load(ctx context.Context, s situation) bool {
	a := s.attempt
	l.mu.Lock()
	l.run.mayLoad = false
	l.run.loadedAt = l.cfg.Clock.Uptime()
	again := l.run.asked > 0
	l.mu.Unlock()
	var replaces []string
	if a.Before != nil {
		replaces = []string{a.Before.Module}
	}
	cause := ""
	if again {
		cause = causeAgain
	}
	err := l.hand(ctx, a, a.Level, replaces, cause)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		l.changeAnyway(func(led *ledger.Ledger) {
			led.Attempt.LoadMillis = l.run.loadedAt.Milliseconds()
			led.Attempt.Timing.LoadMillis = (l.cfg.Clock.Uptime() - l.run.loadedAt).Milliseconds()
			advance(led, hotstick.Applying, nil, l.moment(s.patches))
		})
		failpoint.Here(failpoint.LoaderApplyingAfterSave)
		return true
	}
	var refused *driver.Refusal
	if errors.As(err, &refused) {
		if l.run.mayLoad = s.steps.level && l.askLater(*refused); !l.run.mayLoad {
			l.run.refused = &refused.Reason
		}
		return !l.run.mayLoad
	}
	l.cfg.Log.Error("the load ended in an error; the kernel decides what happened", "error", err)
	l.run.loadError = clip(err.Error())
	return true
}

// unloadable ends an attempt before its load. What it touched is put back first, so the end
// itself is a later step.
func (l *Loader) unloadable(reason *hotstick.Reason) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.run.refused = reason
}

// wayBack judges the result of a step on the way back: what is refused for good
// ends the attempt as failed, anything else is tried again until the limit.
func (l *Loader) wayBack(s situation, err error) bool {
	if err == nil {
		return true
	}
	l.cfg.Log.Warn("cannot go back yet", "module", s.attempt.Level.Module, "error", err)
	var refused *driver.Refusal
	final := errors.As(err, &refused) && !refused.Retry
	if refused != nil && !final && (s.steps.level || s.steps.before) {
		l.mu.Lock()
		l.askLater(*refused)
		l.mu.Unlock()
	}
	if final || s.overdue() {
		l.move(s, move(hotstick.Failed, &hotstick.Reason{Code: hotstick.ReasonRevertFailed, Cause: refusal(err).Code, Detail: clip(err.Error())}))
		return true
	}
	return false
}

// refusal turns a driver's error into a reason.
func refusal(err error) *hotstick.Reason {
	var refused *driver.Refusal
	if errors.As(err, &refused) {
		return &refused.Reason
	}
	return &hotstick.Reason{Code: hotstick.ReasonKernelRefused, Detail: clip(err.Error())}
}

// move writes the next phase. Confirming is the one step that must be durable:
// if it is not, the attempt goes back, for nobody would know that it ended well.
func (l *Loader) move(s situation, a action) {
	if !canMove(s.attempt.Phase, a.to) {
		l.cfg.Log.Error("a step outside the table of phases was refused", "from", s.attempt.Phase, "to", a.to)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.led.Attempt == nil || l.led.Attempt.Phase != s.attempt.Phase {
		return
	}
	apply := func(led *ledger.Ledger) {
		setTiming(led.Attempt, a.to, s.uptime)
		advance(led, a.to, a.reason, l.moment(s.patches))
	}
	moving(a.to)
	l.run.asked = 0
	if a.to == hotstick.Confirmed {
		if err := l.change(apply); err != nil {
			l.cfg.Log.Error("cannot write that the patch is confirmed; going back", "error", err)
			l.changeAnyway(func(led *ledger.Ledger) {
				advance(led, hotstick.Reverting, because(hotstick.ReasonLedgerUnwritable, ""), l.moment(s.patches))
			})
		}
	} else {
		l.changeAnyway(apply)
	}
	moved(a.to)
	l.cfg.Log.Info("attempt", "state", a.to, "patch", s.attempt.Level.Patch.String(), "reason", a.reason)
	if l.led.Attempt == nil {
		l.ended()
	}
}

// setTiming notes the length of the part that ends with the step.
func setTiming(a *ledger.Attempt, to hotstick.HostState, uptime time.Duration) {
	switch to {
	case hotstick.Probation:
		a.Timing.TransitionMillis = uptime.Milliseconds() - a.LoadMillis
	case hotstick.Reverted:
		a.Timing.RevertMillis = uptime.Milliseconds() - a.SinceMillis
	}
}

// ended forgets what only mattered to the attempt that is over. The caller holds
// mu.
func (l *Loader) ended() { l.run, l.health.told = attemptRun{}, false }
