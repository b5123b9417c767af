// Package canonical is a rig: it stands in for Canonical Livepatch in a guest. See
// README.md.
package canonical

import (
	"embed"

	"github.com/hotstick/hotstick/internal/guest"
	"github.com/hotstick/hotstick/internal/rig"
)

//go:embed root
var root embed.FS

// Files are the rig's, for a guest.
func Files() []guest.File { return append(rig.Files(), rig.Tree(root)...) }
