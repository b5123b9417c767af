// Package klpchange changes what a kernel runs through upstream live patching:
// it loads a patch's module, disables the patch, and unloads the module.
//
// Only the loader may import it. The package waits for nothing: a load or a
// disable returns when its transition has started, and package klp tells how far
// it is. Before every change it looks at what is loaded and applies the rules of
// gentle hands (see [driver.JudgeLoad]); the kernel's own checks come on top, and
// its refusals are translated by what they mean to an operator.
package klpchange

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/klp"
	"github.com/hotstick/hotstick/internal/kernel"
	"github.com/hotstick/hotstick/internal/kernel/kmod"
)

// Changer loads and unloads live patches. Two changers must not work on one
// kernel at the same time; the kernel itself would still refuse what is unsafe.
type Changer struct {
	*klp.Observer
	fsys  fs.FS
	calls Calls
}

var (
	_ driver.Changer = (*Changer)(nil)
	_ driver.Helper  = (*Changer)(nil)
)

// New returns a changer for the running kernel. It needs CAP_SYS_MODULE, and the
// right to write to sysfs.
func New(waking Waking) *Changer { return newChanger(os.DirFS("/"), Running(waking)) }

// NewWith returns a changer that sees a kernel through fsys and touches it through
// calls: a simulated one, or the running one with something in between.
func NewWith(fsys fs.FS, calls Calls) *Changer { return newChanger(fsys, calls) }

// Running returns the calls that touch the running kernel.
func Running(waking Waking) Calls { return linux{waking} }

func newChanger(fsys fs.FS, calls Calls) *Changer {
	return &Changer{Observer: klp.NewObserver(fsys), fsys: fsys, calls: calls}
}

// modulePattern keeps a name from leading anywhere else in sysfs.
var modulePattern = regexp.MustCompile(`^[A-Za-z0-9_]{1,55}$`)

func checkName(module string) error {
	if !modulePattern.MatchString(module) {
		return fmt.Errorf("cannot use %q as a module name", module)
	}
	return nil
}

// Load implements [driver.Changer].
func (c *Changer) Load(ctx context.Context, load driver.Load) error {
	if err := checkName(load.Module); err != nil {
		return err
	}
	info, err := driver.ReadFile(load)
	if err != nil {
		return err
	}
	if err := c.judgeFile(info, load); err != nil {
		return err
	}
	patches, err := c.Observe(ctx)
	if err != nil {
		return err
	}
	step, err := driver.JudgeLoad(patches, load)
	if err != nil || step == driver.Nothing {
		return err
	}
	if step == driver.UnloadFirst {
		if err := c.delete(load.Module); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return c.finit(ctx, load)
}

// judgeFile compares the file with the load, with the kernel, and with a module
// that may be loaded under the same name.
func (c *Changer) judgeFile(info kmod.Info, load driver.Load) error {
	if refusal := klp.Usable(c.fsys); refusal != nil {
		return refusal
	}
	// A build that cannot be read is the zero build, which nothing is made for.
	running, _ := kernel.Build(c.fsys, kernel.Machine())
	if err := driver.JudgeFile(info, load, running); err != nil {
		return err
	}
	loaded, there, err := kernel.Module(c.fsys, load.Module)
	if err != nil {
		return err
	}
	if there {
		return driver.JudgeName(loaded, info)
	}
	return nil
}

// finit hands the file to the kernel.
func (c *Changer) finit(ctx context.Context, load driver.Load) error {
	heard := c.calls.Listen()
	err := c.calls.Finit(load.File)
	said := explanation(heard(), load.Module)
	if err == nil {
		return nil
	}
	var errno unix.Errno
	if !errors.As(err, &errno) {
		return fmt.Errorf("cannot load %s: %w", load.Module, err)
	}
	w := why{errno: errno, security: kernel.Security(c.fsys), said: said}
	// EBUSY has two meanings; only a look at the kernel tells which.
	if patches, err := c.Observe(ctx); err == nil {
		w.transition = anyTransition(patches)
	}
	return w.load(load.Module)
}

func anyTransition(patches []hotstick.LoadedPatch) bool {
	for _, p := range patches {
		if p.State == hotstick.TransitionIn || p.State == hotstick.TransitionOut {
			return true
		}
	}
	return false
}

// Disable implements [driver.Changer].
func (c *Changer) Disable(ctx context.Context, module string) error {
	if err := checkName(module); err != nil {
		return err
	}
	patches, err := c.Observe(ctx)
	if err != nil {
		return err
	}
	step, err := driver.JudgeDisable(patches, module)
	if err != nil || step == driver.Nothing {
		return err
	}
	err = c.calls.Disable(module)
	var errno unix.Errno
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &errno):
		return fmt.Errorf("cannot disable %s: %w", module, err)
	case errno == unix.ENOENT:
		return nil // it went out of effect meanwhile
	}
	return why{errno: errno}.disable(module)
}

// Help implements [driver.Helper].
func (c *Changer) Help(ctx context.Context, module string) error {
	if err := checkName(module); err != nil {
		return err
	}
	patches, err := c.Observe(ctx)
	if err != nil {
		return err
	}
	moves := func(p hotstick.LoadedPatch) bool {
		return p.Module == module && anyTransition([]hotstick.LoadedPatch{p})
	}
	if !slices.ContainsFunc(patches, moves) {
		return nil
	}
	if err := c.calls.Help(module); err != nil {
		return fmt.Errorf("cannot help %s: %w", module, err)
	}
	return nil
}

// Unload implements [driver.Changer].
func (c *Changer) Unload(ctx context.Context, module string) error {
	if err := checkName(module); err != nil {
		return err
	}
	patches, err := c.Observe(ctx)
	if err != nil {
		return err
	}
	step, err := driver.JudgeUnload(patches, module)
	if err != nil {
		return err
	}
	if step == driver.Proceed {
		return c.delete(module)
	}
	// It is not listed as a live patch: absent, or a module of another kind.
	if _, there, err := kernel.Module(c.fsys, module); err != nil {
		return err
	} else if there {
		return driver.Refuse(hotstick.ReasonNotLivepatch, "%s is loaded and no live patch", module)
	}
	return nil
}

// delete unloads a module that was judged to be a disabled live patch.
func (c *Changer) delete(module string) error {
	err := c.calls.Delete(module)
	var errno unix.Errno
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &errno):
		return fmt.Errorf("cannot unload %s: %w", module, err)
	case errno == unix.ENOENT:
		return nil
	}
	return why{errno: errno, security: kernel.Security(c.fsys)}.unload(module)
}
