package driver

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/kernel/kmod"
)

// Step is what remains to be done for a wish, given what is loaded.
type Step int

const (
	// Nothing: the kernel already is, or is on its way to, what was asked for.
	Nothing Step = iota
	// Proceed: ask the kernel.
	Proceed
	// UnloadFirst: remove the disabled code of the same module, then ask the
	// kernel, which would refuse the name as long as it is taken.
	UnloadFirst
)

// JudgeLoad decides whether a load may start while patches are loaded. Its
// errors are refusals. It is the rule of gentle hands for every driver that
// loads into the kernel: nothing starts during a transition, and a patch that is
// not named in load.Replaces is never put at risk. Nobody can tell from a module
// file whether it will replace what is loaded, so every load is taken for one
// that does.
func JudgeLoad(patches []hotstick.LoadedPatch, load Load) (Step, error) {
	step := Proceed
	for _, p := range patches {
		if p.Module != load.Module {
			continue
		}
		switch p.State {
		case hotstick.InEffect, hotstick.TransitionIn:
			return Nothing, nil
		case hotstick.Disabled:
			step = UnloadFirst
		}
	}
	if err := still(patches); err != nil {
		return Nothing, err
	}
	if i := slices.IndexFunc(patches, unknown); i >= 0 {
		return Nothing, unreadable(patches[i].Module)
	}
	for _, p := range patches {
		if p.State == hotstick.InEffect && !slices.Contains(load.Replaces, p.Module) {
			return Nothing, Refuse(hotstick.ReasonForeignPatch, "%s is in effect and not among those that may be replaced", p.Module)
		}
	}
	return step, nil
}

// still refuses while a transition runs.
func still(patches []hotstick.LoadedPatch) error {
	for _, p := range patches {
		if p.State == hotstick.TransitionIn || p.State == hotstick.TransitionOut {
			return retry(Refuse(hotstick.ReasonTransitionBusy, "%s is in transition", p.Module))
		}
	}
	return nil
}

func unknown(p hotstick.LoadedPatch) bool {
	return !slices.Contains([]hotstick.Effect{hotstick.InEffect, hotstick.TransitionIn, hotstick.TransitionOut, hotstick.Disabled}, p.State)
}

func unreadable(module string) error {
	return retry(Refuse(hotstick.ReasonVerificationFailed, "the state of %s cannot be read", module))
}

// JudgeDisable decides whether a module may be disabled now. Reversing the
// module's own transition is always allowed. A patch of somebody else whose
// state cannot be read does not bar the way out; the kernel itself refuses
// during a transition.
func JudgeDisable(patches []hotstick.LoadedPatch, module string) (Step, error) {
	i := find(patches, module)
	if i < 0 {
		return Nothing, nil
	}
	switch patches[i].State {
	case hotstick.Disabled, hotstick.TransitionOut:
		return Nothing, nil
	case hotstick.TransitionIn:
		return Proceed, nil
	case hotstick.InEffect:
	default:
		return Nothing, unreadable(module)
	}
	if err := still(patches); err != nil {
		return Nothing, err
	}
	return Proceed, nil
}

// JudgeUnload decides whether a module's code may leave memory now.
func JudgeUnload(patches []hotstick.LoadedPatch, module string) (Step, error) {
	i := find(patches, module)
	if i < 0 {
		return Nothing, nil
	}
	if patches[i].State == hotstick.InEffect {
		return Nothing, Refuse(hotstick.ReasonAlreadyInEffect, "%s is enabled: disable it first", module)
	}
	if unknown(patches[i]) {
		return Nothing, unreadable(module)
	}
	if err := still(patches); err != nil {
		return Nothing, err
	}
	return Proceed, nil
}

func find(patches []hotstick.LoadedPatch, module string) int {
	return slices.IndexFunc(patches, func(p hotstick.LoadedPatch) bool { return p.Module == module })
}

func retry(r *Refusal) *Refusal {
	r.Retry = true
	return r
}

// JudgeFile decides whether a module file is what the load says it is, and made
// for the kernel build that runs. The release and the architecture are read from
// the file; its build ID is the catalog's word, because a module does not carry
// the kernel's.
func JudgeFile(info kmod.Info, load Load, running hotstick.KernelBuild) error {
	switch {
	case !info.Livepatch:
		return Refuse(hotstick.ReasonNotLivepatch, "module %s lacks livepatch=Y", info.Name)
	case info.Name != load.Module:
		return Refuse(hotstick.ReasonDigestMismatch, "the file holds module %s, not %s", info.Name, load.Module)
	case running.Validate() != nil:
		return Refuse(hotstick.ReasonWrongBuild, "the running kernel's build cannot be read")
	case load.Build != running:
		return Refuse(hotstick.ReasonWrongBuild, "made for %s; %s is running", load.Build, running)
	case info.Release() != running.Release:
		return Refuse(hotstick.ReasonWrongBuild, "the module was built for release %s; %s is running", info.Release(), running.Release)
	case info.Arch != running.Arch:
		return Refuse(hotstick.ReasonWrongBuild, "the module was built for architecture %q; %s is running", info.Arch, running.Arch)
	case info.Marks.Contradicts(load.Promised):
		return Refuse(hotstick.ReasonNotReversible, "the manifest promises %s and the module shows %s, so %s is the best: publish it with that reversibility", load.Promised, info.Marks, info.Marks.Reversibility())
	}
	return nil
}

// JudgeName decides whether a load may deal with a module that is already loaded
// under its name. A module that is no live patch, or one that was built from
// other sources, is somebody else's.
func JudgeName(loaded hotstick.ModuleFacts, info kmod.Info) error {
	if !strings.Contains(loaded.Taints, "K") {
		return Refuse(hotstick.ReasonNotLivepatch, "a module %s is loaded that is no live patch", loaded.Name)
	}
	if loaded.SrcVersion != "" && info.SrcVersion != "" && loaded.SrcVersion != info.SrcVersion {
		return Refuse(hotstick.ReasonForeignPatch, "a live patch %s is loaded that was built from other sources", loaded.Name)
	}
	return nil
}

// ReadFile reads what a load's file says of itself. A file that is no module is
// a refusal; another error means that it could not be read.
func ReadFile(load Load) (kmod.Info, error) {
	stat, err := load.File.Stat()
	if err != nil {
		return kmod.Info{}, fmt.Errorf("cannot read the file of module %s: %w", load.Module, err)
	}
	info, err := kmod.Read(load.File, stat.Size())
	var malformed *kmod.Error
	if errors.As(err, &malformed) {
		return kmod.Info{}, Refuse(hotstick.ReasonNotLivepatch, "%s", malformed.Detail)
	}
	return info, err
}
