// Package ksplice is the rig that stands in for Oracle's Ksplice: the Uptrack client, the
// ksplice client, their configuration and job, and one kernel module for each update, which
// really replaces a function. README.md says what it does and what it leaves out.
package ksplice

import (
	"context"
	"embed"

	"github.com/hotstick/hotstick/internal/guest"
	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
	"github.com/hotstick/hotstick/internal/rig"
	"github.com/hotstick/hotstick/internal/rig/splice"
)

//go:embed root
var root embed.FS

// Files are the rig's, for a guest.
func Files() []guest.File { return append(rig.Files(), rig.Tree(root)...) }

// The updates that the vendor has. The second rests on the first.
const (
	UnixIoctl  = "hb94cdr2"
	TxQueueLen = "ednh9erf"
	Detection  = "8vkhpraf"
)

// Build builds the module of each update.
func Build(ctx context.Context, k kernelpkg.Kernel, patches, dir string) error {
	return splice.Build(ctx, k, patches, dir,
		splice.Module{Name: "ksplice_" + UnixIoctl, Replaces: splice.UnixIoctl, Stage: true},
		splice.Module{Name: "ksplice_" + TxQueueLen, Replaces: splice.TxQueueLen, Stage: true},
		splice.Module{Name: "ksplice_" + Detection, Stage: true})
}
