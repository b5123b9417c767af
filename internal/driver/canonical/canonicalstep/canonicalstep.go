// Package canonicalstep pins the level of a host with Canonical Livepatch.
//
// The vendor's daemon loads; what can be told to it is a date after which a patch must
// have been published to be left out. So a level is applied by setting its cut-off date,
// letting the daemon look for patches, and waiting until the kernel lists the level's
// module and the client calls it by the level's version. Nothing newer comes, because the
// date was set before the daemon looked. There is no way back but a reboot: the vendor
// never unloads, and does not put an older patch over a newer one.
//
// On hold, the daemon looks for patches only when it is told to (check-interval is 0) and
// loads none when it starts (the mode file says no-apply). The daemon reads that file only
// at its start, so while a level is applied the file says normal, the daemon is started
// anew, and then the file says again what it said.
package canonicalstep

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/canonical"
	"github.com/hotstick/hotstick/internal/kernel"
)

// Stepper implements [driver.Scheduler].
type Stepper struct {
	*canonical.Observer
	fsys fs.FS
	run  driver.Commands
	root string
}

var _ driver.Scheduler = (*Stepper)(nil)

// New returns a Stepper for the machine whose root directory is root and whose programs
// are run by the commands. It sees the machine through fsys, and writes one file of it.
func New(fsys fs.FS, root string, run driver.Commands) *Stepper {
	return &Stepper{Observer: canonical.NewObserver(fsys, run), fsys: fsys, run: run, root: root}
}

// Apply implements [driver.Stepper].
func (s *Stepper) Apply(ctx context.Context, recipe hotstick.Recipe) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if number, _, _ := strings.Cut(recipe.Version, "."); !canonical.IsModule(recipe.Module) || !strings.HasSuffix(recipe.Module, "_"+number) {
		return driver.Refuse(hotstick.ReasonVerificationFailed, "%s is not the module of the version %s", recipe.Module, recipe.Version)
	}
	status, err := s.Status(ctx)
	if err != nil {
		return err
	}
	if err := status.Usable(); err != nil {
		return err
	}
	config, err := s.Config(ctx)
	if err != nil {
		return err
	}
	if !config.Pinnable() {
		return driver.Refuse(hotstick.ReasonNotEntitled, "the client asks a server of the organisation's own, which takes no cut-off date; only %s does", canonical.HostedServer)
	}
	if mode := s.Mode(); mode.Boot != "" && mode.Boot != normal {
		return driver.Refuse(hotstick.ReasonHeldOnHost, "the kernel command line says that the daemon runs in the mode %s", mode.Boot)
	}
	there, err := s.judge(recipe, status)
	if err != nil {
		return err
	}
	cutOff := recipe.CutOff.Format(time.RFC3339)
	if there && config[canonical.CutOffDate] == cutOff {
		return nil
	}
	return s.pin(ctx, recipe, config[canonical.CutOffDate], cutOff, there)
}

// judge says whether the level is in effect already, and refuses where it cannot come.
func (s *Stepper) judge(recipe hotstick.Recipe, status canonical.Status) (there bool, err error) {
	patches, err := kernel.Livepatches(s.fsys)
	if err != nil {
		return false, err
	}
	if there, err = has(patches, recipe, status); there || err != nil {
		return there, err
	}
	for _, p := range patches {
		switch {
		case p.State == hotstick.Disabled:
		case p.State == hotstick.TransitionIn || p.State == hotstick.TransitionOut:
			return false, retry(driver.Refuse(hotstick.ReasonTransitionBusy, "%s is in transition", p.Module))
		case p.State != hotstick.InEffect:
			return false, retry(driver.Refuse(hotstick.ReasonVerificationFailed, "the state of %s cannot be read", p.Module))
		case !canonical.IsModule(p.Module):
			return false, driver.Refuse(hotstick.ReasonForeignPatch, "%s is in effect, and Canonical's patch would replace it", p.Module)
		case number(p.Module) > number(recipe.Module):
			return false, driver.Refuse(hotstick.ReasonNoWayBack, "%s is in effect, which is newer than %s", p.Module, recipe.Version)
		}
	}
	return false, nil
}

// has reports whether the level's module is in effect or on its way in. A module is named
// after the first number of its version only, so the client is asked for the whole; what
// has the name and another version is refused.
func has(patches []hotstick.LoadedPatch, recipe hotstick.Recipe, status canonical.Status) (bool, error) {
	i := slices.IndexFunc(patches, func(p hotstick.LoadedPatch) bool {
		return p.Module == recipe.Module && (p.State == hotstick.InEffect || p.State == hotstick.TransitionIn)
	})
	if i < 0 {
		return false, nil
	}
	said := status.Running().Livepatch.Version
	first, _, _ := strings.Cut(said, ".")
	switch {
	case said == recipe.Version:
		return true, nil
	case said == "" || patches[i].State == hotstick.TransitionIn || !strings.HasSuffix(recipe.Module, "_"+first):
		return false, retry(driver.Refuse(hotstick.ReasonVerificationFailed, "the kernel lists %s, and the client says that the version is %q", recipe.Module, said))
	}
	return false, driver.Refuse(hotstick.ReasonNoWayBack, "%s is in effect as version %s, and not as %s", recipe.Module, said, recipe.Version)
}

// number is the last number of a module's name; 0 if it has none.
func number(module string) int {
	n, err := strconv.Atoi(module[strings.LastIndex(module, "_")+1:])
	if err != nil {
		return 0
	}
	return n
}

// pin sets the cut-off date and lets the daemon bring the level. If that fails, the date
// is set back to what it was.
func (s *Stepper) pin(ctx context.Context, recipe hotstick.Recipe, before, cutOff string, there bool) error {
	if err := s.configure(ctx, canonical.CutOffDate, cutOff); err != nil || there {
		return err
	}
	err := s.bring(ctx, recipe)
	if err != nil && ctx.Err() == nil && !s.came(recipe) {
		return errors.Join(err, s.configure(ctx, canonical.CutOffDate, before))
	}
	return err
}

// came reports whether the level's module is in the kernel in spite of all: then its date
// stays as well.
func (s *Stepper) came(recipe hotstick.Recipe) bool {
	patches, err := s.Observe(context.Background())
	return err != nil || slices.ContainsFunc(patches, func(p hotstick.LoadedPatch) bool { return p.Module == recipe.Module })
}

// bring lets the daemon look for patches in its normal mode, and waits for the level.
func (s *Stepper) bring(ctx context.Context, recipe hotstick.Recipe) (err error) {
	if mode := s.Mode(); mode.There && strings.TrimSpace(mode.File) != normal {
		// Written back whatever happens, for the daemon may be started by others.
		defer func() { err = errors.Join(err, s.setMode(mode)) }()
		if err := s.setMode(canonical.Mode{File: normal, There: true}); err != nil {
			return err
		}
		if err := s.restart(ctx); err != nil {
			return err
		}
	}
	ran, err := s.Client(ctx, "refresh")
	if err != nil {
		return err
	}
	if ran.Code != 0 {
		return canonical.Judge("refresh", ran)
	}
	return s.await(ctx, recipe)
}

// How long the daemon may take, and how long it may rest with another version until it is
// taken for certain that it does not have the level.
const (
	patience = 3 * time.Minute
	rest     = 10 * time.Second
	look     = 500 * time.Millisecond
)

// await waits until the kernel lists the level and the client calls it by its version.
func (s *Stepper) await(ctx context.Context, recipe hotstick.Recipe) error {
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for waited := time.Duration(0); waited < patience; waited += look {
		status, err := s.Status(ctx)
		if err != nil {
			return err
		}
		patches, err := kernel.Livepatches(s.fsys)
		if err != nil {
			return err
		}
		there, mismatch := has(patches, recipe, status)
		if there && status.Running().Livepatch.State != canonical.StateWithBug {
			return nil
		}
		if err := status.Failed(); err != nil {
			return err
		}
		if resting(status) && waited >= rest {
			if mismatch != nil {
				return mismatch
			}
			return driver.Refuse(hotstick.ReasonToolFailed, "with the cut-off date %s the daemon has version %q and not %s", recipe.CutOff.Format(time.RFC3339), status.Running().Livepatch.Version, recipe.Version)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
	return retry(driver.Refuse(hotstick.ReasonVerificationFailed, "the daemon does not bring %s within %s", recipe.Version, patience))
}

// resting: the client says that there is nothing left to do.
func resting(s canonical.Status) bool {
	p := s.Running().Livepatch
	return p.State != canonical.StateApplying && p.CheckState != "needs-check"
}

// Remove implements [driver.Stepper]. It refuses where any patch of Canonical's is in
// effect.
func (s *Stepper) Remove(ctx context.Context, recipe hotstick.Recipe) error {
	return driver.StaysIn(ctx, s, "Canonical's client never unloads a patch such as")
}

// configure sets one key of the client's configuration.
func (s *Stepper) configure(ctx context.Context, key, value string) error {
	ran, err := s.Client(ctx, "config", key+"="+value)
	if err != nil {
		return err
	}
	if ran.Code != 0 {
		return canonical.Judge("config "+key, ran)
	}
	return nil
}

// restart starts the daemon anew, so that it reads its mode.
func (s *Stepper) restart(ctx context.Context) error {
	ran, err := s.run.Run(ctx, "snap", "restart", "canonical-livepatch")
	switch {
	case errors.Is(err, driver.ErrNoProgram):
		return driver.Refuse(hotstick.ReasonUnsupported, "there is no snap on the host")
	case err != nil && ctx.Err() != nil:
		return err
	case err != nil:
		return driver.Refuse(hotstick.ReasonToolFailed, "%v", err)
	case ran.Code != 0:
		return driver.Refuse(hotstick.ReasonToolFailed, "snap restart ended with exit code %d: %s", ran.Code, ran.Said())
	}
	return nil
}

func retry(r *driver.Refusal) *driver.Refusal {
	r.Retry = true
	return r
}
