package loader

import (
	"context"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/loader/ledger"
)

// changer is the driver of the attempt's level, or of the level before, by the module's
// name.
func (l *Loader) changer(a ledger.Attempt, module string) (driver.Changer, error) {
	name := a.Level.Driver
	if a.Before != nil && a.Before.Module == module && a.Level.Module != module {
		name = a.Before.Driver
	}
	if c, ok := l.cfg.Drivers.Of(name); ok {
		return c, nil
	}
	return nil, driver.Refuse(hotstick.ReasonUnsupported, "there is no driver %s", name)
}

func (l *Loader) disable(ctx context.Context, a ledger.Attempt, module string) error {
	c, err := l.changer(a, module)
	if err != nil {
		return err
	}
	return c.Disable(ctx, module)
}

func (l *Loader) unload(ctx context.Context, a ledger.Attempt, module string) error {
	c, err := l.changer(a, module)
	if err != nil {
		return err
	}
	return c.Unload(ctx, module)
}

// loadsBytes reports whether a driver loads what the catalog lists, and not by a step what
// a recipe says.
func (l *Loader) loadsBytes(name string) bool {
	c, ok := l.cfg.Drivers.Of(name)
	_, steps := c.(driver.Stepped)
	return ok && !steps
}

// otherMaster is another live-patch system that loads patches by itself beside a driver;
// empty if there is none. That which the driver itself drives is no other one, unless it
// schedules itself and nobody has put it on hold.
func otherMaster(masters []hotstick.Master, c hotstick.Capabilities) string {
	for _, m := range masters {
		own := m.System == c.Driver || m.System == "kpatch" && c.Driver == "amazon" // whose modules kpatch loads
		if m.Active && (!own || c.Schedules && !c.Held) {
			return m.System
		}
	}
	return ""
}
