// Package windowsstep installs hotpatches of Windows, one update at a time, by the Windows
// Update Agent. Only the loader's half of a Windows host links it.
//
// An attempt searches for the one article that the recipe names, downloads it, installs
// it, and then looks at the registry: only the build and revision that the recipe names,
// with nobody waiting for a reboot, is success, whatever the agent says. An update that a
// newer one replaces is installed all the same, for it is the one that was signed.
//
// An update that wants a reboot is no hotpatch. One that says so beforehand is refused;
// one that says so at its end has failed as an attempt, with the reason reboot_pending, and
// comes into effect at the next boot, which only a person can keep from happening, by
// uninstalling it before.
//
// # The way back
//
// Microsoft documents one way back from a hotpatch: uninstall the update, and reboot. So
// the driver's [hotstick.Undo] is reboot, and Remove always refuses; its reason says
// whether this very update can be uninstalled, which the agent tells of each one: a
// hotpatch and a cumulative update mostly can, a servicing stack cannot, and neither can
// one that came with it in one package. [Stepper.Uninstall] does it where a person asks.
package windowsstep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/windows"
	"github.com/hotstick/hotstick/internal/kernel/nt"
	"github.com/hotstick/hotstick/internal/kernel/nt/calendar"
)

// Stepper installs updates on one machine.
type Stepper struct {
	*windows.Observer
	Agent  UpdateAgent
	Policy Policy
	// Names keeps the names of levels.
	Names *Names
	// Grace is how long an installation that has begun is still waited for when it is to
	// end: nobody can break it off, and before it has ended nobody knows what is in effect.
	Grace time.Duration
}

var _ driver.Scheduler = (*Stepper)(nil)

// Apply implements [driver.Stepper].
func (s *Stepper) Apply(ctx context.Context, recipe hotstick.Recipe) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("cannot install %s: %w", recipe.Updates[0], err)
	}
	want, err := nt.ParseLevel(recipe.Version)
	if err != nil {
		return driver.Refuse(hotstick.ReasonVerificationFailed, "%v", err)
	}
	now, err := nt.Now(s.Registry)
	if err != nil {
		return driver.Refuse(hotstick.ReasonVerificationFailed, "%v", err)
	}
	if r := s.judge(now, want); r != nil {
		return r
	}
	if now == want {
		return s.Names.Note(want, recipe.Module)
	}
	update, err := s.find(ctx, recipe.Updates[0])
	if err != nil {
		return err
	}
	return s.bring(ctx, recipe, update, want)
}

// bring downloads and installs an update, and looks whether it is in effect.
func (s *Stepper) bring(ctx context.Context, recipe hotstick.Recipe, update Update, want nt.Level) error {
	article := recipe.Updates[0]
	if !update.Downloaded {
		done, err := s.Agent.Do(ctx, Download, update.ID)
		if r := ended("download "+article, done, err); r != nil {
			return r
		}
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("cannot install %s: %w", article, err)
	}
	// What comes into effect from here on is ours, even if nobody is there to see it.
	if err := s.Names.Note(want, recipe.Module); err != nil {
		return err
	}
	done, err := s.lasting(ctx, Install, update.ID)
	if r := ended("install "+article, done, err); r != nil {
		return s.explain(ctx, r)
	}
	return s.verify(ctx, article, done, want)
}

// lasting does work that cannot be broken off.
func (s *Stepper) lasting(ctx context.Context, what Work, id string) (Result, error) {
	long, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(s.Grace, cancel) })
	defer stop()
	return s.Agent.Do(long, what, id)
}

// verify says whether an update is in effect that was installed: by the registry, and
// never by the agent's word alone.
func (s *Stepper) verify(ctx context.Context, article string, done Result, want nt.Level) error {
	pending := s.Pending()
	if state, err := s.Agent.State(ctx); done.RebootRequired || err == nil && state.RebootRequired {
		pending = append(pending, "the Windows Update Agent")
	}
	now, err := nt.Now(s.Registry)
	switch {
	case len(pending) > 0:
		return driver.Refuse(hotstick.ReasonRebootPending, "%s is installed and comes into effect at the next boot, for which %s wait: it is no hotpatch for this machine", article, strings.Join(pending, " and "))
	case err != nil || now != want:
		return driver.Refuse(hotstick.ReasonVerificationFailed, "Windows Update has installed %s; the registry shows %s, not %s (%v)", article, now, want, err)
	}
	return nil
}

// judge says what stands against an installation before anybody is asked.
func (s *Stepper) judge(now, want nt.Level) error {
	_, named := s.Named(now)
	switch pending := s.Pending(); {
	case now == want:
		return nil
	case want.Build != now.Build:
		return driver.Refuse(hotstick.ReasonWrongBuild, "%s is running: no hotpatch leads to %s", now, want)
	case want.Compare(now) < 0:
		return driver.Refuse(hotstick.ReasonNoWayBack, "%s is in effect, which is newer than %s", now, want)
	case now != s.Boot.Booted && !named:
		return driver.Refuse(hotstick.ReasonForeignPatch, "%s is in effect, which somebody else has installed since the boot with %s", now, s.Boot.Booted)
	case len(pending) > 0:
		return driver.Refuse(hotstick.ReasonRebootPending, "for %s", strings.Join(pending, " and "))
	}
	if unusable := s.Usable(); unusable != nil {
		return unusable
	}
	return nil
}

// find returns the one update of an article that can be installed.
func (s *Stepper) find(ctx context.Context, article string) (Update, error) {
	state, updates, err := s.ask(ctx, article)
	if err != nil {
		return Update{}, err
	}
	return choose(article, state, updates)
}

// ask asks the agent what it does and which updates of an article there are.
func (s *Stepper) ask(ctx context.Context, article string) (State, []Update, error) {
	state, err := s.Agent.State(ctx)
	if err != nil {
		return State{}, nil, refused("be asked", err)
	}
	updates, err := s.Agent.Search(ctx, article)
	if err != nil {
		return State{}, nil, refused("search for "+article, err)
	}
	return state, slices.DeleteFunc(slices.Clone(updates), func(u Update) bool {
		return !slices.ContainsFunc(u.Articles, func(a string) bool { return number(a) == number(article) })
	}), nil
}

// errBusy: the agent does something else, which ends by itself.
func errBusy() error {
	r := driver.Refuse(hotstick.ReasonToolFailed, "Windows Update installs something else")
	r.Retry = true
	return r
}

// choose decides which update to install, and whether it may be.
func choose(article string, state State, updates []Update) (Update, error) {
	switch {
	case state.Busy:
		return Update{}, errBusy()
	case state.RebootRequired:
		return Update{}, driver.Refuse(hotstick.ReasonRebootPending, "for an update that Windows Update has installed")
	case len(updates) == 0:
		return Update{}, driver.Refuse(hotstick.ReasonToolFailed, "Windows Update offers no %s to this machine: it was withdrawn, or rests on a baseline that the machine does not run", article)
	case len(updates) > 1:
		return Update{}, driver.Refuse(hotstick.ReasonUnsupported, "Windows Update offers %d updates of %s, and the recipe does not say which", len(updates), article)
	}
	u := updates[0]
	switch {
	case u.Installed:
		return Update{}, driver.Refuse(hotstick.ReasonVerificationFailed, "%s is installed, and its revision is not in effect", article)
	case u.Reboots == AlwaysReboots:
		return Update{}, driver.Refuse(hotstick.ReasonUnsupported, "%s (%.100s) restarts the machine%s: it is no hotpatch", article, u.Title, u.month())
	}
	return u, nil
}

// month says of an update that restarts machines whether that was to be expected.
func (u Update) month() string {
	if u.Published.IsZero() {
		return ""
	}
	m := calendar.Of(u.Published)
	if m.Kind() == calendar.Baseline {
		return fmt.Sprintf(", as the baseline of %s does", m)
	}
	return fmt.Sprintf(", though %s brings hotpatches to machines that run the baseline of %s", m, m.Baseline())
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
