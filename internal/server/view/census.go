package view

import (
	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/store"
)

// Census is what a fleet comes to, every host counted.
type Census struct {
	Hosts int
	// Silent were not heard of lately, Struck hold a strike.
	Silent, Struck int
	Builds         map[hotstick.KernelBuild]Runs
	// Drifting counts hosts by how they drift, Stalled those on which a transition stalls.
	Drifting map[hotstick.DriftKind]int
	Stalled  int
}

// Runs is what the hosts of one kernel build truthfully run.
type Runs struct {
	Hosts int
	// Levels counts hosts by the level in effect; the zero level is a kernel as it
	// booted. Hosts of which it is not known are left out.
	Levels map[hotstick.PatchRef]int
}

// Census counts hosts.
func (m Moment) Census(hosts []store.Host) Census {
	c := Census{Hosts: len(hosts), Builds: map[hotstick.KernelBuild]Runs{}}
	for _, h := range hosts {
		if m.Silent(h) {
			c.Silent++
		}
		if len(h.Loader.Strikes) > 0 {
			c.Struck++
		}
		c.drifts(m, h)
		if h.Facts == nil {
			continue
		}
		build := h.Facts.Kernel.Build
		runs := c.Builds[build]
		if runs.Levels == nil {
			runs.Levels = map[hotstick.PatchRef]int{}
		}
		runs.Hosts++
		if truth := inventory.Read(h, m.Modules, m.Now, m.StaleAfter); truth.Knowledge == inventory.Known {
			runs.Levels[truth.Level]++
		}
		c.Builds[build] = runs
	}
	return c
}
