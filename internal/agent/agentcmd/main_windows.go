package agentcmd

import (
	"flag"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// Directory is where everything of Hotstick is on Windows. The environment is not asked:
// that of a service and that of a person may differ.
func Directory() string {
	data, err := windows.KnownFolderPath(windows.FOLDERID_ProgramData, 0)
	if err != nil {
		data = `C:\ProgramData`
	}
	return filepath.Join(data, "Hotstick")
}

// defaultConfig need not exist; a file that was named must.
func defaultConfig() string { return filepath.Join(Directory(), "agent.yaml") }

func defaultState() string { return filepath.Join(Directory(), "agent") }

// ownFlags: the loader is in this process, so there is no socket.
func ownFlags(*flag.FlagSet, *settings) (take func()) { return func() {} }
