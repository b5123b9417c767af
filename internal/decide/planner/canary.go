package planner

import (
	"cmp"
	"slices"

	"github.com/hotstick/hotstick"
)

// lane is one kernel build of the plan as it is made.
type lane struct {
	build hotstick.KernelBuild
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
func (p *Planner) fill(order []int32) {
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
	for i, h := range order {
		v := &p.varieties[p.hosts[h].variety]
		pools[i] = v.pool
		if v.count++; v.first == none {
			v.first = h
		}
		p.pools[v.pool].count++
		p.lanes[p.hosts[h].lane].count++
	}
	flat := make([]int32, len(order))
	lists := make([][]int32, len(p.pools))
	for i := range p.pools {
		n := p.pools[i].count
		lists[i], flat = flat[:0:n], flat[n:]
	}
	for i, h := range order {
		lists[pools[i]] = append(lists[pools[i]], h)
	}
	for i := range p.pools {
		p.pools[i].list = newOrdered(lists[i])
	}
}

// pick chooses the canary of every build and stages them.
func (p *Planner) pick() {
	for i := range p.blocks {
		p.blocks[i].stages = p.blocks[i].stages[:0]
	}
	p.first = p.firstBlock()
	used := make([]int32, p.named.values)
	staged := newStaging(p)
	for _, l := range p.laneOrder() {
		lane := &p.lanes[l]
		home := p.home(lane)
		host := p.choose(&p.pools[home], used)
		if model := p.varieties[p.hosts[host].variety].model; model >= 0 {
			for _, value := range p.named.models[model] {
				used[value]++
			}
		}
		block := p.pools[home].block
		if lane.dirty || lane.canary.host != host || lane.canary.block != block {
			lane.canary = canary{host: host, block: block, standIns: p.standIns(lane, home, host)}
			lane.dirty = false
		}
		lane.canary.stage = inPlace
		if !p.alone(lane, block) {
			lane.canary.stage = staged.place(&p.blocks[block], int(block), host)
		}
	}
}

// laneOrder lists the builds that have hosts, those with most hosts first: their
// canary speaks for the most machines.
func (p *Planner) laneOrder() []int32 {
	var order []int32
	for i := range p.lanes {
		if p.lanes[i].count > 0 {
			order = append(order, int32(i))
		}
	}
	slices.SortFunc(order, func(a, b int32) int {
		if c := cmp.Compare(p.lanes[b].count, p.lanes[a].count); c != 0 {
			return c
		}
		return compareBuilds(p.lanes[a].build, p.lanes[b].build)
	})
	return order
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
	if x.model >= 0 {
		other := p.named.models[y.model]
		for i, value := range p.named.models[x.model] {
			if c := cmp.Compare(used[value], used[other[i]]); c != 0 {
				return c < 0
			}
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

// staging puts canaries into stages: one host; then 2, 4, 8 … of a block, under
// the spread caps.
type staging struct {
	p     *Planner
	count map[[3]int32]int32 // by block, stage and domain
	// open is the first stage of each block that has room.
	open []int
}

func newStaging(p *Planner) *staging {
	s := &staging{p: p, open: make([]int, len(p.blocks))}
	if p.spreads > 0 {
		s.count = map[[3]int32]int32{}
	}
	return s
}

// place returns the first stage of the block that has room for the host.
func (s *staging) place(b *block, number int, host int32) int32 {
	for stage := s.open[number]; ; stage++ {
		if stage == len(b.stages) {
			b.stages = append(b.stages, 0)
		}
		if b.stages[stage] >= s.p.stageSize(number, stage) || !s.spread(int32(number), int32(stage), host) {
			continue
		}
		b.stages[stage]++
		for s.open[number] < len(b.stages) && b.stages[s.open[number]] >= s.p.stageSize(number, s.open[number]) {
			s.open[number]++
		}
		return int32(stage)
	}
}

// stageSize is 1, 2, 4, 8 …; blocks after the first that has canaries begin with
// 2, for one host of the fleet has gone by then.
func (p *Planner) stageSize(block, stage int) int32 {
	if block != p.first {
		stage++
	}
	return 1 << min(stage, 30)
}

// firstBlock is the first block of which any host is left.
func (p *Planner) firstBlock() int {
	first := len(p.blocks)
	for i := range p.pools {
		if p.pools[i].count > 0 {
			first = min(first, int(p.pools[i].block))
		}
	}
	return first
}

// spread counts the host into the stage if the caps leave room. A cap that no
// stage of this size can reach is not counted.
func (s *staging) spread(block, stage, host int32) bool {
	f, size := &s.p.fleet, s.p.stageSize(int(block), int(stage))
	mine := f.spread(host)
	for kind, d := range mine {
		if f.caps[kind] < size && s.count[[3]int32{block, stage, d}] >= f.caps[kind] {
			return false
		}
	}
	for kind, d := range mine {
		if f.caps[kind] < size {
			s.count[[3]int32{block, stage, d}]++
		}
	}
	return true
}
