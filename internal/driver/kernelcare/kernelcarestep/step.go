// Package kernelcarestep changes a host by KernelCare's own tool: it pins the patch set
// of a recipe, has kcarectl apply it, and takes everything out again. It runs in a step
// unit, as root.
//
// KernelCare knows no single fix and no step back: an older level is everything taken out,
// another pin, and an update. If that update fails, the level before is put back, as long
// as it was pinned; without a pin an update would bring the newest, which nobody signed.
package kernelcarestep

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/conffile"
	"github.com/hotstick/hotstick/internal/driver/kernelcare"
	"github.com/hotstick/hotstick/internal/kernel"
)

// Stepper drives the KernelCare of one machine.
type Stepper struct {
	*kernelcare.Observer
	fsys fs.FS
	root string
	run  driver.Commands
}

var _ driver.Scheduler = (*Stepper)(nil)

// New returns a Stepper for the machine whose root directory is root and is read through
// fsys.
func New(fsys fs.FS, root string, run driver.Commands) *Stepper {
	return &Stepper{Observer: kernelcare.NewObserver(fsys, run), fsys: fsys, root: root, run: run}
}

// Apply implements [driver.Stepper].
func (s *Stepper) Apply(ctx context.Context, recipe hotstick.Recipe) error {
	level, err := levelOf(recipe)
	if err != nil {
		return err
	}
	now, err := s.now(ctx)
	if err != nil {
		return err
	}
	if now.Applied && !now.InKernel {
		return driver.Refuse(hotstick.ReasonVerificationFailed, "%s says that level %d is applied, and the kernel has no module of it", kernelcare.Tool, now.Level)
	}
	if refusal := s.foreign(); refusal != nil {
		return refusal
	}
	before, err := s.pin(recipe.PatchSet)
	if err != nil {
		return err
	}
	if now.Applied && now.Level == level {
		return nil
	}
	if err := s.reach(ctx, now, level); err != nil {
		return s.back(ctx, now, before, err)
	}
	return nil
}

// now asks what is applied, and says in a reason why it cannot be told.
func (s *Stepper) now(ctx context.Context) (kernelcare.Now, error) {
	now, err := s.Now(ctx)
	var refusal *driver.Refusal
	switch {
	case err == nil:
	case ctx.Err() != nil:
		err = gaveUp(ctx)
	case errors.Is(err, driver.ErrNoProgram):
		err = driver.Refuse(hotstick.ReasonUnsupported, "%v", err)
	case !errors.As(err, &refusal):
		err = driver.Refuse(hotstick.ReasonVerificationFailed, "%v", err)
	}
	return now, err
}

func gaveUp(ctx context.Context) error {
	return fmt.Errorf("cannot wait for %s any longer: %w", kernelcare.Tool, ctx.Err())
}

// levelOf reads the level out of a recipe and holds its name against it.
func levelOf(recipe hotstick.Recipe) (int, error) {
	level, err := kernelcare.Level(recipe.Version)
	if err == nil && recipe.Module != kernelcare.LevelModule(level) {
		err = fmt.Errorf("cannot use the recipe of %.80s: level %d is listed as %s", recipe.Module, level, kernelcare.LevelModule(level))
	}
	if err != nil {
		return 0, driver.Refuse(hotstick.ReasonVerificationFailed, "%v", err)
	}
	return level, nil
}

// foreign refuses beside live patches of another system.
func (s *Stepper) foreign() *driver.Refusal {
	patches, err := kernel.Livepatches(s.fsys)
	if err != nil && !errors.Is(err, kernel.ErrNoLivepatch) {
		return driver.Refuse(hotstick.ReasonVerificationFailed, "%v", err)
	}
	for _, p := range patches {
		if p.State != hotstick.Disabled {
			return driver.Refuse(hotstick.ReasonForeignPatch, "%s", p.Module)
		}
	}
	if updates, _ := fs.Glob(s.fsys, "sys/module/ksplice_*"); len(updates) > 0 {
		return driver.Refuse(hotstick.ReasonForeignPatch, "%s", filepath.Base(updates[0]))
	}
	return nil
}

// reach goes from what is applied to a level, with the pin in place.
func (s *Stepper) reach(ctx context.Context, was kernelcare.Now, level int) error {
	if was.Applied && was.Level > level {
		if err := s.tool(ctx, "--unload", true); err != nil {
			return err
		}
	}
	if err := s.tool(ctx, "--update", was.Applied); err != nil {
		return err
	}
	got, err := s.now(ctx)
	switch {
	case err != nil:
		return err
	case !got.Applied:
		return driver.Refuse(hotstick.ReasonToolFailed, "%s --update ended well and nothing is applied", kernelcare.Tool)
	case got.Level != level:
		return driver.Refuse(hotstick.ReasonToolFailed, "%s --update ended well with level %d, and the recipe's is %d: the vendor may not have its patch set for this kernel", kernelcare.Tool, got.Level, level)
	}
	return nil
}

// back puts things as they were before an attempt that failed, and returns why it failed,
// with what could not be put back.
func (s *Stepper) back(ctx context.Context, was kernelcare.Now, before conffile.Saved, cause error) error {
	err := s.config().Restore(before)
	if err == nil && ctx.Err() == nil {
		err = s.levelBack(ctx, was, pinIn(before))
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

func (s *Stepper) levelBack(ctx context.Context, was kernelcare.Now, pinned string) error {
	is, err := s.now(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("nobody can tell what is applied: %w", err)
	case is.Applied == was.Applied && is.Level == was.Level:
		return nil
	case !was.Applied:
		return s.tool(ctx, "--unload", true)
	case pinned == "":
		return fmt.Errorf("level %d was not pinned, so it cannot be asked for again", was.Level)
	}
	if is.Applied {
		if err := s.tool(ctx, "--unload", true); err != nil {
			return err
		}
	}
	return s.tool(ctx, "--update", true)
}

// Remove implements [driver.Stepper].
func (s *Stepper) Remove(ctx context.Context, recipe hotstick.Recipe) error {
	level, err := levelOf(recipe)
	if err != nil {
		return err
	}
	now, err := s.now(ctx)
	switch {
	case err != nil:
		return err
	case !now.Applied:
		return nil
	case now.Level != level:
		return driver.Refuse(hotstick.ReasonForeignPatch, "level %d is applied, and not %d", now.Level, level)
	}
	return s.tool(ctx, "--unload", true)
}

// tool runs kcarectl and says what its failure means; applied: some level is. Where tasks
// could not be frozen, what stands in the way is often a probe of a monitoring agent, so
// those are counted.
func (s *Stepper) tool(ctx context.Context, option string, applied bool) error {
	ran, err := s.run.Run(ctx, kernelcare.Tool, option)
	switch {
	case ctx.Err() != nil:
		return gaveUp(ctx)
	case err != nil:
		return driver.Unasked(err)
	}
	refusal := kernelcare.Refusal(ran)
	if refusal == nil {
		return nil
	}
	if applied && refusal.Reason.Code == hotstick.ReasonUnsupported {
		refusal.Reason.Code = hotstick.ReasonCoverEnded // a kernel that has patches was known once
	}
	if n := s.probes(); n > 0 && ran.Code != 0 && refusal.Reason.Code != hotstick.ReasonNotEntitled {
		refusal.Reason.Detail += fmt.Sprintf(" (%d kprobe events are set, which keep KernelCare from patching)", n)
		if refusal.Reason.Code == hotstick.ReasonToolFailed {
			refusal.Reason.Code, refusal.Retry = hotstick.ReasonTransitionStalled, true
		}
	}
	return refusal
}

// probes counts the kprobe events that somebody has set.
func (s *Stepper) probes() int {
	for _, name := range []string{"sys/kernel/tracing/kprobe_events", "sys/kernel/debug/tracing/kprobe_events"} {
		if f, err := conffile.ReadFS(s.fsys, name); err == nil && !f.IsAbsent() {
			n := 0
			for _, c := range f.Bytes() {
				if c == '\n' {
					n++
				}
			}
			return n
		}
	}
	return 0
}
