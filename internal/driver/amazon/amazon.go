// Package amazon observes the kernel live patches of Amazon Linux 2 and Amazon Linux 2023.
// It only reads. Its other half, which runs yum and dnf, is package amazonstep.
//
// The patches come as packages (kernel-livepatch-6.1.134-150.224) and are loaded by the
// kpatch tool. What is in effect, sysfs says. A module is the system's if the host is of
// Amazon and the name begins with livepatch_, or the tool has a file of that name for the
// running release. On Amazon Linux 2 several are in effect at once, one upon the other.
package amazon

import (
	"context"
	"io/fs"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/klp"
	"github.com/hotstick/hotstick/internal/driver/rpm"
)

// Name is the driver's name as catalogs and plans write it.
const Name = "amazon"

// Packages is the pattern of the packages' names, as dnf and yum write it.
const Packages = "kernel-livepatch*"

// Configs are where the dnf plugin may keep whether it is automatic; the first that is there
// counts. Amazon's documentation does not name the file. The plugin descends from kpatch-dnf,
// whose file has the second name.
func Configs() []string {
	return []string{"etc/dnf/plugins/kernel-livepatch.conf", "etc/dnf/plugins/kpatch.conf"}
}

// Observer reads sysfs, os-release, and where the kpatch tool keeps modules.
type Observer struct{ fsys fs.FS }

var _ driver.Observer = (*Observer)(nil)

// NewObserver returns an observer of the machine whose root is fsys.
func NewObserver(fsys fs.FS) *Observer { return &Observer{fsys} }

// Name implements [driver.Observer].
func (o *Observer) Name() string { return Name }

// System is which of Amazon's systems the host has.
type System string

// The systems that have live patches.
const (
	None   System = ""
	AL2    System = "2"
	AL2023 System = "2023"
)

// SystemOf reads it from os-release.
func SystemOf(fsys fs.FS) System {
	s := rpm.SystemOf(fsys)
	switch {
	case s.ID == "amzn" && s.Version == "2":
		return AL2
	case s.ID == "amzn" && strings.HasPrefix(s.Version, "2023"):
		return AL2023
	}
	return None
}

// Own returns which modules are the system's.
func Own(fsys fs.FS) func(module string) bool {
	if SystemOf(fsys) == None {
		return func(string) bool { return false }
	}
	files := rpm.Modules(fsys, release(fsys))
	return func(module string) bool {
		_, kept := files[module]
		return kept || strings.HasPrefix(module, "livepatch_")
	}
}

// File returns the path of the module's file for the running release; empty if there is none.
func File(fsys fs.FS, module string) string { return rpm.Modules(fsys, release(fsys))[module] }

func release(fsys fs.FS) string {
	text, _ := rpm.Read(fsys, "proc/sys/kernel/osrelease")
	return strings.TrimSpace(string(text))
}

// ForRelease tells whether a package is for a kernel release: the package
// kernel-livepatch-6.1.134-150.224 is for 6.1.134-150.224.amzn2023.x86_64.
func ForRelease(p hotstick.Package, release string) bool {
	kernel, ok := strings.CutPrefix(p.Name, "kernel-livepatch-")
	return ok && kernel != "" && (release == kernel || strings.HasPrefix(release, kernel+"."))
}

// Empty tells whether a package is the one without a module that comes first: 1.0-0.
func Empty(p hotstick.Package) bool {
	version, _, _ := strings.Cut(p.Version, ".amzn")
	return version == "1.0-0"
}

// Capabilities implements [driver.Observer].
func (o *Observer) Capabilities(ctx context.Context) hotstick.Capabilities {
	system := SystemOf(o.fsys)
	c := hotstick.Capabilities{
		Driver: Name, TrustClass: hotstick.ClassOf(Name), Asynchronous: true, Pinnable: true, Truth: "/sys/kernel/livepatch",
		Undo: hotstick.UndoReboot, Rollback: []hotstick.Reversibility{hotstick.ReversibleReboot}, Schedules: system == AL2023,
	}
	if system != None { // else the tool is of another system
		c.Tool = rpm.Tool(o.fsys)
	}
	if c.Schedules {
		c.Held, _, _ = Plugin().Held(o.fsys)
	}
	refusal := klp.Usable(o.fsys)
	switch { // what is not there is that, whatever else would be in its way
	case system == None:
		refusal = driver.Refuse(hotstick.ReasonUnsupported, "this is neither Amazon Linux 2 nor Amazon Linux 2023")
	case refusal != nil:
	case c.Tool == "":
		refusal = driver.Refuse(hotstick.ReasonNotEntitled, "kernel live patching is not enabled: the package kpatch-runtime is not installed")
	}
	if refusal != nil {
		c.Reason = &refusal.Reason
		return c
	}
	c.Available = true
	return c
}

// Plugin is dnf's on Amazon Linux 2023, which installs the packages by itself unless it is
// told not to.
func Plugin() rpm.Plugin {
	return rpm.Plugin{Command: "dnf kernel-livepatch", Packages: Packages, Files: Configs()}
}

// Observe implements [driver.Observer].
func (o *Observer) Observe(ctx context.Context) ([]hotstick.LoadedPatch, error) {
	return klp.Ours(ctx, o.fsys, Name, Own(o.fsys))
}
