// Package amazon is a rig: it stands in for yum and dnf of Amazon Linux 2 and 2023 with their
// live-patch plugins. The kpatch tool, rpm and dnf it has from the rig kpatch. README.md says
// what it is written from.
package amazon

import (
	"embed"

	"github.com/hotstick/hotstick/internal/guest"
	"github.com/hotstick/hotstick/internal/rig"
	"github.com/hotstick/hotstick/internal/rig/kpatch"
)

//go:embed root
var root embed.FS

// Files are the rig's, for a guest.
func Files() []guest.File { return append(kpatch.Files(), rig.Tree(root)...) }
