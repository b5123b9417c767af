package series_test

import (
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/series"
)

func TestTheKernelTellsOfWhichReleaseItIs(t *testing.T) {
	for _, c := range []struct{ id, host, source, version, want string }{
		{"debian", "12", "linux", "6.1.170-3", "12"},
		{"debian", "13", "linux", "6.1.170-3", "12"}, // upgraded, and not booted since
		{"debian", "12", "linux", "5.10.218-1", "11"},
		{"debian", "11", "linux", "4.19.316-1", "10"},
		{"debian", "12", "linux", "6.12.107-1", "13"},
		{"debian", "", "linux", "6.12.107-1", "13"},
		{"debian", "12", "linux", "6.1.192-1~rc1", "12"},
		{"debian", "12", "linux", "6.1.90-1~deb12u1", "12"},
		{"debian", "12", "linux-6.12", "6.12.107-1~deb12u1", "12"},
		{"debian", "13", "linux-6.12", "6.12.107-1~deb12u1", "12"},
		{"debian", "12", "linux", "6.12.107-1~deb12u1", ""}, // linux of Debian 12 is another series
		{"debian", "12", "linux-6.12", "6.12.107-1", ""},
		{"debian", "12", "linux-6.12", "6.1.107-1~deb12u1", ""},
		{"debian", "12", "linux", "6.12.9-1~bpo12+1", ""},
		{"debian", "12", "linux", "6.1.90-1~bpo11+1", ""},
		{"debian", "12", "linux", "6.15.4-1", ""},
		{"debian", "12", "linux", "6.10.4-1", ""},
		{"debian", "12", "linux", "2:6.1.1-1", ""},
		{"debian", "12", "linux", "", ""},
		{"debian", "12", "linux", "6", ""},
		{"ubuntu", "22.04", "linux", "5.15.0-107.117", "22.04"},
		{"ubuntu", "24.04", "linux-aws", "5.15.0-1050.55", "22.04"}, // upgraded, and not booted since
		{"ubuntu", "24.04", "linux-hwe-6.5", "6.5.0-35.35~22.04.1", "22.04"},
		{"ubuntu", "22.04", "linux-hwe-6.8", "6.8.0-40.40", "22.04"},
		{"ubuntu", "22.04", "linux-oem-6.1", "6.1.0-1036.36", "22.04"},
		{"ubuntu", "22.04", "linux-oem", "6.1.0-1036.36", ""},
		{"ubuntu", "22.04", "linux-hwe-6.8", "6.11.0-40.40~22.04.1", ""},
		{"ubuntu", "22.04", "linux-hwe", "6.8.0-40.40~22.04.1", ""},
		{"ubuntu", "22.04", "linux-hwe-6.8", "6.8.0-40.40~ppa1", ""},
		{"ubuntu", "99.04", "linux-hwe-6.8", "6.8.0-40.40", ""},
		{"rhel", "9.4", "kernel", "5.14.0-427.13.1.el9_4", "9.4"},
		{"rhel", "9.6", "kernel", "5.14.0-427.13.1.el9_4", "9.4"}, // updated, and not booted since
		{"almalinux", "9.4", "kernel", "4.18.0-553.el8_10", "8.10"},
		{"rhel", "8.1", "kernel", "4.18.0-193.el8", "8"}, // 8.2's first; the host does not matter
		{"ol", "9.4", "kernel-uek", "5.15.0-206.153.7.el9uek", "9"},
		{"rhel", "9.4", "kernel", "5.14.0-427.13.1.el9_4_2", ""},
		{"rhel", "9.4", "kernel", "5.14.0-427.13.1.el9.elrepo", ""},
		{"rhel", "9.4", "kernel", "5.14.0-427.13.1", ""},
		{"fedora", "41", "kernel", "6.9.1-200.fc40", "40"},
		{"amzn", "2023", "kernel", "5.10.215-203.850.amzn2", "2"},
		{"sles", "15.6", "kernel-default", "6.4.0-150600.23.7", "15.6"},
		{"sles", "15.7", "kernel-default", "6.4.0-150600.23.7", "15.6"}, // upgraded, and not booted since
		{"sles", "15.6", "kernel-default", "6.4.0-150700.53.3", "15.7"},
		{"sles", "15.6", "kernel-default", "5.14.21-150500.55.52", "15.5"},
		{"opensuse-leap", "15.6", "kernel-default", "5.14.21-150400.24.187", "15.4"},
		{"sles", "15.5", "kernel-default", "4.12.14-122.222", "12.5"},
		{"sles", "15.6", "kernel-default", "5.3.18-122.222", ""},
		{"sles", "16.0", "kernel-default", "6.12.0-160000.5", "16.0"},
		{"sle-micro", "5.4", "kernel-default", "5.14.21-150400.24.187", "5.4"},
		{"sle-micro", "5.5", "kernel-default", "5.14.21-150400.24.187", ""},
		{"sle-micro", "5.5", "kernel-default", "5.14.21-1.2", ""},
		{"sle-micro", "5.9", "kernel-default", "5.14.21-1.2", ""},
		{"sl-micro", "6.0", "kernel-default", "6.4.0-25.1", "6.0"},
		{"sl-micro", "6.1", "kernel-default", "6.4.0-150600.23.7", ""},
		{"sl-micro", "6.2", "kernel-default", "6.12.0-160000.5", ""},
		{"opensuse-tumbleweed", "20260101", "kernel-default", "6.9.1-1", ""},
	} {
		p := hotstick.KernelPackage{Source: c.source, Scheme: hotstick.RPMVersions, Version: c.version}
		if c.id == "debian" || c.id == "ubuntu" {
			p.Scheme = hotstick.DebVersions
		}
		if have := series.Release(c.id, c.host, p); have != c.want {
			t.Errorf("%s %s on %s:%s is of release %q, want %q", c.source, c.version, c.id, c.host, have, c.want)
		}
	}
	if have := series.Release("fedora", "41", hotstick.KernelPackage{Source: "linux", Scheme: hotstick.UpstreamVersions, Version: "6.9.1.fc40"}); have != "" {
		t.Errorf("kernel.org's is of release %q", have)
	}
}

func TestANewerSeriesOfUbuntuIsToldFromTheFirst(t *testing.T) {
	for _, c := range []struct {
		release, version string
		newer            bool
	}{
		{"18.04", "4.15.0-20.21", false}, {"18.04", "5.0.0-1034.35", true}, {"20.04", "5.4.0-26.30", false}, {"20.04", "5.15.0-7.7", true}, {"22.04", "5.15.0-25.25", false},
		{"22.04", "6.5.0-35.35~22.04.1", true}, {"24.04", "6.8.0-31.31", false}, {"24.04", "6.11.0-9.9", true}, {"24.04", "5.15.0-107.117", false}, {"99.04", "5.15.0-107.117", false},
	} {
		if series.NewerUbuntu(c.release, c.version) != c.newer {
			t.Errorf("%s on %s: newer is %v", c.version, c.release, !c.newer)
		}
	}
}

func FuzzRelease(f *testing.F) {
	f.Add("debian", "12", "linux-6.12", "6.12.107-1~deb12u1")
	f.Add("sles", "15.6", "kernel-default", "6.4.0-150600.23.7")
	f.Fuzz(func(t *testing.T, id, host, source, version string) {
		for _, scheme := range hotstick.VersionSchemes() {
			release := series.Release(id, host, hotstick.KernelPackage{Source: source, Scheme: scheme, Version: version})
			if len(release) > len(version)+len(host)+4 {
				t.Fatalf("%q of %q", release, version)
			}
		}
	})
}
