package loader

import (
	"errors"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/loader/touch"
)

// ErrIdle tells that a loader ended because it had nothing to do and nobody called.
var ErrIdle = errors.New("cannot find anything to do")

// soon are the causes for which a permit waits and that end without anybody's call. A
// loader does not end before they do; everything else that keeps a permit is looked at
// again by the next loader, which the next call starts.
var soon = map[hotstick.ReasonCode]bool{
	hotstick.ReasonSettling: true, hotstick.ReasonTransitionBusy: true, hotstick.ReasonVerificationFailed: true,
}

// Idle reports how much longer the loader stays for a call, and whether it may end
// after that at all: not during an attempt, nor while a permit, a recalled level or what
// an earlier boot touched waits, nor while a vendor's system is put on hold or given back,
// nor while it counts for how long a tool has not answered, nor with anything that is not
// on disk, nor if it was not asked to.
func (l *Loader) Idle() (left time.Duration, may bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, leftover := touch.Leftover(l.led.Touched, l.boot)
	if leftover || l.cfg.Limits.Idle == 0 || l.led.Attempt != nil || l.led.Unsettled != nil || l.underWay() || l.unsaved || l.waiting || l.wayOut != (wayOut{}) || l.known.passing.counts(l.cfg.Clock.Uptime()) {
		return 0, false
	}
	return max(l.health.since, l.health.heard) + l.cfg.Limits.Idle - l.cfg.Clock.Uptime(), true
}

// leave is the end of a loader without work. The ledger's clock is written, and no mark
// of a clean stop: the boot goes on, and how it ends somebody else will see.
func (l *Loader) leave() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken != nil {
		return ErrIdle
	}
	if err := l.save(l.led); err != nil {
		return err
	}
	return ErrIdle
}
