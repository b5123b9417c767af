package driver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hotstick/hotstick"
)

// Stepper changes a host by a vendor's own tools. It runs in a step unit, which the loader
// starts and which alone has the rights that the tools need; the loader sees it as a
// [Changer] (see [Set]). What is in effect, the kernel says wherever it can, and never the
// tool that was just run: a Stepper that was told of success returns nil, and whoever
// asked looks by [Observer.Observe].
//
// Every call is idempotent, ends with its context, and leaves no child behind. What a tool
// says is mapped to a [Refusal] with a reason of its own where the words are known, and
// to tool_failed with its last lines where they are not.
type Stepper interface {
	Observer
	// Apply brings the recipe's level into effect, and nothing newer. It returns when the
	// tool has ended. The recipe is valid, for this driver and the running kernel build,
	// and its bytes are those of the catalog: the caller has seen to that.
	Apply(ctx context.Context, recipe hotstick.Recipe) error
	// Remove takes the recipe's level out of the running kernel. Of a system that has one
	// level at a time none is in effect then; what somebody else has loaded stays. Where the system cannot (see [hotstick.Undo]), it refuses with
	// no_way_back and has changed nothing.
	Remove(ctx context.Context, recipe hotstick.Recipe) error
}

// Particular is a Stepper whose system has modules of other people too, whose names tell
// nothing of whose they are.
type Particular interface {
	Stepper
	// Only returns the Stepper for which these modules are the only ones of ours. All others
	// are somebody else's: a level that would replace one is refused.
	Only(modules []string) Stepper
}

// Returning is a Stepper that refuses to begin for causes that must not keep a host from
// going back: what speaks against a new level only, such as what the next boot would load.
type Returning interface {
	Stepper
	// Back returns the Stepper that applies the level before again.
	Back() Stepper
}

// StepGrace is how long after the end of its own time a step may take to end: a package
// manager that was told to end has ten minutes of it. Whoever kills a step earlier may cut
// a transaction in half.
const StepGrace = 12 * time.Minute

// StaysIn is [Stepper.Remove] of a system that takes nothing out of a running kernel: done
// where nothing of it is in the kernel, and refused with no_way_back elsewhere. Why is the
// beginning of a sentence that ends with the module's name.
func StaysIn(ctx context.Context, o Observer, why string) error {
	patches, err := o.Observe(ctx)
	if err != nil || len(patches) == 0 {
		return err
	}
	return Refuse(hotstick.ReasonNoWayBack, "%s %s", why, patches[0].Module)
}

// Scheduler is a Stepper whose system starts patches by itself. A rollout beside it is an
// illusion, so that is put on hold at adoption and given back at release.
type Scheduler interface {
	Stepper
	// Held reports whether the system's own scheduling is on hold, and says what is not
	// where it is not. It only reads.
	Held(ctx context.Context) (held bool, detail string, err error)
	// Settings returns how the system schedules itself now, so that Release can put it
	// back. It only reads, and what it returns is the driver's own, at most 4 KiB.
	Settings(ctx context.Context) ([]byte, error)
	// Hold puts it on hold.
	Hold(ctx context.Context) error
	// Release gives back what Settings returned before Hold.
	Release(ctx context.Context, settings []byte) error
}

// ErrNoProgram: a program is not there.
var ErrNoProgram = errors.New("cannot find the program")

// Commands runs the programs of a host. Their arguments never pass through a shell.
type Commands interface {
	// Run runs a program to its end, in the C locale, with no input, and returns what it
	// said and its exit code. An error means that it could not be run or was ended by the
	// context; a program that fails is none. ErrNoProgram: it is not there.
	Run(ctx context.Context, argv ...string) (Ran, error)
}

// Ran is what a program did. The texts are cut to 256 KiB each.
type Ran struct {
	Stdout, Stderr string
	Code           int
}

// Asking is an Observer that runs programs of its vendor to tell what it can, or what is in
// effect. They cost time and need what neither agent nor loader may do, so a step runs them
// now and then, and the loader goes by what they said then.
type Asking interface {
	Observer
	// Programs are those that it runs, any of which shows that the system is there.
	Programs() []string
}

// NoPrograms are the [Commands] of whoever may run none: none is there.
type NoPrograms struct{}

// Run implements [Commands].
func (NoPrograms) Run(_ context.Context, argv ...string) (Ran, error) {
	return Ran{}, fmt.Errorf("%w: %s", ErrNoProgram, argv[0])
}

// Rooted is an Observer whose truth only root can read. The agent, which is not root,
// takes what the loader has observed.
type Rooted interface {
	Observer
	// NeedsRoot always returns true.
	NeedsRoot() bool
}
