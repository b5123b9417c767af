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
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/klp"
	"github.com/hotstick/hotstick/internal/driver/rpm"
	"github.com/hotstick/hotstick/internal/kernel"
)

// Name is the driver's name as catalogs and plans write it.
const Name = "kpatch"

// Config is where the dnf plugin of the packages keeps whether it is automatic.
const Config = "etc/dnf/plugins/kpatch.conf"

// Packages is the pattern of the packages' names, as dnf writes it.
const Packages = "kpatch-patch*"

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
		Driver: Name, TrustClass: hotstick.ClassOf(Name), Asynchronous: true, Pinnable: true, Truth: "/sys/kernel/livepatch", Tool: rpm.Tool(o.fsys),
		Undo: hotstick.UndoDisable, Rollback: []hotstick.Reversibility{hotstick.ReversibleLive, hotstick.ReversibleDowngrade, hotstick.ReversibleReboot},
	}
	if Packaged(o.fsys) {
		c.Undo, c.Rollback = hotstick.UndoReboot, []hotstick.Reversibility{hotstick.ReversibleReboot}
		c.Schedules = true
		c.Held, _, _ = Held(o.fsys)
	}
	refusal := klp.Usable(o.fsys)
	switch {
	case refusal != nil:
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

// Auto tells whether the dnf plugin is automatic; without the plugin nothing is.
func Auto(fsys fs.FS) (bool, error) {
	config, ok := rpm.Read(fsys, Config)
	if !ok {
		return false, nil
	}
	return rpm.Switch(config, "main", "autoupdate")
}

// Held tells whether nothing installs kpatch-patch packages by itself: the plugin is not
// automatic, and no timer installs whatever there is.
func Held(fsys fs.FS) (held bool, detail string, err error) {
	auto, err := Auto(fsys)
	if err != nil {
		return false, "", err
	}
	if auto {
		return false, "dnf kpatch is automatic: autoupdate in /" + Config, nil
	}
	if by := rpm.Automatic(fsys, Packages); by != "" {
		return false, by, nil
	}
	return true, "", nil
}

// Observe implements [driver.Observer].
func (o *Observer) Observe(ctx context.Context) ([]hotstick.LoadedPatch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	all, err := kernel.Livepatches(o.fsys)
	if err != nil {
		return nil, err
	}
	return klp.Of(all, Name, Own(o.fsys)), nil
}
