// Package ksplicestep changes a host by Ksplice's own clients: it puts in the updates of a
// recipe that are missing, takes out those that are too many, and takes out all. It runs
// in a step unit, as root.
//
// Updates rest on one another, and the client alone knows how: asked for one it may put in
// or take out others. So it is first asked what it would do, for everything that is to be
// done, and nothing is begun that would put in what the recipe does not list or take out
// what it does. A client that fails half way has its steps taken back.
package ksplicestep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"io/fs"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/ksplice"
	"github.com/hotstick/hotstick/internal/kernel"
)

// Stepper drives the Ksplice of one machine.
type Stepper struct {
	*ksplice.Observer
	fsys fs.FS
	root string
	run  driver.Commands
}

var _ driver.Scheduler = (*Stepper)(nil)

// New returns a Stepper for the machine whose root directory is root and is read through
// fsys.
func New(fsys fs.FS, root string, run driver.Commands) *Stepper {
	return &Stepper{Observer: ksplice.NewObserver(fsys, run), fsys: fsys, root: root, run: run}
}

// Difference is what lies between the updates that a host has and those that it shall have.
type Difference struct {
	// Lacking are in the recipe's order, Extra in the order of names.
	Lacking, Extra []string
}

// Compare returns the difference.
func Compare(have, want []string) Difference {
	var d Difference
	for _, id := range want {
		if !slices.Contains(have, id) && !slices.Contains(d.Lacking, id) {
			d.Lacking = append(d.Lacking, id)
		}
	}
	for _, id := range have {
		if !slices.Contains(want, id) {
			d.Extra = append(d.Extra, id)
		}
	}
	return d
}

// Apply implements [driver.Stepper].
func (s *Stepper) Apply(ctx context.Context, recipe hotstick.Recipe) error {
	have, err := s.have(ctx)
	if err != nil {
		return err
	}
	d := Compare(have, recipe.Updates)
	if len(d.Lacking) == 0 && len(d.Extra) == 0 {
		return nil
	}
	client, err := s.client(ctx)
	if err != nil {
		return err
	}
	if refusal := s.mayStart(); refusal != nil {
		return refusal
	}
	if err := s.check(ctx, client, d, have); err != nil {
		return err
	}
	err = s.change(ctx, client.Install(ksplice.Do, d.Lacking), d.Lacking, have)
	if err == nil {
		err = s.change(ctx, client.Remove(ksplice.Do, d.Extra), d.Extra, have)
	}
	if err != nil {
		return s.back(ctx, client, have, err)
	}
	return nil
}

// Remove implements [driver.Stepper].
func (s *Stepper) Remove(ctx context.Context, recipe hotstick.Recipe) error {
	have, err := s.have(ctx)
	if err != nil || len(have) == 0 {
		return err
	}
	if hotstick.UpdateSet(have) != recipe.Module {
		return driver.Refuse(hotstick.ReasonForeignPatch, "the updates in effect are not the recipe's: %s", ids(have))
	}
	client, err := s.client(ctx)
	if err != nil {
		return err
	}
	if refusal := ksplice.Off(s.fsys); refusal != nil {
		return refusal
	}
	if err := s.change(ctx, client.RemoveAll(ksplice.Do), have, have); err != nil {
		return s.back(ctx, client, have, err)
	}
	return nil
}

// have returns the updates that are in effect, or why that cannot be told.
func (s *Stepper) have(ctx context.Context) ([]string, error) {
	if ctx.Err() != nil {
		return nil, gaveUp(ctx)
	}
	now, err := ksplice.Read(s.fsys)
	if err != nil {
		return nil, driver.Refuse(hotstick.ReasonVerificationFailed, "%v", err)
	}
	if len(now.Unknown) > 0 {
		return nil, driver.Refuse(hotstick.ReasonVerificationFailed, "the kernel does not say how far these updates are: %s", ids(now.Unknown))
	}
	return now.Applied, nil
}

func (s *Stepper) client(ctx context.Context) (ksplice.Client, error) {
	client, err := ksplice.FindClient(ctx, s.run)
	switch {
	case err == nil:
		return client, nil
	case ctx.Err() != nil:
		return client, gaveUp(ctx)
	}
	return client, driver.Unasked(err)
}

func gaveUp(ctx context.Context) error {
	return fmt.Errorf("cannot wait for Ksplice's client any longer: %w", ctx.Err())
}

func ids(of []string) string { return strings.Join(of[:min(len(of), 8)], ", ") }

// mayStart refuses where the clients are switched off, and beside live patches of another
// system.
func (s *Stepper) mayStart() *driver.Refusal {
	if refusal := ksplice.Off(s.fsys); refusal != nil {
		return refusal
	}
	patches, err := kernel.Livepatches(s.fsys)
	if err != nil && !errors.Is(err, kernel.ErrNoLivepatch) {
		return driver.Refuse(hotstick.ReasonVerificationFailed, "%v", err)
	}
	for _, p := range patches {
		if p.State != hotstick.Disabled {
			return driver.Refuse(hotstick.ReasonForeignPatch, "%s", p.Module)
		}
	}
	m, found, err := kernel.Module(s.fsys, "kcare")
	if err != nil {
		return driver.Refuse(hotstick.ReasonVerificationFailed, "%v", err)
	}
	if found && strings.Contains(m.Taints, "O") {
		return driver.Refuse(hotstick.ReasonForeignPatch, "kcare, the module of KernelCare")
	}
	return nil
}

// check asks the client what it would do, and refuses what the recipe does not say.
func (s *Stepper) check(ctx context.Context, client ksplice.Client, d Difference, have []string) error {
	if len(d.Lacking) > 0 {
		argv := client.Install(ksplice.Pretend, d.Lacking)
		if argv == nil {
			return driver.Refuse(hotstick.ReasonUnsupported, "this client installs no update by its name: uptrack-install is not there")
		}
		plan, err := s.plan(ctx, argv, have)
		if err != nil {
			return err
		}
		if err := judgeInstall(plan, d.Lacking); err != nil {
			return err
		}
	}
	if len(d.Extra) == 0 {
		return nil
	}
	plan, err := s.plan(ctx, client.Remove(ksplice.Pretend, d.Extra), have)
	if err != nil {
		return err
	}
	return judgeRemove(plan, d.Extra)
}

// judgeInstall holds a plan against the updates that are lacking.
func judgeInstall(plan ksplice.Plan, lacking []string) error {
	if len(plan.Unknown) > 0 {
		return driver.Refuse(hotstick.ReasonToolFailed, "the vendor does not have these updates for this kernel: %s", ids(plan.Unknown))
	}
	if len(plan.Remove) > 0 {
		return driver.Refuse(hotstick.ReasonToolFailed, "to install %s the client would take out %s", ids(lacking), ids(plan.Remove))
	}
	d := Compare(plan.Install, lacking)
	if len(d.Extra) > 0 {
		return driver.Refuse(hotstick.ReasonToolFailed, "to install %s the client would install %s as well, which the recipe does not list", ids(lacking), ids(d.Extra))
	}
	if len(d.Lacking) > 0 {
		return driver.Refuse(hotstick.ReasonToolFailed, "the client would not install %s", ids(d.Lacking))
	}
	return nil
}

// judgeRemove holds a plan against the updates that are too many.
func judgeRemove(plan ksplice.Plan, extra []string) error {
	d := Compare(plan.Remove, extra)
	switch {
	case len(plan.Install) > 0:
		return driver.Refuse(hotstick.ReasonToolFailed, "to take out %s the client would install %s", ids(extra), ids(plan.Install))
	case len(d.Extra) > 0:
		return driver.Refuse(hotstick.ReasonNoWayBack, "%s rest on %s, and the recipe has them", ids(d.Extra), ids(extra))
	case len(d.Lacking) > 0:
		return driver.Refuse(hotstick.ReasonToolFailed, "the client would not take out %s", ids(d.Lacking))
	}
	return nil
}

func (s *Stepper) plan(ctx context.Context, argv, have []string) (ksplice.Plan, error) {
	ran, err := s.call(ctx, argv)
	if err != nil {
		return ksplice.Plan{}, err
	}
	if !ksplice.Pretended(ran) {
		return ksplice.Plan{}, ksplice.Refusal(ran, len(have) > 0)
	}
	plan, err := ksplice.ParsePlan(ran.Stdout)
	if err != nil {
		return plan, driver.Refuse(hotstick.ReasonToolFailed, "%v", err)
	}
	return plan, nil
}

// change runs a client that changes something; nothing where there is nothing to change.
func (s *Stepper) change(ctx context.Context, argv, what, have []string) error {
	if len(what) == 0 {
		return nil
	}
	ran, err := s.call(ctx, argv)
	if err != nil {
		return err
	}
	if refusal := ksplice.Refusal(ran, len(have) > 0); refusal != nil {
		return refusal
	}
	return nil
}

func (s *Stepper) call(ctx context.Context, argv []string) (driver.Ran, error) {
	ran, err := s.run.Run(ctx, argv...)
	switch {
	case ctx.Err() != nil:
		return ran, gaveUp(ctx)
	case err != nil:
		return ran, driver.Unasked(err)
	}
	return ran, nil
}

// back takes the steps of a failed attempt back, and returns why it failed, with what
// could not be taken back. What was put in goes out first, and then comes back what went
// out, both only if the client's plan is that and nothing else.
func (s *Stepper) back(ctx context.Context, client ksplice.Client, before []string, cause error) error {
	if ctx.Err() != nil {
		return cause // nothing can be run any more; whoever gave up looks at what is there
	}
	is, err := s.have(ctx)
	if err == nil {
		d := Compare(is, before)
		err = s.check(ctx, client, d, is)
		if err == nil {
			err = s.change(ctx, client.Remove(ksplice.Do, d.Extra), d.Extra, is)
		}
		if err == nil {
			err = s.change(ctx, client.Install(ksplice.Do, d.Lacking), d.Lacking, is)
		}
	}
	var refusal *driver.Refusal
	if err == nil || !errors.As(cause, &refusal) {
		return cause
	}
	worse := *refusal
	worse.Retry = false
	worse.Reason.Detail += "; what was before is not back: " + err.Error()
	return &worse
}
