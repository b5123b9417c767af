package loader

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/loader/ledger"
)

// A level that names a target comes into effect by a reboot: the new boot is what the
// transition is for other levels, and no strike. This file is all that is different for
// such a level; what a boot means for it is drawn in docs/reference/loader-phases.md.

// rebootDriver lists the running kernel itself, if Hotstick has booted it. It is no live
// patch, so it is in no live patch's way and no live patch replaces it.
const rebootDriver = "reboot"

// paceSettle is how often what follows from the end of a reboot is tried.
const paceSettle = 5 * time.Second

// judgeReboot says what a new boot means for an attempt that reboots, and reports false
// where it means what it means for any other level. It is pure. last is the boot before as
// far as the ledger knows; a kernel that died before its loader ran is not in there.
func judgeReboot(l *ledger.Ledger, last string, clean bool, crashes []Crash, at moment) bool {
	a := l.Attempt
	if a == nil || !a.Level.Reboots() {
		return false
	}
	ordered := at.ordered != "" && at.ordered == last && at.orderedTo != a.Level.Build
	back := at.ordered != "" && at.ordered == last && at.orderedTo == a.Level.Build
	switch at.build {
	case a.Level.Target:
		return cameUp(l, clean, back, at)
	case a.Level.Build:
		return fellBack(l, ordered, clean, crashes, at)
	}
	why := because(hotstick.ReasonWrongBuild, at.build.String())
	switch {
	case a.Phase == hotstick.Reverting:
		advance(l, hotstick.Failed, &hotstick.Reason{Code: hotstick.ReasonRevertFailed, Cause: why.Code, Detail: why.Detail}, at)
	case a.Phase == hotstick.Probation:
		return false
	default:
		advance(l, hotstick.Failed, why, at)
	}
	return true
}

// cameUp: the new kernel runs. Back: the machine was told to boot the one before.
func cameUp(l *ledger.Ledger, clean, back bool, at moment) bool {
	a := l.Attempt
	switch {
	case a.Phase == hotstick.Reverting && back:
		advance(l, hotstick.Failed, &hotstick.Reason{Code: hotstick.ReasonRevertFailed, Cause: hotstick.ReasonWrongBuild,
			Detail: "the machine was told to boot the kernel before and runs " + at.build.String()}, at)
		return true
	case a.Phase == hotstick.Probation && !clean:
		return false // it went down with the level, like with any other
	}
	carry(l, at)
	if a.Phase == hotstick.Armed {
		advance(l, hotstick.Applying, nil, at)
	}
	return true
}

// fellBack: the kernel before runs again. Where the machine was told to boot the other
// one, that one did not come up, which speaks against the level as a crash does.
func fellBack(l *ledger.Ledger, ordered, clean bool, crashes []Crash, at moment) bool {
	a := l.Attempt
	switch {
	case a.Phase == hotstick.Reverting:
		carry(l, at)
		return true
	case a.Phase == hotstick.Probation || !ordered:
		return false
	}
	ending := "cleanly"
	if !clean {
		ending = "uncleanly"
	}
	blamed := *a
	blamed.Evidence = []hotstick.Evidence{{Kind: "boots", Text: fmt.Sprintf("in boot %s the machine was told to boot %s; boot %s runs %s, and what was before it ended %s",
		at.ordered, a.Level.Target, at.boot, at.build, ending)}}
	for _, c := range crashes {
		blamed.Evidence = append(blamed.Evidence, hotstick.Evidence{Kind: "crash_trace", Text: c.Text})
	}
	l.Attempt = &blamed
	advance(l, hotstick.Failed, because(hotstick.ReasonOldKernel, at.build.Release), at)
	strike(l, a.Level.Patch, at.boot, hotstick.ReasonOldKernel)
	return true
}

// carry takes an attempt over into this boot in the phase that it is in, as if that had
// begun with the boot. All that this kernel has logged speaks for or against it; what
// tainted the kernel before, the host does by itself.
func carry(l *ledger.Ledger, at moment) {
	a := *l.Attempt
	a.Boot, a.SinceMillis, a.LoadMillis, a.LogMark, a.Probes, a.Green = at.boot, at.uptime.Milliseconds(), 0, 0, nil, nil
	if a.Phase == hotstick.Applying {
		a.LoadMillis = max(1, at.uptime.Milliseconds())
	}
	l.Attempt = &a
}

// keepKernel says what a new boot means for a confirmed level that came by a reboot: in
// its kernel it is in effect from the start, and in any other nothing of it is. Nobody is
// rebooted for it again without a grant.
func keepKernel(l *ledger.Ledger, at moment) {
	if l.Permit == nil || !l.Permit.Level.Reboots() || l.Attempt != nil {
		return
	}
	permit := *l.Permit
	if at.build == permit.Level.Target {
		permit.AppliedBoot = at.boot
		l.Permit = &permit
		return
	}
	if l.Former == nil {
		permit.HeldBoot = at.boot
		l.Permit = &permit
	}
	addReport(l, at, hotstick.Report{Plan: permit.Plan, Attempt: permit.Attempt, Patch: permit.Level.Patch,
		State: hotstick.Failed, Reason: because(hotstick.ReasonOldKernel, at.build.Release)})
	if p := l.Plan(permit.Plan); p != nil && p.State == hotstick.Confirmed {
		p.State = hotstick.Failed
	}
}

// bootedInto reports whether the way back of an attempt that rebooted has led to the
// kernel of a level that was kept before: that one is in effect again.
func bootedInto(a ledger.Attempt, level ledger.Level) bool {
	return a.Level.Reboots() && level.Reboots() && level.Target == a.Level.Build
}

// unsettle remembers that an attempt that reboots has ended.
func unsettle(l *ledger.Ledger, a ledger.Attempt) {
	if a.Level.Reboots() {
		level := a.Level
		l.Unsettled = &level
	}
}

// livePatches leaves the running kernel out of what is listed.
func livePatches(patches []hotstick.LoadedPatch) []hotstick.LoadedPatch {
	is := func(p hotstick.LoadedPatch) bool { return p.Driver == rebootDriver && p.State == hotstick.InEffect }
	if !slices.ContainsFunc(patches, is) {
		return patches
	}
	return slices.DeleteFunc(slices.Clone(patches), is)
}

// settling is what this process knows of a reboot that is to be settled: when that was
// tried last, and why it was not done.
type settling struct {
	at  time.Duration
	why string
}

// settle does what follows from the end of a reboot, without waiting for it. It reports
// whether that is done just now.
func (l *Loader) settle(ctx context.Context) bool {
	l.mu.Lock()
	level, uptime := l.led.Unsettled, l.cfg.Clock.Uptime()
	wait := l.broken != nil || l.led.Attempt != nil || level == nil || l.settling.at != 0 && uptime-l.settling.at < paceSettle
	keep := level != nil && l.led.Permit != nil && l.led.Permit.Level.Patch == level.Patch && l.led.Permit.Level.Target == level.Target
	if !wait {
		l.settling.at = uptime
	}
	l.mu.Unlock()
	if wait {
		return false
	}
	err := l.settleLevel(ctx, *level, keep)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		err = l.change(func(led *ledger.Ledger) { led.Unsettled = nil })
	}
	if err != nil {
		if l.settling.why != err.Error() {
			l.settling.why = err.Error()
			l.cfg.Log.Warn("what follows from a reboot is not done yet", "patch", level.Patch.String(), "keep", keep, "error", err)
		}
		return false
	}
	l.settling = settling{}
	l.cfg.Log.Info("the reboot is settled", "patch", level.Patch.String(), "kept", keep)
	return true
}

// settleLevel hands the level's recipe to its driver once more.
func (l *Loader) settleLevel(ctx context.Context, level ledger.Level, keep bool) error {
	changer, _ := l.cfg.Drivers.Of(level.Driver)
	settler, can := changer.(driver.LevelSettler)
	if !can {
		return nil // levels of this driver stay by themselves
	}
	file, err := l.sealed(level)
	if err != nil {
		return err
	}
	defer file.Close()
	return settler.Settle(ctx, driver.Load{Module: level.Module, File: file, Build: level.Build}, keep)
}

// leadsTo is the kernel build that an artifact leads to, if it leads to another one.
func (l *Loader) leadsTo(p hotstick.Patch, a hotstick.Artifact) (hotstick.KernelBuild, error) {
	if p.Driver != rebootDriver {
		return hotstick.KernelBuild{}, nil
	}
	data, err := l.cfg.Disk.Kept(a.Digest)
	if err != nil {
		return hotstick.KernelBuild{}, err
	}
	recipe, err := hotstick.ReadRecipe(data)
	if err != nil {
		return hotstick.KernelBuild{}, err
	}
	if recipe.Driver != p.Driver || recipe.Build != a.Build || recipe.Module != a.Module {
		return hotstick.KernelBuild{}, fmt.Errorf("cannot use the recipe of %s: it is for something else than the catalog says", p.Ref)
	}
	return recipe.Target, nil
}

// before is the level that an attempt would replace: the running kernel is none.
func (l *Loader) before() *ledger.Level {
	for _, level := range l.ours() {
		if state, ok := effect(l.patches, level.Module); ok && state == hotstick.InEffect && !level.Reboots() {
			return &level
		}
	}
	return nil
}
