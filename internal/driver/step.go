package driver

import (
	"context"
	"errors"

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
	// Remove takes the recipe's level out of the running kernel and leaves none of the
	// system's in effect. Where the system cannot (see [hotstick.Undo]), it refuses with
	// no_way_back and has changed nothing.
	Remove(ctx context.Context, recipe hotstick.Recipe) error
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

// Rooted is an Observer whose truth only root can read. The agent, which is not root,
// takes what the loader has observed.
type Rooted interface {
	Observer
	// NeedsRoot always returns true.
	NeedsRoot() bool
}
