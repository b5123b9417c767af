package kpatchstep

import (
	"context"
	"io/fs"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/klp"
	"github.com/hotstick/hotstick/internal/driver/kpatch"
	"github.com/hotstick/hotstick/internal/driver/rpm/rpmrun"
	"github.com/hotstick/hotstick/internal/kernel"
)

// Scheduler installs the kpatch-patch packages of Red Hat. Its hold is `dnf kpatch manual`.
// kpatch.service stays as it is: at boot it loads what is installed, and nothing else.
type Scheduler struct {
	*Stepper
	rpmrun.Plugin
}

var (
	_ driver.Scheduler  = (*Scheduler)(nil)
	_ driver.Particular = (*Scheduler)(nil)
	_ driver.Returning  = (*Scheduler)(nil)
)

// Only implements [driver.Particular].
func (s *Scheduler) Only(modules []string) driver.Stepper {
	return &Scheduler{s.only(modules), s.Plugin}
}

// Back implements [driver.Returning].
func (s *Scheduler) Back() driver.Stepper { return &Scheduler{s.returning(), s.Plugin} }

func plugin(fsys fs.FS, commands driver.Commands) rpmrun.Plugin {
	return rpmrun.Plugin{
		Manager: rpmrun.Manager{Commands: commands, Program: "dnf"}, Driver: kpatch.Name, Command: "kpatch",
		Auto: func() (bool, error) { auto, _, err := kpatch.Plugin().Auto(fsys); return auto, err },
		Look: func() (bool, string, error) { return kpatch.Plugin().Held(fsys) },
	}
}

// Apply implements [driver.Stepper]. Exactly the recipe's packages are installed; their
// scripts load the module. A module that is installed and was not loaded, because the script
// failed or was ended, is loaded by the tool.
func (s *Scheduler) Apply(ctx context.Context, recipe hotstick.Recipe) error {
	if recipe.File != "" {
		return s.load(ctx, recipe)
	}
	patches, err := s.look(ctx)
	if err != nil {
		return err
	}
	if err := s.fits(recipe); err != nil {
		return err
	}
	if klp.StateOf(patches, recipe.Module) == hotstick.InEffect {
		return nil
	}
	if err := s.free(patches); err != nil {
		return err
	}
	if err := rpmrun.Forward(ctx, s.Manager, recipe.Packages); err != nil {
		return err
	}
	expected, _ := kpatch.ModuleOf(recipe.Packages[len(recipe.Packages)-1])
	return rpmrun.InstallAndLoad(ctx, s.Manager, recipe, rpmrun.Host{
		State: func() (hotstick.Effect, error) {
			all, err := kernel.Livepatches(s.fsys)
			return klp.StateOf(all, recipe.Module), err
		},
		File: func() string { return kpatch.File(s.fsys, recipe.Module) }, Expected: expected,
	})
}

// fits refuses packages that are not for this kernel, or have no module in them.
func (s *Scheduler) fits(recipe hotstick.Recipe) error {
	for _, p := range recipe.Packages {
		if kpatch.Empty(p) {
			return driver.Refuse(hotstick.ReasonNotLivepatch, "%s is empty: the kernel is covered, and there is no fix yet", p)
		}
		if !kpatch.ForRelease(p, recipe.Build.Release) {
			return driver.Refuse(hotstick.ReasonWrongBuild, "%s is not for %s", p, recipe.Build.Release)
		}
	}
	return nil
}

// Remove implements [driver.Stepper]. Red Hat supports no unloading: removing the package
// leaves the kernel patched until it is rebooted.
func (s *Scheduler) Remove(ctx context.Context, recipe hotstick.Recipe) error {
	if recipe.File != "" {
		return s.Stepper.Remove(ctx, recipe)
	}
	return rpmrun.StayIn(ctx, s.Observer, recipe)
}
