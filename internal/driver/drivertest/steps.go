package drivertest

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
)

// StepWorld is a host with one vendor's system on it: usable, with none of its levels in
// effect, and scheduling itself where it is a [driver.Scheduler].
type StepWorld struct {
	// New makes the driver as a new process does: what it has to remember is on the host.
	New func() driver.Stepper
	// Good and Newer are two levels of one patch, for the kernel build that runs.
	Good, Newer hotstick.Recipe
	// Stacks: levels lie on one another, so the older one stays in effect below the newer.
	Stacks bool
	// Blind: the kernel alone does not tell which level is in effect. While the vendor's
	// tool is broken the driver says that it does not know, or fails, and never that it is
	// another level or none.
	Blind bool
	// Kernel lists the patches that are in effect or in transition, whoever's they are. It
	// looks by itself, and not through the driver.
	Kernel func() []string
	// Break lets the vendor's system misbehave from now on, and Sound ends that. It
	// returns false where this system cannot misbehave so. The first four it always can.
	Break func(Fault) bool
	// Foreign puts a live patch of somebody else's into the kernel and returns its name,
	// once it is in effect. Nil where only the one system can put any there; what the driver
	// does then with a level that it has not brought, its own tests say.
	Foreign func() string
	// Left lists the vendor's programs that are still running.
	Left func() []string
	// Lift ends a hold as a person would do it, past the driver. Only of Schedulers.
	Lift func()
	// Scheduling returns all that decides whether the system schedules itself, past the
	// driver. Only of Schedulers.
	Scheduling func() string
	// Pause lets a moment pass: three hundred of them see the end of any transition.
	Pause func()
	// Patience returns a context that ends so soon that a tool which hangs is noticed, and
	// not before a sound one has ended.
	Patience func() (context.Context, context.CancelFunc)
}

// Fault is a way in which a vendor's system misbehaves.
type Fault string

// What systems do. A fault has nothing to do with the patch: once it is over, the level
// can be applied.
const (
	Sound     Fault = ""
	ToolGone  Fault = "gone"  // the vendor's program is not there
	ToolFails Fault = "fails" // it says Words and fails
	ToolHangs Fault = "hangs" // it never ends
	ToolLies  Fault = "lies"  // it ends well and does nothing

	ToolBusy    Fault = "busy"     // another process holds its lock
	NoNetwork   Fault = "network"  // what it needs from elsewhere does not come
	NotEntitled Fault = "entitled" // the host is not registered, or its subscription ended
	CoverEnded  Fault = "cover"    // the vendor makes no patches for this kernel any more
	NoLevel     Fault = "level"    // the vendor does not have the level (any more)
	DiskFull    Fault = "disk"     // there is no room for it
	BadKey      Fault = "key"      // the package's signature is wrong
)

// Words are what a tool says that fails for a cause nobody knows.
const Words = "broken on purpose"

// faults says what each fault is called; retry: it may pass by itself.
var faults = []struct {
	fault Fault
	codes []hotstick.ReasonCode
	retry bool
}{
	{ToolGone, []hotstick.ReasonCode{hotstick.ReasonUnsupported}, false},
	{ToolFails, []hotstick.ReasonCode{hotstick.ReasonToolFailed}, false},
	{ToolBusy, []hotstick.ReasonCode{hotstick.ReasonToolFailed}, true},
	{NoNetwork, []hotstick.ReasonCode{hotstick.ReasonToolFailed}, true},
	{NotEntitled, []hotstick.ReasonCode{hotstick.ReasonNotEntitled}, false},
	{CoverEnded, []hotstick.ReasonCode{hotstick.ReasonCoverEnded}, false},
	{NoLevel, []hotstick.ReasonCode{hotstick.ReasonToolFailed}, false},
	{DiskFull, []hotstick.ReasonCode{hotstick.ReasonToolFailed}, false},
	{BadKey, []hotstick.ReasonCode{hotstick.ReasonSignature}, false},
}

var steps = []struct {
	name string
	run  func(*stepWorld)
	// scheduler: only systems that schedule themselves do it.
	scheduler bool
}{
	{"what is applied comes into effect", (*stepWorld).comesIntoEffect, false},
	{"applying twice is applying once", (*stepWorld).appliesOnce, false},
	{"a newer level comes over the older one", (*stepWorld).comesOver, false},
	{"the level before comes back where the system can, and is refused where not", (*stepWorld).comesBack, false},
	{"a level goes out where the system can, and is refused where not", (*stepWorld).goesOut, false},
	{"what is absent is left alone", (*stepWorld).ignoresAbsent, false},
	{"a tool that says done does not make it so", (*stepWorld).believesKernel, false},
	{"a tool that fails is a refusal with its reason and nothing has changed", (*stepWorld).refuses, false},
	{"a tool that hangs is ended with all that it has started", (*stepWorld).endsHanging, false},
	{"a foreign patch is refused and left alone", (*stepWorld).sparesForeign, false},
	{"a call that was given up changes nothing", (*stepWorld).obeysContext, false},
	{"a hold is put on and stays", (*stepWorld).holds, true},
	{"a lifted hold is noticed", (*stepWorld).noticesLift, true},
	{"a release gives back what was", (*stepWorld).givesBack, true},
	{"what was on hold before adoption stays so after release", (*stepWorld).givesBackHeld, true},
	{"a hold that fails is not taken for one", (*stepWorld).holdsInVain, true},
}

// RunSteps runs the suite for a vendor's system. Each case asks for a fresh world.
func RunSteps(t *testing.T, newWorld func(t *testing.T) StepWorld) {
	schedules := false
	t.Run("it says whether it schedules itself", func(t *testing.T) {
		w := newWorld(t)
		_, schedules = w.New().(driver.Scheduler)
		if said := w.New().Capabilities(t.Context()).Schedules; said != schedules {
			t.Fatalf("it says of itself that it schedules itself: %t; it can be put on hold: %t", said, schedules)
		}
	})
	for _, c := range steps {
		if c.scheduler && !schedules {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			w := &stepWorld{StepWorld: newWorld(t), t: t}
			if running := w.Kernel(); len(running) != 0 {
				t.Fatalf("want no live patch, have %v", running)
			}
			c.run(w)
		})
	}
}

type stepWorld struct {
	StepWorld
	t *testing.T
}

// undo is what the system can take out.
func (w *stepWorld) undo() hotstick.Undo {
	w.t.Helper()
	undo := w.New().Capabilities(w.t.Context()).Undo
	if !slices.Contains(hotstick.Undos(), undo) {
		w.t.Fatalf("it can undo %q", undo)
	}
	return undo
}

// goesBack: a level that was in effect before can be put in place of a newer one.
func (w *stepWorld) goesBack() bool { return w.undo() != hotstick.UndoReboot }

// empties: a level can be taken out with none in its place.
func (w *stepWorld) empties() bool {
	return w.goesBack() && w.undo() != hotstick.UndoPrevious
}

func (w *stepWorld) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// mustApply applies and waits until the level is in effect.
func (w *stepWorld) mustApply(r hotstick.Recipe) {
	w.t.Helper()
	w.must(w.New().Apply(w.t.Context(), r))
	w.mustBecome(r, hotstick.InEffect)
}

func (w *stepWorld) state(r hotstick.Recipe) hotstick.Effect {
	w.t.Helper()
	s := w.New()
	patches, err := s.Observe(context.Background())
	w.must(err)
	var found hotstick.Effect
	for _, p := range patches {
		if p.Driver != s.Name() {
			w.t.Errorf("%s is listed under driver %q, want %q", p.Module, p.Driver, s.Name())
		}
		if p.Module == r.Module {
			found = p.State
		}
	}
	return found
}

// mustBecome waits until a level is in a state; "" is not listed.
func (w *stepWorld) mustBecome(r hotstick.Recipe, want hotstick.Effect) {
	w.t.Helper()
	for range 300 {
		if w.state(r) == want {
			return
		}
		w.Pause()
	}
	w.t.Fatalf("%s is %q, want %q; the kernel runs %v", r.Module, w.state(r), want, w.Kernel())
}

// mustStand: a level is in effect, while something is broken.
func (w *stepWorld) mustStand(r hotstick.Recipe) {
	w.t.Helper()
	if !w.Blind {
		w.mustBecome(r, hotstick.InEffect)
		return
	}
	ctx, cancel := w.Patience()
	defer cancel()
	patches, err := w.New().Observe(ctx)
	if err != nil {
		return
	}
	for _, p := range patches {
		if p.Module == r.Module && p.State == hotstick.InEffect || p.State == hotstick.EffectUnknown {
			return
		}
	}
	w.t.Errorf("while something is broken it says %+v, and %s is in effect", patches, r.Module)
}

// mustRest waits for a moment, in which nothing may change in the kernel.
func (w *stepWorld) mustRest(before []string) {
	w.t.Helper()
	for range 3 {
		if now := w.Kernel(); !slices.Equal(now, before) {
			w.t.Fatalf("the kernel runs %v; before it was %v", now, before)
		}
		w.Pause()
	}
}

func (w *stepWorld) mustRefuse(err error, codes ...hotstick.ReasonCode) *driver.Refusal {
	w.t.Helper()
	var refusal *driver.Refusal
	if !errors.As(err, &refusal) || !slices.Contains(codes, refusal.Reason.Code) {
		w.t.Fatalf("want a refusal for %v, got %v", codes, err)
	}
	return refusal
}

// mustBreak breaks what every system has.
func (w *stepWorld) mustBreak(f Fault) {
	w.t.Helper()
	if !w.Break(f) {
		w.t.Fatalf("this world cannot break its tool so: %q", f)
	}
}

func (w *stepWorld) scheduler() driver.Scheduler {
	w.t.Helper()
	s, ok := w.New().(driver.Scheduler)
	if !ok {
		w.t.Fatal("it is no Scheduler")
	}
	return s
}

func (w *stepWorld) mustBeHeld(want bool) {
	w.t.Helper()
	held, detail, err := w.scheduler().Held(w.t.Context())
	w.must(err)
	if held != want || !want && detail == "" {
		w.t.Fatalf("held: %t (%s), want %t", held, detail, want)
	}
	if c := w.scheduler().Capabilities(w.t.Context()); c.Held != want {
		w.t.Fatalf("it says of itself that it is held: %t, want %t", c.Held, want)
	}
}
