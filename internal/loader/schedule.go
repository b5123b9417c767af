package loader

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/loader/journal"
	"github.com/hotstick/hotstick/internal/loader/ledger"
)

// A system that schedules itself is put on hold by a step, and given back by one. The
// ledger says how far that has come, so any loader finishes what another has begun: while
// an adoption is taken or given back, a step is asked for until one has done it. This file
// is that, and the watch over the hold from then on.

const (
	// paceSchedule is how often such a step is looked at, and paceAgain how often one is
	// tried again that was refused.
	paceSchedule = 500 * time.Millisecond
	paceAgain    = time.Minute
)

// scheduling is what this process knows of holding and giving back.
type scheduling struct {
	// refused is why the newest step did not do it, and at the uptime of that.
	refused *hotstick.Reason
	at      time.Duration
	// step: a step is at it.
	step bool
	// seen is when the system was last seen on hold, by the wall clock.
	seen time.Time
	// blind is why nobody can tell whether it is; empty if somebody can.
	blind string
}

// underWay reports whether a system is about to be put on hold by a step, or to be given
// back. The caller holds mu.
func (l *Loader) underWay() bool {
	a := l.led.Adopted
	return a != nil && a.Driver != "" && a.Stage != ledger.Taken
}

// schedule puts the adopted system on hold, or gives it back, without waiting for it. It
// reports whether that is done just now.
func (l *Loader) schedule(ctx context.Context) bool {
	l.mu.Lock()
	uptime := l.cfg.Clock.Uptime()
	wait := l.broken != nil || l.led.Attempt != nil || !l.underWay() || l.known.scheduling.refused != nil && uptime-l.known.scheduling.at < paceAgain
	var a ledger.Adoption
	if !wait {
		a = *l.led.Adopted
	}
	l.mu.Unlock()
	if wait {
		return false
	}
	err := l.reschedule(ctx, a)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		err = l.scheduled(a)
	}
	l.known.scheduling.step = errors.Is(err, driver.ErrUnderWay)
	switch {
	case l.known.scheduling.step:
		return false
	case err != nil:
		refusal := driver.AsRefusal(err)
		if l.known.scheduling.refused == nil || *l.known.scheduling.refused != refusal.Reason {
			l.cfg.Log.Warn("how a live-patch system schedules itself is not as it is to be yet", "system", a.System, "stage", a.Stage, "error", err)
		}
		l.known.scheduling.refused, l.known.scheduling.at = &refusal.Reason, uptime
		return false
	}
	return true
}

// reschedule does what the stage of an adoption asks for.
func (l *Loader) reschedule(ctx context.Context, a ledger.Adoption) error {
	h, ok := l.cfg.Drivers.Holder(a.Driver)
	if !ok {
		return driver.Refuse(hotstick.ReasonUnsupported, "there is no driver %s here that could change how its system schedules itself", a.Driver)
	}
	if a.Stage == ledger.Releasing {
		// A system that is not there any more may come back with the settings that it had: only
		// a person says that nobody is left to give them back to (see forgetAdoption).
		return h.Release(ctx)
	}
	if err := h.Hold(ctx); err != nil {
		return err
	}
	held, detail, err := h.Held(ctx)
	if err == nil && !held {
		return driver.Refuse(hotstick.ReasonToolFailed, "it was put on hold, and is not: %s", detail)
	}
	return err
}

// scheduled writes down that it was done. The caller holds mu.
func (l *Loader) scheduled(a ledger.Adoption) error {
	now := l.led.Adopted
	if now == nil || now.Stage != a.Stage || now.Driver != a.Driver {
		return driver.ErrUnderWay // somebody has asked for something else meanwhile
	}
	err := l.change(func(led *ledger.Ledger) {
		if a.Stage == ledger.Releasing {
			led.Adopted = nil
			return
		}
		led.Adopted.Stage, led.Adopted.Lifted = ledger.Taken, nil
	})
	if err != nil {
		return err
	}
	l.known.scheduling = scheduling{seen: l.wall()}
	if a.Stage == ledger.Releasing {
		l.jot(true, journal.Entry{Kind: journal.KindReleased, Patch: a.Level.Patch, Text: a.System + " schedules itself as it did before"})
	}
	l.cfg.Log.Info("how a live-patch system schedules itself is as it is to be", "system", a.System, "stage", a.Stage)
	return nil
}

// watch looks whether the adopted system is still on hold. During an attempt its driver may
// have taken it off for a moment.
func (l *Loader) watch(ctx context.Context) {
	l.mu.Lock()
	var a ledger.Adoption
	if l.led.Adopted != nil {
		a = *l.led.Adopted
	}
	wait := l.broken != nil || l.led.Attempt != nil || a.Stage != ledger.Taken
	patches := l.patches
	l.mu.Unlock()
	if wait {
		return
	}
	held, detail, err := l.lookAtHold(ctx, a, patches)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		if l.known.scheduling.blind != err.Error() {
			l.cfg.Log.Warn("cannot tell whether a live-patch system is on hold", "system", a.System, "error", err)
		}
		l.known.scheduling.blind = err.Error()
		return
	}
	l.known.scheduling.blind = ""
	now := l.led.Adopted
	if now == nil || now.Stage != ledger.Taken || l.led.Attempt != nil {
		return
	}
	l.heldOrNot(*now, held, detail)
}

// lookAtHold reports whether an adopted system is on hold, and says what is not.
func (l *Loader) lookAtHold(ctx context.Context, a ledger.Adoption, patches []hotstick.LoadedPatch) (bool, string, error) {
	switch {
	case a.Driver == "" && a.Unit == "":
		return true, "", nil // it loads what is installed, and installs nothing: there is nothing to hold
	case a.Driver == "":
		i := slices.IndexFunc(l.cfg.Others.Masters(patches), func(m hotstick.Master) bool { return m.System == a.System && m.Active })
		return i < 0, cmp.Or(a.Unit, a.System) + " will load patches by itself again", nil
	}
	h, ok := l.cfg.Drivers.Holder(a.Driver)
	if !ok {
		return false, "", driver.Refuse(hotstick.ReasonUnsupported, "there is no driver %s here", a.Driver)
	}
	return h.Held(ctx)
}

// heldOrNot notes that the hold was lifted, or is there again. The caller holds mu.
func (l *Loader) heldOrNot(a ledger.Adoption, held bool, detail string) {
	before := l.known.scheduling.seen
	switch {
	case held:
		l.known.scheduling.seen = l.wall()
		if a.Lifted == nil {
			return
		}
		l.changeAnyway(func(led *ledger.Ledger) { led.Adopted.Lifted = nil })
		l.cfg.Log.Info("a live-patch system is on hold again, and not by Hotstick", "system", a.System)
	case a.Lifted == nil:
		lift := hotstick.Lift{At: l.wall(), Before: before, Detail: clip(detail)}
		l.changeAnyway(func(led *ledger.Ledger) { led.Adopted.Lifted = &lift })
		l.cfg.Log.Warn("somebody lets a live-patch system schedule itself again; nothing starts beside it", "system", a.System, "detail", detail)
	}
}

// wall is the wall clock's time, in whole seconds.
func (l *Loader) wall() time.Time { return l.cfg.Clock.Now().UTC().Truncate(time.Second) }
