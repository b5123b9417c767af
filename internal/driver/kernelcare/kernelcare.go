// Package kernelcare observes TuxCare's KernelCare, through its tool kcarectl and the
// kernel's list of modules.
//
// It only reads. Its other half, which changes a host, is package kernelcarestep.
//
// KernelCare is not the kernel's own live patching: nothing of it is in
// /sys/kernel/livepatch. A module of the vendor's, kcare, takes the patch and puts it in
// place while all tasks are frozen. So the kernel tells that something is applied, and the
// tool alone tells which level. The two are held against each other:
//
//	kcarectl --info        kcare in /proc/modules   listed
//	a level is applied     yes                      in effect
//	a level is applied     no                       unknown
//	nothing is applied     either                   nothing
//	it does not say        no                       nothing
//	it does not say        yes                      kcare, unknown
//
// A module that stays when nothing is applied is left by an update that could not freeze
// every task. What uname, rpm or dpkg say is never read: the vendor's scanner interface
// alters it.
package kernelcare

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/kernel"
)

// Name is the driver's name as catalogs and plans write it.
const Name = "kernelcare"

// Tool is the vendor's program.
const Tool = "kcarectl"

// DefaultModule is the kernel module that carries the patches: the vendor's own checker of
// compatibility fetches it as kcare.ko, and the kernel logs as kcare.
const DefaultModule = "kcare"

// Truth names what decides.
const Truth = "kcarectl --info, and the module " + DefaultModule + " in /proc/modules"

// fresh is how long an answer of kcarectl is taken for new, as long as the kernel's modules
// have not changed: the program takes a good part of a second, and what is in effect is
// asked several times a second while a step runs.
const fresh = 2 * time.Second

// Observer asks kcarectl, as root.
type Observer struct {
	fsys   fs.FS
	run    driver.Commands
	module string
	clock  func() time.Time
	last   *answer
}

// answer is the last one.
type answer struct {
	sync.Mutex
	now    Now
	loaded hotstick.ModuleFacts
	until  time.Time
}

var (
	_ driver.Rooted = (*Observer)(nil)
	_ driver.Asking = (*Observer)(nil)
)

// NewObserver returns an observer of the machine whose root is fsys and whose programs run
// runs.
func NewObserver(fsys fs.FS, run driver.Commands) *Observer {
	return &Observer{fsys: fsys, run: run, module: DefaultModule, clock: time.Now, last: &answer{}}
}

// WithModule returns an observer that looks for another kernel module, where the vendor
// has given it another name.
func (o *Observer) WithModule(name string) *Observer {
	with := *o
	with.module, with.last = name, &answer{}
	return &with
}

// Name implements [driver.Observer].
func (o *Observer) Name() string { return Name }

// NeedsRoot implements [driver.Rooted]: kcarectl answers root only.
func (o *Observer) NeedsRoot() bool { return true }

// Programs implements [driver.Asking].
func (o *Observer) Programs() []string { return []string{Tool} }

// LevelModule is the name under which a level is listed.
func LevelModule(level int) string { return fmt.Sprintf("kernelcare_level_%d", level) }

// Observe implements [driver.Observer].
func (o *Observer) Observe(ctx context.Context) ([]hotstick.LoadedPatch, error) {
	now, err := o.recent(ctx)
	if err != nil && ctx.Err() == nil {
		return o.untold(err)
	}
	if err != nil || !now.Applied {
		return nil, err
	}
	state := hotstick.InEffect
	if !now.InKernel {
		state = hotstick.EffectUnknown
	}
	return []hotstick.LoadedPatch{{Module: LevelModule(now.Level), Driver: Name, State: state}}, nil
}

// untold lists the vendor's module while nobody can tell what it has applied: whoever asks
// must not take the kernel for one without patches.
func (o *Observer) untold(cause error) ([]hotstick.LoadedPatch, error) {
	loaded, err := o.loaded()
	if err != nil || !loaded {
		return nil, cause
	}
	return []hotstick.LoadedPatch{{Module: o.module, Driver: Name, State: hotstick.EffectUnknown}}, nil
}

// recent is [Observer.Now], or its last answer if that is fresh.
func (o *Observer) recent(ctx context.Context) (Now, error) {
	loaded, _, err := kernel.Module(o.fsys, o.module)
	if err != nil {
		return Now{}, err
	}
	o.last.Lock()
	defer o.last.Unlock()
	if o.clock().Before(o.last.until) && loaded == o.last.loaded {
		return o.last.now, nil
	}
	now, err := o.Now(ctx)
	if err != nil {
		o.last.until = time.Time{}
		return Now{}, err
	}
	o.last.now, o.last.loaded, o.last.until = now, loaded, o.clock().Add(fresh)
	return now, nil
}

// Now is what is applied.
type Now struct {
	Info
	// InKernel: the vendor's module is loaded.
	InKernel bool
}

// Now asks what is applied.
func (o *Observer) Now(ctx context.Context) (Now, error) {
	loaded, err := o.loaded()
	if err != nil {
		return Now{}, err
	}
	ran, err := o.run.Run(ctx, Tool, "--info")
	switch {
	case errors.Is(err, driver.ErrNoProgram) && !loaded:
		return Now{}, nil
	case errors.Is(err, driver.ErrNoProgram):
		return Now{}, fmt.Errorf("cannot tell what the module %s has applied: %w", o.module, err)
	case err != nil:
		return Now{}, fmt.Errorf("cannot ask KernelCare: %w", err)
	}
	info, said, err := ParseInfo(ran.Stdout)
	if err != nil {
		return Now{}, err
	}
	if said || !loaded {
		return Now{Info: info, InKernel: loaded}, nil
	}
	if ran.Code != 0 {
		if refusal := Refusal(ran); refusal.Reason.Code == hotstick.ReasonToolFailed {
			return Now{}, refusal
		}
	}
	status, err := o.Status(ctx)
	if err != nil {
		return Now{}, err
	}
	if status == NothingApplied {
		return Now{InKernel: true}, nil
	}
	return Now{}, fmt.Errorf("cannot tell what the module %s has applied: %s --info ended with %d and said %q", o.module, Tool, ran.Code, ran.Said())
}

// loaded reports whether the vendor's module is in the kernel. One that came with the
// kernel has no taint and is not the vendor's.
func (o *Observer) loaded() (bool, error) {
	m, found, err := kernel.Module(o.fsys, o.module)
	if err != nil {
		return false, err
	}
	return found && strings.Contains(m.Taints, "O"), nil
}

// Capabilities implements [driver.Observer].
func (o *Observer) Capabilities(ctx context.Context) hotstick.Capabilities {
	c := hotstick.Capabilities{
		Driver: Name, TrustClass: hotstick.ClassOf(Name), Truth: Truth,
		Rollback: []hotstick.Reversibility{hotstick.ReversibleLive, hotstick.ReversibleDowngrade, hotstick.ReversibleReboot},
		Undo:     hotstick.UndoAll, Schedules: true, Pinnable: true,
	}
	ran, err := o.run.Run(ctx, Tool, "--version")
	if err != nil {
		c.Reason = &driver.Unasked(err).Reason
		return c
	}
	if ran.Code != 0 {
		c.Reason = &Refusal(ran).Reason
		return c
	}
	c.Tool = Tool + " " + firstLine(ran.Stdout)
	if held, _, err := Held(o.fsys); err == nil {
		c.Held = held
	}
	if refusal := o.usable(ctx); refusal != nil {
		c.Reason = &refusal.Reason
		return c
	}
	c.Available = true
	return c
}

// usable returns why the vendor gives this host no patches; nil if it does, as far as
// the tool tells.
func (o *Observer) usable(ctx context.Context) *driver.Refusal {
	ran, err := o.run.Run(ctx, Tool, "--license-info")
	if err != nil {
		return driver.Unasked(err)
	}
	if refusal := Refusal(ran); refusal != nil && refusal.Reason.Code == hotstick.ReasonNotEntitled {
		return refusal
	}
	status, err := o.Status(ctx)
	if err != nil {
		return driver.Unasked(err)
	}
	if status != KernelUnsupported {
		return nil
	}
	now, err := o.Now(ctx)
	switch {
	case err != nil:
		return driver.Unasked(err)
	case now.Applied:
		return driver.Refuse(hotstick.ReasonCoverEnded, "level %d is applied, and %s --status says that the kernel is unsupported", now.Level, Tool)
	}
	return driver.Refuse(hotstick.ReasonUnsupported, "%s --status says that the vendor has no patches for this kernel", Tool)
}

// Status is what kcarectl --status says by its exit code.
type Status int

// The documented codes.
const (
	LatestApplied     Status = 0
	NothingApplied    Status = 1
	NewerAvailable    Status = 2
	KernelUnsupported Status = 3
)

// Status asks kcarectl --status. Another code than the documented ones is an error.
func (o *Observer) Status(ctx context.Context) (Status, error) {
	ran, err := o.run.Run(ctx, Tool, "--status")
	if err != nil {
		return 0, fmt.Errorf("cannot ask KernelCare: %w", err)
	}
	if s := Status(ran.Code); s >= LatestApplied && s <= KernelUnsupported {
		return s, nil
	}
	return 0, fmt.Errorf("cannot read the answer of %s --status: it ended with %d and said %q", Tool, ran.Code, ran.Said())
}
