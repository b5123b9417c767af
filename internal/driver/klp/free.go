package klp

import (
	"context"
	"io/fs"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/kernel"
)

// Free returns why a vendor's system must not change what is in effect: a patch that is
// not its own would be replaced, another transition runs, or the kernel does not tell.
// own says which modules are the system's; disabled ones do no harm.
func Free(patches []hotstick.LoadedPatch, own func(module string) bool) *driver.Refusal {
	for _, p := range patches {
		switch {
		case p.State == hotstick.EffectUnknown:
			r := driver.Refuse(hotstick.ReasonVerificationFailed, "the kernel does not tell the state of %s", p.Module)
			r.Retry = true
			return r
		case p.State == hotstick.TransitionIn || p.State == hotstick.TransitionOut:
			r := driver.Refuse(hotstick.ReasonTransitionBusy, "%s is in transition", p.Module)
			r.Retry = true
			return r
		case p.State == hotstick.InEffect && !own(p.Module):
			return driver.Refuse(hotstick.ReasonForeignPatch, "%s is in effect and belongs to another system", p.Module)
		}
	}
	return nil
}

// StateOf returns the state of a module among the patches; empty if it is not there.
func StateOf(patches []hotstick.LoadedPatch, module string) hotstick.Effect {
	for _, p := range patches {
		if p.Module == module {
			return p.State
		}
	}
	return ""
}

// Ours lists the live patches of a system that the kernel knows (see [Of]).
func Ours(ctx context.Context, fsys fs.FS, name string, own func(module string) bool) ([]hotstick.LoadedPatch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	all, err := kernel.Livepatches(fsys)
	if err != nil {
		return nil, err
	}
	return Of(all, name, own), nil
}

// Of lists those of the patches that are a system's, under its driver's name. Code that was
// left behind is not among them: that is the system's own business.
func Of(patches []hotstick.LoadedPatch, name string, own func(module string) bool) []hotstick.LoadedPatch {
	var mine []hotstick.LoadedPatch
	for _, p := range patches {
		if p.State != hotstick.Disabled && own(p.Module) {
			p.Driver = name
			mine = append(mine, p)
		}
	}
	return mine
}
