package agentcmd

import (
	"flag"
	"os"
	"path/filepath"
)

// Directory is where everything of Hotstick is on Windows.
func Directory() string {
	data := os.Getenv("ProgramData")
	if data == "" {
		data = `C:\ProgramData`
	}
	return filepath.Join(data, "Hotstick")
}

// defaultConfig need not exist; a file that was named must.
func defaultConfig() string { return filepath.Join(Directory(), "agent.yaml") }

func defaultState() string { return filepath.Join(Directory(), "agent") }

// ownFlags: the loader is in this process, so there is no socket.
func ownFlags(*flag.FlagSet, *settings) (take func()) { return func() {} }
