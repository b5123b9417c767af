package drivertest

import (
	"context"
	"errors"

	"github.com/hotstick/hotstick"
)

var cases = []struct {
	name string
	run  func(*world)
}{
	{"what is loaded comes into effect", (*world).comesIntoEffect},
	{"loading twice is loading once", (*world).loadsOnce},
	{"a newer level replaces the older one and leaves its code", (*world).replaces},
	{"the older level comes back by loading it again", (*world).downgrades},
	{"code that was left behind is unloaded before it is loaded again", (*world).reloadsLeftover},
	{"what is disabled is gone from effect and can be unloaded", (*world).disables},
	{"an enabled patch is not unloaded", (*world).keepsEnabled},
	{"what is absent is left alone", (*world).ignoresAbsent},
	{"nothing is loaded during another transition", (*world).waitsForTransition},
	{"nothing is disabled or unloaded during another transition", (*world).disturbsNoTransition},
	{"a stalled transition is reversed", (*world).reversesStall},
	{"a module that is no live patch is refused", (*world).refusesPlainModule},
	{"a patch for another kernel build is refused", (*world).refusesOtherBuild},
	{"a file that holds another module than announced is refused", (*world).refusesOtherName},
	{"a load never puts a foreign patch at risk", (*world).sparesForeign},
	{"a foreign patch that is stacked on ours is seen and left alone", (*world).leavesStacked},
	{"a foreign transition is seen and left alone", (*world).leavesForeignTransition},
	{"what cannot be read is unknown and stays so", (*world).admitsIgnorance},
	{"a call that was given up changes nothing", (*world).obeysContext},
}

func (w *world) comesIntoEffect() {
	w.mustLoad(w.Good)
	switch s := w.state(w.Good.Name); s {
	case hotstick.TransitionIn, hotstick.InEffect:
	default:
		w.t.Fatalf("right after the load it is %q", s)
	}
	w.mustBecome(w.Good.Name, hotstick.InEffect)
	for _, p := range w.observe() {
		if p.Driver != w.Changer.Name() {
			w.t.Errorf("%s is listed under driver %q, want %q", p.Module, p.Driver, w.Changer.Name())
		}
		if p.Replace != nil && !*p.Replace {
			w.t.Errorf("%s is not a replacing patch", p.Module)
		}
	}
	if c := w.Changer.Capabilities(w.t.Context()); !c.Available || c.Driver != w.Changer.Name() || c.Truth == "" {
		w.t.Errorf("a driver that works says of itself %+v", c)
	}
}

func (w *world) loadsOnce() {
	w.mustLoad(w.Good)
	w.mustLoad(w.Good) // during its transition
	w.mustBecome(w.Good.Name, hotstick.InEffect)
	w.mustLoad(w.Good)
	w.mustBe(w.Good.Name, hotstick.InEffect)
	if n := len(w.observe()); n != 1 {
		w.t.Errorf("%d live patches are listed", n)
	}
}

func (w *world) replaces() {
	w.mustApply(w.Good)
	w.mustApply(w.Newer, w.Good.Name)
	w.mustBecome(w.Good.Name, hotstick.Disabled)
	w.mustUnload(w.Good.Name)
	w.mustBe(w.Good.Name, "")
	w.mustBe(w.Newer.Name, hotstick.InEffect)
}

func (w *world) downgrades() {
	w.mustApply(w.Good)
	w.mustApply(w.Newer, w.Good.Name)
	w.mustBecome(w.Good.Name, hotstick.Disabled)
	w.mustUnload(w.Good.Name)
	w.mustApply(w.Good, w.Newer.Name)
	w.mustBecome(w.Newer.Name, hotstick.Disabled)
}

func (w *world) reloadsLeftover() {
	w.mustApply(w.Good)
	w.mustDisable(w.Good.Name)
	w.mustBecome(w.Good.Name, hotstick.Disabled)
	w.mustEventually("load over what was left", func() bool {
		err := w.load(w.Good)
		if err == nil {
			return true
		}
		// The kernel may hold the code for a moment after the transition.
		if r := w.mustRefuse(err, hotstick.ReasonKernelRefused, hotstick.ReasonTransitionBusy); !r.Retry {
			w.t.Fatal(err)
		}
		return false
	})
	w.mustBecome(w.Good.Name, hotstick.InEffect)
}

func (w *world) disables() {
	w.mustApply(w.Good)
	w.mustDisable(w.Good.Name)
	w.mustDisable(w.Good.Name) // during its transition
	w.mustBecome(w.Good.Name, hotstick.Disabled)
	w.mustDisable(w.Good.Name)
	w.mustUnload(w.Good.Name)
	w.mustUnload(w.Good.Name)
	w.mustHaveNothing()
}

func (w *world) keepsEnabled() {
	w.mustApply(w.Good)
	if r := w.mustRefuse(w.Changer.Unload(w.t.Context(), w.Good.Name), hotstick.ReasonAlreadyInEffect); r.Retry {
		w.t.Error("it says that trying again may help")
	}
	w.mustBe(w.Good.Name, hotstick.InEffect)
}

func (w *world) ignoresAbsent() {
	w.mustDisable(w.Good.Name)
	w.mustUnload(w.Good.Name)
	w.mustHaveNothing()
}

// mustStall loads the stalling patch and sees that it does not end by itself.
func (w *world) mustStall() {
	w.t.Helper()
	w.mustLoad(w.Stalling)
	for range 30 {
		w.Pause()
	}
	w.mustBe(w.Stalling.Name, hotstick.TransitionIn)
}

// mustReverse takes the stalling patch out again.
func (w *world) mustReverse() {
	w.t.Helper()
	w.mustDisable(w.Stalling.Name)
	w.mustBecome(w.Stalling.Name, hotstick.Disabled)
	w.mustUnload(w.Stalling.Name)
}

func (w *world) waitsForTransition() {
	w.mustStall()
	if r := w.mustRefuse(w.load(w.Good, w.Stalling.Name), hotstick.ReasonTransitionBusy); !r.Retry {
		w.t.Error("it does not say that trying again may help")
	}
	w.mustBe(w.Good.Name, "")
	w.mustBe(w.Stalling.Name, hotstick.TransitionIn)
	w.mustReverse()
	w.mustApply(w.Good)
}

func (w *world) disturbsNoTransition() {
	w.mustApply(w.Good)
	w.mustLoad(w.Stalling, w.Good.Name)
	w.mustBe(w.Stalling.Name, hotstick.TransitionIn)
	w.mustRefuse(w.Changer.Disable(w.t.Context(), w.Good.Name), hotstick.ReasonTransitionBusy)
	w.mustRefuse(w.Changer.Unload(w.t.Context(), w.Stalling.Name), hotstick.ReasonTransitionBusy)
	w.mustBe(w.Good.Name, hotstick.InEffect)
	w.mustReverse()
	w.mustBe(w.Good.Name, hotstick.InEffect)
}

func (w *world) reversesStall() {
	w.mustStall()
	w.mustReverse()
	w.mustHaveNothing()
}

func (w *world) refusesPlainModule() {
	w.mustRefuse(w.load(w.NotLivepatch), hotstick.ReasonNotLivepatch)
	w.mustHaveNothing()
}

func (w *world) refusesOtherBuild() {
	w.mustRefuse(w.load(w.OtherBuild), hotstick.ReasonWrongBuild)
	other := w.Build
	other.BuildID = "00000000000000000000"
	w.mustRefuse(w.loadAs(w.Good, other), hotstick.ReasonWrongBuild)
	w.mustHaveNothing()
}

func (w *world) refusesOtherName() {
	w.mustRefuse(w.load(Module{Name: w.Newer.Name, Path: w.Good.Path}), hotstick.ReasonDigestMismatch)
	w.mustHaveNothing()
}

func (w *world) sparesForeign() {
	w.mustApply(w.Good)
	w.mustRefuse(w.load(w.Newer), hotstick.ReasonForeignPatch)
	w.mustRefuse(w.load(w.Newer, "some_other_module"), hotstick.ReasonForeignPatch)
	w.mustBe(w.Newer.Name, "")
	w.mustBe(w.Good.Name, hotstick.InEffect)
}

func (w *world) leavesStacked() {
	w.mustApply(w.Good)
	w.Insert(w.Stacked)
	w.mustBecome(w.Stacked.Name, hotstick.InEffect)
	w.mustBe(w.Good.Name, hotstick.InEffect)
	for _, p := range w.observe() {
		if p.Module == w.Stacked.Name && p.Replace != nil && *p.Replace {
			w.t.Errorf("%s is said to replace", p.Module)
		}
		if first := p.Module == w.Good.Name; p.StackOrder != 0 && p.StackOrder != map[bool]int{true: 1, false: 2}[first] {
			w.t.Errorf("%s has the place %d", p.Module, p.StackOrder)
		}
	}
	if r := w.mustRefuse(w.load(w.Newer, w.Good.Name), hotstick.ReasonForeignPatch); r.Retry {
		w.t.Error("it says that trying again may help")
	}
	w.mustDisable(w.Good.Name)
	w.mustBecome(w.Good.Name, hotstick.Disabled)
	w.mustUnload(w.Good.Name)
	w.mustBe(w.Stacked.Name, hotstick.InEffect)
	w.mustRefuse(w.load(w.Good), hotstick.ReasonForeignPatch)
}

func (w *world) leavesForeignTransition() {
	w.Insert(w.Stalling)
	w.mustBe(w.Stalling.Name, hotstick.TransitionIn)
	if r := w.mustRefuse(w.load(w.Good), hotstick.ReasonTransitionBusy); !r.Retry {
		w.t.Error("it does not say that trying again may help")
	}
	w.mustDisable(w.Good.Name)
	w.mustUnload(w.Good.Name)
	w.mustBe(w.Stalling.Name, hotstick.TransitionIn)
	w.mustReverse()
}

func (w *world) admitsIgnorance() {
	w.mustApply(w.Good)
	w.Blind(w.Good.Name)
	w.mustBe(w.Good.Name, hotstick.EffectUnknown)
	ctx := w.t.Context()
	for what, err := range map[string]error{
		"load another": w.load(w.Newer, w.Good.Name), "load it": w.load(w.Good),
		"disable": w.Changer.Disable(ctx, w.Good.Name), "unload": w.Changer.Unload(ctx, w.Good.Name),
	} {
		if r := w.mustRefuse(err, hotstick.ReasonVerificationFailed); !r.Retry {
			w.t.Errorf("%s: it does not say that trying again may help", what)
		}
	}
	w.mustBe(w.Good.Name, hotstick.EffectUnknown)
}

func (w *world) obeysContext() {
	w.mustApply(w.Good)
	ctx, cancel := context.WithCancel(w.t.Context())
	cancel()
	for what, err := range map[string]error{
		"disable": w.Changer.Disable(ctx, w.Good.Name), "unload": w.Changer.Unload(ctx, w.Good.Name),
	} {
		if !errors.Is(err, context.Canceled) {
			w.t.Errorf("%s: %v", what, err)
		}
	}
	w.mustBe(w.Good.Name, hotstick.InEffect)
}
