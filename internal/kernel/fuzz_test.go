package kernel_test

import (
	"encoding/json"
	"testing"

	"github.com/hotstick/hotstick/internal/kernel"
)

// Whatever proc and sys hold, facts are read or refused, name a well-formed build
// and can be sent.
func FuzzFacts(f *testing.F) {
	f.Add("5.10.0-1-amd64\n", "0\n", "ext4 1032192 1 - Live 0x0\n", "1\n", "NAME=x\nPRETTY_NAME=\"Debian 12\"\n", "MemTotal: 1 kB\n")
	f.Add("", "-1", "x 1 1 a,b, Live 0x0 (OEK)\n", "Y\n", "PRETTY_NAME='", "MemTotal: 99999999999999999999 kB")
	f.Fuzz(func(t *testing.T, release, taint, modules, enabled, system, memory string) {
		tree := machine(map[string]string{
			"proc/sys/kernel/osrelease": release, "proc/sys/kernel/tainted": taint, "proc/modules": modules,
			"sys/kernel/livepatch/x/enabled": enabled, "etc/os-release": system, "proc/meminfo": memory,
			"sys/devices/system/cpu/online": memory, "proc/stat": system, "sys/kernel/security/lockdown": enabled,
		})
		facts, err := kernel.Read(tree, "x86_64")
		if err != nil {
			return
		}
		if err := facts.Kernel.Build.Validate(); err != nil {
			t.Error(err)
		}
		if _, err := json.Marshal(facts); err != nil {
			t.Errorf("facts cannot be sent: %v", err)
		}
	})
}
