package fake

import (
	"context"
	"errors"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
)

// Name is the driver's name as catalogs and plans write it.
const Name = "fake"

// ErrDown is the error of every call to a machine that is down.
var ErrDown = errors.New("cannot reach the simulated kernel: the machine is down")

var (
	_ driver.Changer = (*Kernel)(nil)
	_ driver.Helper  = (*Kernel)(nil)
)

// Name implements [driver.Observer].
func (k *Kernel) Name() string { return Name }

// Capabilities implements [driver.Observer].
func (k *Kernel) Capabilities(context.Context) hotstick.Capabilities {
	return hotstick.Capabilities{
		Driver: Name, TrustClass: hotstick.TrustBytes, Asynchronous: true, Available: true,
		Rollback: []hotstick.Reversibility{hotstick.ReversibleLive, hotstick.ReversibleDowngrade, hotstick.ReversibleReboot},
		Truth:    "the simulated kernel",
	}
}

// Observe implements [driver.Observer].
func (k *Kernel) Observe(ctx context.Context) ([]hotstick.LoadedPatch, error) {
	k.enter()
	defer k.leave()
	if err := k.reachable(ctx); err != nil {
		return nil, err
	}
	return k.observe(), nil
}

func (k *Kernel) reachable(ctx context.Context) error {
	if k.down {
		return ErrDown
	}
	return ctx.Err()
}

func (k *Kernel) observe() []hotstick.LoadedPatch {
	var patches []hotstick.LoadedPatch
	order := 0
	for _, m := range k.modules {
		if !m.klp {
			continue
		}
		p := hotstick.LoadedPatch{Module: m.name, Driver: Name, State: k.effect(m)}
		if m.patched {
			order++
			replace := !m.does.Stacks
			p.Replace, p.StackOrder, p.Functions = &replace, order, m.does.Functions
		}
		patches = append(patches, p)
	}
	return patches
}

func (k *Kernel) effect(m *module) hotstick.Effect {
	switch {
	case !m.patched:
		return hotstick.Disabled
	case m.does.Unreadable:
		return hotstick.EffectUnknown
	case k.moving == m && m.enabled:
		return hotstick.TransitionIn
	case k.moving == m:
		return hotstick.TransitionOut
	}
	return hotstick.InEffect
}

// Load implements [driver.Changer].
func (k *Kernel) Load(ctx context.Context, load driver.Load) error {
	info, err := driver.ReadFile(load)
	if err != nil {
		return err
	}
	k.enter()
	defer k.leave()
	if err := k.reachable(ctx); err != nil {
		return err
	}
	if err := driver.JudgeFile(info, load, k.cfg.Build); err != nil {
		return err
	}
	if m := k.find(load.Module); m != nil {
		if err := driver.JudgeName(m.facts(), info); err != nil {
			return err
		}
	}
	step, err := driver.JudgeLoad(k.observe(), load)
	if err != nil || step == driver.Nothing {
		return err
	}
	if code := k.behaviours[info.Name].Refuse; code != "" {
		return driver.Refuse(code, "the simulated kernel refuses %s", info.Name)
	}
	if step == driver.UnloadFirst {
		if err := k.deleteModule(load.Module); err != nil {
			return refused("unload", load.Module, err)
		}
	}
	if err := k.finit(k.cfg.Clock(), info); err != nil {
		return refused("load", load.Module, err)
	}
	return k.reachable(ctx)
}

func refused(verb, module string, err error) error {
	return driver.Refuse(hotstick.ReasonKernelRefused, "cannot %s %s: %v", verb, module, err)
}

// Disable implements [driver.Changer].
func (k *Kernel) Disable(ctx context.Context, module string) error {
	k.enter()
	defer k.leave()
	if err := k.reachable(ctx); err != nil {
		return err
	}
	step, err := driver.JudgeDisable(k.observe(), module)
	if err != nil || step == driver.Nothing {
		return err
	}
	if err := k.setEnabled(k.cfg.Clock(), module, false); err != nil {
		return refused("disable", module, err)
	}
	return k.reachable(ctx)
}

// Unload implements [driver.Changer].
func (k *Kernel) Unload(ctx context.Context, module string) error {
	k.enter()
	defer k.leave()
	if err := k.reachable(ctx); err != nil {
		return err
	}
	if m := k.find(module); m != nil && !m.klp {
		return driver.Refuse(hotstick.ReasonNotLivepatch, "%s is loaded and no live patch", module)
	}
	step, err := driver.JudgeUnload(k.observe(), module)
	if err != nil || step == driver.Nothing {
		return err
	}
	if err := k.deleteModule(module); err != nil {
		return refused("unload", module, err)
	}
	return nil
}

// Help implements [driver.Helper].
func (k *Kernel) Help(ctx context.Context, module string) error {
	k.enter()
	defer k.leave()
	if err := k.reachable(ctx); err != nil {
		return err
	}
	k.help(module)
	return nil
}
