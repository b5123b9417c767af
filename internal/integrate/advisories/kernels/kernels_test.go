package kernels_test

import (
	"strings"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/integrate/advisories/kernels"
)

func TestOnlyKernelsAreKernels(t *testing.T) {
	for _, c := range []struct {
		distribution, names string
		scheme              hotstick.VersionScheme
	}{
		{"debian:12", "linux linux-6.1 linux-6.12 linux-5.10", hotstick.DebVersions},
		{"ubuntu:22.04", "linux linux-aws linux-aws-6.8 linux-hwe-6.8 linux-hwe-edge linux-azure-fde-5.15 linux-gkeop linux-realtime linux-raspi linux-oem-6.8 linux-lowlatency-hwe-6.11 linux-nvidia-tegra-igx", hotstick.DebVersions},
		{"rhel:9", "kernel kernel-rt kernel-alt", hotstick.RPMVersions},
		{"rhel:9.4", "kernel kernel-rt", hotstick.RPMVersions},
		{"almalinux:9", "kernel kernel-rt", hotstick.RPMVersions},
		{"rocky:8", "kernel kernel-rt", hotstick.RPMVersions},
		{"sles:15.6", "kernel-default kernel-azure kernel-rt kernel-64kb", hotstick.RPMVersions},
		{"sl-micro:6.0", "kernel-default kernel-rt", hotstick.RPMVersions},
		{"opensuse-leap:15.6", "kernel-default", hotstick.RPMVersions},
		{"windows:2025", "windows", hotstick.WindowsVersions},
		{"upstream", "linux", hotstick.UpstreamVersions},
	} {
		for _, name := range strings.Fields(c.names) {
			p, is := kernels.Product(c.distribution, name)
			if !is || p != (hotstick.KernelProduct{Distribution: c.distribution, Package: name, Scheme: c.scheme}) {
				t.Errorf("%s %s: %+v, %v", c.distribution, name, p, is)
			}
		}
	}
	for distribution, names := range map[string]string{
		"debian:12":    "linux-signed-amd64 linux-latest linux-image-amd64 linux-libc-dev kernel linux- linux-aws util-linux",
		"ubuntu:22.04": "linux-firmware linux-meta linux-meta-aws linux-signed linux-restricted-modules linux- linux-base kernel linuxaws linux-image-generic",
		"rhel:9":       "kernel-core kernel-modules kernel-devel kernel-headers kernel-tools bpftool kernel-default linux kpatch-patch-5_14_0-427_13_1",
		"sles:15.6":    "kernel kernel-firmware kernel-livepatch-SLE15-SP6_Update_18 kernel-default-base kernel-default-livepatch kernel-source kernel-macros",
		"windows:2025": "office linux",
		"upstream":     "Kernel kernel",
		"arch:1":       "linux kernel",
		"":             "linux kernel",
	} {
		for _, name := range append(strings.Fields(names), "") {
			if p, is := kernels.Product(distribution, name); is {
				t.Errorf("%s %q is taken for a kernel: %+v", distribution, name, p)
			}
		}
	}
}

func TestDistributionsAsTheyAreWritten(t *testing.T) {
	for from, to := range map[string]string{
		"Debian:12": "debian:12", "Ubuntu:22.04:LTS": "ubuntu:22.04", "Ubuntu:24.10": "ubuntu:24.10", "Ubuntu:Pro:18.04:LTS": "ubuntu:18.04",
		"AlmaLinux:9": "almalinux:9", "Rocky Linux:9": "rocky:9", "SUSE:Linux Enterprise Server 15 SP6": "sles:15.6",
		"SUSE:Linux Enterprise Server for SAP Applications 15 SP5": "sles:15.5", "SUSE:Linux Enterprise Server 12 SP5-LTSS": "sles:12.5",
		"SUSE:Linux Enterprise Module for Public Cloud 15 SP6": "sles:15.6", "SUSE:Linux Enterprise Micro 5.5": "sle-micro:5.5", "SUSE:Linux Micro 6.0": "sl-micro:6.0",
		"SUSE:Linux Enterprise Desktop 15 SP6": "sled:15.6", "openSUSE:Leap 15.6": "opensuse-leap:15.6", "Linux": "upstream", "Red Hat:rhel_eus:9.4::baseos": "rhel:9.4",
		"Debian": "", "Debian:sid": "", "Ubuntu:Pro:FIPS:22.04:LTS": "", "npm": "", "": "", "SUSE:Linux Enterprise Live Patching 15 SP6": "", "openSUSE:Tumbleweed": "",
		"Debian:12:": "", "Debian:" + strings.Repeat("1", 100): "", "Linux:6": "",
	} {
		if got, is := kernels.FromEcosystem(from); is != (to != "") || is && got != to {
			t.Errorf("ecosystem %q: %q, want %q", from, got, to)
		}
	}
	for from, to := range map[string]string{
		"cpe:/o:redhat:enterprise_linux:9::baseos": "rhel:9", "cpe:/a:redhat:enterprise_linux:8::realtime": "rhel:8", "cpe:/o:redhat:rhel_e4s:9.0::baseos": "rhel:9.0",
		"cpe:2.3:o:redhat:enterprise_linux:9:*:baseos:*:*:*:*:*": "rhel:9", "cpe:/o:suse:sles:15:sp6": "sles:15.6", "cpe:/o:suse:sles-ltss:15:sp3": "sles:15.3",
		"cpe:/o:suse:sle-module-basesystem:15:sp6": "sles:15.6", "cpe:/o:suse:sle-micro:5.4": "sle-micro:5.4", "cpe:/o:opensuse:leap:15.6": "opensuse-leap:15.6",
		"cpe:2.3:o:microsoft:windows_server_2022:-:*:*:*:*:*:*:*": "windows:2022",
		"cpe:/o:redhat:enterprise_linux_eus:9.4::baseos":          "rhel:9.4", "cpe:/a:redhat:enterprise_linux_eus:10.0": "rhel:10.0", "cpe:/o:redhat:enterprise_linux:10.1": "rhel:10.1",
		"cpe:2.3:o:redhat:enterprise_linux_aus:8.6:*:*:*:*:*:*:*": "rhel:8.6", "cpe:/o:redhat:enterprise_linux_e4s:9.2": "rhel:9.2", "cpe:/o:redhat:enterprise_linux_tus:8.8": "rhel:8.8",
		"cpe:2.3:o:redhat:enterprise_linux_server_aus:8.2:*:*:*:*:*:*:*": "rhel:8.2", "cpe:/o:redhat:enterprise_linux_nvidia:10": "",
		"cpe:/o:suse:sl-micro:6.0": "sl-micro:6.0", "cpe:2.3:o:suse:sl-micro:6.1:*:*:*:*:*:*:*": "sl-micro:6.1", "cpe:/o:suse:sles:16:16.0:server": "sles:16.0",
		"cpe:/o:suse:sle-module-live-patching:15:sp6": "", "cpe:/a:redhat:openshift:4.14::el9": "", "cpe:/": "", "cpe:/o:redhat": "", "": "", "enterprise_linux:9": "",
		"cpe:/o:redhat:enterprise_linux:": "", "cpe:/o:redhat:enterprise_linux:*": "",
	} {
		if got, is := kernels.FromCPE(from); is != (to != "") || is && got != to {
			t.Errorf("CPE %q: %q, want %q", from, got, to)
		}
	}
	for from, to := range map[string]string{
		"Windows Server 2022": "windows:2022", "Windows Server 2022 (Server Core installation)": "windows:2022", "Windows Server 2025": "windows:2025",
		"SUSE Linux Micro 6.0": "sl-micro:6.0", "SUSE Linux Micro 6.1": "sl-micro:6.1", "SUSE Linux Enterprise Micro 5.5": "sle-micro:5.5",
		"Windows 11 Version 24H2 for x64-based Systems": "", "Windows Server": "", "SUSE Linux Enterprise Server 16.0": "sles:16.0",
	} {
		if got, is := kernels.FromName(from); is != (to != "") || is && got != to {
			t.Errorf("name %q: %q, want %q", from, got, to)
		}
	}
}

func TestPackagesAsTheyAreWritten(t *testing.T) {
	for from, to := range map[string][2]string{
		"kernel-0:5.14.0-427.13.1.el9_4.src":           {"kernel", "5.14.0-427.13.1.el9_4"},
		"kernel-default-6.4.0-150600.23.7.1.x86_64":    {"kernel-default", "6.4.0-150600.23.7.1"},
		"kernel-default-5.14.21-150400.24.187.1":       {"kernel-default", "5.14.21-150400.24.187.1"},
		"kernel-rt-1:4.18.0-553.rt7.342.el8_10.x86_64": {"kernel-rt", "1:4.18.0-553.rt7.342.el8_10"},
		"kernel-default": {"kernel-default", ""}, "kernel": {"kernel", ""}, "": {"", ""}, "a--1": {"a--1", ""}, "-1-1": {"-1-1", ""}, "k-1-": {"k-1-", ""},
	} {
		if name, version := kernels.NEVRA(from); name != to[0] || version != to[1] {
			t.Errorf("%q: %q %q", from, name, version)
		}
	}
	for from, to := range map[string]kernels.PURL{
		"pkg:rpm/redhat/kernel@5.14.0-427.13.1.el9_4?arch=src":        {Type: "rpm", Name: "kernel", Version: "5.14.0-427.13.1.el9_4"},
		"pkg:rpm/redhat/kernel@5.14.0-1.el9%5E2?arch=src&epoch=1#sub": {Type: "rpm", Name: "kernel", Version: "5.14.0-1.el9^2", Epoch: "1"},
		"pkg:rpm/redhat/kernel?arch=src":                              {Type: "rpm", Name: "kernel"},
		"pkg:rpm":                                                     {}, "pkg:rpm/": {}, "rpm/kernel": {}, "pkg:rpm/a/%zz": {}, "pkg:rpm/a/b@%zz": {},
	} {
		if p, is := kernels.ParsePURL(from); is != (to != kernels.PURL{}) || is && p != to {
			t.Errorf("%q: %+v", from, p)
		}
	}
}

func FuzzReadNames(f *testing.F) {
	f.Add("kernel-0:5.14.0-427.13.1.el9_4.src")
	f.Add("cpe:/o:suse:sles:15:sp6")
	f.Add("pkg:rpm/redhat/kernel@5.14.0-427.13.1.el9_4?arch=src&epoch=1")
	f.Add("SUSE:Linux Enterprise Server 15 SP6")
	f.Fuzz(func(t *testing.T, text string) {
		name, version := kernels.NEVRA(text)
		if len(name)+len(version) > len(text) {
			t.Fatalf("%q became %q %q", text, name, version)
		}
		kernels.ParsePURL(text)
		for _, read := range []func(string) (string, bool){kernels.FromCPE, kernels.FromEcosystem, kernels.FromName} {
			if d, is := read(text); is && (d == "" || len(d) > 40) {
				t.Fatalf("%q became %q", text, d)
			}
		}
	})
}
