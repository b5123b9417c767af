package loader

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/loader/touch"
)

// touching is what a step rests on that changes something beside the kernel.
type touching struct {
	journal []ledger.Touched
	boot    string
	// failed is why a touch of the attempt could not be made.
	failed *hotstick.Reason
	// retry: what could not be put back may be tried again.
	retry bool
}

// retryTouch is the pause before something is tried again that could not be put back.
const retryTouch = time.Second

// withTouches puts the patch's touches around what is done to the kernel, as package
// touch says. It is pure.
func withTouches(s situation, a action) action {
	switch s.attempt.Phase {
	case hotstick.Armed:
		return touchArmed(s, a)
	case hotstick.Applying:
		return touchApplying(s, a)
	case hotstick.Reverting:
		return touchReverting(s, a)
	}
	return a
}

// touchArmed changes what comes before the load, and puts it back where no load comes.
func touchArmed(s situation, a action) action {
	switch {
	case a.verb == doLoad && s.touching.failed == nil:
		return s.forward(s.attempt.Level, hotstick.TouchBefore, a)
	case a.verb == doLoad:
		a = move(hotstick.Failed, s.touching.failed)
	case a.verb != doMove || isOpen(a.to):
		return a
	}
	return s.putBack(touch.Goal{Level: s.attempt.Level.Patch, All: s.attempt.Before == nil}, a)
}

// touchApplying changes what comes after the transition, before probation.
func touchApplying(s situation, a action) action {
	switch {
	case a.verb == doMove && a.to == hotstick.Failed:
		return s.putBack(touch.Goal{Level: s.attempt.Level.Patch, All: s.attempt.Before == nil}, a)
	case a.verb != doMove || a.to != hotstick.Probation:
		return a
	case s.touching.failed != nil:
		return move(hotstick.Reverting, s.touching.failed)
	}
	return s.forward(s.attempt.Level, hotstick.TouchAfter, a)
}

// touchReverting puts back what came after the load, then lets the level go, and then
// puts back the rest. Nothing that cannot be put back keeps the level in the kernel.
func touchReverting(s situation, a action) action {
	target := s.target()
	goal := touch.Goal{Level: s.attempt.Level.Patch, All: target == nil}
	switch {
	case a.verb == doEnd:
		return a // nothing can be touched before it has ended
	case a.verb != doMove:
		step, more := touch.BackAfter(s.touching.journal, goal)
		if more && s.sincePhase() < seconds(s.attempt.Level.TransitionSeconds) {
			return action{verb: doTouch, step: step}
		}
		return a
	case a.to != hotstick.Reverted:
		return a
	}
	if target != nil {
		if s.touching.failed != nil {
			f := s.touching.failed
			a = move(hotstick.Failed, &hotstick.Reason{Code: hotstick.ReasonRevertFailed, Subject: f.Subject, Cause: f.Code, Detail: f.Detail})
		} else {
			// After a reboot the level before was not in effect, nor what it touches.
			a = s.forward(*target, hotstick.TouchBefore, s.forward(*target, hotstick.TouchAfter, a))
		}
	}
	return s.putBack(goal, a)
}

// forward returns the next touch of a level on a side, or what follows.
func (s situation) forward(level ledger.Level, when hotstick.TouchWhen, then action) action {
	if step, more := touch.Forward(s.touching.journal, level, s.touching.boot, when); more {
		return action{verb: doTouch, step: step}
	}
	return then
}

// putBack returns the next thing to put back, or what follows. An attempt that could
// not put everything back has failed.
func (s situation) putBack(goal touch.Goal, then action) action {
	if step, more := touch.Back(s.touching.journal, goal, touch.MaxTries); more {
		if step.Record.Tries > 0 && !s.touching.retry {
			return action{}
		}
		return action{verb: doTouch, step: step}
	}
	left := touch.Left(s.touching.journal, goal)
	if len(left) == 0 {
		return then
	}
	var names []string
	for _, r := range left {
		names = append(names, r.Touch.Thing())
	}
	return move(hotstick.Failed, &hotstick.Reason{Code: hotstick.ReasonRevertFailed, Cause: hotstick.ReasonTouchFailed,
		Subject: left[0].Touch.Thing(), Detail: clip("could not be put back: " + strings.Join(names, "; ") + ": " + left[0].Stuck)})
}

// touching gathers what touches rest on. The caller holds mu.
func (l *Loader) touching(uptime time.Duration) touching {
	return touching{journal: l.led.Touched, boot: l.boot, failed: l.run.touchFailed,
		retry: uptime-l.run.touchedAt >= retryTouch}
}

// maxTouchWait is how long a touch waits for a driver's step to end.
const maxTouchWait = driver.StepGrace + 15*time.Minute

// waits reports whether a touch is only to wait until a driver's step has ended.
func (l *Loader) waits(err error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.cfg.Clock.Uptime()
	switch {
	case !errors.Is(err, touch.ErrBusy):
		l.run.touchWaits = 0
		return false
	case l.run.touchWaits == 0:
		l.run.touchWaits = now
	}
	return now-l.run.touchWaits < maxTouchWait
}

// touch makes one change, or puts one back. Only Tick calls it, so nobody else
// changes the journal meanwhile but for its end. It reports whether the next step may
// follow at once.
func (l *Loader) touch(ctx context.Context, step touch.Step) bool {
	if step.Back {
		return l.touchBack(ctx, step)
	}
	err := l.touchForward(ctx, step)
	if err == nil || ctx.Err() != nil {
		return true // a loader that is told to stop has not failed; the next one goes on
	}
	if l.waits(err) {
		return false
	}
	l.cfg.Log.Error("cannot touch what the patch touches", "touch", step.Record.Touch.String(), "error", err)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.run.touchFailed = &hotstick.Reason{Code: hotstick.ReasonTouchFailed, Subject: step.Record.Touch.Thing(), Detail: clip(err.Error())}
	return true
}

// touchForward changes one thing: what it was is written first, durably.
func (l *Loader) touchForward(ctx context.Context, step touch.Step) error {
	if l.cfg.Touch == nil {
		return errors.New("cannot touch anything: this loader was not made for it")
	}
	r := step.Record
	now, err := l.valueOf(ctx, r.Touch)
	if err != nil {
		return err
	}
	if step.At == len(l.journal()) {
		if r, err = l.noteBefore(r, now); err != nil {
			return err
		}
	}
	if r.Done {
		return nil
	}
	if err := l.set(ctx, r.Touch, now, r.Set); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.change(func(led *ledger.Ledger) { led.Touched[step.At].Done = true })
}

// noteBefore writes a new record of what a thing was.
func (l *Loader) noteBefore(r ledger.Touched, now string) (ledger.Touched, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.led.Touched) >= ledger.MaxTouched {
		return r, fmt.Errorf("cannot remember more than %d touched things", ledger.MaxTouched)
	}
	service := touch.Service(r.Touch)
	if r.Settled && !service && !touch.Same(r.Touch, now, touch.Was(l.led.Touched, r.Touch)) {
		l.note(r.Touch, "was changed to "+now+" by somebody else and was left so")
		r.Set = now
	}
	r.Was = now
	r.Done = touch.Same(r.Touch, r.Was, r.Set)
	if service {
		r.Done = now != touch.Active // one that does not run is left alone
	}
	return r, l.change(func(led *ledger.Ledger) { led.Touched = append(led.Touched, r) })
}

// touchBack puts one thing back, and drops its record. It reports whether the next step may
// follow at once.
func (l *Loader) touchBack(ctx context.Context, step touch.Step) bool {
	note, err := l.restore(ctx, step.Record)
	if err != nil && ctx.Err() != nil {
		return true // nobody knows whether it was done; the next loader tries it
	}
	if l.waits(err) {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.cfg.Log.Error("cannot put back what the patch touched", "touch", step.Record.Touch.String(), "error", err)
		l.run.touchedAt = l.cfg.Clock.Uptime()
		l.changeAnyway(func(led *ledger.Ledger) {
			led.Touched[step.At].Tries++
			led.Touched[step.At].Stuck = clip(err.Error())
		})
		return true
	}
	if note != "" {
		l.note(step.Record.Touch, note)
	}
	l.changeAnyway(func(led *ledger.Ledger) {
		led.Touched = append(append([]ledger.Touched(nil), led.Touched[:step.At]...), led.Touched[step.At+1:]...)
	})
	return true
}

// restore gives a thing the value that it had. The note says why it was left alone.
func (l *Loader) restore(ctx context.Context, r ledger.Touched) (note string, err error) {
	same := touch.Same(r.Touch, r.Was, r.Set)
	switch {
	case touch.Service(r.Touch) && r.Was != touch.Active, !touch.Service(r.Touch) && same:
		return "", nil
	case !r.Touch.Reversible():
		return "cannot be put back before a reboot; it was " + r.Was, nil
	case l.cfg.Touch == nil:
		return "", errors.New("cannot touch anything: this loader was not made for it")
	case touch.Service(r.Touch), r.Touch.Kind == hotstick.TouchCommand:
		return "", l.set(ctx, r.Touch, r.Set, r.Was)
	}
	now, err := l.cfg.Touch.Read(ctx, r.Touch)
	switch {
	case err != nil:
		return "", err
	case touch.Same(r.Touch, now, r.Was):
		return "", nil
	case !touch.Same(r.Touch, now, r.Set):
		return "was changed to " + now + " by somebody else and was left so; before the patch it was " + r.Was, nil
	}
	return "", l.set(ctx, r.Touch, now, r.Was)
}

// set gives a thing a value and reads it back. What has the value already, and is no
// service or command, is not written.
func (l *Loader) set(ctx context.Context, t hotstick.Touch, now, value string) error {
	acts := touch.Service(t) || t.Kind == hotstick.TouchCommand
	if !acts && touch.Same(t, now, value) {
		return nil
	}
	if err := l.cfg.Touch.Set(ctx, t, value); err != nil {
		return err
	}
	if t.Kind == hotstick.TouchCommand {
		return nil // that it ended well is all there is to know
	}
	got, err := l.cfg.Touch.Read(ctx, t)
	if err == nil && !touch.Same(t, got, value) {
		err = fmt.Errorf("cannot change the %s: it is %q after it was set to %q", t.Thing(), got, value)
	}
	return err
}

// valueOf reads the value that a thing has now; a command's is in the journal.
func (l *Loader) valueOf(ctx context.Context, t hotstick.Touch) (string, error) {
	now, err := l.cfg.Touch.Read(ctx, t)
	if err != nil || t.Kind != hotstick.TouchCommand {
		return now, err
	}
	return touch.Was(l.journal(), t), nil
}

func (l *Loader) journal() []ledger.Touched {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.led.Touched
}

// note says in the attempt's reports what was left as it is. The caller holds mu.
func (l *Loader) note(t hotstick.Touch, text string) {
	l.cfg.Log.Warn("something that the patch touches was left alone", "touch", t.Thing(), "why", text)
	if a := l.led.Attempt; a != nil {
		a.Evidence = append(a.Evidence[:len(a.Evidence):len(a.Evidence)], hotstick.Evidence{Kind: "touch", Text: t.Thing() + " " + text})
	}
}

// leftover undoes what commands of an earlier boot did. It reports whether there was
// anything to do. What is switched off runs no command, for it may be the very one for
// which it was switched off.
func (l *Loader) leftover(ctx context.Context) bool {
	l.mu.Lock()
	step, more := touch.Leftover(l.led.Touched, l.boot)
	more = more && l.broken == nil && l.led.Attempt == nil && ctx.Err() == nil && l.off() == nil
	l.mu.Unlock()
	return more && l.touchBack(ctx, step)
}

// untouchable says why this host cannot do what a patch needs beside the kernel, nil
// if it can: everything is read once before anything starts. What a module brings that
// the patch itself loads is read later. The caller holds mu.
func (l *Loader) untouchable(ctx context.Context, touches []hotstick.Touch) *hotstick.Reason {
	if len(touches) > 0 && l.cfg.Touch == nil {
		return because(hotstick.ReasonUnsupported, "this loader touches nothing beside the kernel")
	}
	for _, t := range touches {
		if _, err := l.cfg.Touch.Read(ctx, t); errors.Is(err, touch.ErrBusy) {
			return because(hotstick.ReasonTransitionBusy, err.Error())
		} else if err != nil {
			return &hotstick.Reason{Code: hotstick.ReasonUnsupported, Subject: t.Thing(), Detail: clip(err.Error())}
		}
		if t.Kind == hotstick.TouchModuleLoad {
			return nil
		}
	}
	return nil
}
