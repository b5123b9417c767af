package planner

import (
	"cmp"
	"slices"

	"github.com/hotstick/hotstick"
)

// lane is one kernel build of the plan as it is made.
type lane struct {
	build hotstick.KernelBuild
	// candidate is what its hosts get, in a plan for a CVE.
	candidate int
	// pools of the build, in the order in which they are asked for a canary.
	pools []int32
	count int32
	// dirty: a host of the build came or went, so its stand-ins may be others.
	dirty  bool
	canary canary
}

// canary is the host that speaks for a kernel build.
type canary struct {
	host  int32
	block int32
	// stage within the block, or inPlace.
	stage    int32
	standIns []int32
}

// inPlace is the stage of a canary that stays alone in the wave it had in the
// plan before.
const inPlace = int32(-1)

// pool is the hosts of one build that are equally good as its canary, but for
// what they represent: all in one block, all of one rank.
type pool struct {
	lane, block, rank int32
	count             int32
	varieties         []int32
	list              ordered // by key
}

// variety is the hosts of one pool that do not differ in representative labels.
type variety struct {
	pool, model int32
	count       int32
	// first by key; none if there is no host.
	first int32
}

// fill sorts the listed hosts into their pools. Order is by key.
func (p *Planner) fill(order []entry) {
	for i := range p.varieties {
		p.varieties[i].count, p.varieties[i].first = 0, none
	}
	for i := range p.pools {
		p.pools[i].count = 0
	}
	for i := range p.lanes {
		p.lanes[i].count, p.lanes[i].dirty = 0, true
	}
	pools := make([]int32, len(order)) // of each host: the fleet is too large to visit twice
	for i, e := range order {
		h := e.host
		v := &p.varieties[p.hosts[h].variety]
		pools[i] = v.pool
		if v.count++; v.first == none {
			v.first = h
		}
		p.pools[v.pool].count++
		p.lanes[p.hosts[h].lane].count++
	}
	flat := make([]entry, len(order))
	lists := make([][]entry, len(p.pools))
	for i := range p.pools {
		n := p.pools[i].count
		lists[i], flat = flat[:0:n], flat[n:]
	}
	for i, e := range order {
		lists[pools[i]] = append(lists[pools[i]], e)
	}
	for i := range p.pools {
		p.pools[i].list = newOrdered(lists[i])
	}
}

// election is how the builds last chose their canaries. Choosing again begins
// where something differs, for a change of one host mostly changes no choice.
type election struct {
	// order lists all builds in the order of their choice; those without hosts are
	// at its end and have no turn.
	order []int32
	turns []turn
	// used counts the canaries chosen so far by representative value; drift is by how
	// much that differs from the last time.
	used, drift []int32
	// before is the staged canary of each build as the last change found it.
	before []int32
}

// turn is one build's choice: its canary's model, or none.
type turn struct{ lane, model int32 }

// pick chooses the canary of every build and stages them. It reports whether any
// canary or stage may be another than before.
func (p *Planner) pick() (moved bool) {
	moved = p.elect()
	if first := p.firstBlock(); first != p.first {
		p.first, moved = first, true
	}
	if moved {
		p.stage()
	}
	return moved
}

// elect lets every build choose its canary, and reports whether any differs.
func (p *Planner) elect() (moved bool) {
	e := &p.election
	e.used = append(e.used[:0], make([]int32, p.named.values)...)
	e.drift = append(e.drift[:0], e.used...)
	apart := 0 // values by which choices so far differ from the last time
	last := len(e.turns)
	order := p.laneOrder()
	for i, l := range order {
		if i == len(e.turns) {
			e.turns = append(e.turns, turn{none, none})
		}
		was := &e.turns[i]
		now := turn{l, was.model}
		if was.lane != l || apart > 0 || p.lanes[l].dirty {
			moved = p.decide(&p.lanes[l]) || was.lane != l || moved
			now.model = p.varieties[p.hosts[p.lanes[l].canary.host].variety].model
		}
		for _, value := range p.named.representative(now.model) {
			e.used[value]++
		}
		if now.model != was.model {
			apart += differ(e.drift, p.named.representative(now.model), 1) + differ(e.drift, p.named.representative(was.model), -1)
		}
		*was = now
	}
	e.turns = e.turns[:len(order)]
	return moved || len(order) < last
}

// differ adds n to the drift of values, and returns how many more of them drift.
func differ(drift, values []int32, n int32) (more int) {
	for _, v := range values {
		if drift[v] == 0 {
			more++
		}
		if drift[v] += n; drift[v] == 0 {
			more--
		}
	}
	return more
}

// decide chooses the canary of a build, and reports whether it is another.
func (p *Planner) decide(l *lane) (changed bool) {
	home := p.home(l)
	host, block := p.choose(&p.pools[home], p.election.used), p.pools[home].block
	changed = l.canary.host != host || l.canary.block != block
	if l.dirty || changed {
		l.canary = canary{host: host, block: block, stage: l.canary.stage, standIns: p.standIns(l, home, host)}
		l.dirty = false
	}
	return changed
}

// laneOrder lists the builds that have hosts, those with most hosts first: their
// canary speaks for the most machines.
func (p *Planner) laneOrder() []int32 {
	e := &p.election
	for l := len(e.order); l < len(p.lanes); l++ {
		e.order = append(e.order, int32(l))
	}
	slices.SortFunc(e.order, func(a, b int32) int {
		if c := cmp.Compare(p.lanes[b].count, p.lanes[a].count); c != 0 {
			return c
		}
		return cmp.Or(compareBuilds(p.lanes[a].build, p.lanes[b].build), cmp.Compare(p.patchOf(&p.lanes[a]).Driver, p.patchOf(&p.lanes[b]).Driver))
	})
	n := len(e.order)
	for n > 0 && p.lanes[e.order[n-1]].count == 0 {
		n--
	}
	return e.order[:n]
}

// home is the first pool of a build that has hosts.
func (p *Planner) home(l *lane) int32 {
	i := slices.IndexFunc(l.pools, func(id int32) bool { return p.pools[id].count > 0 })
	return l.pools[i]
}

// alone reports whether a build's first host in a wave of the plan before is the
// only one of its build there: it is its canary already.
func (p *Planner) alone(l *lane, block int32) bool {
	if p.blocks[block].old == nil || p.blocks[block].old.proven {
		return false
	}
	n := int32(0)
	for _, id := range l.pools {
		if p.pools[id].block == block {
			n += p.pools[id].count
		}
	}
	return n == 1
}

// choose returns the host of a pool that represents its build best: of a common
// variety, which is one with at least half as many hosts as the most common; of
// these, one whose labels the canaries before had least often.
func (p *Planner) choose(in *pool, used []int32) int32 {
	most := int32(0)
	for _, v := range in.varieties {
		most = max(most, p.varieties[v].count)
	}
	best := int32(-1)
	for _, v := range in.varieties {
		if n := p.varieties[v].count; n > 0 && 2*n >= most && (best < 0 || p.better(v, best, used)) {
			best = v
		}
	}
	return p.varieties[best].first
}

func (p *Planner) better(a, b int32, used []int32) bool {
	x, y := &p.varieties[a], &p.varieties[b]
	other := p.named.representative(y.model)
	for i, value := range p.named.representative(x.model) {
		if used[value] != used[other[i]] {
			return used[value] < used[other[i]]
		}
	}
	if x.count != y.count {
		return x.count > y.count
	}
	return p.byKey(x.first, y.first) < 0
}

// maxLooked bounds the hosts of a build that are looked at for stand-ins. They
// are shuffled: a share of fitting hosts of two percent is found all but surely.
const maxLooked = 256

// standIns chooses hosts that may take a canary's place: of its build, from the
// pools of its block, in other failure domains where possible.
func (p *Planner) standIns(l *lane, home, host int32) []int32 {
	want := p.req.Shape.Waves.StandIns
	type choice struct{ host, shared int32 }
	var best []choice
	looked := 0
	for _, id := range l.pools {
		if p.pools[id].block != p.pools[home].block {
			continue
		}
		for h := range p.pools[id].list.all() {
			if looked++; looked > maxLooked || (len(best) == want && best[want-1].shared == 0) {
				break
			}
			if h == host {
				continue
			}
			c := choice{h, p.shared(h, host)}
			at := len(best)
			for at > 0 && best[at-1].shared > c.shared {
				at--
			}
			if best = slices.Insert(best, at, c); len(best) > want {
				best = best[:want]
			}
		}
	}
	chosen := make([]int32, len(best))
	for i, c := range best {
		chosen[i] = c.host
	}
	return chosen
}

// shared counts the kinds of failure domain in which two hosts are together.
func (f *fleet) shared(a, b int32) int32 {
	n, k := int32(0), len(f.kinds)
	x, y := f.domains[int(a)*k:int(a)*k+k], f.domains[int(b)*k:int(b)*k+k]
	for _, i := range f.failing {
		if x[i] == y[i] {
			n++
		}
	}
	return n
}
