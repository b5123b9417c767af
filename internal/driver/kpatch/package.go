package kpatch

import (
	"strings"

	"github.com/hotstick/hotstick"
)

const packagePrefix = "kpatch-patch-"

// flat writes a version as the names of modules have it.
func flat(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, s)
}

// ForRelease tells whether a package is for a kernel release: the package
// kpatch-patch-5_14_0-284_11_1 is for 5.14.0-284.11.1.el9_2.x86_64.
func ForRelease(p hotstick.Package, release string) bool {
	kernel, ok := strings.CutPrefix(p.Name, packagePrefix)
	return ok && kernel != "" && (flat(release) == flat(kernel) || strings.HasPrefix(flat(release), flat(kernel)+"_"))
}

// ModuleOf returns the name of the module in a package, as Red Hat names it: version 1-2.el9_2
// of kpatch-patch-5_14_0-284_11_1 has kpatch_5_14_0_284_11_1_1_2. A package of version 0-0
// has none: it says that the kernel is covered and that there is no fix yet.
func ModuleOf(p hotstick.Package) (module string, ok bool) {
	kernel, named := strings.CutPrefix(p.Name, packagePrefix)
	if !named || kernel == "" || Empty(p) {
		return "", false
	}
	version, _, _ := strings.Cut(p.Version, ".el")
	return "kpatch_" + flat(kernel) + "_" + flat(version), true
}

// Empty tells whether a package is one of those without a module.
func Empty(p hotstick.Package) bool {
	version, _, _ := strings.Cut(p.Version, ".el")
	return version == "0-0"
}
