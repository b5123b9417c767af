// Package series says of which release of its distribution a kernel is, by what the kernel's
// own version tells. What os-release says is of the userland: after an upgrade, and until the
// reboot, the kernel is still the old release's, and somebody may have installed another
// release's. Compared with what the host's release fixes, an old number, or one far above,
// would be called closed.
package series

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/hotstick/hotstick"
)

// Release returns the VERSION_ID of the release that a kernel's package is of, for a host
// with an ID and VERSION_ID of os-release; empty where the kernel does not tell, and then
// nothing may be compared.
func Release(id, host string, p hotstick.KernelPackage) string {
	switch {
	case id == "debian":
		return debian(p)
	case id == "ubuntu":
		return ubuntu(host, p)
	case p.Scheme != hotstick.RPMVersions:
		return ""
	case IsSUSE(id):
		return suse(id, host, p.Version)
	}
	return marked(id, p.Version)
}

// Number is the 6.5 of 6.5.0-35; empty if there is none.
func Number(version string) string {
	major, rest, _ := strings.Cut(version, ".")
	end := 0
	for end < len(rest) && rest[end] >= '0' && rest[end] <= '9' {
		end++
	}
	if !digits(major) || end == 0 {
		return ""
	}
	return major + "." + rest[:end]
}

// ofDebian is the release of Debian by the series of its kernel (source: debian.org's release
// notes).
var ofDebian = map[string]string{"4.19": "10", "5.10": "11", "6.1": "12", "6.12": "13"}

// debian: what is built for an older release says so, 6.12.107-1~deb12u1, and its source
// package bears the series. A backport (~bpo) is of no release: nobody lists its fixes.
func debian(p hotstick.KernelPackage) string {
	number := Number(p.Version)
	if strings.Contains(p.Version, "~bpo") {
		return ""
	}
	_, mark, has := strings.Cut(p.Version, "~deb")
	mark, _, _ = strings.Cut(mark, "u")
	switch {
	case p.Source == "linux" && (!has || mark == ofDebian[number]):
		return ofDebian[number]
	case has && digits(mark) && suffix(p.Source) == number && number != "":
		return mark
	}
	return ""
}

// ofUbuntu is the series that a release of Ubuntu began with (source: Ubuntu's kernel release
// schedule).
var ofUbuntu = map[string]string{
	"14.04": "3.13", "16.04": "4.4", "18.04": "4.15", "20.04": "5.4", "22.04": "5.15", "24.04": "6.8",
	"22.10": "5.19", "23.04": "6.2", "23.10": "6.5", "24.10": "6.11", "25.04": "6.14", "25.10": "6.17",
}

// NewerUbuntu reports whether a kernel is of a newer series than the one that a release of
// Ubuntu began with. Its source package bears the series then. Most such versions name the
// release that they were built for, 6.5.0-1020.20~22.04.1; those of some flavours do not.
func NewerUbuntu(release, version string) bool {
	first, known := ofUbuntu[release]
	return strings.Contains(version, "~") || known && compare(Number(version), first) > 0
}

func ubuntu(host string, p hotstick.KernelPackage) string {
	number, named := Number(p.Version), suffix(p.Source)
	if _, mark, has := strings.Cut(p.Version, "~"); has {
		release := Number(mark)
		if named != number || ofUbuntu[release] == "" {
			return ""
		}
		return release
	}
	if named == "" {
		return begunWith(number)
	}
	if named == number && ofUbuntu[host] != "" {
		return host
	}
	return ""
}

func begunWith(number string) string {
	for release, first := range ofUbuntu {
		if first == number {
			return release
		}
	}
	return ""
}

// Mark is what stands before the release in the versions of an RPM distribution's kernels.
func Mark(id string) string {
	switch id {
	case "fedora":
		return ".fc"
	case "amzn":
		return ".amzn"
	}
	return ".el"
}

// marked reads the 9.4 of 5.14.0-427.13.1.el9_4, and the 8 of 4.18.0-147.el8. The latter is
// some minor release's first kernel, and does not tell whose: the host's may be another.
func marked(id, version string) string {
	at := strings.LastIndex(version, Mark(id))
	if at < 0 {
		return ""
	}
	major, minor, has := strings.Cut(strings.TrimSuffix(version[at+len(Mark(id)):], "uek"), "_")
	switch {
	case !digits(major) || has && !digits(minor):
		return ""
	case has:
		return major + "." + minor
	}
	return major
}

// IsSUSE reports whether a distribution is one of SUSE's.
func IsSUSE(id string) bool {
	return strings.HasPrefix(id, "sle") || strings.HasPrefix(id, "sl-") || strings.HasPrefix(id, "opensuse") || strings.HasPrefix(id, "suse")
}

// ofSUSE is the service pack by the number before the first dot of a kernel's release.
var ofSUSE = map[string]string{
	"150000": "15", "150100": "15.1", "150200": "15.2", "150300": "15.3", "150400": "15.4", "150500": "15.5", "150600": "15.6", "150700": "15.7",
	"160000": "16.0",
}

// microOf is the service pack whose kernel SLE Micro has: two of its releases share one.
var microOf = map[string]string{"5.1": "15.3", "5.2": "15.3", "5.3": "15.4", "5.4": "15.4", "5.5": "15.5"}

// suse reads the 15.6 of 6.4.0-150600.23.7.
func suse(id, host, version string) string {
	number, release, _ := strings.Cut(version, "-")
	release, _, _ = strings.Cut(release, ".")
	pack := ofSUSE[release]
	if number == "4.12.14" && release == "122" {
		pack = "12.5"
	}
	switch {
	case id == "sl-micro":
		// Its first two releases number their kernels alike. Userland and kernel are one
		// snapshot there and are booted together, so the host's release is the kernel's.
		if number == "6.4.0" && pack == "" && (host == "6.0" || host == "6.1") {
			return host
		}
		return ""
	case id != "sle-micro":
		return pack
	case pack != "" && microOf[host] == pack:
		return host
	}
	return ""
}

// suffix is the 6.8 of linux-hwe-6.8; empty if the name bears none.
func suffix(source string) string {
	last := source[strings.LastIndexByte(source, '-')+1:]
	if number := Number(last); number == last {
		return number
	}
	return ""
}

func compare(a, b string) int {
	majorA, minorA, _ := strings.Cut(a, ".")
	majorB, minorB, _ := strings.Cut(b, ".")
	return cmp.Or(cmp.Compare(count(majorA), count(majorB)), cmp.Compare(count(minorA), count(minorB)))
}

func count(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return n
}

func digits(text string) bool {
	n, err := strconv.ParseUint(text, 10, 32)
	return err == nil && len(text) < 8 && strconv.FormatUint(n, 10) == text
}
