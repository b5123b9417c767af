// Package kpatch observes live patches that the kpatch tool loads: modules that somebody
// built with kpatch-build, and the kpatch-patch packages of Red Hat. It only reads. Its
// other half, which runs the tools, is package kpatchstep.
//
// What is in effect, sysfs says. A module is the system's if its name begins as those of
// Red Hat do (kpatch_5_14_0_284_11_1_1_1), or if the tool has a file of that name for the
// running release, below /var/lib/kpatch or /usr/lib/kpatch.
package kpatch

import (
	"context"
	"io/fs"
	"slices"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/klp"
	"github.com/hotstick/hotstick/internal/driver/rpm"
)

// Name is the driver's name as catalogs and plans write it.
const Name = "kpatch"

// Config is where the dnf plugin of the packages keeps whether it is automatic.
const Config = "etc/dnf/plugins/kpatch.conf"

// Packages is the pattern of the packages' names, as dnf writes it.
const Packages = "kpatch-patch*"

// Where files of modules lie, below the root, in a directory for each release. What is
// installed, by `kpatch install` or a package, kpatch.service loads at each boot. What is
// kept nobody loads but Hotstick, which applies a confirmed level again by itself.
const (
	Installed = "var/lib/kpatch"
	Kept      = rpm.Kept
)

// AtBoot returns the unit that would load what is installed at the next boot of the running
// release; empty if none would, or nothing is installed.
func AtBoot(fsys fs.FS) string {
	const unit = "kpatch.service"
	entries, err := fs.ReadDir(fsys, Installed+"/"+release(fsys))
	if err != nil || !slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return strings.HasSuffix(e.Name(), ".ko") }) {
		return ""
	}
	wanted, err := fs.Glob(fsys, "etc/systemd/system/*.wants/"+unit)
	if err != nil || len(wanted) == 0 {
		return ""
	}
	line, _ := rpm.Read(fsys, "proc/cmdline")
	if slices.Contains(strings.Fields(string(line)), "kpatch.enable=0") {
		return ""
	}
	return unit
}

// Observer reads sysfs, os-release, and where the tool keeps modules.
type Observer struct{ fsys fs.FS }

var _ driver.Observer = (*Observer)(nil)

// NewObserver returns an observer of the machine whose root is fsys.
func NewObserver(fsys fs.FS) *Observer { return &Observer{fsys} }

// Name implements [driver.Observer].
func (o *Observer) Name() string { return Name }

// Packaged tells whether the host's live patches come as the vendor's packages, so that
// only a reboot takes them out again: it is of Red Hat, or it has the dnf plugin.
func Packaged(fsys fs.FS) bool {
	if _, ok := rpm.Read(fsys, Config); ok {
		return true
	}
	return rpm.SystemOf(fsys).ID == "rhel"
}

// elsewhere tells whether the kpatch tool of this host is a part of another system.
func elsewhere(fsys fs.FS) bool { return rpm.SystemOf(fsys).ID == "amzn" }

// Own returns which modules are the system's.
func Own(fsys fs.FS) func(module string) bool {
	if elsewhere(fsys) {
		return func(string) bool { return false }
	}
	files := rpm.Modules(fsys, release(fsys))
	return func(module string) bool {
		rest, named := strings.CutPrefix(module, "kpatch_")
		if named && rest != "" && rest[0] >= '0' && rest[0] <= '9' {
			return true
		}
		_, kept := files[module]
		return kept
	}
}

// File returns the path of the module's file for the running release; empty if the tool has
// none.
func File(fsys fs.FS, module string) string { return rpm.Modules(fsys, release(fsys))[module] }

func release(fsys fs.FS) string {
	text, _ := rpm.Read(fsys, "proc/sys/kernel/osrelease")
	return strings.TrimSpace(string(text))
}

// Capabilities implements [driver.Observer].
func (o *Observer) Capabilities(ctx context.Context) hotstick.Capabilities {
	c := hotstick.Capabilities{
		Driver: Name, TrustClass: hotstick.ClassOf(Name), Asynchronous: true, Pinnable: true, Truth: "/sys/kernel/livepatch",
		Undo: hotstick.UndoDisable, Rollback: []hotstick.Reversibility{hotstick.ReversibleLive, hotstick.ReversibleDowngrade, hotstick.ReversibleReboot},
	}
	if !elsewhere(o.fsys) { // there the tool is of the other system
		c.Tool = rpm.Tool(o.fsys)
	}
	if Packaged(o.fsys) {
		c.Undo, c.Rollback = hotstick.UndoReboot, []hotstick.Reversibility{hotstick.ReversibleReboot}
		c.Schedules = true
		c.Held, _, _ = Plugin().Held(o.fsys)
	}
	refusal := klp.Usable(o.fsys)
	switch { // what is not there is that, whatever else would be in its way
	case elsewhere(o.fsys):
		refusal = driver.Refuse(hotstick.ReasonUnsupported, "the kpatch tool of Amazon Linux is driven by the driver amazon")
	case c.Tool == "":
		refusal = driver.Refuse(hotstick.ReasonUnsupported, "the kpatch tool is not installed")
	}
	if refusal != nil {
		c.Reason = &refusal.Reason
		return c
	}
	c.Available = true
	return c
}

// Plugin is dnf's, which installs Red Hat's packages by itself unless it is told not to.
func Plugin() rpm.Plugin {
	return rpm.Plugin{Command: "dnf kpatch", Packages: Packages, Files: []string{Config}}
}

// Observe implements [driver.Observer].
func (o *Observer) Observe(ctx context.Context) ([]hotstick.LoadedPatch, error) {
	return klp.Ours(ctx, o.fsys, Name, Own(o.fsys))
}
