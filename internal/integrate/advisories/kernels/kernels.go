// Package kernels knows which packages of which distribution are kernels, and the many
// ways in which advisories write a distribution, a package and a version.
//
// Only what is listed here becomes an advisory. A name is the *source* package: the
// binaries that are built from it (linux-image-…, kernel-core, kernel-modules) are passed
// over, because every source that lists them lists the source package or its namesake too.
package kernels

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hotstick/hotstick"
)

// Upstream is the distribution of kernel.org's own releases.
const Upstream = "upstream"

// Windows is the package of every Windows: it is built, numbered and fixed as a whole.
const Windows = "windows"

// enterprise are the source packages of Red Hat's family.
var enterprise = []string{"kernel", "kernel-alt", "kernel-rt"}

// suse are the source packages of SUSE's family.
var suse = []string{
	"kernel-64kb", "kernel-azure", "kernel-bigmem", "kernel-debug", "kernel-default", "kernel-ec2", "kernel-kvmsmall",
	"kernel-longterm", "kernel-pae", "kernel-preempt", "kernel-rt", "kernel-rt_debug", "kernel-vanilla", "kernel-xen", "kernel-zfcpdump",
}

// ubuntu are the flavours of linux-FLAVOUR and linux-FLAVOUR-X.Y.
var ubuntu = []string{
	"allwinner", "aws", "aws-fips", "aws-hwe", "azure", "azure-edge", "azure-fde", "azure-fips", "azure-nvidia", "bluefield", "fips",
	"gcp", "gcp-edge", "gcp-fips", "gke", "gkeop", "hwe", "hwe-edge", "ibm", "intel", "intel-iot-realtime", "intel-iotg",
	"iot", "kvm", "laptop", "lowlatency", "lowlatency-hwe", "lts-trusty", "lts-xenial", "nvidia", "nvidia-lowlatency",
	"nvidia-tegra", "nvidia-tegra-igx", "oem", "oem-osp1", "oracle", "raspi", "raspi-realtime", "raspi2", "realtime",
	"riscv", "snapdragon", "starfive", "xilinx", "xilinx-zynqmp",
}

var series = regexp.MustCompile(`-[0-9]{1,2}\.[0-9]{1,2}$`)

// Product returns the kernel product that a package of a distribution is, and false where
// it is none.
func Product(distribution, name string) (hotstick.KernelProduct, bool) {
	p := hotstick.KernelProduct{Distribution: distribution, Package: name}
	id, _, _ := strings.Cut(distribution, ":")
	known := false
	switch id {
	case "debian":
		p.Scheme, known = hotstick.DebVersions, series.ReplaceAllString(name, "") == "linux"
	case "ubuntu":
		flavour, is := strings.CutPrefix(series.ReplaceAllString(name, ""), "linux")
		p.Scheme, known = hotstick.DebVersions, is && (flavour == "" || flavour[0] == '-' && slices.Contains(ubuntu, flavour[1:]))
	case "rhel", "almalinux", "rocky":
		p.Scheme, known = hotstick.RPMVersions, slices.Contains(enterprise, name)
	case "sles", "sled", "sle_hpc", "sle-micro", "sl-micro", "opensuse-leap":
		p.Scheme, known = hotstick.RPMVersions, slices.Contains(suse, name)
	case "windows":
		p.Scheme, known = hotstick.WindowsVersions, name == Windows
	case Upstream:
		p.Scheme, known = hotstick.UpstreamVersions, name == "linux"
	}
	return p, known
}

// AnyRPM reports whether some distribution has a kernel of this name, for a reader who does
// not know the distribution yet.
func AnyRPM(name string) bool {
	return slices.Contains(enterprise, name) || slices.Contains(suse, name)
}

// maxVersion bounds a version: the longest real ones are half of it.
const maxVersion = 128

// CheckVersion refuses what cannot be a version under any scheme. Whether it is one is for
// those who compare.
func CheckVersion(v string) error {
	if v == "" || len(v) > maxVersion {
		return fmt.Errorf("cannot use a version of %d bytes: want 1 to %d", len(v), maxVersion)
	}
	for _, c := range []byte(v) {
		switch {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', strings.IndexByte(".-+~^:_", c) >= 0:
		default:
			return fmt.Errorf("cannot use %.40q as a version", v)
		}
	}
	return nil
}
