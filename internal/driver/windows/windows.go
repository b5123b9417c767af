// Package windows observes the hotpatches of Windows: updates that come into effect
// without a reboot.
//
// Truth is the registry: the machine was booted with one revision of its build (see
// package nt), and a higher one in the same boot means that a hotpatch is in effect. What
// Windows Update says of its own work decides nothing. The level in effect bears the name
// that its recipe has, such as kb5058497, where the loader's half has installed it and
// noted that name; any other is listed as windows_BUILD_REVISION and is somebody else's.
//
// It only reads. Its other half is package windowsstep.
package windows

import (
	"context"
	"fmt"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/kernel/nt"
)

// Name is the driver's name as catalogs and plans write it.
const Name = "windows"

// Observer reads a machine's registry.
type Observer struct {
	Registry nt.Registry
	Boot     nt.Boot
	// VBSRunning is what the kernel says of virtualisation-based security; nil if nothing.
	VBSRunning *bool
	// Named returns the name of a level that was noted, and whether one was.
	Named func(nt.Level) (string, bool)
}

var _ driver.Observer = (*Observer)(nil)

// Name implements [driver.Observer].
func (o *Observer) Name() string { return Name }

// Capabilities implements [driver.Observer]. The driver is available where the machine
// takes hotpatches, as far as its registry tells; whether Windows Update answers is asked
// by whoever installs.
func (o *Observer) Capabilities(context.Context) hotstick.Capabilities {
	c := hotstick.Capabilities{
		Driver: Name, TrustClass: hotstick.ClassOf(Name), Rollback: []hotstick.Reversibility{hotstick.ReversibleReboot},
		Undo: hotstick.UndoReboot, Schedules: true, Pinnable: true, Truth: "registry: CurrentBuildNumber, UBR",
	}
	held, _ := Held(o.Registry)
	c.Held = held
	if err := o.Usable(); err != nil {
		c.Reason = &err.Reason
		return c
	}
	c.Available = true
	return c
}

// Usable returns why this machine takes no hotpatch at all; nil if it does, as far as its
// registry tells.
func (o *Observer) Usable() *driver.Refusal {
	w, err := o.facts()
	switch {
	case err != nil:
		return driver.Refuse(hotstick.ReasonVerificationFailed, "%v", err)
	case !nt.Updating(o.Registry):
		return driver.Refuse(hotstick.ReasonUnsupported, "Windows Update is not installed")
	case len(w.Against) == 1 && w.Enrolment == "":
		return driver.Refuse(hotstick.ReasonNotEntitled, "%s", w.Against[0])
	case !w.Eligible:
		return driver.Refuse(hotstick.ReasonUnsupported, "%s", strings.Join(w.Against, "; "))
	}
	return nil
}

// Pending says who waits for a reboot of this machine.
func (o *Observer) Pending() []string {
	w, err := o.facts()
	if err != nil {
		return nil
	}
	return w.PendingReboot
}

func (o *Observer) facts() (hotstick.WindowsFacts, error) {
	f, err := nt.Facts(o.Registry, nt.Machine{Boot: o.Boot, VBSRunning: o.VBSRunning})
	if err != nil {
		return hotstick.WindowsFacts{}, err
	}
	return *f.Windows, nil
}

// Observe implements [driver.Observer].
func (o *Observer) Observe(context.Context) ([]hotstick.LoadedPatch, error) {
	level, err := nt.Now(o.Registry)
	if err != nil {
		return nil, err
	}
	if level == o.Boot.Booted {
		return nil, nil
	}
	module := fmt.Sprintf("windows_%d_%d", level.Build, level.Revision)
	if name, ok := o.Named(level); ok {
		module = name
	}
	state := hotstick.InEffect
	if level.Compare(o.Boot.Booted) < 0 {
		state = hotstick.EffectUnknown // no kernel gets older while it runs
	}
	return []hotstick.LoadedPatch{{Module: module, Driver: Name, State: state}}, nil
}

// Masters is Windows Update, which installs by itself unless it is on hold: a rollout beside
// it would be an illusion.
func (o *Observer) Masters() []hotstick.Master {
	if !nt.Updating(o.Registry) {
		return nil
	}
	held, _ := Held(o.Registry)
	return []hotstick.Master{{System: Name, Unit: "wuauserv", Active: !held}}
}

// Names of the policy by which Windows Update does not start anything by itself.
const (
	// NoAutoUpdate is 1 where it is on hold.
	NoAutoUpdate = "NoAutoUpdate"
	// AUOptions is what it does by itself where it is not.
	AUOptions = "AUOptions"
)

// Held reports whether Windows Update is on hold, and says what is not where it is not.
func Held(reg nt.Registry) (held bool, detail string) {
	switch value, ok := reg.Number(nt.KeyAutoUpdate, NoAutoUpdate); {
	case !ok:
		return false, "the policy NoAutoUpdate is not set"
	case value != 1:
		return false, fmt.Sprintf("the policy NoAutoUpdate is %d", value)
	}
	return true, ""
}
