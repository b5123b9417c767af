package agent

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/kernel"
	"github.com/hotstick/hotstick/internal/kernel/masters"
)

// Machine observes the host whose root directory is given.
type Machine struct {
	Root fs.FS
	// Drivers are the observing halves of the drivers that this host may have.
	Drivers []driver.Observer
	// Hostname replaces the kernel's if it is not empty.
	Hostname string
	Labels   map[string]string
	// Withheld are the groups of facts that are kept back.
	Withheld []string
}

var _ Observer = (*Machine)(nil)

// Facts implements [Observer]. Only without the boot ID or the kernel build there
// are none: a host that cannot be patched, such as one whose kernel knows no
// modules, must still be seen.
func (m *Machine) Facts(ctx context.Context) (hotstick.Facts, error) {
	facts, err := kernel.Read(m.Root, kernel.Machine())
	if facts.Host.BootID == "" || facts.Kernel.Build.Validate() != nil {
		return hotstick.Facts{}, err
	}
	kernel.ReadOptional(m.Root, &facts, m.Withheld)
	if m.Hostname != "" {
		facts.Host.Hostname = m.Hostname
	}
	facts.Labels = m.Labels
	for _, d := range m.Drivers {
		if c := d.Capabilities(ctx); !absent(c) {
			facts.Drivers = append(facts.Drivers, c)
		}
	}
	// A truth source that cannot be read leaves its patches out of the facts; the
	// driver's capabilities say why.
	facts.Livepatch.Patches, _ = m.Patches(ctx)
	facts.Masters = masters.Find(m.Root, facts.Livepatch.Patches)
	return facts, nil
}

// absent reports whether a vendor's system is not on the host at all: there is no tool of
// it. Facts of a fleet do not list on each host what it does not have.
func absent(c hotstick.Capabilities) bool {
	return !c.Available && c.Tool == "" && c.Reason != nil && c.Reason.Code == hotstick.ReasonUnsupported && c.TrustClass != hotstick.TrustBytes
}

// Patches implements [Observer].
func (m *Machine) Patches(ctx context.Context) ([]hotstick.LoadedPatch, error) {
	var patches []hotstick.LoadedPatch
	for _, d := range m.Drivers {
		if r, is := d.(driver.Rooted); is && r.NeedsRoot() {
			continue // what only root can see, the loader tells
		}
		// A system that can do nothing any more, for its cover has ended, has done what it
		// has: so what it can is asked only of one that cannot be observed.
		list, err := d.Observe(ctx)
		if err != nil && ctx.Err() == nil && !d.Capabilities(ctx).Available {
			continue
		}
		if err != nil {
			return patches, fmt.Errorf("cannot observe what driver %s has loaded: %w", d.Name(), err)
		}
		patches = driver.Unite(patches, list)
	}
	return patches, nil
}
