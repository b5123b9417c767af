// Package kpatchstep changes hosts whose live patches the kpatch tool loads. It runs in a
// step unit. README.md of the driver says what is driven and what is not.
package kpatchstep

import (
	"context"
	"io/fs"
	"os"
	"slices"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/klp"
	"github.com/hotstick/hotstick/internal/driver/kpatch"
	"github.com/hotstick/hotstick/internal/driver/rpm/rpmrun"
	"github.com/hotstick/hotstick/internal/kernel"
	"github.com/hotstick/hotstick/internal/kernel/kmod"
)

// New returns the driver of the host whose root is fsys. Where live patches are Red Hat's
// packages it is a [driver.Scheduler] as well.
func New(fsys fs.FS, commands driver.Commands) driver.Stepper {
	s := &Stepper{Observer: kpatch.NewObserver(fsys), fsys: fsys, commands: commands, own: kpatch.Own(fsys)}
	if kpatch.Packaged(fsys) {
		return &Scheduler{s, plugin(fsys, commands)}
	}
	return s
}

// Stepper applies modules that somebody built and put where the kpatch tool looks for them.
type Stepper struct {
	*kpatch.Observer
	fsys     fs.FS
	commands driver.Commands
	// own tells which modules a level may replace.
	own func(module string) bool
	// back: it applies the level before again.
	back bool
}

var (
	_ driver.Particular = (*Stepper)(nil)
	_ driver.Returning  = (*Stepper)(nil)
)

// Only implements [driver.Particular].
func (s *Stepper) Only(modules []string) driver.Stepper { return s.only(modules) }

func (s *Stepper) only(modules []string) *Stepper {
	with := *s
	with.own = func(module string) bool { return slices.Contains(modules, module) }
	return &with
}

// Back implements [driver.Returning]: whatever the next boot would load, the level before
// comes back now.
func (s *Stepper) Back() driver.Stepper { return s.returning() }

func (s *Stepper) returning() *Stepper {
	with := *s
	with.back = true
	return &with
}

// Apply implements [driver.Stepper] with `kpatch load`. A patch that replaces others takes
// the place of the level before; its code stays in memory, as the tool leaves it.
func (s *Stepper) Apply(ctx context.Context, recipe hotstick.Recipe) error {
	if len(recipe.Packages) > 0 {
		return driver.Refuse(hotstick.ReasonUnsupported, "this host has no packages of kpatch-patch")
	}
	return s.load(ctx, recipe)
}

// load loads the module whose digest the recipe has.
func (s *Stepper) load(ctx context.Context, recipe hotstick.Recipe) error {
	patches, refusal := s.look(ctx)
	if refusal != nil {
		return refusal
	}
	state := klp.StateOf(patches, recipe.Module)
	if state == hotstick.InEffect {
		return nil
	}
	if err := s.free(patches); err != nil {
		return err
	}
	file, err := s.verify(recipe)
	if err != nil {
		return err
	}
	if unit := kpatch.AtBoot(s.fsys); unit != "" && !s.back {
		return driver.Refuse(hotstick.ReasonOtherMaster, "%s would load the modules below /%s at the next boot, whatever becomes of them here: disable it, or move them below /%s",
			unit, kpatch.Installed, kpatch.Kept)
	}
	return rpmrun.Load(ctx, s.commands, recipe.Module, file, state == hotstick.Disabled)
}

// look reads what is loaded, of every system; the error says why it cannot go on.
func (s *Stepper) look(ctx context.Context) ([]hotstick.LoadedPatch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if c := s.Capabilities(ctx); !c.Available {
		return nil, &driver.Refusal{Reason: *c.Reason}
	}
	return kernel.Livepatches(s.fsys)
}

// free is [klp.Free] for this system, as an error.
func (s *Stepper) free(patches []hotstick.LoadedPatch) error {
	if r := klp.Free(patches, s.own); r != nil {
		return r
	}
	return nil
}

// verify finds the module's file and compares its bytes with the recipe's digest. Between
// this and the tool's reading only root can change the file.
func (s *Stepper) verify(recipe hotstick.Recipe) (string, error) {
	file := kpatch.File(s.fsys, recipe.Module)
	if file == "" {
		return "", driver.Refuse(hotstick.ReasonNoArtifact, "there is no file of %s for this kernel below /%s or /%s", recipe.Module, kpatch.Kept, kpatch.Installed)
	}
	f, err := s.fsys.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if info.Size() > kmod.MaxBytes {
		return "", driver.Refuse(hotstick.ReasonDigestMismatch, "/%s has %d bytes", file, info.Size())
	}
	data, err := fs.ReadFile(s.fsys, file)
	if err != nil {
		return "", err
	}
	if digest := hotstick.NewDigest(data); digest != recipe.File {
		return "", driver.Refuse(hotstick.ReasonDigestMismatch, "/%s is %s", file, digest)
	}
	return string(os.PathSeparator) + file, nil
}

// Remove implements [driver.Stepper] with `kpatch unload`, for the recipe's module only.
func (s *Stepper) Remove(ctx context.Context, recipe hotstick.Recipe) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	all, err := kernel.Livepatches(s.fsys)
	if err != nil {
		return err
	}
	there := false
	for _, p := range all { // the tool waits for any transition, and may reverse the level's only
		switch {
		case p.Module == recipe.Module:
			there = p.State != hotstick.Disabled
		case p.State == hotstick.TransitionIn || p.State == hotstick.TransitionOut:
			r := driver.Refuse(hotstick.ReasonTransitionBusy, "%s is in transition", p.Module)
			r.Retry = true
			return r
		}
	}
	if !there {
		return nil
	}
	return rpmrun.Unload(ctx, s.commands, recipe.Module)
}
