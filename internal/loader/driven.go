package loader

import (
	"context"
	"time"

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

// known is what the loader looks at now and then only.
type known struct {
	// dropped is when it last looked for recalls that were brought.
	dropped time.Duration
	// drivers are what some drivers could do: those that only root can read, and those whose
	// programs have to be asked.
	drivers []hotstick.Capabilities
	// at is the uptime of that; looked tells whether it ever was.
	at     time.Duration
	looked bool
	// tracing is who else has hooked into the kernel's functions, as of traced.
	tracing hotstick.TracingFacts
	traced  time.Duration
	// scheduling is how holding an adopted system, or giving it back, is going.
	scheduling scheduling
	// passing is for how long a driver's tool has kept a grant waiting.
	passing passing
}

// askEvery is how often drivers are asked what they can do.
const askEvery = 30 * time.Second

// ask asks them, if it is time and no attempt is under way, which must not wait for a
// vendor's tool. Only Tick calls it.
func (l *Loader) ask(ctx context.Context) {
	l.mu.Lock()
	k, uptime, busy := l.known, l.cfg.Clock.Uptime(), l.led.Attempt != nil
	l.mu.Unlock()
	if k.looked && (busy || uptime-k.at < askEvery) {
		return
	}
	var drivers []hotstick.Capabilities
	for _, d := range l.cfg.Drivers {
		if _, steps := d.(driver.Stepped); !steps || !needsRoot(d) && !asks(d) {
			continue // the agent sees by itself what it can
		}
		// What is not there at all is not told; one whose cover has ended, say, is.
		if c := d.Capabilities(ctx); c.Available || c.Reason != nil && c.Reason.Code != hotstick.ReasonUnsupported {
			drivers = append(drivers, c)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known.drivers, l.known.at, l.known.looked = drivers, uptime, true
}

// traceEvery is how often the loader looks who else has hooked into the kernel's functions:
// the kernel keeps others from hooking in while it tells.
const traceEvery = 5 * time.Minute

// findTracers looks for them, if it is time and no attempt is under way. Only New
// and Tick call it.
func (l *Loader) findTracers() {
	if l.cfg.Tracing == nil {
		return
	}
	l.mu.Lock()
	last, uptime, busy := l.known.traced, l.cfg.Clock.Uptime(), l.led.Attempt != nil
	l.mu.Unlock()
	if busy || last != 0 && uptime-last < traceEvery {
		return
	}
	found := l.cfg.Tracing()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known.tracing, l.known.traced = found, max(1, uptime)
}

// asks reports whether a driver's programs have to be asked for what it can do.
func asks(o driver.Observer) bool {
	a, is := o.(driver.Asking)
	return is && len(a.Programs()) > 0
}

func needsRoot(o driver.Observer) bool {
	r, is := o.(driver.Rooted)
	return is && r.NeedsRoot()
}

// rooted are the loaded patches that only root can see. The caller holds mu.
func (l *Loader) rooted() []hotstick.LoadedPatch {
	var patches []hotstick.LoadedPatch
	for _, p := range l.patches {
		if d, ok := l.cfg.Drivers.Of(p.Driver); ok && needsRoot(d) {
			patches = append(patches, p)
		}
	}
	return patches
}
