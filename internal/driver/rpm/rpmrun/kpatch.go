package rpmrun

import (
	"context"

	"github.com/hotstick/hotstick/internal/driver"
)

// The kpatch tool, which loads and unloads modules on all these hosts. It waits for a
// transition for 15 seconds and then for 60 more, and takes a patch out again whose
// transition has not ended by then.

// Load lets the tool load a module's file. Code of that name that was left in memory by an
// earlier level goes first, because the kernel takes no second module of one name, and the
// tool leaves it there.
func Load(ctx context.Context, commands driver.Commands, module, file string, leftover bool) error {
	if leftover {
		if _, err := Run(ctx, commands, "rmmod", module); err != nil {
			return err
		}
	}
	_, err := Run(ctx, commands, "kpatch", "load", file)
	return err
}

// Unload lets the tool take a module out. That it could not be removed from memory the tool
// does not tell, and it does no harm.
func Unload(ctx context.Context, commands driver.Commands, module string) error {
	_, err := Run(ctx, commands, "kpatch", "unload", module)
	return err
}
