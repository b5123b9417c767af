//go:build linux && !lab

package agentcmd

import (
	"io/fs"
	"os"
)

// machineTree is the tree of the machine that this agent is on.
func machineTree() fs.FS { return os.DirFS("/") }
