// Package susestep changes the live patch of a host with SUSE Linux Enterprise Live
// Patching, through zypper.
//
// A level is one version of the package for the running kernel. Zypper installs exactly
// that one, also where it is older than what is there, and the package's own script
// loads the module, which replaces the one before. So the level before comes back by
// applying it. There is no way to no level at all: the packages never unload what runs.
//
// `klp downgrade` is not used: it picks the level by itself.
package susestep

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/suse"
	"github.com/hotstick/hotstick/internal/kernel"
)

// Stepper implements [driver.Stepper].
type Stepper struct {
	*suse.Observer
	fsys fs.FS
	run  driver.Commands
}

var _ driver.Stepper = (*Stepper)(nil)

// New returns a Stepper for the machine whose root is fsys and whose programs are run by
// the commands.
func New(fsys fs.FS, run driver.Commands, now func() time.Time) *Stepper {
	return &Stepper{Observer: suse.NewObserver(fsys, now), fsys: fsys, run: run}
}

// Apply implements [driver.Stepper].
func (s *Stepper) Apply(ctx context.Context, recipe hotstick.Recipe) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if r := s.Installed(); r != nil {
		return r
	}
	level, err := levelOf(recipe)
	if err != nil {
		return err
	}
	before, err := s.installed(ctx, level.Name)
	if err != nil {
		return err
	}
	if before == level.Version && s.runs(ctx, recipe.Module) {
		return nil
	}
	if err := s.clear(ctx); err != nil {
		return err
	}
	install := []string{"install", "--oldpackage", level.String()}
	if before == level.Version {
		// Nothing would be done, and the package's script is what loads the module.
		install = slices.Insert(install, 1, "--force")
	}
	ran, err := s.zypper(ctx, install...)
	if err != nil {
		return err
	}
	if s.runs(ctx, recipe.Module) {
		return nil
	}
	refusal := judge(ran)
	if ended, on := s.CoverEnded(); ended && ran.Code == capabilityNotFound {
		refusal = driver.Refuse(hotstick.ReasonCoverEnded, "live patches for this kernel were made until %s: %s", on.Format(time.DateOnly), ran.Said())
	}
	return errors.Join(refusal, s.putBack(ctx, level, before))
}

// Remove implements [driver.Stepper]. It refuses where any level is in effect.
func (s *Stepper) Remove(ctx context.Context, recipe hotstick.Recipe) error {
	return driver.StaysIn(ctx, s, "SUSE's live patches replace one another, and none of them unloads")
}

// levelOf returns the one package of a recipe, which is that of the recipe's kernel and
// brings the module that the recipe says.
func levelOf(recipe hotstick.Recipe) (hotstick.Package, error) {
	if len(recipe.Packages) != 1 {
		return hotstick.Package{}, driver.Refuse(hotstick.ReasonUnsupported, "a level of SUSE is one package, and the recipe of %s lists %d", recipe.Module, len(recipe.Packages))
	}
	p := recipe.Packages[0]
	if !slices.Contains(suse.PackageNames(recipe.Build.Release), p.Name) {
		return p, driver.Refuse(hotstick.ReasonWrongBuild, "%s is not the live patch of %s", p.Name, recipe.Build.Release)
	}
	if brings := suse.ModuleName(p); brings != recipe.Module {
		return p, driver.Refuse(hotstick.ReasonVerificationFailed, "%s brings %s, and the recipe says %s", p, brings, recipe.Module)
	}
	return p, nil
}

// runs reports whether a level is in effect or on its way in.
func (s *Stepper) runs(ctx context.Context, module string) bool {
	patches, err := s.Observe(ctx)
	return err == nil && slices.ContainsFunc(patches, func(p hotstick.LoadedPatch) bool {
		return p.Module == module && (p.State == hotstick.InEffect || p.State == hotstick.TransitionIn)
	})
}

// clear refuses while something is in the kernel that a new level would disturb: a
// transition, a patch whose state nobody can tell, and a patch of somebody else's, which
// SUSE's would replace.
func (s *Stepper) clear(ctx context.Context) error {
	patches, err := s.Observe(ctx)
	if err != nil {
		return err
	}
	if kernel.HasLivepatch(s.fsys) {
		if patches, err = kernel.Livepatches(s.fsys); err != nil {
			return err
		}
	}
	for _, p := range patches {
		switch {
		case p.State == hotstick.Disabled:
		case p.State == hotstick.TransitionIn || p.State == hotstick.TransitionOut:
			return retry(driver.Refuse(hotstick.ReasonTransitionBusy, "%s is in transition", p.Module))
		case p.State != hotstick.InEffect:
			return retry(driver.Refuse(hotstick.ReasonVerificationFailed, "the state of %s cannot be read", p.Module))
		case !suse.IsModule(p.Module):
			return driver.Refuse(hotstick.ReasonForeignPatch, "%s is in effect, and SUSE's live patch would replace it", p.Module)
		}
	}
	return nil
}

// putBack restores the package that was there before, if the level's package was
// installed though its module is not in the kernel: a package that stayed would be in the
// initrd, and come into effect at the next boot without anybody's word.
func (s *Stepper) putBack(ctx context.Context, level hotstick.Package, before string) error {
	now, err := s.installed(ctx, level.Name)
	if err != nil || now == before || now != level.Version {
		return err
	}
	arguments := []string{"install", "--oldpackage", level.Name + "=" + before}
	if before == "" {
		arguments = []string{"remove", level.Name}
	}
	ran, err := s.zypper(ctx, arguments...)
	if err != nil {
		return err
	}
	if again, err := s.installed(ctx, level.Name); err != nil || again != before {
		return errors.Join(err, fmt.Errorf("cannot put the package %s back to %q: it is at %q: %s", level.Name, before, again, ran.Said()))
	}
	return nil
}

// installed returns the version of a package that is installed; empty if none is.
func (s *Stepper) installed(ctx context.Context, name string) (string, error) {
	ran, err := s.command(ctx, "rpm", "-q", "--queryformat", `%{VERSION}-%{RELEASE}\n`, name)
	if err != nil {
		return "", err
	}
	version, more, _ := strings.Cut(strings.TrimSpace(ran.Stdout), "\n")
	switch {
	case ran.Code == 0 && more == "" && version != "":
		return version, nil
	case ran.Code == 1 && strings.Contains(ran.Stdout, "is not installed"):
		return "", nil
	}
	return "", driver.Refuse(hotstick.ReasonToolFailed, "rpm cannot tell the version of %s: %s", name, ran.Said())
}

func (s *Stepper) zypper(ctx context.Context, arguments ...string) (driver.Ran, error) {
	return s.command(ctx, append([]string{"zypper", "--non-interactive"}, arguments...)...)
}

func (s *Stepper) command(ctx context.Context, argv ...string) (driver.Ran, error) {
	ran, err := s.run.Run(ctx, argv...)
	switch {
	case errors.Is(err, driver.ErrNoProgram):
		return ran, driver.Refuse(hotstick.ReasonUnsupported, "there is no %s on the host", argv[0])
	case ctx.Err() != nil:
		return ran, err
	case err != nil:
		return ran, driver.Refuse(hotstick.ReasonToolFailed, "%v", err)
	}
	return ran, nil
}

func retry(r *driver.Refusal) *driver.Refusal {
	r.Retry = true
	return r
}
