package kernels

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// FromEcosystem returns the distribution of an OSV ecosystem, such as Debian:12,
// Ubuntu:22.04:LTS, Ubuntu:Pro:18.04:LTS, AlmaLinux:9, Rocky Linux:9, SUSE:Linux
// Enterprise Server 15 SP6, openSUSE:Leap 15.6, Red Hat:rhel_eus:9.4::baseos or Linux.
func FromEcosystem(ecosystem string) (string, bool) {
	system, release, _ := strings.Cut(ecosystem, ":")
	switch system {
	case "Linux":
		return Upstream, release == ""
	case "Debian":
		return numbered("debian", release)
	case "AlmaLinux":
		return numbered("almalinux", release)
	case "Rocky Linux":
		return numbered("rocky", release)
	case "Ubuntu":
		return numbered("ubuntu", strings.TrimSuffix(strings.TrimPrefix(release, "Pro:"), ":LTS"))
	case "SUSE":
		return FromName("SUSE " + release)
	case "openSUSE":
		return FromName("openSUSE " + release)
	case "Red Hat":
		return FromCPE("cpe:/o:redhat:" + release)
	}
	return "", false
}

var number = regexp.MustCompile(`^[0-9]{1,3}(\.[0-9]{1,3})?$`)

func numbered(id, release string) (string, bool) {
	return id + ":" + release, number.MatchString(release)
}

var (
	suseName = regexp.MustCompile(`^SUSE Linux (?:Enterprise )?(Server|Server for SAP Applications|Server LTSS|Desktop|High Performance Computing|Real Time|Micro|Module for [A-Za-z0-9 ]{1,60}?) ([0-9]{1,2}(?:\.[0-9])?)(?: SP([0-9]))?(?:-(?:LTSS|ESPOS|BCL|LTSS-Extended-Security)| LTSS)?$`)
	leapName = regexp.MustCompile(`^openSUSE Leap ([0-9]{1,2}\.[0-9])$`)
	// Server Core is an installation of the same build.
	windowsName = regexp.MustCompile(`^(?:Microsoft )?Windows Server (2016|2019|2022|2025) *(?:\(Server Core installation\))?$`)
)

// FromName returns the distribution of a product that is only named.
func FromName(name string) (string, bool) {
	if len(name) > 200 {
		return "", false
	}
	if m := windowsName.FindStringSubmatch(name); m != nil {
		return "windows:" + m[1], true
	}
	if m := leapName.FindStringSubmatch(name); m != nil {
		return "opensuse-leap:" + m[1], true
	}
	m := suseName.FindStringSubmatch(name)
	if m == nil {
		return "", false
	}
	id := "sles" // the modules' packages run on the server, and so do SAP's and real time's
	switch m[1] {
	case "Desktop":
		id = "sled"
	case "High Performance Computing":
		id = "sle_hpc"
	case "Micro":
		if id = "sle-micro"; !strings.Contains(name, "Enterprise") {
			id = "sl-micro"
		}
	}
	if m[3] != "" {
		return id + ":" + m[2] + "." + m[3], true
	}
	return id + ":" + m[2], true
}

// FromCPE returns the distribution of a CPE, in the form of 2.2 (cpe:/o:…) or 2.3.
//
// Red Hat's main stream of a major release (enterprise_linux:9) is rhel:9; a stream that
// stays with a minor release (rhel_eus:9.4, enterprise_linux_eus:10.0) is rhel:9.4.
func FromCPE(cpe string) (string, bool) {
	rest, is := strings.CutPrefix(cpe, "cpe:/")
	if !is {
		if rest, is = strings.CutPrefix(cpe, "cpe:2.3:"); !is {
			return "", false
		}
	}
	parts := append(strings.SplitN(rest, ":", 7), "", "", "", "")
	for i := range parts {
		parts[i] = strings.TrimSuffix(strings.TrimSuffix(parts[i], "*"), "-")
	}
	vendor, product, version, update := parts[1], parts[2], parts[3], parts[4]
	switch vendor {
	case "redhat":
		return redHat(product, version)
	case "suse":
		return suseCPE(product, version, update)
	case "opensuse":
		if product == "leap" {
			return numbered("opensuse-leap", version)
		}
	case "microsoft":
		if year, is := strings.CutPrefix(product, "windows_server_"); is {
			return FromName("Windows Server " + year)
		}
	}
	return "", false
}

// redHatStreams are Red Hat's products that are RHEL, with the main stream first. The others
// stay with a release; they are written as Red Hat does for RHEL up to 9 and from 10 on, and
// as NVD does.
var redHatStreams = []string{
	"enterprise_linux", "rhel_els", "rhel_eus", "rhel_aus", "rhel_tus", "rhel_e4s", "rhel_eus_long_life",
	"enterprise_linux_els", "enterprise_linux_eus", "enterprise_linux_aus", "enterprise_linux_tus", "enterprise_linux_e4s", "enterprise_linux_eus_long_life",
	"enterprise_linux_server_eus", "enterprise_linux_server_aus", "enterprise_linux_server_tus",
}

func redHat(product, version string) (string, bool) {
	if !slices.Contains(redHatStreams, product) {
		return "", false
	}
	return numbered("rhel", version)
}

func suseCPE(product, version, update string) (string, bool) {
	id := ""
	switch {
	case product == "sles", product == "sles-ltss", product == "sles_sap", product == "sle-rt", strings.HasPrefix(product, "sle-module-") && product != "sle-module-live-patching":
		id = "sles"
	case product == "sled", product == "sle_hpc", product == "sle-micro", product == "sl-micro":
		id = product
	case product == "sle_hpc-ltss", product == "sle_hpc-espos":
		id = "sle_hpc"
	default:
		return "", false
	}
	if sp, is := strings.CutPrefix(update, "sp"); is {
		version += "." + sp
	} else if strings.HasPrefix(update, version+".") {
		version = update // from 16 on: sles:16:16.0
	}
	return numbered(id, version)
}

// PURL is a package URL, of the parts that matter here.
type PURL struct{ Type, Name, Version, Epoch string }

// ParsePURL reads a package URL such as pkg:rpm/redhat/kernel@5.14.0-1.el9?arch=src.
func ParsePURL(purl string) (PURL, bool) {
	rest, is := strings.CutPrefix(purl, "pkg:")
	if !is || len(purl) > 1000 {
		return PURL{}, false
	}
	rest, _, _ = strings.Cut(rest, "#")
	rest, qualifiers, _ := strings.Cut(rest, "?")
	rest, version, _ := strings.Cut(rest, "@")
	kind, rest, is := strings.Cut(rest, "/")
	name, err := url.PathUnescape(rest[strings.LastIndexByte(rest, '/')+1:])
	if !is || err != nil || name == "" {
		return PURL{}, false
	}
	p := PURL{Type: kind, Name: name}
	if p.Version, err = url.PathUnescape(version); err != nil {
		return PURL{}, false
	}
	for q := range strings.SplitSeq(qualifiers, "&") {
		if epoch, is := strings.CutPrefix(q, "epoch="); is {
			p.Epoch = epoch
		}
	}
	return p, true
}

// EVR writes a version with its epoch, which is left out where it is 0.
func EVR(epoch, version string) string {
	if e, rest, has := strings.Cut(version, ":"); has {
		epoch, version = e, rest
	}
	if epoch == "" || epoch == "0" || version == "" {
		return version
	}
	return epoch + ":" + version
}

var architectures = []string{".src", ".nosrc", ".noarch", ".x86_64", ".aarch64", ".s390x", ".ppc64le", ".ppc64", ".i686", ".i586", ".riscv64"}

// NEVRA splits an RPM's name, kernel-default-6.4.0-150600.23.7.1.x86_64 or
// kernel-0:5.14.0-427.13.1.el9_4.src, into package and version. A name without a version
// stays a name.
func NEVRA(full string) (name, version string) {
	known := false
	for _, a := range architectures {
		if cut, is := strings.CutSuffix(full, a); is {
			full, known = cut, true
			break
		}
	}
	release := strings.LastIndexByte(full, '-')
	if release <= 0 {
		return full, ""
	}
	v := strings.LastIndexByte(full[:release], '-')
	if v <= 0 || full[v+1] < '0' || full[v+1] > '9' || !known && (full[release+1:] == "" || full[release+1] < '0' || full[release+1] > '9') {
		return full, ""
	}
	return full[:v], EVR("", full[v+1:])
}
