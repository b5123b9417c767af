package kernel

import (
	"io/fs"
	"slices"

	"github.com/hotstick/hotstick"
)

// ReadOptional fills in the groups of facts that a host's configuration may keep back,
// without those that it does.
func ReadOptional(fsys fs.FS, facts *hotstick.Facts, withheld []string) {
	facts.Withheld = slices.Clone(withheld)
	if !slices.Contains(withheld, hotstick.GroupMachine) {
		facts.Machine = readMachine(fsys)
	}
	if !slices.Contains(withheld, hotstick.GroupServices) {
		facts.Services = readServices(fsys, facts.Host.Hostname)
	}
	if !slices.Contains(withheld, hotstick.GroupSysctls) {
		facts.Sysctls = readSysctls(fsys)
	}
}
