package exposure

import (
	"slices"
	"strings"

	"github.com/hotstick/hotstick"
)

// Class is what of a host decides its exposure. Hosts of one class are exposed alike, to
// every CVE. It is comparable.
type Class struct {
	Kernel Kernel
	Arch   string
	// Memory is the level in memory where the system tells one beside the booted version,
	// as Windows does after a hotpatch; empty if it is the booted one.
	Memory string
	// Patches are the live patches that count, as [Index.Classify] writes them.
	Patches string
	// Sealed: no module can be loaded any more before the next boot. Present are then the
	// modules that are in the running kernel, each with a space before and after it; they
	// are left out where nothing follows from them.
	Sealed  bool
	Present string
	// Silent: the facts are too old to show that anything is closed.
	Silent bool
}

// Classify makes the class of a host's facts. fresh says that they are of the current boot
// and young enough: a host that is silent may have been rebooted, into any kernel, since.
//
// Modules count only where kernel.modules_disabled is set, and where the facts list both
// those that are loaded and those that are built in: a module that is not loaded is loaded by
// whoever asks for a socket of its family.
func (x *Index) Classify(f hotstick.Facts, fresh bool) Class {
	c := Class{Kernel: Booted(f), Arch: f.Kernel.Build.Arch, Patches: x.patches.settled(f), Silent: !fresh}
	if w := f.Windows; w != nil && w.Level != w.Booted {
		c.Memory = w.Level
	}
	if d := f.Security.ModulesDisabled; d != nil && *d && len(f.Kernel.BuiltIn) > 0 && len(f.Modules) > 0 {
		c.Sealed = true
		c.Present = present(f)
	}
	return c
}

func present(f hotstick.Facts) string {
	names := make([]string, 0, len(f.Modules)+len(f.Kernel.BuiltIn))
	for _, m := range f.Modules {
		names = append(names, moduleName(m.Name))
	}
	for _, name := range f.Kernel.BuiltIn {
		names = append(names, moduleName(name))
	}
	slices.Sort(names)
	return " " + strings.Join(slices.Compact(names), " ") + " "
}

// moduleName writes a module as the kernel does: files have dashes, too.
func moduleName(name string) string { return strings.ReplaceAll(name, "-", "_") }

// keepsOut reports whether a module is neither in the running kernel nor can come into it.
func (c Class) keepsOut(module string) bool {
	return c.Sealed && module != "" && !strings.Contains(c.Present, " "+moduleName(module)+" ")
}

func distributionID(p hotstick.KernelProduct) string {
	id, _, _ := strings.Cut(p.Distribution, ":")
	return id
}
