// Package suse observes SUSE Linux Enterprise Live Patching: the kernel-livepatch
// packages of SLE 15 and 16, and the kgraft-patch packages of SLE 12.
//
// There is one package name for each kernel. Its version says the generation, which
// contains all earlier ones, and names the kernel's module:
//
//	kernel-livepatch-5_14_21-150400_24_33-default = 6-150400.2.2   livepatch_6_150400_2_2
//	kgraft-patch-3_12_62-60_64_8-default          = 1-2.2          kgraft_patch_1_2_2
//
// Generation 1 is the initial package, which marks a kernel as covered and fixes
// nothing. What is in effect is read from sysfs only. `klp patches` says the same in
// other words, and `uname -v` changes on some of these kernels with each level, so
// neither is evidence.
//
// The package only reads; what changes a host is in package susestep.
package suse

import (
	"context"
	"io/fs"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/klp"
	"github.com/hotstick/hotstick/internal/kernel"
)

// Name is the driver's name as catalogs and plans write it.
const Name = "suse"

// Observer reads a host whose live patches come from SUSE.
type Observer struct {
	fsys fs.FS
	now  func() time.Time
}

var _ driver.Observer = (*Observer)(nil)

// NewObserver returns an observer of the machine whose root is fsys. The time decides
// whether the vendor still makes live patches for the running kernel.
func NewObserver(fsys fs.FS, now func() time.Time) *Observer {
	return &Observer{fsys: fsys, now: now}
}

// Name implements [driver.Observer].
func (o *Observer) Name() string { return Name }

// Capabilities implements [driver.Observer].
func (o *Observer) Capabilities(ctx context.Context) hotstick.Capabilities {
	c := hotstick.Capabilities{
		Driver: Name, TrustClass: hotstick.ClassOf(Name), Asynchronous: true,
		Rollback: []hotstick.Reversibility{hotstick.ReversibleDowngrade, hotstick.ReversibleReboot},
		Undo:     hotstick.UndoPrevious, Pinnable: true,
		Truth: "/" + livepatchDir, Tool: o.tool(),
	}
	if o.Installed() == nil {
		_, c.CoverUntil = o.CoverEnded()
	}
	if r := o.Usable(); r != nil {
		c.Reason = &r.Reason
		return c
	}
	c.Available = true
	return c
}

// Usable returns why the system cannot bring a level into effect here; nil if it can,
// as far as can be told without asking it.
func (o *Observer) Usable() *driver.Refusal {
	if r := o.Installed(); r != nil {
		return r
	}
	if ended, on := o.CoverEnded(); ended {
		return driver.Refuse(hotstick.ReasonCoverEnded, "live patches for this kernel were made until %s", on.Format(time.DateOnly))
	}
	return nil
}

// Installed returns why the host has no live patching of SUSE at all; nil if it has.
func (o *Observer) Installed() *driver.Refusal {
	switch {
	case !isSUSE(o.fsys):
		return driver.Refuse(hotstick.ReasonUnsupported, "/etc/os-release is not one of SUSE Linux Enterprise")
	case isMicro(o.fsys):
		return driver.Refuse(hotstick.ReasonUnsupported, "SLE Micro changes its packages by transactional-update, in a snapshot that needs a reboot")
	case !kernel.HasLivepatch(o.fsys) && !has(o.fsys, kgraftDir):
		return driver.Refuse(hotstick.ReasonUnsupported, "the kernel has neither /%s nor /%s", livepatchDir, kgraftDir)
	case o.Program() == "":
		return driver.Refuse(hotstick.ReasonUnsupported, "neither klp nor kgr is installed; the pattern lp_sles of the Live Patching extension brings it")
	}
	return nil
}

// Program is the vendor's tool on this host: klp, or kgr of SLE 12; empty if there is
// none.
func (o *Observer) Program() string {
	for _, name := range []string{"klp", "kgr"} {
		for _, dir := range []string{"usr/sbin/", "usr/bin/", "sbin/"} {
			if has(o.fsys, dir+name) {
				return name
			}
		}
	}
	return ""
}

// updaters are units that install whatever is published, live patches with it.
var updaters = []string{"transactional-update.timer", "yast2-online-update-configuration.timer", "os-update.timer"}

// tool names the tool, and says so where something updates the host by itself: a
// package that it brings comes into effect at once.
func (o *Observer) tool() string {
	name := o.Program()
	if name == "" {
		return ""
	}
	var found []string
	for _, unit := range updaters {
		if has(o.fsys, "etc/systemd/system/timers.target.wants/"+unit) {
			found = append(found, unit)
		}
	}
	for _, job := range []string{"daily", "weekly", "monthly"} {
		if at := "etc/cron." + job + "/opensuse.org-online_update"; has(o.fsys, at) {
			found = append(found, "/"+at)
		}
	}
	if len(found) == 0 {
		return name
	}
	return name + ", beside automatic updates by " + strings.Join(found, " and ")
}

// Observe implements [driver.Observer]. Modules that were replaced and wait to be
// unloaded are left out: the vendor's packages clean them up.
func (o *Observer) Observe(ctx context.Context) ([]hotstick.LoadedPatch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !isSUSE(o.fsys) {
		return nil, nil
	}
	if !kernel.HasLivepatch(o.fsys) && has(o.fsys, kgraftDir) {
		return kgraft(o.fsys)
	}
	return klp.Ours(ctx, o.fsys, Name, IsModule)
}
