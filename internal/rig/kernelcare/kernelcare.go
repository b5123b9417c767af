// Package kernelcare is the rig that stands in for TuxCare's KernelCare: kcarectl, its
// configuration and its job every four hours, and a kernel module kcare that really
// replaces a function. README.md says what it does and what it leaves out.
package kernelcare

import (
	"context"
	"embed"
	"fmt"

	"github.com/hotstick/hotstick/internal/guest"
	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
	"github.com/hotstick/hotstick/internal/rig"
	"github.com/hotstick/hotstick/internal/rig/splice"
)

//go:embed root
var root embed.FS

// Files are the rig's, for a guest.
func Files() []guest.File { return append(rig.Files(), rig.Tree(root)...) }

// Levels is how many patch levels the vendor has; the newest is the number.
const Levels = 3

// Build builds the vendor's module at each level. That of level 0 has no patch in it: it is
// what stays in the kernel when a patch could not be put in place.
func Build(ctx context.Context, k kernelpkg.Kernel, patches, dir string) error {
	modules := []splice.Module{{Name: "kcare", File: "kcare-0"}}
	for level := 1; level <= Levels; level++ {
		modules = append(modules, splice.Module{Name: "kcare", File: fmt.Sprintf("kcare-%d", level), Replaces: splice.UnixIoctl | splice.TxQueueLen, Level: level})
	}
	return splice.Build(ctx, k, patches, dir, modules...)
}
