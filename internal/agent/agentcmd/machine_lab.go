//go:build linux && lab

package agentcmd

import (
	"io/fs"
	"os"

	"github.com/hotstick/hotstick/internal/kernel/elsewhere"
)

// machineTree is the tree of the machine that this agent is on: a simulated one if the
// environment names it.
func machineTree() fs.FS {
	if socket := os.Getenv(elsewhere.Variable); socket != "" {
		return elsewhere.Dial(socket)
	}
	return os.DirFS("/")
}
