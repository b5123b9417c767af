package drivertest

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
)

func (w *stepWorld) comesIntoEffect() {
	c := w.New().Capabilities(w.t.Context())
	if !c.Available || c.Driver != w.New().Name() || c.TrustClass != hotstick.ClassOf(c.Driver) || c.Truth == "" || len(c.Rollback) == 0 {
		w.t.Errorf("a driver that works says of itself %+v", c)
	}
	w.mustApply(w.Good)
	if running := w.Kernel(); len(running) == 0 {
		w.t.Error("the driver says that it is in effect, and the kernel runs nothing")
	}
	if s := w.state(w.Newer); s == hotstick.InEffect {
		w.t.Error("the newer level came with it")
	}
}

func (w *stepWorld) appliesOnce() {
	w.mustApply(w.Good)
	before := w.Kernel()
	w.must(w.New().Apply(w.t.Context(), w.Good))
	w.mustBecome(w.Good, hotstick.InEffect)
	w.mustRest(before)
}

func (w *stepWorld) comesOver() {
	w.mustApply(w.Good)
	w.mustApply(w.Newer)
	if w.Stacks {
		w.mustBecome(w.Good, hotstick.InEffect)
		return
	}
	w.mustBecome(w.Good, "")
}

func (w *stepWorld) comesBack() {
	w.mustApply(w.Good)
	w.mustApply(w.Newer)
	before := w.Kernel()
	err := w.New().Apply(w.t.Context(), w.Good)
	switch {
	case w.goesBack():
		w.must(err)
		w.mustBecome(w.Good, hotstick.InEffect)
		w.mustBecome(w.Newer, "")
	case w.Stacks:
		w.must(err) // it is in effect all the while
		w.mustRest(before)
	default:
		if r := w.mustRefuse(err, hotstick.ReasonNoWayBack); r.Retry {
			w.t.Error("it says that trying again may help")
		}
		w.mustRest(before)
		w.mustBecome(w.Newer, hotstick.InEffect)
	}
}

func (w *stepWorld) goesOut() {
	w.mustApply(w.Good)
	before := w.Kernel()
	err := w.New().Remove(w.t.Context(), w.Good)
	if !w.empties() {
		if r := w.mustRefuse(err, hotstick.ReasonNoWayBack); r.Retry {
			w.t.Error("it says that trying again may help")
		}
		w.mustRest(before)
		w.mustBecome(w.Good, hotstick.InEffect)
		return
	}
	w.must(err)
	w.mustBecome(w.Good, "")
	w.must(w.New().Remove(w.t.Context(), w.Good))
	w.mustApply(w.Good)
}

// ignoresAbsent: a level that is not in effect need not be taken out, by any system.
func (w *stepWorld) ignoresAbsent() {
	w.must(w.New().Remove(w.t.Context(), w.Good))
	w.mustRest(nil)
}

func (w *stepWorld) believesKernel() {
	w.mustApply(w.Good)
	before := w.Kernel()
	w.mustBreak(ToolLies)
	err := w.New().Apply(w.t.Context(), w.Newer)
	var refusal *driver.Refusal
	if err != nil && !errors.As(err, &refusal) {
		w.t.Errorf("want nothing or a refusal, got %v", err)
	}
	w.mustRest(before)
	if !w.Blind {
		w.mustBecome(w.Newer, "")
	}
	w.mustStand(w.Good)
	if w.empties() {
		if err := w.New().Remove(w.t.Context(), w.Good); err != nil && !errors.As(err, &refusal) {
			w.t.Errorf("want nothing or a refusal, got %v", err)
		}
		w.mustStand(w.Good)
	}
	w.mustBreak(Sound)
	w.mustBecome(w.Good, hotstick.InEffect)
	w.mustApply(w.Newer)
}

func (w *stepWorld) refuses() {
	w.mustApply(w.Good)
	before := w.Kernel()
	for _, f := range faults {
		if !w.Break(f.fault) {
			if f.fault == ToolGone || f.fault == ToolFails {
				w.t.Errorf("this world cannot break its tool so: %q", f.fault)
			}
			continue
		}
		w.t.Logf("the fault %q", f.fault)
		r := w.mustRefuse(w.New().Apply(w.t.Context(), w.Newer), f.codes...)
		if r.Retry != f.retry {
			w.t.Errorf("%s: that trying again may help is said: %t (%v)", f.fault, r.Retry, r)
		}
		if r.Reason.Detail == "" || f.fault == ToolFails && !strings.Contains(r.Reason.Detail, Words) {
			w.t.Errorf("%s: what the tool said is not in %q", f.fault, r.Reason.Detail)
		}
		w.mustRest(before)
		w.mustStand(w.Good)
		w.mustBreak(Sound)
		w.mustBecome(w.Good, hotstick.InEffect)
	}
	w.mustApply(w.Newer)
}

func (w *stepWorld) endsHanging() {
	w.mustApply(w.Good)
	before := w.Kernel()
	w.mustBreak(ToolHangs)
	ctx, cancel := w.Patience()
	defer cancel()
	if err := w.New().Apply(ctx, w.Newer); err == nil {
		w.t.Error("it says that the level was applied")
	}
	for range 300 {
		if len(w.Left()) == 0 {
			break
		}
		w.Pause()
	}
	if left := w.Left(); len(left) > 0 {
		w.t.Errorf("it left running: %v", left)
	}
	w.mustRest(before)
	w.mustStand(w.Good)
	w.mustBreak(Sound)
	w.mustBecome(w.Good, hotstick.InEffect)
	w.mustApply(w.Newer)
}

func (w *stepWorld) sparesForeign() {
	if w.Foreign == nil {
		w.t.Skip("nobody else can put a live patch into this kernel")
	}
	w.mustApply(w.Good)
	foreign := w.Foreign()
	before := w.Kernel()
	if !slices.Contains(before, foreign) {
		w.t.Fatalf("%s is not among %v", foreign, before)
	}
	r := w.mustRefuse(w.New().Apply(w.t.Context(), w.Newer), hotstick.ReasonForeignPatch, hotstick.ReasonOtherMaster)
	if r.Retry || !strings.Contains(r.Reason.Detail, foreign) {
		w.t.Errorf("it does not say that %s is in the way, and stays: %v (retry: %t)", foreign, r, r.Retry)
	}
	w.mustRest(before)
	if s := w.state(hotstick.Recipe{Module: foreign}); s != "" {
		w.t.Errorf("it lists %s as one of its own", foreign)
	}
	if w.empties() {
		w.must(w.New().Remove(w.t.Context(), w.Good))
		w.mustBecome(w.Good, "")
		if !slices.Contains(w.Kernel(), foreign) {
			w.t.Errorf("%s is gone", foreign)
		}
	}
}

func (w *stepWorld) obeysContext() {
	w.mustApply(w.Good)
	before := w.Kernel()
	ctx, cancel := context.WithCancel(w.t.Context())
	cancel()
	if err := w.New().Apply(ctx, w.Newer); !errors.Is(err, context.Canceled) {
		w.t.Errorf("apply: %v", err)
	}
	if err := w.New().Remove(ctx, w.Good); !errors.Is(err, context.Canceled) {
		w.t.Errorf("remove: %v", err)
	}
	w.mustRest(before)
	w.mustBecome(w.Good, hotstick.InEffect)
}

func (w *stepWorld) holds() {
	w.mustBeHeld(false)
	w.must(w.scheduler().Hold(w.t.Context()))
	w.mustBeHeld(true)
	once := w.Scheduling()
	w.must(w.scheduler().Hold(w.t.Context()))
	if again := w.Scheduling(); again != once {
		w.t.Errorf("held twice it is\n%s\nand held once\n%s", again, once)
	}
	w.mustApply(w.Good)
	w.mustBeHeld(true)
	w.mustApply(w.Newer)
	w.mustBeHeld(true)
}

func (w *stepWorld) noticesLift() {
	w.must(w.scheduler().Hold(w.t.Context()))
	w.mustBeHeld(true)
	w.Lift()
	w.mustBeHeld(false)
	w.must(w.scheduler().Hold(w.t.Context()))
	w.mustBeHeld(true)
}

func (w *stepWorld) mustSettings() []byte {
	w.t.Helper()
	settings, err := w.scheduler().Settings(w.t.Context())
	w.must(err)
	if len(settings) == 0 || len(settings) > 4<<10 {
		w.t.Fatalf("the settings are %d bytes", len(settings))
	}
	return settings
}

func (w *stepWorld) givesBack() {
	before := w.Scheduling()
	settings := w.mustSettings()
	if after := w.Scheduling(); after != before {
		w.t.Fatalf("asking for the settings changed\n%s\nto\n%s", before, after)
	}
	w.must(w.scheduler().Hold(w.t.Context()))
	if w.Scheduling() == before {
		w.t.Fatal("a hold changes nothing")
	}
	w.mustApply(w.Good)
	for range 2 { // twice is once
		w.must(w.scheduler().Release(w.t.Context(), settings))
		if after := w.Scheduling(); after != before {
			w.t.Errorf("after the release it is\n%s\nand before the hold it was\n%s", after, before)
		}
	}
	w.mustBeHeld(false)
	w.mustBecome(w.Good, hotstick.InEffect)
	if err := w.scheduler().Release(w.t.Context(), []byte("no settings of this driver")); err == nil {
		w.t.Error("it takes any settings")
	}
}

func (w *stepWorld) givesBackHeld() {
	w.must(w.scheduler().Hold(w.t.Context()))
	before := w.Scheduling()
	settings := w.mustSettings()
	w.must(w.scheduler().Hold(w.t.Context()))
	w.must(w.scheduler().Release(w.t.Context(), settings))
	if after := w.Scheduling(); after != before {
		w.t.Errorf("after the release it is\n%s\nand before it was\n%s", after, before)
	}
	w.mustBeHeld(true)
}

// holdsInVain: a system may be held without its tool, by a file; then it is held.
func (w *stepWorld) holdsInVain() {
	for _, f := range []Fault{ToolFails, ToolLies} {
		w.mustBreak(f)
		failed := w.scheduler().Hold(w.t.Context())
		w.mustBreak(Sound)
		held, _, err := w.scheduler().Held(w.t.Context())
		w.must(err)
		if failed == nil && !held {
			w.t.Errorf("%s: it says that it was put on hold, and it is not", f)
		}
	}
}
