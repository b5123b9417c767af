package reboot

import (
	"context"
	"io/fs"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/kernel"
)

// Name is the driver's.
const Name = "reboot"

// Driver reads which kernel runs, and whether Hotstick has booted it.
type Driver struct{ fsys fs.FS }

var _ driver.Observer = Driver{}

// New returns the driver of the host with this root.
func New(fsys fs.FS) Driver { return Driver{fsys: fsys} }

// Name implements driver.Observer.
func (Driver) Name() string { return Name }

// Module is the name under which a kernel build is listed once it is in effect.
func Module(build hotstick.KernelBuild) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, "kernel_"+build.Release)
	const limit = 55 // what names of modules may have
	return name[:min(len(name), limit)]
}

// Observe implements driver.Observer.
func (d Driver) Observe(context.Context) ([]hotstick.LoadedPatch, error) {
	state, err := ReadState(d.fsys)
	if err != nil || state == nil {
		return nil, err
	}
	boot, err := kernel.BootID(d.fsys)
	if err != nil {
		return nil, err
	}
	running, err := kernel.Build(d.fsys, kernel.Machine())
	if err != nil {
		return nil, err
	}
	return listed(state, running, boot), nil
}

// Ordered returns the boot in which the driver has told the machine to reboot last, and
// the kernel build that it was to boot; empty if that was not the last thing it did. It is
// how a loader tells the boot that it finds itself in from one that somebody else, or a
// power cut, has brought.
func (d Driver) Ordered() (boot string, to hotstick.KernelBuild, err error) {
	state, err := ReadState(d.fsys)
	switch {
	case err != nil || state == nil:
		return "", hotstick.KernelBuild{}, err
	case state.Phase == Ordered:
		return state.Boot, state.Target, nil
	case state.Phase == Returning:
		return state.Boot, state.From, nil
	}
	return "", hotstick.KernelBuild{}, nil
}

// Capabilities implements driver.Observer.
func (d Driver) Capabilities(context.Context) hotstick.Capabilities {
	c := hotstick.Capabilities{
		Driver: Name, TrustClass: hotstick.ClassOf(Name), Rollback: []hotstick.Reversibility{hotstick.ReversibleReboot},
		Asynchronous: true, Truth: "build ID of the running kernel (/sys/kernel/notes)", Available: true, Undo: hotstick.UndoReboot, Pinnable: true,
	}
	if manager := PackageManager(d.fsys); manager == "" {
		c.Available, c.Reason = false, &hotstick.Reason{Code: hotstick.ReasonUnsupported, Detail: "there is neither apt-get nor dnf nor zypper"}
	} else {
		c.Tool = manager
	}
	settings, err := ReadSettings(d.fsys)
	why := ""
	if err != nil {
		why = err.Error()
	} else {
		why = NoFallback(d.fsys, settings)
	}
	if why != "" && c.Available {
		c.Available, c.Reason = false, &hotstick.Reason{Code: hotstick.ReasonUnsupported, Detail: why}
	}
	return c
}

// PackageManager is the program that installs kernels on the host; empty if it has none
// that is known.
func PackageManager(fsys fs.FS) string {
	for _, name := range []string{"apt-get", "zypper", "dnf"} {
		for _, dir := range []string{"usr/bin/", "bin/", "usr/sbin/", "sbin/"} {
			if s, err := fs.Stat(fsys, dir+name); err == nil && !s.IsDir() {
				return name
			}
		}
	}
	return ""
}
