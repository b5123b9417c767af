package suse

import (
	"strings"

	"github.com/hotstick/hotstick"
)

// IsModule tells whether a module's name is one that SUSE's packages bring: livepatch or
// kgraft_patch, the generation, and the package's release. It is a convention, so it
// counts only on a host that runs SUSE Linux Enterprise.
func IsModule(name string) bool {
	rest, klp := strings.CutPrefix(name, "livepatch_")
	if !klp {
		var kgr bool
		if rest, kgr = strings.CutPrefix(name, "kgraft_patch_"); !kgr {
			return false
		}
	}
	generation, release, _ := strings.Cut(rest, "_")
	return len(name) <= maxName && only(generation, digits) && only(release, digits+letters+"_") && strings.Contains(digits, release[:1])
}

const (
	// maxName is what the kernel allows a module's name.
	maxName = 64
	digits  = "0123456789"
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

// only tells whether a text has something, and nothing but the letters that may be.
func only(text, may string) bool { return text != "" && strings.Trim(text, may) == "" }

// PackageNames returns what the live patch package of a kernel release, such as
// 5.14.21-150400.24.33-default, may be called, the newer kind first.
func PackageNames(release string) []string {
	kernel := strings.ReplaceAll(release, ".", "_")
	return []string{"kernel-livepatch-" + kernel, "kgraft-patch-" + kernel}
}

// ModuleName returns the name of the module that a package brings; empty if it is no
// package of live patches.
func ModuleName(p hotstick.Package) string {
	prefix := ""
	switch {
	case strings.HasPrefix(p.Name, "kernel-livepatch-"):
		prefix = "livepatch_"
	case strings.HasPrefix(p.Name, "kgraft-patch-"):
		prefix = "kgraft_patch_"
	default:
		return ""
	}
	name := prefix + strings.NewReplacer("-", "_", ".", "_", "+", "_", "~", "_").Replace(p.Version)
	if !IsModule(name) {
		return ""
	}
	return name
}
