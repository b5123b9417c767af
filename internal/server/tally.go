package server

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/server/view"
	"github.com/hotstick/hotstick/internal/store"
)

// tallies count each plan's hosts by wave, lane and state, so that no screen reads
// every host's line again. Whoever asks brings the counts up to date from the audit
// log, inside the own transaction: a screen's counts are as new as the rest of it.
// All of it can be thrown away.
type tallies struct {
	mu    sync.Mutex
	plans map[hotstick.PlanID]*tally
	// asked orders the tallies by use; the least used lose their lines first.
	asked int64
	// limit bounds the lines that are kept in memory.
	limit int
}

// tally is what is counted of one plan.
type tally struct {
	view.Tally
	// next is the first event of the audit log that is not counted yet.
	next  int64
	asked int64
	// lines are the plan's hosts in its order, and index finds them; both are nil
	// where they were let go to save memory.
	lines []tallied
	index map[hotstick.HostID]int
	// standing are the hosts that took a canary's place, in the order in which they
	// did as far as that is known.
	standing []hotstick.HostID
	// said is what the decider said of a plan at rest; nil if it was not asked since
	// anything happened.
	said *saying
}

// saying is what the decider said of a plan, at a generation of it.
type saying struct {
	generation uint64
	asked      view.Asked
}

// tallied is one host of a plan.
type tallied struct {
	host  hotstick.HostID
	name  string
	build hotstick.KernelBuild
	wave  int
	state hotstick.HostState
}

const (
	// maxTallied bounds the lines that are kept in memory, about 200 bytes each.
	maxTallied = 2_000_000
	// maxBehind is after how many events of a plan its lines are read anew.
	maxBehind = 20_000
)

func newTallies() *tallies {
	return &tallies{plans: map[hotstick.PlanID]*tally{}, limit: maxTallied}
}

// states counts a plan's hosts by their state.
func (t *tallies) states(tx store.Tx, plan hotstick.PlanID) (map[hotstick.HostState]int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	counted, err := t.current(tx, plan, false)
	if err != nil {
		return nil, err
	}
	return maps.Clone(counted.States), nil
}

// of returns all counts of a plan, as the transaction sees them.
func (t *tallies) of(tx store.Tx, plan hotstick.PlanID) (view.Tally, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	counted, err := t.current(tx, plan, false)
	if err != nil {
		return view.Tally{}, err
	}
	return counted.Clone(), nil
}

// standing returns the hosts that took a canary's place.
func (t *tallies) standing(tx store.Tx, plan hotstick.PlanID) ([]hotstick.HostID, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	counted, err := t.current(tx, plan, false)
	if err != nil {
		return nil, err
	}
	return slices.Clone(counted.standing), nil
}

// answered returns what the decider said of a plan when it was at rest, if nothing
// happened in it since.
func (t *tallies) answered(p store.Plan) (view.Asked, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	counted := t.plans[p.ID]
	if counted == nil || counted.said == nil || counted.said.generation != p.Generation {
		return view.Asked{}, false
	}
	return counted.said.asked, true
}

// remember keeps what the decider said of a plan at rest.
func (t *tallies) remember(p store.Plan, asked view.Asked) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if counted := t.plans[p.ID]; counted != nil {
		counted.said = &saying{generation: p.Generation, asked: asked}
	}
}

// page returns the hosts of a plan that match, from the place after on, and how
// many match in all. It returns places in the plan's order.
func (t *tallies) page(tx store.Tx, plan hotstick.PlanID, matches func(tallied) bool, from, limit int) (hosts []hotstick.HostID, next, total int, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	counted, err := t.current(tx, plan, true)
	if err != nil {
		return nil, 0, 0, err
	}
	for i, l := range counted.lines {
		if !matches(l) {
			continue
		}
		total++
		switch {
		case i < from:
		case len(hosts) < limit:
			hosts = append(hosts, l.host)
		case next == 0:
			next = i
		}
	}
	return hosts, next, total, nil
}

// current brings a plan's counts up to date.
func (t *tallies) current(tx store.Tx, plan hotstick.PlanID, withLines bool) (*tally, error) {
	counted := t.plans[plan]
	if counted == nil || withLines && counted.lines == nil {
		return t.load(tx, plan)
	}
	t.asked++
	counted.asked = t.asked
	head, err := inventory.Next(tx)
	if err != nil || head <= counted.next {
		return counted, err
	}
	events, err := tx.Events().List(store.EventFilter{Plan: plan, From: counted.next, Limit: maxBehind})
	if err != nil {
		return nil, err
	}
	if len(events) == maxBehind || len(events) > 0 && counted.lines == nil {
		return t.load(tx, plan)
	}
	slices.Reverse(events)
	for _, e := range events {
		known := true
		switch e.Kind {
		case inventory.HostState:
			known = counted.step(e)
		case inventory.HostJoined:
			known = false
		case inventory.HostStandsIn:
			counted.standing = append(counted.standing, e.Host)
		}
		if !known {
			return t.load(tx, plan)
		}
	}
	counted.next = head
	return counted, nil
}

// step counts a host's new state; false means that the host is not known.
func (t *tally) step(e store.Event) bool {
	at, known := t.index[e.Host]
	state := hotstick.HostState(e.State)
	if !known || state.Validate() != nil {
		return false
	}
	l := &t.lines[at]
	t.said = nil
	t.Move(l.wave, l.build, l.state, state)
	l.state = state
	return true
}

// load reads every line of a plan.
func (t *tallies) load(tx store.Tx, plan hotstick.PlanID) (*tally, error) {
	head, err := inventory.Next(tx)
	if err != nil {
		return nil, err
	}
	lines, err := tx.Plans().Hosts(plan)
	if err != nil {
		return nil, err
	}
	t.asked++
	counted := &tally{Tally: view.NewTally(), next: head, asked: t.asked,
		lines: make([]tallied, len(lines)), index: make(map[hotstick.HostID]int, len(lines))}
	for i, l := range lines {
		counted.lines[i] = tallied{host: l.Listed.Host, name: l.Listed.Name, build: l.Listed.Build, wave: l.Listed.Wave, state: l.State}
		counted.index[l.Listed.Host] = i
		counted.Add(l)
		if l.Standing {
			counted.standing = append(counted.standing, l.Listed.Host)
		}
	}
	t.plans[plan] = counted
	t.spare(counted)
	return counted, nil
}

// spare lets go of the lines that were not asked for the longest, until few enough
// are in memory. Those of keep stay.
func (t *tallies) spare(keep *tally) {
	total := 0
	var loaded []*tally
	for _, counted := range t.plans {
		total += len(counted.lines)
		if counted.lines != nil && counted != keep {
			loaded = append(loaded, counted)
		}
	}
	slices.SortFunc(loaded, func(a, b *tally) int { return cmp.Compare(a.asked, b.asked) })
	for _, counted := range loaded {
		if total <= t.limit {
			return
		}
		total -= len(counted.lines)
		counted.lines, counted.index = nil, nil
	}
}
