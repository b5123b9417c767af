package planner

import (
	"fmt"

	"github.com/hotstick/hotstick"
)

// block is a stretch of the plan's waves: the canary stages of the builds that
// are met first in it, its ordinary hosts, then its clusters. A plan has a block
// for each ring, then one for the critical hosts of each ring; one that continues
// another has a block before each of the older plan's waves.
type block struct {
	ring int
	last bool
	// old is the wave of the plan before that this block holds; nil if it is cut
	// anew.
	old    *oldWave
	stages []int32 // hosts of each canary stage
	parts  [2]part // ordinary hosts, clusters
	// from is the number of its first wave in the plan.
	from int
}

// part is hosts that are cut into waves together. Waves of a part are counted
// from 0.
type part struct {
	hosts ordered // by place
	count int32
	// limits are the sizes of the widening waves but the last; that one, and those
	// that spread caps add to it, have none.
	limits []int32
	// members counts the hosts of each domain; rowOf is 0 for domains that are too
	// small for their cap to matter.
	members, rowOf []int32
	// rows are what fills up: the part itself, then each domain that matters.
	rows []row
	// cells holds, for each row, stride waves.
	cells  []cell
	stride int
	curb   *curb
	// What follows is for [Planner.Change]: whether the rows have their lists, what
	// is to be looked at, and whether the part must be cut from scratch instead.
	indexed bool
	events  []event
	stale   bool
}

type row struct {
	cap int32 // row 0 has limits instead
	// open is the first wave with room, while the part is cut from scratch.
	open int32
	list ordered // of its hosts, by place; filled for [Planner.Change]
}

// cell is the hosts of a row in one wave: how many, and which comes last.
type cell struct{ count, last int32 }

// unlimited is the size of waves without a limit.
const unlimited = int32(1) << 30

// limits returns the sizes of the widening waves but the last. Each goes as far as
// its percentage, but no further than [growth] allows: where a percentage is further
// away, waves that grow lead to it. floor is the number of canaries.
func limits(widen []int, hosts, floor int) []int32 {
	var sizes []int32
	floor = max(1, floor)
	done := 0
	for _, percent := range widen {
		for upTo := max(done+floor, hosts*percent/100); done < upTo; {
			next := min(upTo, done+growth(floor, floor+done))
			if next >= hosts {
				return sizes
			}
			sizes = append(sizes, int32(next-done))
			done = next
		}
	}
	return sizes
}

// boldest is the largest wave that may double what went before it.
const boldest = 32

// growth is the largest wave after as many hosts: no larger than all of them, and
// above boldest no larger than two thirds of them, or than the canaries.
func growth(canaries, before int) int {
	return max(canaries, min(before, max(boldest, before*2/3)))
}

// cut gives every host of a part the first wave that has room for it. A host of
// a wave that the plan before had keeps that wave.
func (p *Planner) cut(b *block, q *part, floor int) error {
	if q.count == 0 {
		return nil
	}
	*q = part{hosts: q.hosts, count: q.count, curb: q.curb, rows: []row{{}}}
	if b.old == nil {
		q.limits = limits(p.req.Shape.Waves.Widen, int(q.count), floor)
		q.tighten(&p.fleet)
	}
	q.stride = q.guess()
	for {
		if q.stride > hotstick.MaxPlanWaves {
			q.stride = hotstick.MaxPlanWaves + 1 // one more than may be used
		}
		q.cells = make([]cell, len(q.rows)*q.stride)
		q.curb.begin(q.stride)
		for i := range q.rows {
			q.rows[i].open = 0
		}
		switch {
		case q.place(&p.fleet):
			return nil
		case q.stride > hotstick.MaxPlanWaves:
			return p.tooManyWaves(q)
		}
		q.stride *= 2
	}
}

// tighten finds the domains with more hosts than their cap.
func (q *part) tighten(f *fleet) {
	if f.spreads == 0 {
		return
	}
	q.members, q.rowOf = make([]int32, len(f.named.kindOf)), make([]int32, len(f.named.kindOf))
	for h := range q.hosts.all() {
		for _, d := range f.spread(h) {
			q.members[d]++
		}
	}
	for d, n := range q.members {
		if kind := int(f.named.kindOf[d]); kind < f.spreads && n > f.caps[kind] {
			q.rowOf[d] = int32(len(q.rows))
			q.rows = append(q.rows, row{cap: f.caps[kind]})
		}
	}
}

// spread returns a host's domains of the kinds that have a cap.
func (f *fleet) spread(h int32) []int32 {
	return f.domains[int(h)*len(f.kinds):][:f.spreads]
}

// guess is how many waves the part will need at least, and some to spare.
func (q *part) guess() int {
	need := 0
	for d, n := range q.members {
		if r := q.rowOf[d]; r > 0 {
			need = max(need, int((n+q.rows[r].cap-1)/q.rows[r].cap))
		}
	}
	return max(need, len(q.limits)) + 6
}

func (p *Planner) tooManyWaves(q *part) error {
	worst, text := float64(0), "the spread caps together"
	for d, n := range q.members {
		if r := q.rowOf[d]; r > 0 && float64(n)/float64(q.rows[r].cap) > worst {
			worst = float64(n) / float64(q.rows[r].cap)
			text = fmt.Sprintf("%d hosts of %s=%q at %d a wave", n, p.kinds[p.named.kindOf[d]], p.named.valueOf[d], q.rows[r].cap)
		}
	}
	return fmt.Errorf("cannot spread the plan over %d waves or fewer: %s need more", hotstick.MaxPlanWaves, text)
}

// place cuts the part from scratch, units in order. It reports whether the waves
// that cells holds were enough.
func (q *part) place(f *fleet) bool {
	unit, mine := make([]int32, 0, 16), make([]int32, 0, 2*chunkSize*f.spreads)
	for _, chunk := range q.hosts.chunks {
		// The hosts of a chunk are far apart in memory: to ask for all of their rows
		// before any is used lets the processor wait for them together.
		mine = mine[:0]
		for _, e := range chunk {
			mine = q.capsOf(f, e.host, mine)
		}
		for i, e := range chunk {
			switch {
			case uint64(e.head)<<32&ordinary != 0:
				if !q.settle(f, unit) || !q.settleOne(f, e.host, mine[i*f.spreads:][:f.spreads]) {
					return false
				}
				unit = unit[:0]
			case len(unit) > 0 && f.hosts[unit[0]].cluster != f.hosts[e.host].cluster:
				if !q.settle(f, unit) {
					return false
				}
				unit = append(unit[:0], e.host)
			default:
				unit = append(unit, e.host)
			}
		}
	}
	return q.settle(f, unit)
}

// capsOf appends the row of each of a host's domains that have a cap; 0 where the
// cap does not matter.
func (q *part) capsOf(f *fleet, h int32, to []int32) []int32 {
	for _, d := range f.spread(h) {
		to = append(to, q.row(d))
	}
	return to
}

// settle gives all members of a cluster the first wave that has room for them
// together. A wave that would stay empty takes one cluster whatever its limit. If
// spread caps part the cluster, each member goes on its own.
func (q *part) settle(f *fleet, unit []int32) bool {
	if len(unit) == 0 {
		return true
	}
	if len(unit) > 1 && !q.parted(f, unit) {
		for w := 0; w < q.stride; w++ {
			if q.fitsAll(f, unit, w) {
				return true
			}
		}
		return false
	}
	for _, h := range unit {
		if !q.settleOne(f, h, q.capsOf(f, h, nil)) {
			return false
		}
	}
	return true
}

// parted reports whether no wave can take the whole cluster.
func (q *part) parted(f *fleet, unit []int32) bool {
	n := map[int32]int32{}
	for _, h := range unit {
		for _, d := range f.spread(h) {
			if n[d]++; q.row(d) > 0 && n[d] > q.rows[q.row(d)].cap {
				return true
			}
		}
	}
	return false
}

// fitsAll puts the cluster into the wave if it has room.
func (q *part) fitsAll(f *fleet, unit []int32, w int) bool {
	if n := q.cells[w].count; n > 0 && (n+int32(len(unit)) > q.limit(0, w) || !q.curb.roomFor(f, unit, w)) {
		return false
	}
	for i, h := range unit {
		mine := q.capsOf(f, h, nil)
		if !q.spreads(mine, w) {
			for _, h := range unit[:i] {
				q.add(f, h, q.capsOf(f, h, nil), w, -1)
			}
			return false
		}
		q.add(f, h, mine, w, 1)
	}
	return true
}

// settleOne gives a host with these rows the first wave with room in all of them.
func (q *part) settleOne(f *fleet, h int32, mine []int32) bool {
	w := q.rows[0].open
	for _, r := range mine {
		if r > 0 {
			w = max(w, q.rows[r].open)
		}
	}
	for ; int(w) < q.stride; w++ {
		if q.cells[w].count < q.limit(0, int(w)) && q.curb.room(f, h, int(w), 1) && q.spreads(mine, int(w)) {
			q.add(f, h, mine, int(w), 1)
			return true
		}
	}
	return false
}

func (q *part) row(d int32) int32 {
	if q.rowOf == nil || int(d) >= len(q.rowOf) {
		return 0
	}
	return q.rowOf[d]
}

// spreads reports whether the spread caps leave room in a wave.
func (q *part) spreads(mine []int32, w int) bool {
	for _, r := range mine {
		if r > 0 && q.cells[int(r)*q.stride+w].count >= q.rows[r].cap {
			return false
		}
	}
	return true
}

// limit is how many hosts of a row a wave may hold.
func (q *part) limit(r int32, w int) int32 {
	switch {
	case r > 0:
		return q.rows[r].cap
	case w < len(q.limits):
		return q.limits[w]
	}
	return unlimited
}

// add counts a host with these rows into a wave, or with n = -1 out of it.
func (q *part) add(f *fleet, h int32, mine []int32, w int, n int32) {
	f.hosts[h].wave = int16(w)
	q.curb.count(f, h, w, n)
	q.tally(0, h, w, n)
	for _, r := range mine {
		if r > 0 {
			q.tally(r, h, w, n)
		}
	}
}

func (q *part) tally(r, h int32, w int, n int32) {
	c := &q.cells[int(r)*q.stride+w]
	c.count += n
	c.last = h
	o := &q.rows[r].open
	*o = min(*o, int32(w))
	for int(*o) < q.stride && q.cells[int(r)*q.stride+int(*o)].count >= q.limit(r, int(*o)) {
		*o++
	}
}
