package inventory

import (
	"fmt"

	"github.com/hotstick/hotstick"
)

// checkSurroundings looks at the groups of facts that a host may keep back, but for what
// the loader tells.
func checkSurroundings(f hotstick.Facts) error {
	if len(f.Withheld) > len(hotstick.OptionalGroups()) || tooLong(maxText, f.Withheld...) {
		return fmt.Errorf("cannot use the facts: more groups are kept back than there are")
	}
	m, s := f.Machine, f.Services
	if len(m.Drivers) > hotstick.MaxDeviceDrivers || len(s.Running) > maxUnits || len(s.RebootFor) > hotstick.MaxRebootFor || len(s.Cluster.Nodes) > hotstick.MaxClusterNodes ||
		len(f.Sysctls) > hotstick.MaxSysctls {
		return fmt.Errorf("cannot use the facts: a list of the host's surroundings is beyond its limit")
	}
	if tooLong(maxText, m.Virtualisation, m.Firmware.Kind, m.Firmware.Vendor, m.Firmware.Version, m.Firmware.Date, s.KubernetesNode, s.Cluster.Name, s.Cluster.Node) ||
		tooLong(maxText, s.Running...) || tooLong(maxText, s.RebootFor...) || tooLong(maxText, s.Cluster.Nodes...) {
		return fmt.Errorf("cannot use the facts: a text of the host's surroundings is too long")
	}
	for _, d := range m.Drivers {
		if tooLong(maxText, d.Class, d.Driver) {
			return fmt.Errorf("cannot use the facts: a device driver's text is too long")
		}
	}
	for name, value := range f.Sysctls {
		if tooLong(maxText, name, value) {
			return fmt.Errorf("cannot use the facts: a sysctl is too long")
		}
	}
	return nil
}
