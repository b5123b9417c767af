package loader

import (
	"errors"
	"io/fs"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/kernel/klog"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/loader/touch"
	"github.com/hotstick/hotstick/internal/planted"
)

// uncleanWindow and uncleanLimit stop re-applying after a boot loop: fewer than
// two unclean boots within half an hour of the ledger's clock.
const (
	uncleanWindowMillis = 30 * 60 * 1000
	uncleanLimit        = 2
)

// wake brings a ledger into the boot that the loader finds itself in. It is pure
// and runs once per start of the loader; crashes are the kernel's crash records
// of earlier boots that the ledger does not know yet.
//
// In the same boot nothing happened but a restart: a mark of a clean stop is
// taken back, and an open attempt goes on. A new ledger is one of this boot too:
// crash records from before it say nothing about a boot that it knows. In a new boot an open attempt is over:
// interrupted if the machine was shut down cleanly, and otherwise a strike.
func wake(old ledger.Ledger, crashes []Crash, at moment) ledger.Ledger {
	l := old.Clone()
	if l.Boot.ID == at.boot {
		l.Boot.Clean = false
		account(&l, crashes)
		return l
	}
	// A crash record outweighs the mark: the loader may have been stopped by hand
	// before the kernel died.
	clean := l.Boot.Clean && !slices.ContainsFunc(crashes, func(c Crash) bool { return c.Fatal })
	base := l.Boot.ClockMillis
	unclean := l.Boot.UncleanMillis
	if !clean {
		unclean = append(unclean, base)
		unclean = unclean[max(0, len(unclean)-8):]
	}
	l.Boot = ledger.Boot{ID: at.boot, BaseMillis: base, ClockMillis: base, UncleanMillis: unclean}
	l.Touched = touch.Reboot(l.Touched, at.boot)
	if !judgeReboot(&l, old.Boot.ID, clean, crashes, at) {
		judgeBoot(&l, old.Boot.ID, clean, crashes, at)
	}
	keepKernel(&l, at)
	account(&l, crashes)
	return l
}

// MarkClean writes the mark of a clean stop into the ledger of a loader that has ended
// by itself in this boot. A ledger of another boot is left alone: no loader has judged
// how that one ended yet.
func MarkClean(disk Disk, boot string, uptime time.Duration) error {
	data, err := disk.Load()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	led, err := ledger.Decode(data)
	if err != nil || led.Boot.ID != boot {
		return err
	}
	led.Boot.Clean, led.Boot.ClockMillis = true, led.Clock(uptime)
	if data, err = ledger.Encode(led); err != nil {
		return err
	}
	return disk.Save(data)
}

// account remembers crash records, so that no later boot is judged by them.
func account(l *ledger.Ledger, crashes []Crash) {
	for _, c := range crashes {
		l.Crashes = append(l.Crashes, c.ID)
	}
	l.Crashes = l.Crashes[max(0, len(l.Crashes)-ledger.MaxCrashes):]
}

// judgeBoot says what the end of the last boot means for the patch that was
// under way, or for the confirmed one if a crash record names it. A crash that names
// nothing strikes no confirmed patch, but it is told, for whoever counts crashes over
// many hosts.
func judgeBoot(l *ledger.Ledger, last string, clean bool, crashes []Crash, at moment) {
	a := l.Attempt
	switch {
	case a != nil && (clean || planted.Bug("no-strike")):
		advance(l, hotstick.Interrupted, because(hotstick.ReasonCleanShutdown, ""), at)
	case a != nil:
		reason, evidence := blame(a.Level, crashes)
		blamed := *a
		blamed.Evidence = append(append([]hotstick.Evidence(nil), evidence...), a.Evidence...)
		l.Attempt = &blamed
		advance(l, hotstick.Quarantined, reason, at)
		l.Reports[len(l.Reports)-1].Crash = printOf(a.Level, at)
	case l.Permit != nil && !clean:
		reason, evidence := blame(l.Permit.Level, crashes)
		r := hotstick.Report{Plan: l.Permit.Plan, Attempt: l.Permit.Attempt, Patch: l.Permit.Level.Patch,
			State: hotstick.Quarantined, Reason: reason, Evidence: evidence, Crash: printOf(l.Permit.Level, at)}
		if reason.Code != hotstick.ReasonCrashNamed {
			if r.State = hotstick.Confirmed; l.Permit.AppliedBoot == last && l.Permit.HeldBoot != last {
				addReport(l, at, r)
			}
			return
		}
		if p := l.Plan(l.Permit.Plan); p != nil && p.State == hotstick.Confirmed {
			p.State = hotstick.Quarantined
		}
		strike(l, l.Permit.Level.Patch, at.boot, reason.Code)
		addReport(l, at, r)
	}
}

// printOf is the kind of a crash with a level, on this machine.
func printOf(level ledger.Level, at moment) *hotstick.CrashPrint {
	return &hotstick.CrashPrint{Patch: level.Patch, Build: level.Build, Model: at.model}
}

// blame reads the crash records for a name of the patch: its module or a
// function it replaces.
func blame(level ledger.Level, crashes []Crash) (*hotstick.Reason, []hotstick.Evidence) {
	reason := &hotstick.Reason{Code: hotstick.ReasonCrash, Subject: level.Module}
	var evidence []hotstick.Evidence
	for _, c := range crashes {
		evidence = append(evidence, hotstick.Evidence{Kind: "crash_trace", Text: c.Text})
		if named, ok := klog.Names(c.Text, level.Module, level.Functions); ok && reason.Code != hotstick.ReasonCrashNamed {
			reason.Code, reason.Detail = hotstick.ReasonCrashNamed, named
		}
	}
	return reason, evidence
}

// recentUnclean counts unclean boots within the window before now.
func recentUnclean(l *ledger.Ledger, clock int64) int {
	n := 0
	for _, at := range l.Boot.UncleanMillis {
		if clock-at < uncleanWindowMillis {
			n++
		}
	}
	return n
}
