package kernel

import (
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/series"
	"github.com/hotstick/hotstick/internal/shape"
)

var (
	// osReleaseID is as os-release(5) wants ID and VERSION_ID.
	osReleaseID    = shape.All("a-z0-9._-", 1, 64)
	packageVersion = shape.Of("0-9", "0-9A-Za-z.+~:^_-", 1, 128)
	flavourPattern = shape.Of("a-z", "a-z0-9-", 1, 32)
	markPattern    = shape.Of("0-9", "0-9_", 1, 8)
	releaseNumbers = shape.Of("0-9", "0-9.", 1, 32)
)

// maxInstalled and maxBuiltIn bound what is listed of a disk.
const (
	maxInstalled = 64
	maxBuiltIn   = 4096
)

// osRelease reads one value in the places and the order of os-release(5).
func osRelease(fsys fs.FS, key string) string {
	for _, name := range []string{"etc/os-release", "usr/lib/os-release"} {
		data, err := readFile(fsys, name, smallFile)
		if err != nil {
			continue
		}
		for l := range strings.Lines(text(data)) {
			if value, ok := strings.CutPrefix(strings.TrimSpace(l), key+"="); ok {
				return unquote(value)
			}
		}
	}
	return ""
}

// identifier is osRelease for what must be one; empty if it is none.
func identifier(fsys fs.FS, key string) string {
	if id := osRelease(fsys, key); osReleaseID.MatchString(id) {
		return id
	}
	return ""
}

// bootedPackage says which package the running kernel is from, by what the kernel itself
// tells; zero where it does not, as one that somebody built does not. A kernel of another
// distribution than the host's is nobody's: its advisories are not the host's.
func bootedPackage(fsys fs.FS, host hotstick.HostFacts, k hotstick.KernelFacts) hotstick.KernelPackage {
	var p hotstick.KernelPackage
	release := k.Build.Release
	switch id := host.DistributionID; {
	case id == "debian":
		p = debianPackage(k.Version, release)
	case id == "ubuntu":
		p = ubuntuPackage(line(fsys, "proc/version_signature"), host.DistributionVersion)
	case series.IsSUSE(id):
		p = susePackage(release)
	case slices.Contains([]string{"rhel", "almalinux", "rocky", "centos", "ol", "fedora", "amzn"}, id):
		p = rpmPackage(id, strings.ReplaceAll(release, "."+k.Build.Arch+"+", "."+k.Build.Arch), k.Build.Arch)
	}
	if p == (hotstick.KernelPackage{}) && isUpstream(release) {
		p = hotstick.KernelPackage{Source: "linux", Scheme: hotstick.UpstreamVersions, Version: release}
	}
	if !packageVersion.MatchString(p.Version) {
		return hotstick.KernelPackage{}
	}
	return p
}

// debianPackage reads "#1 SMP PREEMPT_DYNAMIC Debian 6.1.170-3 (2026-05-08)". A release that
// is older than its kernel has it from a source package that bears the kernel's number, and
// such a kernel's release says deb12.
func debianPackage(version, release string) hotstick.KernelPackage {
	words := strings.Fields(version)
	i := slices.Index(words, "Debian")
	if i < 0 || i+1 == len(words) {
		return hotstick.KernelPackage{}
	}
	p := hotstick.KernelPackage{Source: "linux", Scheme: hotstick.DebVersions, Version: words[i+1]}
	if strings.Contains(p.Version, "~deb") && (strings.Contains(release, "+deb") || strings.Contains(release, ".deb")) {
		p.Source += "-" + majorMinor(p.Version)
	}
	return p
}

// ubuntuPackage reads "Ubuntu 6.5.0-1020.20~22.04.1-aws 6.5.13". A kernel of a newer series
// than the host's release began with is from a source package that bears the series; those
// for machines that are sold with Ubuntu (oem) always are, since they are more than one.
func ubuntuPackage(signature, host string) hotstick.KernelPackage {
	words := strings.Fields(signature)
	if len(words) < 2 || words[0] != "Ubuntu" {
		return hotstick.KernelPackage{}
	}
	base, rest, _ := strings.Cut(words[1], "-")
	abi, flavour, ok := strings.Cut(rest, "-")
	for _, variant := range []string{"-64k", "-lpae"} {
		flavour = strings.TrimSuffix(flavour, variant)
	}
	if !ok || !flavourPattern.MatchString(flavour) {
		return hotstick.KernelPackage{}
	}
	p := hotstick.KernelPackage{Source: "linux", Scheme: hotstick.DebVersions, Version: base + "-" + abi}
	newer := series.NewerUbuntu(host, p.Version) || flavour == "oem" && majorMinor(base) != "4.15"
	if flavour != "generic" {
		p.Source += "-" + flavour
	}
	if newer && (flavour == "generic" || flavour == "lowlatency") {
		p.Source += "-hwe"
	}
	if newer {
		p.Source += "-" + majorMinor(base)
	}
	return p
}

// susePackage reads 6.4.0-150600.23.7-default.
func susePackage(release string) hotstick.KernelPackage {
	i := strings.LastIndexByte(release, '-')
	if i < 0 || strings.Count(release, "-") != 2 || !flavourPattern.MatchString(release[i+1:]) {
		return hotstick.KernelPackage{}
	}
	return hotstick.KernelPackage{Source: "kernel-" + release[i+1:], Scheme: hotstick.RPMVersions, Version: release[:i]}
}

// rpmPackage reads 5.14.0-427.13.1.el9_4.x86_64, with a flavour behind it at most.
func rpmPackage(id, release, arch string) hotstick.KernelPackage {
	version, flavour, ok := strings.Cut(release, "."+arch)
	mark := series.Mark(id)
	at := strings.LastIndex(version, mark)
	// What stands behind the mark is a number: 6.9.1-1.el9.elrepo is somebody else's.
	if !ok || flavour != "" && !flavourPattern.MatchString(flavour) || at < 0 || strings.Count(version, "-") != 1 ||
		!markPattern.MatchString(strings.TrimSuffix(version[at+len(mark):], "uek")) {
		return hotstick.KernelPackage{}
	}
	p := hotstick.KernelPackage{Source: "kernel", Scheme: hotstick.RPMVersions, Version: version}
	switch {
	case id == "ol" && strings.HasSuffix(version, "uek"):
		p.Source = "kernel-uek"
	case id != "fedora" && strings.Contains(version, ".rt"):
		p.Source = "kernel-rt"
	case strings.HasSuffix(version, ".amzn2023") && majorMinor(version) != "6.1":
		p.Source += majorMinor(version) // its first kernel bears no number
	}
	return p
}

// isUpstream reports whether a release is of kernel.org's with nothing added.
func isUpstream(release string) bool {
	numbers, _, _ := strings.Cut(release, "-rc")
	return releaseNumbers.MatchString(numbers) && strings.Contains(numbers, ".") && releaseNumbers.MatchString(strings.Replace(release, "-rc", ".", 1))
}

// majorMinor is the 6.5 of 6.5.0-35.
func majorMinor(version string) string {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 3 {
		return version
	}
	return parts[0] + "." + parts[1]
}

// installed lists the releases of the other kernels in /boot, sorted.
func installed(fsys fs.FS, booted string) (releases []string) {
	entries, err := fs.ReadDir(fsys, "boot")
	if err != nil {
		return nil
	}
	for _, e := range entries {
		release, ok := strings.CutPrefix(e.Name(), "vmlinuz-")
		if ok && release != booted && !strings.Contains(release, "rescue") && packageVersion.MatchString(release) && len(releases) < maxInstalled {
			releases = append(releases, release)
		}
	}
	return releases
}

// builtIn lists the modules that are part of the kernel, where no other can come: elsewhere
// nobody asks. They are known from the kernel's own list on the disk.
func builtIn(fsys fs.FS, release string, s hotstick.SecurityFacts) (names []string) {
	if s.ModulesDisabled == nil || !*s.ModulesDisabled {
		return nil
	}
	data, err := readFile(fsys, "lib/modules/"+release+"/modules.builtin", largeFile)
	if err != nil {
		return nil
	}
	for l := range strings.Lines(text(data)) {
		name := strings.ReplaceAll(strings.TrimSuffix(path.Base(strings.TrimSpace(l)), ".ko"), "-", "_")
		if len(names) == maxBuiltIn {
			return nil // half a list would call the rest absent
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
