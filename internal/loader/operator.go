package loader

import (
	"context"
	"fmt"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/loader/journal"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/loader/operate"
	"github.com/hotstick/hotstick/internal/version"
)

// Operate implements [operate.Loader]: what a person on the host asks for. It is done
// between two steps of an attempt, never within one.
func (l *Loader) Operate(ctx context.Context, who operate.Caller, req operate.Request) operate.Answer {
	switch req.Action {
	case operate.State:
		return l.hostState(ctx)
	case operate.Journal:
		entries, err := l.cfg.Journal.Entries()
		if err != nil {
			return refuse(hotstick.ReasonVerificationFailed, err.Error())
		}
		return operate.Answer{Entries: entries}
	}
	l.stepping.Lock()
	defer l.stepping.Unlock()
	l.watch(ctx)
	patches, err := l.cfg.Drivers.Observe(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.saw(patches, err)
	if l.broken != nil {
		return refuse(hotstick.ReasonLedgerUnwritable, l.broken.Error())
	}
	defer l.nudge()
	defer l.ring()
	switch req.Action {
	case operate.Hold:
		return l.hold(who, req.Reason)
	case operate.Unhold:
		return l.unhold(who, req.Reason)
	case operate.Revert:
		return l.revertByHand(who, req.Reason)
	case operate.Adopt:
		return l.adopt(ctx, who, req.Unit, err == nil)
	case operate.Adopted:
		return l.stageAdoption(ledger.Taking, ledger.Taken)
	case operate.Release:
		if req.Forget {
			return l.forgetAdoption(who)
		}
		return l.release(who)
	case operate.Released:
		return l.stageAdoption(ledger.Releasing, "")
	}
	return refuse(hotstick.ReasonVerificationFailed, "there is no such action")
}

// refuse is the answer that nothing was done.
func refuse(code hotstick.ReasonCode, detail string) operate.Answer {
	return operate.Answer{Refused: because(code, clip(detail))}
}

// hold keeps anything new from starting. What is under way goes on, and so do reverts
// and what a permit allows after a reboot: that is not new. The caller holds mu.
func (l *Loader) hold(who operate.Caller, reason string) operate.Answer {
	held := hotstick.HostHold{By: who.Name, Reason: reason, Since: l.cfg.Clock.Now().UTC().Truncate(time.Second)}
	if err := l.change(func(led *ledger.Ledger) { led.Hold = &held }); err != nil {
		return refuse(hotstick.ReasonLedgerUnwritable, err.Error())
	}
	l.jot(true, journal.Entry{Kind: journal.KindHold, By: who.Name, Text: reason})
	l.cfg.Log.Info("held by an operator on the host", "by", who.Name, "reason", reason)
	return operate.Answer{Done: "nothing new starts on this host; reverts, and confirmed levels after a reboot, go on"}
}

// unhold lets new attempts start again. The caller holds mu.
func (l *Loader) unhold(who operate.Caller, reason string) operate.Answer {
	if l.led.Hold == nil {
		return operate.Answer{Done: "the host was not held"}
	}
	if err := l.change(func(led *ledger.Ledger) { led.Hold = nil }); err != nil {
		return refuse(hotstick.ReasonLedgerUnwritable, err.Error())
	}
	l.jot(true, journal.Entry{Kind: journal.KindUnhold, By: who.Name, Text: reason})
	l.cfg.Log.Info("no longer held by an operator on the host", "by", who.Name)
	return operate.Answer{Done: "what the server grants starts on this host again"}
}

// revertByHand opens the way back from the newest level, whether it is under way or
// confirmed. The way back must not depend on a disk, unless there is no attempt that a
// loader could remember it by. The caller holds stepping and mu.
func (l *Loader) revertByHand(who operate.Caller, text string) operate.Answer {
	reason := &hotstick.Reason{Code: hotstick.ReasonOperator, Subject: who.Name, Detail: clip(text)}
	var ref hotstick.PatchRef
	switch a, p := l.led.Attempt, l.led.Permit; {
	case a != nil && a.Phase == hotstick.Reverting:
		return operate.Answer{Done: fmt.Sprintf("%s is going back already", a.Level.Patch)}
	case a != nil:
		ref = a.Level.Patch
		l.changeAnyway(func(led *ledger.Ledger) { advance(led, hotstick.Reverting, reason, l.moment(l.patches)) })
		l.run = attemptRun{}
	case p == nil:
		return refuse(hotstick.ReasonForeignPatch, "no level of Hotstick's is confirmed here")
	case l.levelInEffect() == nil || l.levelInEffect().Patch != p.Level.Patch:
		return refuse(hotstick.ReasonRemovedOutside, fmt.Sprintf("%s is not in effect", p.Level.Patch))
	case l.off() != nil:
		return operate.Answer{Refused: l.off()}
	default:
		ref = p.Level.Patch
		if err := l.openWayBack(l.wayBackOf(*p), reason); err != nil {
			return refuse(hotstick.ReasonLedgerUnwritable, err.Error())
		}
	}
	l.jot(true, journal.Entry{Kind: journal.KindRevert, By: who.Name, Patch: ref, Text: text})
	l.cfg.Log.Info("reverted by an operator on the host", "by", who.Name, "patch", ref.String(), "reason", text)
	return operate.Answer{Done: fmt.Sprintf("%s goes back", ref)}
}

// byHand reports whether a person on the host has sent a level back.
func byHand(r *hotstick.Reason) bool { return r != nil && r.Code == hotstick.ReasonOperator }

// hostState is what a person sees of this loader.
func (l *Loader) hostState(ctx context.Context) operate.Answer {
	l.watch(ctx)
	patches, err := l.cfg.Drivers.Observe(ctx)
	capabilities := l.cfg.Drivers.Capabilities(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.saw(patches, err)
	s := &operate.HostState{
		Version: version.Version, Build: l.build, Link: l.state(), Attempt: l.attemptNow(), Permit: l.led.Permit, Former: l.led.Former,
		Adopted: l.led.Adopted, Forgotten: l.led.Forgotten, Masters: l.masters(), Schedule: l.known.scheduling.refused, Drivers: capabilities,
		Catalog: operate.CatalogState{Known: l.viewed, Version: l.view.Version, Expires: l.view.Expires, Refreshed: l.view.Refreshed, Strange: l.strange()},
		Health:  operate.Health{Sight: l.blind},
	}
	if l.led.Identity != "" {
		s.Host = hostID(l.led.Identity)
	}
	switch {
	case l.broken != nil:
		s.Health.Ledger = l.broken.Error()
	case l.unsaved:
		s.Health.Ledger = "it cannot be written; what happens is kept in memory"
	}
	if _, _, err := l.cfg.Kernel.Faults(0); err != nil {
		s.Health.Log = err.Error()
	}
	if _, err := l.cfg.Kernel.Crashes(); err != nil {
		s.Health.Crashes = err.Error()
	}
	return operate.Answer{State: s}
}

// attemptNow is the change under way; nil if there is none. The caller holds mu.
func (l *Loader) attemptNow() *operate.Attempt {
	a := l.led.Attempt
	if a == nil {
		return nil
	}
	uptime := l.cfg.Clock.Uptime()
	since, limit := millis(a.SinceMillis), time.Duration(0)
	switch a.Phase {
	case hotstick.Armed:
		limit = l.cfg.Limits.Busy
	case hotstick.Applying:
		since, limit = millis(a.LoadMillis), seconds(a.Level.TransitionSeconds)
	case hotstick.Probation:
		limit = seconds(a.Level.ProbationSeconds)
	case hotstick.Reverting:
		limit = 3 * seconds(a.Level.TransitionSeconds)
	}
	return &operate.Attempt{Plan: a.Plan, Patch: a.Level.Patch, Number: a.Number, Phase: a.Phase, Reason: a.Reason,
		ForMillis: (uptime - since).Milliseconds(), LeftMillis: max(0, (limit - (uptime - since)).Milliseconds())}
}

var _ operate.Loader = (*Loader)(nil)
