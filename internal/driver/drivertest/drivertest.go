// Package drivertest is the one suite that every driver passes, on a simulated
// kernel or a real one. It holds the promises of package driver: what is loaded
// comes into effect, goes out again, and nothing is ever changed that was not
// asked for by name.
package drivertest

import (
	"context"
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
)

// World is a kernel with no live patch loaded, and the module files for it.
type World struct {
	Changer driver.Changer
	// Build is the kernel build that runs.
	Build hotstick.KernelBuild
	// Good and Newer are two levels of one patch; each replaces the other.
	Good, Newer Module
	// Stalling is a live patch whose way in does not end by itself, and whose
	// reversal does.
	Stalling Module
	// Stacked is a live patch that replaces none.
	Stacked Module
	// Insert loads a module behind the driver's back, as somebody else would.
	Insert func(Module)
	// NotLivepatch is a module for this build without the mark.
	NotLivepatch Module
	// OtherBuild is a live patch for another release.
	OtherBuild Module
	// Pause lets a moment pass: long enough that three hundred of them see any
	// transition's end that comes by itself, and thirty of them are seconds.
	Pause func()
	// Blind makes the state of one loaded module unreadable.
	Blind func(module string)
	// Forced reports whether any transition was ever forced.
	Forced func() bool
}

// Module is one module file.
type Module struct {
	Name string
	// Path is where its bytes lie.
	Path string
}

// Run runs the suite. Each case asks for a fresh world.
func Run(t *testing.T, newWorld func(t *testing.T) World) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := &world{World: newWorld(t), t: t}
			w.mustHaveNothing()
			c.run(w)
			if w.Forced() {
				t.Error("a transition was forced")
			}
		})
	}
}

// world adds what the cases need to say in one line.
type world struct {
	World
	t *testing.T
}

func (w *world) load(m Module, replaces ...string) error {
	return w.loadAs(m, w.Build, replaces...)
}

func (w *world) loadAs(m Module, build hotstick.KernelBuild, replaces ...string) error {
	w.t.Helper()
	f, err := os.Open(m.Path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	return w.Changer.Load(w.t.Context(), driver.Load{Module: m.Name, File: f, Replaces: replaces, Build: build})
}

func (w *world) mustLoad(m Module, replaces ...string) {
	w.t.Helper()
	w.must(w.load(m, replaces...))
}

// mustApply loads and waits until the module is in effect.
func (w *world) mustApply(m Module, replaces ...string) {
	w.t.Helper()
	w.mustLoad(m, replaces...)
	w.mustBecome(m.Name, hotstick.InEffect)
}

func (w *world) mustDisable(module string) {
	w.t.Helper()
	w.must(w.Changer.Disable(w.t.Context(), module))
}

// mustUnload unloads, waiting where the kernel still holds the code for a moment.
func (w *world) mustUnload(module string) {
	w.t.Helper()
	w.mustEventually("unload "+module, func() bool {
		err := w.Changer.Unload(w.t.Context(), module)
		var refusal *driver.Refusal
		if errors.As(err, &refusal) && refusal.Retry {
			return false
		}
		w.must(err)
		return true
	})
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// mustRefuse checks that err is a refusal with one of the codes.
func (w *world) mustRefuse(err error, codes ...hotstick.ReasonCode) *driver.Refusal {
	w.t.Helper()
	var refusal *driver.Refusal
	if !errors.As(err, &refusal) {
		w.t.Fatalf("want a refusal for %v, got %v", codes, err)
	}
	if !slices.Contains(codes, refusal.Reason.Code) {
		w.t.Fatalf("want a refusal for %v, got %v", codes, err)
	}
	return refusal
}

func (w *world) observe() []hotstick.LoadedPatch {
	w.t.Helper()
	patches, err := w.Changer.Observe(context.Background())
	w.must(err)
	return patches
}

// state returns a module's effect; "" if it is not listed.
func (w *world) state(module string) hotstick.Effect {
	w.t.Helper()
	for _, p := range w.observe() {
		if p.Module == module {
			return p.State
		}
	}
	return ""
}

func (w *world) mustBe(module string, want hotstick.Effect) {
	w.t.Helper()
	if have := w.state(module); have != want {
		w.t.Fatalf("%s is %q, want %q", module, have, want)
	}
}

func (w *world) mustBecome(module string, want hotstick.Effect) {
	w.t.Helper()
	w.mustEventually(module+" becomes "+string(want), func() bool { return w.state(module) == want })
}

func (w *world) mustEventually(what string, holds func() bool) {
	w.t.Helper()
	for range 300 {
		if holds() {
			return
		}
		w.Pause()
	}
	w.t.Fatalf("waited in vain: %s; loaded: %+v", what, w.observe())
}

func (w *world) mustHaveNothing() {
	w.t.Helper()
	if patches := w.observe(); len(patches) != 0 {
		w.t.Fatalf("want no live patch, have %+v", patches)
	}
}
