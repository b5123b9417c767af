package planner

import (
	"fmt"
	"slices"

	"github.com/hotstick/hotstick"
)

// plan assigns every listed host from scratch.
func (p *Planner) plan() error {
	order, err := p.shuffle()
	if err != nil {
		return err
	}
	p.fill(order)
	p.election.turns = p.election.turns[:0]
	p.pick()
	p.divide(order)
	floor, each := 0, make([]int, len(p.req.Candidates))
	for i := range p.blocks {
		b := &p.blocks[i]
		for _, n := range b.stages {
			floor += int(n)
		}
		for at, n := range p.staging.steps {
			for stage := range b.stages {
				each[at] += int(n[[2]int{i, stage}])
			}
		}
		for j := range b.parts {
			b.parts[j].curb = p.curb(each)
			if err := p.cut(b, &b.parts[j], floor); err != nil {
				return err
			}
		}
	}
	return p.numberWaves()
}

// shuffle gives every listed host its place and returns them by key.
func (p *Planner) shuffle() ([]entry, error) {
	seed := p.seed()
	type keyed struct {
		key  uint64
		slot int32
	}
	all := make([]keyed, 0, len(p.hosts))
	for i := range p.hosts {
		if k := &p.hosts[i]; k.listed {
			p.setKey(int32(i), seed)
			all = append(all, keyed{k.key, int32(i)})
		}
	}
	if len(all) == 0 {
		out := p.leftOut()
		return nil, &Refusal{Reason: emptyReason(out), LeftOut: out}
	}
	if len(all) > hotstick.MaxPlanHosts {
		return nil, fmt.Errorf("cannot make a plan of %d hosts: the limit is %d", len(all), hotstick.MaxPlanHosts)
	}
	slices.SortFunc(all, func(a, b keyed) int {
		switch {
		case a.key < b.key:
			return -1
		case a.key > b.key:
			return 1
		}
		return p.byKey(a.slot, b.slot)
	})
	order := make([]entry, len(all))
	for i, k := range all {
		order[i] = entry{uint32(k.key >> 32), k.slot}
		if i > 0 && k.key == all[i-1].key && p.src[k.slot].ID == p.src[all[i-1].slot].ID {
			return nil, fmt.Errorf("cannot make a plan that lists host %s twice", p.src[k.slot].ID)
		}
	}
	return order, nil
}

// setKey places a host; seed is the hash's state after the patch.
func (p *Planner) setKey(i int32, seed uint64) {
	k := &p.hosts[i]
	k.key = mix(fnv(seed, string(p.src[i].ID))) | ordinary
	k.at = k.key
	if k.cluster >= 0 {
		k.at = p.named.clusters[k.cluster]
	}
}

// divide puts every host that is not a staged canary into its part.
func (p *Planner) divide(order []entry) {
	pinned := p.seat()
	counts := make([]int, 2*len(p.blocks))
	plain := make([]int16, len(order)) // the part of each host but canaries and clusters
	var clustered []int32
	for i, e := range order {
		h, k := e.host, &p.hosts[e.host]
		if plain[i] = -1; k.canary {
			continue
		}
		k.part = p.partOf(h, pinned)
		counts[k.part]++
		if k.cluster >= 0 {
			clustered = append(clustered, h)
			continue
		}
		plain[i] = k.part
	}
	lists := make([][]entry, len(counts))
	for i, n := range counts {
		lists[i] = make([]entry, 0, n)
	}
	slices.SortFunc(clustered, p.byPlace)
	for _, h := range clustered { // which come first
		lists[p.hosts[h].part] = append(lists[p.hosts[h].part], p.placed(h))
	}
	for i, e := range order { // whose place is their key
		if plain[i] >= 0 {
			lists[plain[i]] = append(lists[plain[i]], e)
		}
	}
	for i, list := range lists {
		q := &p.blocks[i/2].parts[i%2]
		*q = part{hosts: newOrdered(list), count: int32(len(list))}
	}
}

// seat marks the staged canaries, and returns the clusters that they begin, each
// with its block.
func (p *Planner) seat() map[[2]int32]bool {
	for i := range p.hosts {
		p.hosts[i].canary = false
	}
	pinned := map[[2]int32]bool{}
	for i := range p.lanes {
		c := p.lanes[i].canary
		if p.lanes[i].count == 0 || c.stage == inPlace {
			continue
		}
		k := &p.hosts[c.host]
		k.canary, k.part, k.wave = true, int16(c.block), int16(c.stage)
		if k.cluster >= 0 {
			pinned[[2]int32{c.block, k.cluster}] = true
		}
	}
	return pinned
}

// partOf says in which part a host is cut: clusters have one of their own, but
// for those of which a canary is a member. These go on first of all, to be of two
// levels no longer than they must.
func (p *Planner) partOf(h int32, pinned map[[2]int32]bool) int16 {
	k := &p.hosts[h]
	if p.old != nil {
		if old, kept := p.old.wave(p.src[h].ID); kept {
			return int16(2 * (1 + old))
		}
	}
	b := p.pools[p.varieties[k.variety].pool].block
	if k.cluster < 0 || pinned[[2]int32{b, k.cluster}] {
		return int16(2 * b)
	}
	return int16(2*b + 1)
}
