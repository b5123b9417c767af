package rollout

import (
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/gate"
	"github.com/hotstick/hotstick/internal/planted"
)

// waveBook is what the waves and lanes of a plan come to.
type waveBook struct {
	waves  []*wave
	lanes  []*lane
	laneOf map[place]int32
	// cures are the plan's patches, in the order in which it names them.
	cures []*cure
	// evidence counts hosts of the plan that run the level, those of stopped patches left
	// out.
	evidence int
	// risked counts hosts that are admitted or under way, and not on their way back;
	// readings is how many hosts a gate needs to judge by.
	risked, readings int
	// cells with hosts to pass over since their wave is open.
	skipping []*cell
	// fresh is how old the newest reading of a gate that passes may be.
	fresh time.Duration
	// delayed is when the next wave's signed delay ends; zero if none is left.
	delayed time.Time
}

// place is where a host's lane is.
type place struct {
	build  hotstick.KernelBuild
	driver string
}

func placeOf(h *Host) place { return place{h.Listed.Build, h.Listed.Driver} }

// wave is one wave over all lanes.
type wave struct {
	index int
	hotstick.Wave
	tally
	// canary: some lane has its first host here.
	canary bool
	// unsettled counts hosts that are neither terminal nor lost.
	unsettled int
	cells     []*cell
}

// lane is one kernel build in all waves, in a plan for a CVE under one driver.
type lane struct {
	place
	cure *cure
	// slow: a level comes into effect by steps, such as an installation, whose length says
	// nothing of the load that it is.
	slow bool
	// cells by wave, nil where the lane has no host.
	cells    []*cell
	evidence int
	states   map[hotstick.HostState]int
	// reached is the furthest ordinary, and proven the furthest proven wave of which
	// a host was ever admitted; -1 for none.
	reached, proven int
	// front is the first wave that does not let the lane pass, and why;
	// len(waves) and nil if all do. provenFront is the same for proven waves.
	front, provenFront int
	why, provenWhy     *hotstick.Reason
	dirty              bool
	// until is when the fronts change by themselves.
	until time.Time
}

// cell is the hosts of one lane in one wave.
type cell struct {
	wave *wave
	lane *lane
	tally
	// started counts hosts that were ever admitted, waiting those that may be, away
	// those that were skipped and may come back.
	started, waiting, away int
	// open: the hosts may start, as far as waves go; past: the wave has passed.
	open, past bool
	absent     queue
	pens       []*pen
	stirred    bool
}

func (r *Rollout) buildWaves() {
	r.laneOf = map[place]int32{}
	for i, w := range r.plan.Waves {
		r.waves = append(r.waves, &wave{index: i, Wave: w, tally: tally{acc: gate.New(0, r.plan.Gate)}})
	}
	r.buildCures()
	if r.fresh = time.Duration(r.plan.Gate.FreshSeconds) * time.Second; r.fresh <= 0 {
		r.fresh = gate.DefaultFreshSeconds * time.Second
	}
	if r.readings = r.plan.Gate.MinReadings; r.readings <= 0 {
		r.readings = gate.DefaultMinReadings
	}
	for _, l := range r.plan.Lanes {
		at := place{build: l.Build}
		if r.plan.CVE != "" {
			at.driver = l.Driver
		}
		r.lanes[r.laneIndex(at, r.plan.PatchOf(l))].slow = hotstick.ClassOf(l.Driver) != hotstick.TrustBytes && hotstick.ClassOf(l.Driver) != ""
	}
	first := map[place]int{}
	for i := range r.hosts {
		h := &r.hosts[i]
		if w, ok := first[placeOf(h)]; !h.Late && (!ok || h.Listed.Wave < w) {
			first[placeOf(h)] = h.Listed.Wave
		}
	}
	for _, w := range first {
		r.waves[w].canary = true
	}
}

// laneIndex returns the lane of a place, and makes it where the plan's list has none.
func (r *Rollout) laneIndex(at place, patch hotstick.PatchRef) int32 {
	if i, ok := r.laneOf[at]; ok {
		return i
	}
	i := int32(len(r.lanes))
	r.laneOf[at] = i
	r.lanes = append(r.lanes, &lane{place: at, cure: r.cureFor(patch), cells: make([]*cell, len(r.waves)), states: map[hotstick.HostState]int{},
		reached: -1, proven: -1, dirty: true})
	return i
}

// join puts a host in the cell of its lane and wave.
func (r *Rollout) join(i int32) {
	s := &r.at[i]
	w := r.waveOf(&r.hosts[i])
	if s.cell != nil && s.cell.wave.index == w {
		return
	}
	if c := s.cell; c != nil {
		c.leave(i)
		c.wave.acc.Needed--
		if t := c.lane.cure.apart(c.wave); t != nil {
			t.acc.Needed--
		}
		r.reweigh(c)
	} else {
		r.cureOf(i).all.acc.Needed++
	}
	l := r.lanes[s.lane]
	c := l.cells[w]
	if c == nil {
		c = &cell{wave: r.waves[w], lane: l, tally: tally{acc: gate.New(0, r.plan.Gate)}, absent: r.newQueue()}
		c.absent.cell = c
		l.cells[w] = c
		c.wave.cells = append(c.wave.cells, c)
	}
	c.members = append(c.members, i)
	c.acc.Needed++
	c.wave.acc.Needed++
	if t := l.cure.apart(c.wave); t != nil {
		t.acc.Needed++
	}
	s.cell = c
	l.dirty = true
	r.stirDomains(s)
}

// leave takes out a host that starts in another wave from now on.
func (c *cell) leave(i int32) {
	at := slices.Index(c.members, i)
	c.members[at] = c.members[len(c.members)-1]
	c.members = c.members[:len(c.members)-1]
	c.acc.Needed--
}

// reach finds the furthest waves of which a host was ever admitted.
func (l *lane) reach(r *Rollout) {
	l.reached, l.proven = -1, -1
	for w := len(l.cells) - 1; w >= 0 && l.reached < 0; w-- {
		c := l.cells[w]
		switch {
		case c == nil || c.started == 0:
		case !c.wave.Proven || c.wave.canary:
			l.reached = w
		case l.proven < 0:
			l.proven = w
		}
	}
	l.dirty = true
}

func (r *Rollout) stirLanes() {
	for _, l := range r.lanes {
		l.dirty = true
	}
}

// fronts finds out how far every lane may go, where something changed.
func (r *Rollout) fronts() {
	if !r.delayed.IsZero() && !r.now.Before(r.delayed) {
		r.stirLanes()
	}
	r.delayed = r.nextDelay()
	for _, l := range r.lanes {
		if l.dirty || !l.until.IsZero() && !r.now.Before(l.until) {
			r.advanceLane(l)
		}
	}
}

func (r *Rollout) advanceLane(l *lane) {
	l.dirty, l.until = false, time.Time{}
	n := len(r.waves)
	l.front, l.why, l.provenFront, l.provenWhy = n, nil, n, nil
	for j := 0; j < n && (l.front == n || l.provenFront == n); j++ {
		why, failed := r.unpassed(j, l)
		if why == nil {
			continue
		}
		if l.front == n {
			l.front, l.why = j, why
		}
		if l.provenFront == n && (failed || r.waves[j].canary) {
			l.provenFront, l.provenWhy = j, why
		}
	}
	for _, c := range l.cells {
		if c != nil {
			r.setOpen(c, r.shut(c.wave.index, l) == nil, l.front > c.wave.index)
		}
	}
}

// setOpen notes whether the hosts of a cell may start as far as waves go.
func (r *Rollout) setOpen(c *cell, open, past bool) {
	c.open, c.past = open, past
	if open && c.absent.len() > 0 {
		r.stirCell(c)
	}
	for _, p := range c.pens {
		r.setPen(p)
	}
}

// stirCell notes that a cell has hosts to pass over.
func (r *Rollout) stirCell(c *cell) {
	if !c.stirred {
		c.stirred = true
		r.skipping = append(r.skipping, c)
	}
}

// shut says why a wave is not open for a lane, or nil. It rests on the lane's
// fronts.
func (r *Rollout) shut(w int, l *lane) *hotstick.Reason {
	proven := r.waves[w].Proven && !r.waves[w].canary
	switch {
	case proven && w > l.provenFront:
		return l.provenWhy
	case !proven && w > l.front:
		return l.why
	}
	for j := r.frame.Promoted; j <= w; j++ {
		if j >= 0 && r.waves[j].Manual {
			return &hotstick.Reason{Code: hotstick.ReasonNeedsPromotion, Subject: r.waves[j].Name}
		}
	}
	return nil
}

// unpassed says why wave j keeps later waves of a lane closed, or nil; failed: for
// a host that was lost or refused.
func (r *Rollout) unpassed(j int, l *lane) (why *hotstick.Reason, failed bool) {
	if planted.Bug("wave-order-ignored") {
		return nil, false
	}
	w := r.waves[j]
	passed := l.reached > j || w.canary && l.proven > j
	if c := l.cells[j]; c != nil && len(c.members) > 0 {
		if why, failed := r.closedBy(w, &c.tally, c.each, l, l.evidence, passed); why != nil {
			return why, failed
		}
	}
	// One host of the whole fleet goes first, whatever its lane, and one of each patch.
	if why, failed := r.goesFirst(j, l, passed); why != nil {
		return why, failed
	}
	// Canaries of other lanes are staged: each stage comes to rest and bakes
	// before the next, but one that holds only its own lane does not stop others.
	if !w.canary || passed {
		return nil, false
	}
	if w.unsettled > 0 {
		return &hotstick.Reason{Code: hotstick.ReasonWaveNotOpen, Subject: w.Name}, false
	}
	newest := r.newest(&w.tally, w.each)
	if end := newest.Add(w.bake()); !newest.IsZero() && r.now.Before(end) {
		l.again(end)
		return &hotstick.Reason{Code: hotstick.ReasonBake, Subject: w.Name, Until: &end}, false
	}
	return nil, false
}

// again asks for the lane to be looked at once more at t.
func (l *lane) again(t time.Time) {
	if l.until.IsZero() || t.Before(l.until) {
		l.until = t
	}
}
