// Package windowsstep installs hotpatches of Windows, one update at a time, by the Windows
// Update Agent. Only the loader's half of a Windows host links it.
//
// An attempt searches for the one article that the recipe names, downloads it, installs
// it, and then looks at the registry: only the build and revision that the recipe names
// is success, whatever the agent says. An update that wants a reboot is no hotpatch. One
// that says so beforehand is refused; one that says so at its end has failed as an
// attempt, with the reason reboot_pending, and comes into effect at the next boot, which
// only a person can keep from happening, by uninstalling it before.
//
// There is no way back without a reboot, so Remove always refuses.
package windowsstep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/windows"
	"github.com/hotstick/hotstick/internal/kernel/nt"
)

// Stepper installs updates on one machine.
type Stepper struct {
	*windows.Observer
	Agent  UpdateAgent
	Policy Policy
	// Names keeps the names of levels.
	Names *Names
}

var _ driver.Scheduler = (*Stepper)(nil)

// Apply implements [driver.Stepper].
func (s *Stepper) Apply(ctx context.Context, recipe hotstick.Recipe) error {
	want, err := nt.ParseLevel(recipe.Version)
	if err != nil {
		return driver.Refuse(hotstick.ReasonVerificationFailed, "%v", err)
	}
	now, err := nt.Now(s.Registry)
	if err != nil {
		return driver.Refuse(hotstick.ReasonVerificationFailed, "%v", err)
	}
	if r := judge(now, want, s.Usable(), s.Pending()); r != nil {
		return r
	}
	if err := s.Names.Note(want, recipe.Module); err != nil {
		return err
	}
	if now == want {
		return nil
	}
	update, err := s.find(ctx, recipe.Updates[0])
	if err != nil {
		return err
	}
	if !update.Downloaded {
		done, err := s.Agent.Download(ctx, update.ID)
		if r := ended("download "+recipe.Updates[0], done, err); r != nil {
			return r
		}
	}
	done, err := s.Agent.Install(ctx, update.ID)
	if r := ended("install "+recipe.Updates[0], done, err); r != nil {
		return s.explain(ctx, r)
	}
	if done.RebootRequired {
		return driver.Refuse(hotstick.ReasonRebootPending, "%s is installed and comes into effect at the next boot: it is no hotpatch for this machine", recipe.Updates[0])
	}
	if now, err = nt.Now(s.Registry); err != nil || now != want {
		return driver.Refuse(hotstick.ReasonVerificationFailed, "Windows Update has installed %s; the registry shows %s, not %s (%v)", recipe.Updates[0], now, want, err)
	}
	return nil
}

// judge says what stands against an installation before anybody is asked.
func judge(now, want nt.Level, unusable *driver.Refusal, pending []string) error {
	switch {
	case now == want:
		return nil
	case want.Build != now.Build:
		return driver.Refuse(hotstick.ReasonWrongBuild, "%s is running: no hotpatch leads to %s", now, want)
	case want.Compare(now) < 0:
		return driver.Refuse(hotstick.ReasonNoWayBack, "%s is in effect, which is newer than %s", now, want)
	case unusable != nil:
		return unusable
	case len(pending) > 0:
		return driver.Refuse(hotstick.ReasonRebootPending, "for %s", strings.Join(pending, " and "))
	}
	return nil
}

// find returns the one update of an article that can be installed.
func (s *Stepper) find(ctx context.Context, article string) (Update, error) {
	state, err := s.Agent.State(ctx)
	if err != nil {
		return Update{}, refused("be asked", err)
	}
	updates, err := s.Agent.Search(ctx, article)
	if err != nil {
		return Update{}, refused("search for "+article, err)
	}
	return choose(article, state, updates)
}

// choose decides which update to install, and whether it may be.
func choose(article string, state State, updates []Update) (Update, error) {
	switch {
	case state.Busy:
		r := driver.Refuse(hotstick.ReasonTransitionBusy, "Windows Update installs something else")
		r.Retry = true
		return Update{}, r
	case state.RebootRequired:
		return Update{}, driver.Refuse(hotstick.ReasonRebootPending, "Windows Update waits for one")
	}
	updates = slices.DeleteFunc(slices.Clone(updates), func(u Update) bool {
		return !slices.ContainsFunc(u.Articles, func(a string) bool { return number(a) == number(article) })
	})
	switch {
	case len(updates) == 0:
		return Update{}, driver.Refuse(hotstick.ReasonNoArtifact, "Windows Update offers no %s to this machine", article)
	case len(updates) > 1:
		return Update{}, driver.Refuse(hotstick.ReasonUnsupported, "Windows Update offers %d updates of %s, and only one may be installed", len(updates), article)
	case updates[0].Installed:
		return Update{}, driver.Refuse(hotstick.ReasonVerificationFailed, "%s is installed, and its level is not in effect", article)
	case updates[0].Reboots == AlwaysReboots:
		return Update{}, driver.Refuse(hotstick.ReasonUnsupported, "%s (%.100s) restarts the machine: it is no hotpatch", article, updates[0].Title)
	}
	return updates[0], nil
}

// number is that of an article: the agent writes it without KB.
func number(article string) string {
	return strings.TrimPrefix(strings.ToUpper(article), "KB")
}

// ended says why an operation did not end well; nil if it did.
func ended(what string, done Result, err error) error {
	switch {
	case err != nil:
		return refused(what, err)
	case done.Code == Succeeded:
		return nil
	case done.HResult != 0:
		return done.HResult.refusal(what)
	}
	return driver.Refuse(hotstick.ReasonToolFailed, "Windows Update cannot %s: %s", what, done.Code)
}

// refused turns an error of the agent into a refusal.
func refused(what string, err error) error {
	var agent *AgentError
	if errors.As(err, &agent) {
		return agent.HResult.refusal(what)
	}
	return fmt.Errorf("cannot %s: %w", what, err)
}

// explain adds what the agent's history says last to a refusal that has no better words.
func (s *Stepper) explain(ctx context.Context, err error) error {
	var r *driver.Refusal
	if !errors.As(err, &r) || r.Reason.Code != hotstick.ReasonToolFailed {
		return err
	}
	if last, failed := s.Agent.History(ctx, 1); failed == nil && len(last) == 1 && last[0].HResult != 0 {
		r.Reason.Detail += fmt.Sprintf("; last in its history: %.100s, %s", last[0].Title, last[0].HResult.meaning())
	}
	return r
}

// Remove implements [driver.Stepper]: Windows takes no hotpatch out of a running kernel.
func (s *Stepper) Remove(ctx context.Context, recipe hotstick.Recipe) error {
	patches, err := s.Observe(ctx)
	if err != nil {
		return driver.Refuse(hotstick.ReasonVerificationFailed, "%v", err)
	}
	for _, p := range patches {
		if p.Module == recipe.Module {
			return driver.Refuse(hotstick.ReasonNoWayBack, "uninstall %s and reboot", recipe.Updates[0])
		}
	}
	return nil
}
