// Package klp observes the live patching of the upstream kernel, through sysfs.
//
// It only reads. Its other half, which changes the kernel, is package klpchange;
// they are apart so that an agent links no code that could.
package klp

import (
	"context"
	"io/fs"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/kernel"
)

// Name is the driver's name as catalogs and plans write it.
const Name = "klp"

// Observer reads /sys/kernel/livepatch and /proc/modules.
type Observer struct {
	fsys fs.FS
}

var _ driver.Observer = (*Observer)(nil)

// NewObserver returns an observer of the machine whose root is fsys.
func NewObserver(fsys fs.FS) *Observer { return &Observer{fsys: fsys} }

// Name implements [driver.Observer].
func (o *Observer) Name() string { return Name }

// Capabilities implements [driver.Observer]. The driver is not available on a
// kernel without live patching, or one that loads no modules any more.
func (o *Observer) Capabilities(ctx context.Context) hotstick.Capabilities {
	c := hotstick.Capabilities{
		Driver: Name, TrustClass: hotstick.TrustBytes, Asynchronous: true,
		Rollback: []hotstick.Reversibility{hotstick.ReversibleLive, hotstick.ReversibleDowngrade, hotstick.ReversibleReboot},
		Undo:     hotstick.UndoDisable, Pinnable: true, Truth: "/sys/kernel/livepatch",
	}
	if err := Usable(o.fsys); err != nil {
		c.Reason = &err.Reason
		return c
	}
	c.Available = true
	return c
}

// Usable returns why modules cannot be loaded as live patches here at all; nil if
// they can, as far as the kernel tells.
func Usable(fsys fs.FS) *driver.Refusal {
	if !kernel.HasLivepatch(fsys) {
		return driver.Refuse(hotstick.ReasonUnsupported, "there is no /sys/kernel/livepatch")
	}
	if off := kernel.Security(fsys).ModulesDisabled; off != nil && *off {
		return driver.Refuse(hotstick.ReasonModulesDisabled, "kernel.modules_disabled is 1")
	}
	return nil
}

// Observe implements [driver.Observer].
func (o *Observer) Observe(ctx context.Context) ([]hotstick.LoadedPatch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	patches, err := kernel.Livepatches(o.fsys)
	if err != nil {
		return nil, err
	}
	for i := range patches {
		patches[i].Driver = Name
	}
	return patches, nil
}
