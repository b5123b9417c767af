package kernel

import (
	"cmp"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/hotstick/hotstick"
)

const dmi = "sys/class/dmi/id/"

// Limits of what is read of the machine.
const (
	// maxFirmware bounds each text of the firmware, in bytes.
	maxFirmware = 128
	// maxDevices bounds the devices of a class that are looked at.
	maxDevices = 256
	// maxParents bounds how far up a disk's drivers are looked for.
	maxParents = 32
	// maxDriverName bounds the name of a driver, in bytes.
	maxDriverName = 64
)

// readMachine reads what the kernel runs on.
func readMachine(fsys fs.FS) hotstick.MachineFacts {
	drivers := append(netDrivers(fsys), diskDrivers(fsys)...)
	return hotstick.MachineFacts{
		Virtualisation: virtualisation(fsys),
		Firmware:       firmware(fsys),
		NUMANodes:      cpus(line(fsys, "sys/devices/system/node/online")),
		Drivers:        drivers[:min(len(drivers), hotstick.MaxDeviceDrivers)],
	}
}

func firmware(fsys fs.FS) hotstick.FirmwareFacts {
	short := func(name string) string {
		s := strings.TrimSpace(line(fsys, dmi+name))
		return strings.ToValidUTF8(s[:min(len(s), maxFirmware)], "")
	}
	f := hotstick.FirmwareFacts{Vendor: short("bios_vendor"), Version: short("bios_version"), Date: short("bios_date")}
	switch {
	case exists(fsys, "sys/firmware/efi"):
		f.Kind = "uefi"
	case exists(fsys, dmi+"bios_vendor"):
		f.Kind = "bios"
	}
	return f
}

// makers are how hypervisors name the machine that they show, by the beginning of a text of
// its firmware.
var makers = []struct{ begins, name string }{
	{"KVM", "kvm"}, {"OpenStack", "kvm"}, {"KubeVirt", "kvm"}, {"RHEV", "kvm"}, {"oVirt", "kvm"}, {"Amazon EC2", "amazon"}, {"Google Compute Engine", "google"},
	{"QEMU", "qemu"}, {"VMware", "vmware"}, {"VMW", "vmware"}, {"innotek GmbH", "virtualbox"}, {"VirtualBox", "virtualbox"},
	{"Xen", "xen"}, {"Bochs", "bochs"}, {"Parallels", "parallels"}, {"BHYVE", "bhyve"}, {"Hyper-V", "microsoft"}, {"Apple Virtualization", "apple"},
}

// virtualisation names the hypervisor that the machine is a guest of. A machine of a cloud
// may bear the cloud's name and be no guest: where the processor could say that it is one
// and does not, it is none.
func virtualisation(fsys fs.FS) string {
	if line(fsys, "sys/hypervisor/type") == "xen" {
		return "xen"
	}
	guest, known := cpuGuest(fsys)
	if known && !guest {
		return ""
	}
	product := line(fsys, dmi+"product_name")
	if line(fsys, dmi+"sys_vendor") == "Microsoft Corporation" && product == "Virtual Machine" {
		return "microsoft"
	}
	for _, text := range []string{product, line(fsys, dmi+"sys_vendor"), line(fsys, dmi+"board_vendor"), line(fsys, dmi+"bios_vendor")} {
		for _, m := range makers {
			if strings.HasPrefix(text, m.begins) {
				return m.name
			}
		}
	}
	if guest {
		return "other"
	}
	return ""
}

// cpuGuest reads the flags of the first processor, which on x86 tell a guest; known is false
// where the processor has no such flags.
func cpuGuest(fsys fs.FS) (guest, known bool) {
	f, err := fsys.Open("proc/cpuinfo")
	if err != nil {
		return false, false
	}
	defer f.Close()
	// The file repeats itself for each processor, of which there may be hundreds.
	head, err := io.ReadAll(io.LimitReader(f, 2*smallFile))
	if err != nil {
		return false, false
	}
	for l := range strings.Lines(string(head)) {
		if name, flags, _ := strings.Cut(l, ":"); strings.TrimSpace(name) == "flags" {
			return slices.Contains(strings.Fields(flags), "hypervisor"), true
		}
	}
	return false, false
}

// netDrivers are those of network cards.
func netDrivers(fsys fs.FS) []hotstick.DeviceDriver {
	const net = "sys/class/net"
	served := map[string]int{}
	for _, card := range names(fsys, net) {
		if d := driverOf(fsys, path.Join(net, card, "device")); d != "" {
			served[d]++
		}
	}
	return counted("net", served)
}

// diskDrivers are those of disks, and of what the disks hang on, such as sd and ahci. A
// bridge on the way says nothing of a disk.
func diskDrivers(fsys fs.FS) []hotstick.DeviceDriver {
	const block, nvme = "sys/block", "sys/class/nvme"
	served := map[string]int{}
	// Disks with several paths do not show which controllers they hang on; controllers do.
	for _, controller := range names(fsys, nvme) {
		if d := driverOf(fsys, path.Join(nvme, controller, "device")); d != "" {
			served[d]++
		}
	}
	for _, disk := range names(fsys, block) {
		if strings.HasPrefix(disk, "nvme") {
			continue
		}
		to, err := fs.ReadLink(fsys, path.Join(block, disk))
		device := path.Join(block, to)
		if err != nil || strings.HasPrefix(device, "sys/devices/virtual/") {
			continue
		}
		for range maxParents {
			device = path.Dir(device)
			if !strings.HasPrefix(device, "sys/devices/") {
				break
			}
			if d := driverOf(fsys, device); d != "" && d != "pcieport" {
				served[d]++
			}
		}
	}
	return counted("storage", served)
}

// names lists a directory, as far as devices are looked at.
func names(fsys fs.FS, dir string) []string {
	entries, _ := fs.ReadDir(fsys, dir)
	var list []string
	for _, e := range entries[:min(len(entries), maxDevices)] {
		list = append(list, e.Name())
	}
	return list
}

// driverOf names the driver of a device; empty if it has none.
func driverOf(fsys fs.FS, device string) string {
	to, err := fs.ReadLink(fsys, path.Join(device, "driver"))
	if name := path.Base(to); err == nil && len(name) <= maxDriverName {
		return strings.ToValidUTF8(name, "")
	}
	return ""
}

func counted(class string, served map[string]int) []hotstick.DeviceDriver {
	var list []hotstick.DeviceDriver
	for name, n := range served {
		list = append(list, hotstick.DeviceDriver{Class: class, Driver: name, Devices: n})
	}
	slices.SortFunc(list, func(a, b hotstick.DeviceDriver) int { return cmp.Compare(a.Driver, b.Driver) })
	return list
}
