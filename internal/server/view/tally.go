package view

import (
	"maps"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

// Tally counts a plan's hosts: in all, by wave and lane, and by calendar.
type Tally struct {
	Hosts  int
	States map[hotstick.HostState]int
	// Cells count by wave and lane.
	Cells map[Place]map[hotstick.HostState]int
	// Calendars count the hosts that start in the windows of each.
	Calendars map[string]int
}

// Place is one lane in one wave.
type Place struct {
	Wave  int
	Build hotstick.KernelBuild
}

// NewTally returns a tally of nothing.
func NewTally() Tally {
	return Tally{States: map[hotstick.HostState]int{}, Cells: map[Place]map[hotstick.HostState]int{}, Calendars: map[string]int{}}
}

// Add counts one host's line.
func (t *Tally) Add(l store.PlanHost) {
	t.Hosts++
	t.States[l.State]++
	place := Place{Wave: l.Listed.Wave, Build: l.Listed.Build}
	if t.Cells[place] == nil {
		t.Cells[place] = map[hotstick.HostState]int{}
	}
	t.Cells[place][l.State]++
	if l.Listed.Calendar != "" {
		t.Calendars[l.Listed.Calendar]++
	}
}

// Move counts a host's step from one state to another.
func (t *Tally) Move(wave int, build hotstick.KernelBuild, from, to hotstick.HostState) {
	for _, states := range []map[hotstick.HostState]int{t.States, t.Cells[Place{Wave: wave, Build: build}]} {
		if states[from]--; states[from] == 0 {
			delete(states, from)
		}
		states[to]++
	}
}

// Clone returns counts that later steps leave as they are.
func (t Tally) Clone() Tally {
	out := Tally{Hosts: t.Hosts, States: maps.Clone(t.States), Calendars: maps.Clone(t.Calendars),
		Cells: make(map[Place]map[hotstick.HostState]int, len(t.Cells))}
	for place, states := range t.Cells {
		out.Cells[place] = maps.Clone(states)
	}
	return out
}
