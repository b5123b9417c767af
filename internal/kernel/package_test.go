package kernel_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/kernel"
)

// What the kernels say is as their distributions' own do.
func TestTheBootedKernelsPackageIsReadFromTheKernelItself(t *testing.T) {
	tests := []struct {
		id, version            string // of os-release
		release, uname, signed string
		source, scheme, pkg    string
	}{
		{"debian", "12", "6.1.0-47-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.170-3 (2026-05-08)", "", "linux", "deb", "6.1.170-3"},
		{"debian", "12", "6.12.107+deb12-cloud-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.12.107-1~deb12u1 (2026-09-10)", "", "linux-6.12", "deb", "6.12.107-1~deb12u1"},
		{"debian", "11", "6.1.0-0.deb11.21-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.90-1~deb11u1 (2024-05-06)", "", "linux-6.1", "deb", "6.1.90-1~deb11u1"},
		{"debian", "12", "6.12.9+bpo-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.12.9-1~bpo12+1 (2025-01-19)", "", "linux", "deb", "6.12.9-1~bpo12+1"},
		{"debian", "12", "6.8.12-1-pve", "#1 SMP PREEMPT_DYNAMIC PMX 6.8.12-1 (2024-08-05T16:17Z)", "", "", "", ""},
		{"ubuntu", "22.04", "5.15.0-107-generic", "#117-Ubuntu SMP Fri Apr 26 12:26:49 UTC 2024", "Ubuntu 5.15.0-107.117-generic 5.15.149", "linux", "deb", "5.15.0-107.117"},
		{"ubuntu", "22.04", "6.5.0-35-generic", "#35~22.04.1-Ubuntu SMP PREEMPT_DYNAMIC", "Ubuntu 6.5.0-35.35~22.04.1-generic 6.5.13", "linux-hwe-6.5", "deb", "6.5.0-35.35~22.04.1"},
		{"ubuntu", "22.04", "6.5.0-1020-aws", "#20~22.04.1-Ubuntu SMP", "Ubuntu 6.5.0-1020.20~22.04.1-aws 6.5.13", "linux-aws-6.5", "deb", "6.5.0-1020.20~22.04.1"},
		{"ubuntu", "24.04", "6.8.0-31-generic-64k", "#31-Ubuntu SMP", "Ubuntu 6.8.0-31.31-generic-64k 6.8.1", "linux", "deb", "6.8.0-31.31"},
		{"ubuntu", "22.04", "6.8.0-40-generic", "#40-Ubuntu SMP", "Ubuntu 6.8.0-40.40-generic 6.8.12", "linux-hwe-6.8", "deb", "6.8.0-40.40"},
		{"ubuntu", "22.04", "6.8.0-40-lowlatency", "#40-Ubuntu SMP", "Ubuntu 6.8.0-40.40.1-lowlatency 6.8.12", "linux-lowlatency-hwe-6.8", "deb", "6.8.0-40.40.1"},
		{"ubuntu", "20.04", "5.15.0-1030-aws", "#34-Ubuntu SMP", "Ubuntu 5.15.0-1030.34-aws 5.15.83", "linux-aws-5.15", "deb", "5.15.0-1030.34"},
		{"ubuntu", "22.04", "6.1.0-1036-oem", "#36-Ubuntu SMP", "Ubuntu 6.1.0-1036.36-oem 6.1.75", "linux-oem-6.1", "deb", "6.1.0-1036.36"},
		{"ubuntu", "24.04", "6.8.0-1008-oem", "#8-Ubuntu SMP", "Ubuntu 6.8.0-1008.8-oem 6.8.12", "linux-oem-6.8", "deb", "6.8.0-1008.8"},
		{"ubuntu", "18.04", "4.15.0-1050-oem", "#57-Ubuntu SMP", "Ubuntu 4.15.0-1050.57-oem 4.15.18", "linux-oem", "deb", "4.15.0-1050.57"},
		{"ubuntu", "24.04", "5.15.0-1050-aws", "#55-Ubuntu SMP", "Ubuntu 5.15.0-1050.55-aws 5.15.131", "linux-aws", "deb", "5.15.0-1050.55"},
		{"ubuntu", "22.04", "5.15.0-107-generic", "#117-Ubuntu SMP", "", "", "", ""},
		{"rhel", "9.4", "5.14.0-427.13.1.el9_4.x86_64", "#1 SMP PREEMPT_DYNAMIC", "", "kernel", "rpm", "5.14.0-427.13.1.el9_4"},
		{"almalinux", "9.4", "5.14.0-427.13.1.el9_4.x86_64+debug", "", "", "kernel", "rpm", "5.14.0-427.13.1.el9_4"},
		{"rocky", "8.9", "4.18.0-513.5.1.rt7.307.el8_9.x86_64", "", "", "kernel-rt", "rpm", "4.18.0-513.5.1.rt7.307.el8_9"},
		{"ol", "9.4", "5.15.0-206.153.7.el9uek.x86_64", "", "", "kernel-uek", "rpm", "5.15.0-206.153.7.el9uek"},
		{"ol", "9.4", "5.14.0-427.13.1.el9_4.x86_64", "", "", "kernel", "rpm", "5.14.0-427.13.1.el9_4"},
		{"amzn", "2023", "6.1.90-99.173.amzn2023.x86_64", "", "", "kernel", "rpm", "6.1.90-99.173.amzn2023"},
		{"amzn", "2023", "6.12.20-23.97.amzn2023.x86_64", "", "", "kernel6.12", "rpm", "6.12.20-23.97.amzn2023"},
		{"amzn", "2", "5.10.215-203.850.amzn2.x86_64", "", "", "kernel", "rpm", "5.10.215-203.850.amzn2"},
		{"sles", "15.6", "6.4.0-150600.23.7-default", "", "", "kernel-default", "rpm", "6.4.0-150600.23.7"},
		{"opensuse-leap", "15.6", "6.4.0-150600.23.7-rt", "", "", "kernel-rt", "rpm", "6.4.0-150600.23.7"},
		{"rhel", "9.4", "6.9.1-1.el9.elrepo.x86_64", "", "", "", "", ""},
		{"rhel", "9.4", "6.1.140", "", "", "linux", "upstream", "6.1.140"},
		{"debian", "12", "6.19-rc3", "#1 SMP", "", "linux", "upstream", "6.19-rc3"},
		{"debian", "12", "6.1.140-mine", "#1 SMP", "", "", "", ""},
		{"debian", "12", "6.1.0-47-amd64", "#1 SMP Debian =cmd|'/c' (2026)", "", "", "", ""},
		{"ubuntu", "22.04", "5.15.0-107-generic", "", "Ubuntu <b>-1-generic", "", "", ""},
	}
	for _, test := range tests {
		facts, err := kernel.Read(machine(map[string]string{
			"etc/os-release": fmt.Sprintf("NAME=x\nID=%q\nVERSION_ID='%s'\n", test.id, test.version), "proc/sys/kernel/osrelease": test.release + "\n",
			"proc/sys/kernel/version": test.uname, "proc/version_signature": test.signed,
		}), "x86_64")
		if err != nil {
			t.Fatal(err)
		}
		if h := facts.Host; h.DistributionID != test.id || h.DistributionVersion != test.version {
			t.Errorf("%s: %+v", test.release, h)
		}
		want := hotstick.KernelPackage{Source: test.source, Scheme: hotstick.VersionScheme(test.scheme), Version: test.pkg}
		if facts.Kernel.Package != want {
			t.Errorf("%s on %s: %+v, want %+v", test.release, test.id, facts.Kernel.Package, want)
		}
	}
}

func TestRecordedDebianMachinesTellTheirPackage(t *testing.T) {
	for tree, want := range map[string]hotstick.KernelPackage{
		"debian-6.1":  {Source: "linux", Scheme: hotstick.DebVersions, Version: "6.1.170-3"},
		"debian-6.12": {Source: "linux-6.12", Scheme: hotstick.DebVersions, Version: "6.12.107-1~deb12u1"},
	} {
		facts, err := kernel.Read(os.DirFS("testdata/"+tree), "x86_64")
		if err != nil || facts.Kernel.Package != want || facts.Host.DistributionID != "debian" || facts.Host.DistributionVersion != "12" {
			t.Errorf("%s: %+v of %+v (%v)", tree, facts.Kernel.Package, facts.Host, err)
		}
	}
}

func TestHostileNamesOfADistributionAreNotTaken(t *testing.T) {
	for _, id := range []string{"=cmd()", "De bian", strings.Repeat("a", 65), "a\x1b[2J", "../debian"} {
		facts, err := kernel.Read(machine(map[string]string{"etc/os-release": "ID=" + id + "\nVERSION_ID=" + id + "\n"}), "x86_64")
		if err != nil || facts.Host.DistributionID != "" || facts.Host.DistributionVersion != "" {
			t.Errorf("%q: %+v, %v", id, facts.Host, err)
		}
	}
}

func TestOtherKernelsAndBuiltInModulesAreListed(t *testing.T) {
	files := map[string]string{
		"boot/vmlinuz-5.10.0-1-amd64": "x", "boot/vmlinuz-5.10.0-30-amd64": "x", "boot/vmlinuz-0-rescue-0123": "x", "boot/vmlinuz-\x1b[2J": "x", "boot/initrd.img-5.10.0-31-amd64": "x",
		"lib/modules/5.10.0-1-amd64/modules.builtin": "kernel/crypto/sha1_generic.ko\nkernel/crypto/af-alg.ko\n", "proc/sys/kernel/modules_disabled": "1\n",
	}
	read := func(edits map[string]string) hotstick.KernelFacts {
		all := maps.Clone(files)
		maps.Copy(all, edits)
		facts, err := kernel.Read(machine(all), "x86_64")
		if err != nil {
			t.Fatal(err)
		}
		return facts.Kernel
	}
	if k := read(nil); !slices.Equal(k.Installed, []string{"5.10.0-30-amd64"}) || !slices.Equal(k.BuiltIn, []string{"af_alg", "sha1_generic"}) {
		t.Errorf("%+v", k)
	}
	if k := read(map[string]string{"proc/sys/kernel/modules_disabled": "0\n"}); k.BuiltIn != nil {
		t.Errorf("modules can be loaded: %+v", k)
	}
}
