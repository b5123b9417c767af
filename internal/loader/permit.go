package loader

import (
	"context"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/failpoint"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/planted"
)

// reapply says whether the permit's level may be armed again now, and if not,
// why. It is pure.
//
// Only the permit is needed: no server, no grant, no fresh catalog. What was
// confirmed once on this build comes back after each reboot unless it was
// banned, recalled or struck, something is loaded already, or the host keeps
// going down. Where that is so, the level confirmed before it comes back instead
// (see recallable).
func reapply(s permitSituation) (bool, *hotstick.Reason) {
	p := s.permit
	switch {
	case p == nil || s.led.Attempt != nil || p.AppliedBoot == s.boot || p.HeldBoot == s.boot:
		return false, nil
	case s.off != nil:
		return false, s.off
	case s.blocked != nil && !planted.Bug("banned-level-comes-back"):
		return false, s.blocked
	case p.Level.Build != s.build:
		return false, because(hotstick.ReasonWrongBuild, p.Level.Build.String())
	case p.Level.Reboots():
		return false, because(hotstick.ReasonOldKernel, s.build.Release)
	case s.uptime < s.settle:
		return false, because(hotstick.ReasonSettling, "")
	case recentUnclean(&s.led, s.led.Clock(s.uptime)) >= uncleanLimit && !planted.Bug("boot-loop"):
		return false, because(hotstick.ReasonUncleanBoots, "")
	case !s.observed:
		return false, because(hotstick.ReasonVerificationFailed, "what is loaded cannot be read")
	case inTransition(s.patches):
		return false, because(hotstick.ReasonTransitionBusy, "")
	case len(s.patches) > 0 && !s.there():
		return false, because(hotstick.ReasonForeignPatch, s.patches[0].Module)
	case !s.listed:
		return false, because(hotstick.ReasonNoArtifact, "the last trusted catalog does not list it")
	}
	return true, nil
}

// permitSituation is what re-applying rests on.
type permitSituation struct {
	led ledger.Ledger
	// permit is the one that counts.
	permit   *ledger.Permit
	boot     string
	build    hotstick.KernelBuild
	uptime   time.Duration
	settle   time.Duration
	patches  []hotstick.LoadedPatch
	observed bool
	// off is set if Hotstick is switched off on this host.
	off *hotstick.Reason
	// blocked is set if the level is banned, recalled or struck.
	blocked *hotstick.Reason
	// listed: the last trusted catalog, expired or not, lists these bytes for
	// this build.
	listed bool
}

// there reports whether the permit's level is in effect already, and nothing else: the
// vendor's own system may have brought it back at boot. Then it only goes through probation
// again. Bytes of ours nobody else loads.
func (s permitSituation) there() bool {
	v := s.permit.Level
	p := s.patches[0]
	return len(s.patches) == 1 && p.Module == v.Module && p.Driver == v.Driver && p.State == hotstick.InEffect && ofVendor(v.Driver)
}

// idle looks after a host without an attempt: it re-applies the confirmed level
// after a reboot, notices if somebody took it out, and keeps the ledger's clock.
// It reports whether an attempt is open now.
func (l *Loader) idle(ctx context.Context) bool {
	patches, err := l.cfg.Drivers.Observe(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken != nil {
		return false
	}
	l.saveLate()
	l.keepClock()
	l.waiting = false
	p := l.led.Permit
	if p == nil {
		return false
	}
	off := l.off()
	if err == nil && p.AppliedBoot == l.boot && p.HeldBoot != l.boot {
		l.noticeRemoval(*p, patches)
		if p = l.led.Permit; p.HeldBoot != l.boot && off == nil && l.goBack(*p) {
			return true
		}
	}
	p = l.recallable()
	ok, reason := reapply(permitSituation{led: l.led, permit: p, boot: l.boot, build: l.build, uptime: l.cfg.Clock.Uptime(),
		settle: l.cfg.Limits.Settle, patches: livePatches(patches), observed: err == nil, off: off,
		blocked: l.blocked(p.Level.Patch), listed: l.listed(p.Level)})
	l.waiting = ok || reason != nil && soon[reason.Code]
	if !ok {
		return false
	}
	return l.armPermit(*p)
}

// recallable returns the permit whose level is to come back after a reboot: the
// newest, or the one before it where the newest level is banned, struck or no
// longer listed. Nothing steps in for a level that was in effect in this boot. The
// caller holds mu and has made sure that there is a permit.
func (l *Loader) recallable() *ledger.Permit {
	p := l.led.Permit
	gone := p.Level.Reboots() || l.blocked(p.Level.Patch) != nil || l.viewed && !l.listed(p.Level)
	if gone && l.led.Former != nil && p.AppliedBoot != l.boot && p.HeldBoot != l.boot {
		return l.led.Former
	}
	return p
}

// armPermit writes the intent to apply the permit's level again. The caller
// holds mu.
func (l *Loader) armPermit(p ledger.Permit) bool {
	if !l.holds(p.Level.Artifact) {
		l.cfg.Log.Error("cannot apply the confirmed level again: its bytes are gone", "patch", p.Level.Patch.String())
		return false
	}
	intent, err := l.intent(p.Level)
	if err != nil {
		l.cfg.Log.Error("cannot tell a healthy kernel from an ill one; nothing is loaded", "error", err)
		return false
	}
	intent.Number = p.Attempt
	failpoint.Here(failpoint.LoaderPermitBeforeSave)
	if err := l.change(func(led *ledger.Ledger) { arm(led, intent, l.moment(l.patches)) }); err != nil {
		l.cfg.Log.Error("cannot write the intent; nothing is loaded", "error", err)
		return false
	}
	failpoint.Here(failpoint.LoaderPermitAfterSave)
	l.run = attemptRun{mayLoad: true}
	l.cfg.Log.Info("applying the confirmed level again", "patch", p.Level.Patch.String())
	return true
}

// noticeRemoval reports that the confirmed level is not in effect although this
// loader did not take it out. It is not put back in this boot: whoever took it
// out had a reason. The caller holds mu.
func (l *Loader) noticeRemoval(p ledger.Permit, patches []hotstick.LoadedPatch) {
	if state, listed := effect(patches, p.Level.Module); listed && state != hotstick.Disabled {
		return
	}
	l.changeAnyway(func(led *ledger.Ledger) {
		permit := *led.Permit
		permit.HeldBoot = l.boot
		led.Permit = &permit
		addReport(led, l.moment(patches), hotstick.Report{Plan: p.Plan, Attempt: p.Attempt, Patch: p.Level.Patch,
			State: hotstick.Failed, Reason: because(hotstick.ReasonRemovedOutside, "")})
	})
	l.cfg.Log.Warn("the confirmed level was removed by somebody else", "patch", p.Level.Patch.String())
}

// listed reports whether the last trusted catalog lists exactly these bytes for
// the running build. The caller holds mu.
func (l *Loader) listed(level ledger.Level) bool {
	if !l.viewed {
		return false
	}
	patch, ok := l.view.Patch(level.Patch)
	if !ok {
		return false
	}
	artifact, ok := patch.Artifact(l.build)
	return ok && artifact.Digest == level.Artifact && artifact.Module == level.Module
}

// keepClock writes the ledger's clock now and then: every minute while a plan's
// delays may run, so that a crash sets them back by a minute at most, and seldom
// otherwise, so that two crashes days apart are not taken for a boot loop. The
// caller holds mu.
func (l *Loader) keepClock() {
	pace := paceQuietClock
	now := l.cfg.Clock.Now()
	for _, p := range l.led.Plans {
		if p.State == "" && now.Before(p.NotAfter) && !l.led.Halted(p.ID) {
			pace = paceClock
		}
	}
	clock := l.led.Clock(l.cfg.Clock.Uptime())
	if millis(clock-l.led.Boot.ClockMillis) < pace {
		return
	}
	if err := l.change(func(*ledger.Ledger) {}); err != nil {
		l.cfg.Log.Warn("cannot write the ledger's clock", "error", err)
	}
}

// expected is the level that should be in effect in this boot as far as the ledger
// goes, zero for the kernel as it booted; nil during an attempt. A confirmed level is
// expected from the start of a boot, although it comes back only after the time to
// settle, and also where the boots before ended so badly that it does not. What was
// banned, recalled or struck, or is for another kernel build, is expected only if it
// came before that in this boot. A level that an attempt could not take out again is
// expected in the boot of that attempt. The caller holds mu.
func (l *Loader) expected() *hotstick.PatchRef {
	p := l.led.Permit
	if l.led.Attempt != nil {
		return nil
	}
	if v := l.levelInEffect(); v != nil && l.led.HasLeft(*v, l.boot) {
		return &v.Patch
	}
	if p != nil && p.AppliedBoot != l.boot && p.HeldBoot != l.boot {
		if p = l.recallable(); p.Level.Build != l.build || p.Level.Reboots() || l.blocked(p.Level.Patch) != nil {
			p = nil
		}
	}
	if p == nil {
		return &hotstick.PatchRef{}
	}
	ref := p.Level.Patch
	return &ref
}
