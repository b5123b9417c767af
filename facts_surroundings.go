package hotstick

// MachineFacts say what the kernel runs on.
type MachineFacts struct {
	// Virtualisation is the hypervisor that the machine is a guest of, such as kvm, qemu,
	// vmware, microsoft, xen, amazon; other of one that is not known by name, and empty if
	// none is seen (source: /sys/hypervisor/type, /sys/class/dmi/id, the flag hypervisor in
	// /proc/cpuinfo).
	Virtualisation string        `json:"virtualisation,omitempty"`
	Firmware       FirmwareFacts `json:"firmware,omitzero"`
	// NUMANodes is how many are online; 0 if unknown.
	NUMANodes int `json:"numa_nodes,omitempty"`
	// Drivers are those of network cards and disks that are devices, not made by software;
	// by class and name, at most [MaxDeviceDrivers].
	Drivers []DeviceDriver `json:"drivers,omitempty"`
}

// FirmwareFacts are what the firmware says of itself (source: /sys/class/dmi/id, and
// whether /sys/firmware/efi is there).
type FirmwareFacts struct {
	// Kind is uefi or bios; empty if unknown.
	Kind    string `json:"kind,omitempty"`
	Vendor  string `json:"vendor,omitempty"`
	Version string `json:"version,omitempty"`
	// Date is the firmware's own, as it writes it, such as 04/01/2014.
	Date string `json:"date,omitempty"`
}

// DeviceDriver is a kernel driver that serves devices of the machine.
type DeviceDriver struct {
	// Class is net or storage.
	Class string `json:"class"`
	// Driver is its name as sysfs has it, such as virtio_net, nvme, ahci, megaraid_sas.
	Driver string `json:"driver"`
	// Devices is how many it serves, of those that were looked at.
	Devices int `json:"devices"`
}

// ServiceFacts say what runs on the host that a patch has to mind.
type ServiceFacts struct {
	// Running are those units of a fixed list that run: container runtimes, kubelets,
	// cluster managers, hypervisors' daemons.
	Running []string `json:"running,omitempty"`
	// KubernetesNode is the name under which the kubelet registers: what its command line
	// says, else the host's name in lower case; empty where that does not follow, as under a
	// cloud's own naming and in k3s, which hides its options.
	KubernetesNode string       `json:"kubernetes_node,omitempty"`
	Cluster        ClusterFacts `json:"cluster,omitzero"`
	// RebootRequired: the distribution asks for a reboot (source: /run/reboot-required), and
	// RebootFor are the packages that it names, at most [MaxRebootFor].
	RebootRequired bool     `json:"reboot_required,omitempty"`
	RebootFor      []string `json:"reboot_for,omitempty"`
}

// ClusterFacts are what Corosync is configured with, which is what Pacemaker stands on
// (source: /etc/corosync/corosync.conf).
type ClusterFacts struct {
	Name string `json:"name,omitempty"`
	// Node is this host's name in the cluster; empty if no node bears the host's name.
	Node string `json:"node,omitempty"`
	// Nodes are all that are configured, at most [MaxClusterNodes].
	Nodes []string `json:"nodes,omitempty"`
}

// Limits of what is told of a host's surroundings.
const (
	MaxDeviceDrivers = 64
	MaxRebootFor     = 64
	MaxClusterNodes  = 64
	// MaxSysctls bounds a host's list; the agent reads a fixed one that is shorter.
	MaxSysctls = 64
)

// Names of the groups of facts that a host's configuration may keep back, because nothing
// that a plan is refused or started for rests on them alone.
const (
	GroupTracing  = "tracing"
	GroupMachine  = "machine"
	GroupServices = "services"
	GroupSysctls  = "sysctls"
)

// OptionalGroups returns the closed set.
func OptionalGroups() []string {
	return []string{GroupTracing, GroupMachine, GroupServices, GroupSysctls}
}
