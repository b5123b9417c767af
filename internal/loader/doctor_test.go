package loader_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/fake"
	"github.com/hotstick/hotstick/internal/kernel/kmod"
	"github.com/hotstick/hotstick/internal/kernel/tasks"
)

// look is what the loader asks for the tasks of the simulated machine.
type look struct {
	watch *tasks.Watch
	// taken counts the looks. Those that are short see nothing.
	taken int
	short bool
}

func (l *look) Blocking(patches []hotstick.LoadedPatch) hotstick.Stall {
	l.taken++
	moving, _ := tasks.Moving(patches)
	return l.watch.Look(moving, func() bool { return l.short })
}

// stalling is a level whose way in does not end by itself.
func (w *world) stalling(ref string) hotstick.Patch {
	w.t.Helper()
	return w.publish(ref, fake.Behaviour{Stall: true, Functions: []string{"vmlinux:unix_ioctl,1"}})
}

// patient starts a plan that leaves everything to the loader's own limits.
func (w *world) patient(p hotstick.Patch) hotstick.PlanID {
	w.t.Helper()
	raw, id := w.plan(p, func(p *hotstick.Plan) { p.TransitionSeconds = 600 })
	w.exchange(raw)
	w.exchange(w.grant(id, 1, nil))
	return id
}

func TestAStallIsReportedHelpedReversedAndTriedAgain(t *testing.T) {
	w := newWorld(t)
	p := w.stalling("fix@1")
	id := w.patient(p)
	w.pass(14 * time.Second)
	if w.last.Stall != nil || w.machine.Helped() != 0 {
		t.Fatalf("after 14 s the stall is %+v; helped %d times", w.last.Stall, w.machine.Helped())
	}
	w.pass(3 * time.Second)
	s := w.last.Stall
	if s == nil || s.Module != "fix_1" || s.State != hotstick.TransitionIn || s.Tasks != 1 || len(s.Blockers) != 1 || s.ForMillis < 15_000 {
		t.Fatalf("after 17 s the stall is %+v", s)
	}
	if b := s.Blockers[0]; b.Command != "sleeper" || b.Cause != hotstick.BlockInside || b.Function != "unix_ioctl" || b.Unit != "sleeper.service" || len(b.Stack) != 3 {
		t.Errorf("the blocker is %+v", b)
	}
	w.pass(57 * time.Second)
	w.mustEnd(hotstick.Applying, "")
	if n := w.machine.Helped(); n < 10 || n > 13 {
		t.Errorf("helped %d times in a minute", n)
	}
	w.pass(5 * time.Second)
	w.mustEnd(hotstick.Reverted, hotstick.ReasonTransitionStalled)
	last := w.reports[len(w.reports)-1]
	if len(last.Evidence) != 1 || last.Evidence[0].Kind != "blocked_task" || !strings.Contains(last.Evidence[0].Text, "unix_ioctl+0x") || !strings.Contains(last.Reason.Detail, "sleeper (PID 412") {
		t.Errorf("reported %+v with %+v", last.Reason, last.Evidence)
	}
	if w.last.Stall != nil || w.last.Busy {
		t.Errorf("after the reversal: stall %+v, busy %v", w.last.Stall, w.last.Busy)
	}
	w.mustRun(hotstick.PatchRef{})

	// The task was dealt with: the next attempt of the same plan succeeds.
	w.machine.Behave("fix_1", fake.Behaviour{})
	w.exchange(w.grant(id, 2, nil))
	w.pass(15 * time.Second)
	w.mustEnd(hotstick.Confirmed, "")
	w.mustRun(p.Ref)
}

func TestHelpEndsWhatOnlyNeedsHelp(t *testing.T) {
	w := newWorld(t)
	p := w.publish("fix@1", fake.Behaviour{Sleepy: true})
	w.patient(p)
	w.pass(40 * time.Second)
	w.mustEnd(hotstick.Confirmed, "")
	w.mustRun(p.Ref)
	if w.machine.Helped() != 1 {
		t.Errorf("helped %d times", w.machine.Helped())
	}
}

func TestThePlansShorterLimitOfATransitionHolds(t *testing.T) {
	w := newWorld(t)
	w.offer(w.stalling("fix@1"), 1) // 20 s
	w.pass(19 * time.Second)
	w.mustEnd(hotstick.Applying, "")
	w.pass(3 * time.Second)
	w.mustEnd(hotstick.Reverted, hotstick.ReasonTransitionStalled)
}

func TestTheHostsShorterLimitOfATransitionHolds(t *testing.T) {
	w := newWorld(t)
	w.limits.TransitionWait, w.limits.TransitionHelp = 2*time.Second, 3*time.Second
	w.start()
	w.exchange()
	w.patient(w.stalling("fix@1"))
	w.pass(4 * time.Second)
	if w.last.Stall == nil || w.machine.Helped() == 0 {
		t.Errorf("after 4 s: stall %+v, helped %d times", w.last.Stall, w.machine.Helped())
	}
	w.pass(3 * time.Second)
	w.mustEnd(hotstick.Reverted, hotstick.ReasonTransitionStalled)
}

func TestTheTasksBehindAStallAreNotLookedAtAllTheTime(t *testing.T) {
	w := newWorld(t)
	w.patient(w.stalling("fix@1"))
	w.pass(60 * time.Second)
	if n := w.looks.taken; n < 8 || n > 10 {
		t.Errorf("looked %d times in 45 s of a stall", n)
	}
}

func TestALookThatSawTooLittleIsRepeatedSoonerForAWhile(t *testing.T) {
	w := newWorld(t)
	w.looks.short = true
	w.patient(w.stalling("fix@1"))
	w.pass(70 * time.Second)
	// Twenty looks in the first twenty seconds of 55, and then one every five.
	if n := w.looks.taken; n < 25 || n > 30 {
		t.Errorf("looked %d times in 55 s of a stall", n)
	}
}

func TestAForeignStallIsReportedAndLeftAlone(t *testing.T) {
	w := newWorld(t)
	w.machine.Behave("vendor_fix", fake.Behaviour{Stall: true, Functions: []string{"vmlinux:unix_ioctl,1"}})
	f := mustFile(t, kmod.Compose(kmod.Info{Name: "vendor_fix", License: "GPL", Livepatch: true, Arch: build.Arch, Vermagic: build.Release + " SMP "}))
	if err := w.machine.Load(context.Background(), driver.Load{Module: "vendor_fix", File: f, Build: build}); err != nil {
		t.Fatal(err)
	}
	w.pass(20 * time.Second)
	if s := w.last.Stall; s == nil || s.Module != "vendor_fix" || len(s.Blockers) != 1 {
		t.Fatalf("the stall is %+v", s)
	}
	if pace := w.loader.Tick(context.Background()); pace > 5*time.Second {
		t.Errorf("looks again after %v", pace)
	}
	raw, id := w.plan(w.publish("fix@1", fake.Behaviour{}), nil)
	w.exchange(raw)
	w.exchange(w.grant(id, 1, nil))
	w.mustRefuse(hotstick.ReasonTransitionBusy)
	w.pass(10 * time.Minute)
	if patches, err := w.machine.Observe(context.Background()); err != nil || len(patches) != 1 || patches[0].State != hotstick.TransitionIn || w.machine.Helped() != 0 {
		t.Errorf("the foreign patch is %+v, %v; helped %d times", patches, err, w.machine.Helped())
	}
	if w.last.Stall.ForMillis < (10 * time.Minute).Milliseconds() {
		t.Errorf("it has lasted %d ms", w.last.Stall.ForMillis)
	}
}

func TestAReversalThatStallsIsReportedAndNeverGivenUp(t *testing.T) {
	w := newWorld(t)
	w.machine.Behave("fix_1", fake.Behaviour{})
	p := w.publish("fix@1", fake.Behaviour{StallOut: true, Functions: []string{"vmlinux:unix_ioctl,1"}, Ill: "503"})
	w.patient(p)
	w.pass(30 * time.Second)
	w.mustEnd(hotstick.Reverting, hotstick.ReasonProbeFailed)
	if s := w.last.Stall; s == nil || s.State != hotstick.TransitionOut || len(s.Blockers) != 1 || !w.last.Busy {
		t.Fatalf("the stall is %+v", s)
	}
	w.pass(30 * time.Minute)
	w.mustEnd(hotstick.Reverting, hotstick.ReasonProbeFailed)
	if s := w.last.Stall; s == nil || s.ForMillis < (29*time.Minute).Milliseconds() || w.machine.Helped() < 100 {
		t.Errorf("after half an hour the stall is %+v; helped %d times", s, w.machine.Helped())
	}
	w.clings = 3 // the kernel lets the module go a moment after the transition
	w.machine.Behave("fix_1", fake.Behaviour{})
	w.machine.Settle()
	w.pass(5 * time.Second)
	w.mustEnd(hotstick.Reverted, hotstick.ReasonProbeFailed)
	w.mustRun(hotstick.PatchRef{})
}

func TestALoaderThatWasRestartedInAStallGoesOnCounting(t *testing.T) {
	w := newWorld(t)
	w.patient(w.stalling("fix@1"))
	w.pass(40 * time.Second)
	w.start()
	w.pass(time.Second)
	if s := w.last.Stall; s == nil || s.ForMillis < 40_000 {
		t.Errorf("the stall is %+v", s)
	}
	w.pass(37 * time.Second)
	w.mustEnd(hotstick.Reverted, hotstick.ReasonTransitionStalled)
}

func TestAModuleThatShowsAWorseWayBackThanItsManifestIsNotLoaded(t *testing.T) {
	w := newWorld(t)
	w.marks = kmod.Marks{Shadow: true}
	w.offer(w.publish("fix@1", fake.Behaviour{}), 1)
	w.pass(5 * time.Second)
	w.mustEnd(hotstick.Failed, hotstick.ReasonNotReversible)
	w.mustRun(hotstick.PatchRef{})
	for _, r := range w.machine.State().Log {
		if strings.Contains(r.Text, "enabling patch") {
			t.Errorf("the kernel was handed the module: %s", r.Text)
		}
	}
}
