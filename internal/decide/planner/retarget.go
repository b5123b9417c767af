package planner

import (
	"fmt"

	"github.com/hotstick/hotstick"
)

// Continued is the plan whose work a new one takes over.
type Continued struct {
	ID   hotstick.PlanID
	Plan hotstick.Plan
	// Hosts are the older plan's listed hosts with what became of them.
	Hosts []ContinuedHost
	// Passed says, for each wave, whether its gate has passed.
	Passed []bool
}

// ContinuedHost is a host of the older plan.
type ContinuedHost struct {
	Listed hotstick.PlanHost
	State  hotstick.HostState
}

// chain is a plan that is continued, with its hosts found by ID.
type chain struct {
	*Continued
	line map[hotstick.HostID]int
}

// oldWave is a wave of the plan before.
type oldWave struct {
	hotstick.Wave
	proven bool
}

// follow takes up the plan that is continued.
func (p *Planner) follow() error {
	c := p.req.Continues
	if c == nil {
		return nil
	}
	patch := p.req.Patch.Ref
	switch {
	case c.Plan.Patch.Name != patch.Name || c.Plan.Patch.Level >= patch.Level:
		return fmt.Errorf("cannot continue a plan for %s with %s: want a newer level of the same patch", c.Plan.Patch, patch)
	case len(c.Passed) != len(c.Plan.Waves):
		return fmt.Errorf("cannot continue a plan of %d waves from what is known of %d", len(c.Plan.Waves), len(c.Passed))
	}
	if err := c.ID.Validate(); err != nil {
		return err
	}
	p.old = &chain{Continued: c, line: make(map[hotstick.HostID]int, len(c.Hosts))}
	for i, h := range c.Hosts {
		if _, twice := p.old.line[h.Listed.Host]; twice || h.Listed.Wave < 0 || h.Listed.Wave >= len(c.Plan.Waves) {
			return fmt.Errorf("cannot continue a plan whose list has host %s twice, or in wave %d of %d", h.Listed.Host, h.Listed.Wave, len(c.Plan.Waves))
		}
		p.old.line[h.Listed.Host] = i
	}
	return nil
}

// proven reports whether a wave's gate passed, under the older plan or one that
// it continued in turn.
func (c *chain) proven(wave int) bool { return c.Passed[wave] || c.Plan.Waves[wave].Proven }

// wave returns the wave that a host has from the older plan.
func (c *chain) wave(id hotstick.HostID) (int, bool) {
	i, ok := c.line[id]
	if !ok {
		return 0, false
	}
	return c.Hosts[i].Listed.Wave, true
}

// leftOut says why a host that the older plan lists is not taken over.
func (c *chain) leftOut(id hotstick.HostID) *hotstick.Reason {
	i, ok := c.line[id]
	if !ok {
		return nil
	}
	switch c.Hosts[i].State {
	case hotstick.Lost:
		return &hotstick.Reason{Code: hotstick.ReasonSilentAfter, Subject: c.Plan.Patch.String()}
	case hotstick.Quarantined:
		return &hotstick.Reason{Code: hotstick.ReasonStruck, Subject: c.Plan.Patch.String()}
	}
	return nil
}

// credit reports whether anything that the older plan proved is still there.
func (c *chain) credit(p *Planner) bool {
	for i := range p.hosts {
		if wave, ok := c.wave(p.src[i].ID); ok && p.hosts[i].listed && c.proven(wave) {
			return true
		}
	}
	return false
}

// rankOf says from which block on a host may be its build's canary, and how good
// a one it is, 0 being the best. A new plan asks for hosts outside quorum domains.
// One that continues another asks first for hosts of proven waves whose kernel
// build is still the one that was proven, and among them for those that carry the
// level before.
func (p *Planner) rankOf(h *Host, clustered bool) (block, rank int32) {
	if clustered {
		rank = 1
	}
	rings := int32(max(1, len(p.req.Shape.Waves.RingDelay)))
	block = int32(h.Verdict.Ring)
	if h.Verdict.Last || h.Labels["critical"] == "true" {
		block += rings
	}
	if p.old == nil {
		return block, rank
	}
	wave, kept := p.old.wave(h.ID)
	if !kept {
		return 1 + int32(len(p.old.Plan.Waves)) + block, rank
	}
	if h.Compat.InEffect.Name != p.req.Patch.Ref.Name {
		rank += 2
	}
	if p.old.Hosts[p.old.line[h.ID]].Listed.Build != build(*h) {
		rank += 4
	}
	if p.old.proven(wave) {
		return 0, rank
	}
	return 1 + int32(wave), rank
}

// layBlocks lays out the plan's blocks in their order.
func (p *Planner) layBlocks() {
	p.blocks = nil
	if p.old != nil {
		p.blocks = append(p.blocks, block{})
		for i, w := range p.old.Plan.Waves {
			p.blocks = append(p.blocks, block{old: &oldWave{Wave: w, proven: p.old.proven(i)}})
		}
	}
	rings := max(1, len(p.req.Shape.Waves.RingDelay))
	for i := range 2 * rings {
		p.blocks = append(p.blocks, block{ring: i % rings, last: i >= rings})
	}
}
