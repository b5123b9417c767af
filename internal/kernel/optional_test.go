package kernel_test

import (
	"io/fs"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/kernel"
)

// tree makes a machine of lines; one that begins with -> is a link.
func tree(files map[string]string) fstest.MapFS {
	all := fstest.MapFS{}
	for name, text := range files {
		if to, is := strings.CutPrefix(text, "->"); is {
			all[name] = &fstest.MapFile{Data: []byte(to), Mode: fs.ModeSymlink}
		} else {
			all[name] = &fstest.MapFile{Data: []byte(text + "\n")}
		}
	}
	return all
}

// optional reads the groups of a host named db-1.
func optional(files map[string]string, withheld ...string) hotstick.Facts {
	facts := hotstick.Facts{Host: hotstick.HostFacts{Hostname: "DB-1"}}
	kernel.ReadOptional(tree(files), &facts, withheld)
	return facts
}

// guest is what a guest with Debian 12 under QEMU shows.
var guest = map[string]string{
	"proc/cpuinfo":                                            "processor\t: 0\nmodel name\t: Intel Xeon\nflags\t\t: fpu vme hypervisor lahf_lm",
	"sys/class/dmi/id/sys_vendor":                             "QEMU",
	"sys/class/dmi/id/product_name":                           "Standard PC (i440FX + PIIX, 1996)",
	"sys/class/dmi/id/bios_vendor":                            "SeaBIOS",
	"sys/class/dmi/id/bios_version":                           "1.16.2-debian-1.16.2-1",
	"sys/class/dmi/id/bios_date":                              "04/01/2014",
	"sys/devices/system/node/online":                          "0-1",
	"sys/class/net/ens3/device/driver":                        "->../../../../bus/virtio/drivers/virtio_net",
	"sys/class/net/lo/mtu":                                    "65536",
	"sys/block/vda":                                           "->../devices/pci0000:00/0000:00:05.0/virtio2/block/vda",
	"sys/block/sda":                                           "->../devices/pci0000:00/0000:00:1c.0/0000:01:00.0/ata1/host0/target0:0:0/0:0:0:0/block/sda",
	"sys/block/sdb":                                           "->../devices/pci0000:00/0000:00:1c.0/0000:01:00.0/ata2/host1/target1:0:0/1:0:0:0/block/sdb",
	"sys/block/loop0":                                         "->../devices/virtual/block/loop0",
	"sys/block/nvme0n1":                                       "->../devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1",
	"sys/class/nvme/nvme0/device/driver":                      "->../../../../bus/pci/drivers/nvme",
	"sys/devices/pci0000:00/0000:00:05.0/driver":              "->../../../bus/pci/drivers/virtio-pci",
	"sys/devices/pci0000:00/0000:00:05.0/virtio2/driver":      "->../../../../bus/virtio/drivers/virtio_blk",
	"sys/devices/pci0000:00/0000:00:1c.0/driver":              "->../../../bus/pci/drivers/pcieport",
	"sys/devices/pci0000:00/0000:00:1c.0/0000:01:00.0/driver": "->../../../../bus/pci/drivers/ahci",
	"sys/devices/pci0000:00/0000:00:1c.0/0000:01:00.0/ata1/host0/target0:0:0/0:0:0:0/driver": "->../../../../../../../../bus/scsi/drivers/sd",
	"sys/devices/pci0000:00/0000:00:1c.0/0000:01:00.0/ata2/host1/target1:0:0/1:0:0:0/driver": "->../../../../../../../../bus/scsi/drivers/sd",
	"sys/fs/cgroup/system.slice/containerd.service/cgroup.procs":                             "700",
	"sys/fs/cgroup/system.slice/kubelet.service/cgroup.procs":                                "800\n801",
	"sys/fs/cgroup/system.slice/corosync.service/cgroup.procs":                               "900",
	"sys/fs/cgroup/system.slice/secret-agent.service/cgroup.procs":                           "901",
	"proc/800/cmdline": "/bin/sh\x00-c\x00kubelet --token=secret\x00",
	"proc/801/cmdline": "/usr/bin/kubelet\x00--config=/etc/x\x00--hostname-override\x00Node-7.example\x00",
	"etc/corosync/corosync.conf": "# the cluster\ntotem {\n\tversion: 2\n\tcluster_name: db\n\tinterface {\n\t\tcluster_name: not this\n\t}\n}\n" +
		"nodelist {\n\tnode {\n\t\tring0_addr: 10.0.0.1\n\t\tname: DB-1\n\t}\n\tnode {\n\t\tring0_addr: 10.0.0.2\n\t}\n}\nquorum {\n\tname: not this\n}",
	"run/reboot-required":               "*** System restart required ***",
	"run/reboot-required.pkgs":          "linux-image-6.1.0-47-amd64\nlibc6\nlibc6",
	"proc/sys/kernel/ftrace_enabled":    "1",
	"proc/sys/kernel/panic_on_oops":     "0",
	"proc/sys/user/max_user_namespaces": "3725",
	"proc/sys/kernel/core_pattern":      "|/usr/bin/secret",
}

func TestWhatAHostStandsOnAndAmongIsRead(t *testing.T) {
	mustEqual(t, optional(guest), hotstick.Facts{
		Host: hotstick.HostFacts{Hostname: "DB-1"},
		Machine: hotstick.MachineFacts{Virtualisation: "qemu", NUMANodes: 2,
			Firmware: hotstick.FirmwareFacts{Kind: "bios", Vendor: "SeaBIOS", Version: "1.16.2-debian-1.16.2-1", Date: "04/01/2014"},
			Drivers: []hotstick.DeviceDriver{{Class: "net", Driver: "virtio_net", Devices: 1}, {Class: "storage", Driver: "ahci", Devices: 2}, {Class: "storage", Driver: "nvme", Devices: 1},
				{Class: "storage", Driver: "sd", Devices: 2}, {Class: "storage", Driver: "virtio-pci", Devices: 1}, {Class: "storage", Driver: "virtio_blk", Devices: 1}}},
		Services: hotstick.ServiceFacts{Running: []string{"containerd.service", "corosync.service", "kubelet.service"}, KubernetesNode: "node-7.example",
			Cluster:        hotstick.ClusterFacts{Name: "db", Node: "DB-1", Nodes: []string{"DB-1", "10.0.0.2"}},
			RebootRequired: true, RebootFor: []string{"libc6", "linux-image-6.1.0-47-amd64"}},
		Sysctls: map[string]string{"kernel.ftrace_enabled": "1", "kernel.panic_on_oops": "0", "user.max_user_namespaces": "3725"},
	})
}

func TestWhatAHostDoesNotTellIsAbsent(t *testing.T) {
	if got := optional(nil); !reflect.DeepEqual(got, hotstick.Facts{Host: hotstick.HostFacts{Hostname: "DB-1"}}) {
		t.Errorf("%+v", got)
	}
}

func TestAGroupThatIsKeptBackIsNotRead(t *testing.T) {
	all := optional(guest)
	for _, group := range hotstick.OptionalGroups() {
		got, want := optional(guest, group), all
		want.Withheld = []string{group}
		switch group {
		case hotstick.GroupMachine:
			want.Machine = hotstick.MachineFacts{}
		case hotstick.GroupServices:
			want.Services = hotstick.ServiceFacts{}
		case hotstick.GroupSysctls:
			want.Sysctls = nil
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("without %s: %+v", group, got)
		}
	}
}

func TestTheHypervisorIsNamed(t *testing.T) {
	const bare, inside = "flags : fpu", "flags : fpu hypervisor"
	for _, c := range []struct{ cpu, vendor, product, want string }{
		{inside, "Amazon EC2", "m5.large", "amazon"},
		{bare, "Amazon EC2", "m5.metal", ""},
		{inside, "Microsoft Corporation", "Virtual Machine", "microsoft"},
		{bare, "Microsoft Corporation", "Surface", ""},
		{inside, "VMware, Inc.", "VMware7,1", "vmware"},
		{"CPU part : 0xd0c", "QEMU", "KVM Virtual Machine", "kvm"}, // arm64 has no such flag
		{inside, "", "", "other"},
		{bare, "Dell Inc.", "PowerEdge R740", ""},
	} {
		got := optional(map[string]string{"proc/cpuinfo": c.cpu, "sys/class/dmi/id/sys_vendor": c.vendor, "sys/class/dmi/id/product_name": c.product})
		if got.Machine.Virtualisation != c.want {
			t.Errorf("%+v: %q", c, got.Machine.Virtualisation)
		}
	}
	if got := optional(map[string]string{"sys/hypervisor/type": "xen"}); got.Machine.Virtualisation != "xen" {
		t.Errorf("xen: %q", got.Machine.Virtualisation)
	}
}

func TestANodeIsNamedAsItsKubeletNamesIt(t *testing.T) {
	for _, c := range []struct{ command, want string }{
		{"kubelet\x00", "db-1"},
		{"/usr/bin/kubelet\x00--hostname-override=n1\x00", "n1"},
		{"/usr/bin/kubelet\x00--cloud-provider=external\x00", "db-1"},
		{"/usr/bin/kubelet\x00--cloud-provider=aws\x00", ""},
		{"/usr/bin/kubelet\x00--hostname-override=<b>\x00", ""},
		{"/usr/local/bin/k3s server\x00", ""},
		{"", ""},
	} {
		got := optional(map[string]string{"sys/fs/cgroup/systemd/system.slice/kubelet.service/cgroup.procs": "80", "proc/80/cmdline": c.command})
		if got.Services.KubernetesNode != c.want || !reflect.DeepEqual(got.Services.Running, []string{"kubelet.service"}) {
			t.Errorf("%q: %+v", c.command, got.Services)
		}
	}
}

func TestSurroundingsAreBounded(t *testing.T) {
	files := map[string]string{"run/reboot-required": "", "proc/sys/kernel/panic": strings.Repeat("1", 65), "sys/class/dmi/id/bios_vendor": strings.Repeat("x", 1000)}
	var nodes, packages strings.Builder
	for i := range 1000 {
		name := "n" + strings.Repeat("i", i%100) + string(rune('a'+i%26))
		files["sys/class/net/"+name+"/device/driver"] = "->drivers/" + name
		nodes.WriteString("node {\nname: " + name + "\n}\n")
		packages.WriteString(name + "\n")
	}
	files["run/reboot-required.pkgs"] = packages.String()
	files["etc/corosync/corosync.conf"] = "nodelist {\n" + nodes.String() + "}"
	got := optional(files)
	if len(got.Machine.Drivers) != hotstick.MaxDeviceDrivers || len(got.Services.RebootFor) != hotstick.MaxRebootFor ||
		len(got.Services.Cluster.Nodes) != hotstick.MaxClusterNodes || got.Sysctls != nil || len(got.Machine.Firmware.Vendor) != 128 {
		t.Errorf("%d drivers, %d packages, %d nodes, %v", len(got.Machine.Drivers), len(got.Services.RebootFor), len(got.Services.Cluster.Nodes), got.Sysctls)
	}
	if n := len(kernel.Sysctls()); n > hotstick.MaxSysctls {
		t.Errorf("%d sysctls are more than a server takes", n)
	}
}
