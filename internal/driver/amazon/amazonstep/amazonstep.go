// Package amazonstep installs the kernel live patches of Amazon Linux. It runs in a step
// unit. README.md of the driver says what is driven and what is not.
package amazonstep

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/amazon"
	"github.com/hotstick/hotstick/internal/driver/klp"
	"github.com/hotstick/hotstick/internal/driver/rpm/rpmrun"
	"github.com/hotstick/hotstick/internal/kernel"
)

// New returns the driver of the host whose root is fsys. On Amazon Linux 2023 it is a
// [driver.Scheduler] as well. On Amazon Linux 2 it is not: what `yum kernel-livepatch
// disable` does is to remove the packages, and the plugin starts nothing by itself.
func New(fsys fs.FS, commands driver.Commands) driver.Stepper {
	s := &Stepper{amazon.NewObserver(fsys), fsys, rpmrun.Manager{Commands: commands, Program: "yum"}, "supported"}
	if amazon.SystemOf(fsys) != amazon.AL2 {
		s.packages.Program, s.support = "dnf", "support"
		return &Scheduler{s, plugin(fsys, s.packages)}
	}
	return s
}

// Stepper installs packages of kernel-livepatch.
type Stepper struct {
	*amazon.Observer
	fsys     fs.FS
	packages rpmrun.Manager
	// support is the plugin's word that asks until when the kernel is covered.
	support string
}

var _ driver.Stepper = (*Stepper)(nil)

// Apply implements [driver.Stepper]. Exactly the recipe's packages are installed; their
// scripts load the modules. A module that is installed and was not loaded, because the script
// failed or was ended, is loaded by the kpatch tool.
func (s *Stepper) Apply(ctx context.Context, recipe hotstick.Recipe) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if c := s.Capabilities(ctx); !c.Available {
		return &driver.Refusal{Reason: *c.Reason}
	}
	if err := fits(recipe); err != nil {
		return err
	}
	patches, err := kernel.Livepatches(s.fsys)
	if err != nil {
		return err
	}
	if klp.StateOf(patches, recipe.Module) == hotstick.InEffect {
		return nil
	}
	if r := klp.Free(patches, amazon.Own(s.fsys)); r != nil {
		return r
	}
	if err := rpmrun.Forward(ctx, s.packages, recipe.Packages); err != nil {
		return err
	}
	err = rpmrun.InstallAndLoad(ctx, s.packages, recipe, rpmrun.Host{
		State: func() (hotstick.Effect, error) {
			all, err := kernel.Livepatches(s.fsys)
			return klp.StateOf(all, recipe.Module), err
		},
		File: func() string { return amazon.File(s.fsys, recipe.Module) },
	})
	return s.orEnded(ctx, err)
}

// fits refuses packages that are not for this kernel, or have no module in them.
func fits(recipe hotstick.Recipe) error {
	for _, p := range recipe.Packages {
		if amazon.Empty(p) {
			return driver.Refuse(hotstick.ReasonNotLivepatch, "%s is empty: it comes first, and there is no fix in it", p)
		}
		if !amazon.ForRelease(p, recipe.Build.Release) {
			return driver.Refuse(hotstick.ReasonWrongBuild, "%s is not for %s", p, recipe.Build.Release)
		}
	}
	return nil
}

// orEnded asks, where there was no such package, whether the kernel is still covered.
func (s *Stepper) orEnded(ctx context.Context, err error) error {
	var r *driver.Refusal
	if !errors.As(err, &r) || r.Reason.Code != hotstick.ReasonToolFailed || r.Retry {
		return err
	}
	ran, askErr := s.packages.Verb(ctx, "kernel-livepatch", s.support)
	if askErr != nil {
		return err // the first cause is the better one
	}
	until, ok := CoverUntil(ran.Stdout)
	if !ok || time.Now().Before(until) {
		return err
	}
	return driver.Refuse(hotstick.ReasonCoverEnded, "the running kernel was covered until %s", until.Format(time.DateOnly))
}

// Remove implements [driver.Stepper]. Removing the packages leaves the kernel patched until
// it is rebooted.
func (s *Stepper) Remove(ctx context.Context, recipe hotstick.Recipe) error {
	return rpmrun.StayIn(ctx, s.Observer, recipe)
}
