// Package kpatch is a rig: it stands in for the kpatch tool, and for dnf, rpm and the
// kpatch-patch packages of Red Hat. README.md says what it is written from.
package kpatch

import (
	"embed"

	"github.com/hotstick/hotstick/internal/guest"
	"github.com/hotstick/hotstick/internal/rig"
)

//go:embed root
var root embed.FS

// Files are the rig's, for a guest.
func Files() []guest.File { return append(rig.Files(), rig.Tree(root)...) }
