package view

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/decide/rollout"
)

// Bounds of a rollout's page.
const (
	// maxGroups bounds the groups of all waves together.
	maxGroups = 2000
	// maxBudgets bounds the failure domains.
	maxBudgets = 200
)

// waves makes the columns of the wave track, hosts left out.
func (m Moment) waves(t Track, grouped bool) []api.Wave {
	at := m.place(t.Plan)
	byWave := make([]map[hotstick.KernelBuild]map[hotstick.HostState]int, len(t.Body.Waves))
	for place, states := range t.Tally.Cells {
		if place.Wave < 0 || place.Wave >= len(byWave) {
			continue
		}
		if byWave[place.Wave] == nil {
			byWave[place.Wave] = map[hotstick.KernelBuild]map[hotstick.HostState]int{}
		}
		byWave[place.Wave][place.Build] = states
	}
	out := make([]api.Wave, len(t.Body.Waves))
	for i, w := range t.Body.Waves {
		out[i] = api.Wave{Index: i, Name: w.Name, Hosts: []api.Cell{}, Gate: gateOf(t.Asked.Waves, i, at), States: map[hotstick.HostState]int{},
			Manual: w.Manual, Promoted: w.Manual && i < t.Plan.Promoted, Proven: w.Proven}
		for _, states := range byWave[i] {
			out[i].Size += addStates(out[i].States, states)
		}
		if i < len(t.Asked.Waves) {
			out[i].Closed, out[i].Absent = Reason(t.Asked.Waves[i].Closed, at), t.Asked.Waves[i].Absent
		}
		if grouped {
			out[i].Groups = groups(byWave[i], max(1, maxGroups/len(out)))
		}
	}
	return out
}

// addStates adds counts to others, and returns how many hosts that were.
func addStates(into, states map[hotstick.HostState]int) int {
	total := 0
	for s, n := range states {
		into[s] += n
		total += n
	}
	return total
}

// groups counts a wave's hosts by lane, the largest first; what is beyond the limit
// is counted together.
func groups(lanes map[hotstick.KernelBuild]map[hotstick.HostState]int, limit int) []api.CellGroup {
	all := make([]api.CellGroup, 0, len(lanes))
	for build, states := range lanes {
		g := api.CellGroup{Build: build, Lanes: 1, States: maps.Clone(states)}
		for _, n := range states {
			g.Hosts += n
		}
		all = append(all, g)
	}
	slices.SortFunc(all, func(a, b api.CellGroup) int {
		return cmp.Or(-cmp.Compare(a.Hosts, b.Hosts), cmp.Compare(a.Build.Release, b.Build.Release), cmp.Compare(a.Build.BuildID, b.Build.BuildID))
	})
	if len(all) <= limit {
		return all
	}
	rest := api.CellGroup{States: map[hotstick.HostState]int{}}
	for _, g := range all[limit-1:] {
		rest.Lanes++
		rest.Hosts += addStates(rest.States, g.States)
	}
	return append(all[:limit-1:limit-1], rest)
}

// lanes says where each lane stands.
func (m Moment) lanes(t Track) []api.Lane {
	out := make([]api.Lane, len(t.Asked.Lanes))
	for i, l := range t.Asked.Lanes {
		class := hotstick.ClassOf(l.Lane.Driver)
		out[i] = api.Lane{Build: l.Build, States: l.States, Wave: l.Wave, Held: Reason(l.Held, m.place(t.Plan)),
			Driver: l.Lane.Driver, Patch: cmp.Or(l.Lane.Patch, t.Plan.Patch), Class: class, Claim: class.Claim()}
		if out[i].States == nil {
			out[i].States = map[hotstick.HostState]int{}
		}
		for _, n := range l.States {
			out[i].Hosts += n
		}
	}
	return out
}

// budgets lists the failure domains, the fullest first.
func budgets(domains []rollout.DomainStatus) []api.BudgetUse {
	out := make([]api.BudgetUse, len(domains))
	for i, d := range domains {
		out[i] = api.BudgetUse{Domain: d.Domain, Value: d.Value, Used: d.Used, Ill: d.Ill, Max: d.Limit, Quorum: d.Quorum, MixedSince: d.MixedSince}
	}
	slices.SortStableFunc(out, func(a, b api.BudgetUse) int {
		// (a.Used+a.Ill)/a.Max against b's, without fractions.
		return cmp.Or(-cmp.Compare((a.Used+a.Ill)*max(1, b.Max), (b.Used+b.Ill)*max(1, a.Max)),
			cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.Value, b.Value))
	})
	return out[:min(len(out), maxBudgets)]
}

// waits gathers what a rollout waits for beside its gates and budgets.
func (m Moment) waits(t Track) api.Waits {
	w := api.Waits{Stuck: Reason(t.Asked.Stuck, m.place(t.Plan)), Freezes: m.Freezes, Excluded: t.Excluded, StandIns: t.StandIns}
	for _, c := range t.Body.Calendars {
		use := api.CalendarUse{Name: c.Name, Hosts: t.Tally.Calendars[c.Name]}
		use.Closes, use.Opens = windowAt(c, m.Now)
		use.Open = use.Closes != nil
		w.Calendars = append(w.Calendars, use)
	}
	return w
}

// windowAt is when the window that is open now closes, and when the next one opens;
// nil where there is none.
func windowAt(c hotstick.Calendar, now time.Time) (closes, opens *time.Time) {
	// The first window that is not over yet.
	i, _ := slices.BinarySearchFunc(c.Opens, now, func(w hotstick.Interval, t time.Time) int {
		if w.Until.After(t) {
			return 1
		}
		return -1
	})
	if i < len(c.Opens) && !now.Before(c.Opens[i].From) {
		closes = &c.Opens[i].Until
		i++
	}
	if i < len(c.Opens) {
		opens = &c.Opens[i].From
	}
	return closes, opens
}
