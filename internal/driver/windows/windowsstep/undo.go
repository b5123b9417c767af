package windowsstep

import (
	"context"
	"fmt"
	"slices"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/kernel/nt"
)

// Remove implements [driver.Stepper]: Windows takes no hotpatch out of a running kernel.
// Its reason says what can be done about this one.
func (s *Stepper) Remove(ctx context.Context, recipe hotstick.Recipe) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("cannot take %s out: %w", recipe.Updates[0], err)
	}
	patches, err := s.Observe(ctx)
	if err != nil {
		return driver.Refuse(hotstick.ReasonVerificationFailed, "%v", err)
	}
	if !slices.ContainsFunc(patches, func(p hotstick.LoadedPatch) bool { return p.Module == recipe.Module }) {
		return nil
	}
	return driver.Refuse(hotstick.ReasonNoWayBack, "%s", s.wayOut(ctx, recipe.Updates[0]))
}

// wayOut says what a person can do to get rid of an update.
func (s *Stepper) wayOut(ctx context.Context, article string) string {
	_, updates, err := s.ask(ctx, article)
	switch {
	case err != nil:
		return fmt.Sprintf("uninstall %s, if it can be (that could not be asked: %v), and reboot", article, err)
	case slices.ContainsFunc(updates, Update.removable):
		return fmt.Sprintf("hotstick-agent uninstall-update %s takes it off, and it is gone after a reboot", article)
	case slices.ContainsFunc(updates, func(u Update) bool { return u.Installed }):
		return fmt.Sprintf("Windows Update cannot uninstall %s: only a newer update, or a copy of the machine from before, helps", article)
	}
	return fmt.Sprintf("Windows Update does not list %s: look for its package (dism /online /get-packages), remove that, and reboot", article)
}

func (u Update) removable() bool { return u.Installed && u.Uninstallable }

// Uninstall takes an update off the machine, as a person asks for it: it is no part of any
// attempt. It says whether the update is in effect until the next boot. The error is a
// refusal where nothing was done.
func (s *Stepper) Uninstall(ctx context.Context, article string) (untilReboot bool, err error) {
	before, err := nt.Now(s.Registry)
	if err != nil {
		return false, err
	}
	state, updates, err := s.ask(ctx, article)
	if err != nil {
		return false, err
	}
	installed := slices.DeleteFunc(updates, func(u Update) bool { return !u.Installed }) // the list is our own
	switch {
	case state.Busy:
		return false, errBusy()
	case len(installed) != 1:
		return false, driver.Refuse(hotstick.ReasonToolFailed, "Windows Update lists %d installed updates of %s", len(installed), article)
	case !installed[0].Uninstallable:
		return false, driver.Refuse(hotstick.ReasonNoWayBack, "%s", s.wayOut(ctx, article))
	}
	done, err := s.lasting(ctx, Uninstall, installed[0].ID)
	if r := ended("uninstall "+article, done, err); r != nil {
		return false, s.explain(ctx, r)
	}
	after, err := nt.Now(s.Registry)
	if err != nil {
		return true, err
	}
	state, err = s.Agent.State(ctx)
	waits := done.RebootRequired || err == nil && state.RebootRequired || len(s.Pending()) > 0
	if after == before && !waits {
		return false, driver.Refuse(hotstick.ReasonVerificationFailed, "Windows Update has uninstalled %s; the registry shows %s as before, and nobody waits for a reboot", article, after)
	}
	return waits || after == before, nil
}
