package steps

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/loader/ledger"
)

// Changer makes a driver that works by steps look like any other. What is in effect its
// Observer says, within the loader; what changes anything it asks a step for.
type Changer struct {
	observer driver.Observer
	desk     *Desk
	// led reads the loader's ledger as it is on disk: a step does nothing that is not in
	// there, so nothing else is ever asked for.
	led func() (ledger.Ledger, error)

	// mu guards settling, the ID of the Settle that this process has asked for last.
	mu       sync.Mutex
	settling string
}

var (
	_ driver.Stepped      = (*Changer)(nil)
	_ driver.LevelSettler = (*Changer)(nil)
	_ driver.Asking       = (*Changer)(nil)
)

func newChanger(observer driver.Observer, desk *Desk, led func() (ledger.Ledger, error)) *Changer {
	return &Changer{observer: observer, desk: desk, led: led}
}

// Name implements [driver.Observer].
func (c *Changer) Name() string { return c.observer.Name() }

// Capabilities implements [driver.Observer].
func (c *Changer) Capabilities(ctx context.Context) hotstick.Capabilities {
	return c.observer.Capabilities(ctx)
}

// NeedsRoot reports whether only root can read the driver's truth.
func (c *Changer) NeedsRoot() bool {
	r, is := c.observer.(driver.Rooted)
	return is && r.NeedsRoot()
}

// Programs are those that a step asks for the observer (see [driver.Asking]); none of one
// that asks none.
func (c *Changer) Programs() []string {
	if a, is := c.observer.(driver.Asking); is {
		return a.Programs()
	}
	return nil
}

// Observe implements [driver.Observer]: while a step runs, its module is in transition.
func (c *Changer) Observe(ctx context.Context) ([]hotstick.LoadedPatch, error) {
	// The step is looked at first: one that has ended by then has left what is seen.
	step, _ := c.Step(ctx)
	patches, err := c.observer.Observe(ctx)
	if err != nil || !step.Running {
		return patches, err
	}
	state := hotstick.TransitionOut
	if step.Apply {
		state = hotstick.TransitionIn
	}
	i := slices.IndexFunc(patches, func(p hotstick.LoadedPatch) bool { return p.Module == step.Module })
	if i < 0 {
		return append(patches, hotstick.LoadedPatch{Module: step.Module, Driver: c.Name(), State: state}), nil
	}
	patches = slices.Clone(patches)
	patches[i].State = state
	return patches, nil
}

// Step implements [driver.Stepped].
func (c *Changer) Step(ctx context.Context) (driver.Progress, bool) {
	s, was := c.desk.now(ctx)
	r := s.request
	if !was || r.Driver != c.Name() || r.Act != Apply && r.Act != Remove {
		return driver.Progress{}, false
	}
	p := driver.Progress{Module: r.Module, Apply: r.Act == Apply, Asked: millis(r.AskedMillis), First: millis(cmp.Or(r.FirstMillis, r.AskedMillis)), Tries: r.Tries, Running: s.running}
	if !s.running {
		p.Ended = millis(s.answer.EndedMillis)
	}
	if reason := s.answer.Refused; reason != nil && !s.running {
		p.Refused = &driver.Refusal{Reason: *reason, Retry: s.answer.Retry}
	}
	return p, true
}

// End implements [driver.Stepped].
func (c *Changer) End(ctx context.Context, kill bool) error { return c.desk.end(ctx, kill) }

// Load implements [driver.Changer]: it asks for the level's step and returns.
func (c *Changer) Load(ctx context.Context, load driver.Load) error {
	return c.change(ctx, Apply, load.Module)
}

// Disable implements [driver.Changer]. A step that brings the module in is asked to
// end first; that is the reversal of its transition.
func (c *Changer) Disable(ctx context.Context, module string) error {
	if p, was := c.Step(ctx); was && p.Running && p.Module == module {
		if p.Apply {
			return c.End(ctx, false)
		}
		return nil
	}
	return c.change(ctx, Remove, module)
}

// Unload implements [driver.Changer]. What a vendor's system leaves in memory is its own
// affair.
func (c *Changer) Unload(context.Context, string) error { return nil }

// change asks for a step, unless nothing is left to do.
func (c *Changer) change(ctx context.Context, act Act, module string) error {
	patches, err := c.Observe(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(patches, func(p hotstick.LoadedPatch) bool { return p.Module == module && p.State != hotstick.Disabled })
	switch there := i >= 0; {
	case act == Remove && !there:
		return nil
	case act == Apply && there && (patches[i].State == hotstick.InEffect || patches[i].State == hotstick.TransitionIn):
		return nil
	}
	led, err := c.led()
	if err != nil {
		return err
	}
	level, back, err := levelOf(led, module, c.Name())
	if err != nil {
		return err
	}
	if back = back || act == Remove; back && !level.Reboots() && !c.canGoBack(ctx, act) {
		return driver.Refuse(hotstick.ReasonNoWayBack, "%s cannot take %s out of a running kernel: reboot the host", c.Name(), led.Attempt.Level.Patch)
	}
	_, err = c.desk.ask(ctx, Request{Driver: c.Name(), Act: act, Module: level.Module, Artifact: level.Artifact, Row: row(*led.Attempt), LimitSeconds: level.TransitionSeconds})
	return err
}

// row names an attempt and its direction.
func row(a ledger.Attempt) string {
	direction := "forth"
	if a.Phase == hotstick.Reverting {
		direction = "back"
	}
	return fmt.Sprintf("%s %d %s", a.Plan, a.Number, direction)
}

// canGoBack reports whether the system can do at all what a way back needs. Of one that
// does not say, the step finds out.
func (c *Changer) canGoBack(ctx context.Context, act Act) bool {
	switch c.Capabilities(ctx).Undo {
	case hotstick.UndoReboot:
		return false
	case hotstick.UndoPrevious:
		return act == Apply
	}
	return true
}

// settleSeconds is how long settling may take: what was moved off a host comes back.
const settleSeconds = 15 * 60

// Settle implements [driver.LevelSettler]. It refuses for now while its step runs; asked
// again, it says how that ended.
func (c *Changer) Settle(ctx context.Context, load driver.Load, keep bool) error {
	if _, needs := c.observer.(driver.Settler); !needs {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s, was := c.desk.now(ctx); was && c.settling != "" && s.request.ID == c.settling {
		if s.running {
			return busy("the level is being settled")
		}
		c.settling = ""
		if r := s.answer.Refused; r != nil {
			return &driver.Refusal{Reason: *r, Retry: true}
		}
		return nil
	}
	led, err := c.led()
	if err != nil {
		return err
	}
	v := led.Unsettled
	if v == nil || v.Module != load.Module || v.Driver != c.Name() {
		return driver.Refuse(hotstick.ReasonVerificationFailed, "the ledger has nothing of %s to settle", load.Module)
	}
	c.settling, err = c.desk.ask(ctx, Request{Driver: c.Name(), Act: Settle, Module: v.Module, Artifact: v.Artifact, Keep: keep, LimitSeconds: settleSeconds})
	if err != nil {
		return err
	}
	return busy("the level is being settled")
}

// levelOf returns the level of the open attempt that has a module, and whether it is the
// one to go back to.
func levelOf(led ledger.Ledger, module, driverName string) (level ledger.Level, back bool, err error) {
	a := led.Attempt
	switch {
	case a != nil && a.Level.Module == module && a.Level.Driver == driverName:
		return a.Level, false, nil
	case a != nil && a.Before != nil && a.Before.Module == module && a.Before.Driver == driverName:
		return *a.Before, true, nil
	}
	return ledger.Level{}, false, driver.Refuse(hotstick.ReasonVerificationFailed, "the ledger has no attempt for %s", module)
}
