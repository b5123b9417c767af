package planner

import (
	"cmp"
	"math"
	"slices"
)

// A part that was cut from scratch is brought up to date by events. A host is in
// the first wave where none of its rows is full of hosts before it; so whatever
// happens at a place in a wave can only matter for later places of that wave, and
// for later waves. Events are therefore taken wave by wave, and by place within a
// wave, and each host moves to where cutting from scratch would put it.

// event is something to look at in one wave.
type event struct {
	wave int
	// host looks for room; or, in a row, is where room was found or may be found
	// behind.
	host int32
	row  int32
	kind eventKind
}

type eventKind uint8

const (
	// seek: the host has no wave and tries this one.
	seek eventKind = iota
	// try: the row has room, for this host perhaps.
	try
	// scan: the row has room, for some host behind this one perhaps.
	scan
)

// unplaced is the wave of a host that looks for one.
const unplaced = int16(math.MaxInt16)

// enter adds a host, which then looks for a wave.
func (q *part) enter(f *fleet, h int32) {
	q.ready(f)
	q.hosts.insert(f.placed(h), f.byPlace)
	q.count++
	f.hosts[h].wave = unplaced
	if q.stale {
		return
	}
	q.grow(f)
	for kind, d := range f.spread(h) {
		q.members[d]++
		switch r := q.rowOf[d]; {
		case r > 0:
			q.rows[r].list.insert(f.placed(h), f.byPlace)
		case q.members[d] > f.caps[kind]:
			q.addRow(f, kind, d)
		}
	}
	q.push(f, event{host: h, kind: seek})
}

// leave takes a host out.
func (q *part) leave(f *fleet, h int32) {
	q.ready(f)
	if !q.stale {
		q.take(f, h)
		for _, d := range f.spread(h) {
			if q.members[d]--; q.rowOf[d] > 0 {
				q.rows[q.rowOf[d]].list.remove(f.placed(h), f.byPlace)
			}
		}
	}
	q.hosts.remove(f.placed(h), f.byPlace)
	q.count--
}

// ready prepares a part for events: the lists of its rows. Parts with clusters,
// and empty ones, are stale: they are cut from scratch.
func (q *part) ready(f *fleet) {
	if q.indexed || q.stale {
		return
	}
	q.stale = q.count == 0
	for h := range q.hosts.all() {
		q.stale = f.hosts[h].cluster >= 0 // which come first
		break
	}
	if q.stale {
		return
	}
	lists := make([][]entry, len(q.rows))
	for h := range q.hosts.all() {
		for _, d := range f.spread(h) {
			if r := q.row(d); r > 0 {
				lists[r] = append(lists[r], f.placed(h))
			}
		}
	}
	for r := range q.rows {
		q.rows[r].list = newOrdered(lists[r])
	}
	q.indexed = true
}

// grow makes room for domains that were met since the part was cut.
func (q *part) grow(f *fleet) {
	if missing := len(f.named.kindOf) - len(q.members); missing > 0 && f.spreads > 0 {
		q.members = append(q.members, make([]int32, missing)...)
		q.rowOf = append(q.rowOf, make([]int32, missing)...)
	}
}

// addRow begins to count a domain that has outgrown its cap.
func (q *part) addRow(f *fleet, kind int, d int32) {
	r := len(q.rows)
	q.rowOf[d] = int32(r)
	q.cells = append(q.cells, make([]cell, q.stride)...)
	var list []entry
	for h := range q.hosts.all() {
		if f.spread(h)[kind] != d {
			continue
		}
		list = append(list, f.placed(h))
		if w := f.hosts[h].wave; w != unplaced {
			c := &q.cells[r*q.stride+int(w)]
			c.count++
			c.last = h
		}
	}
	q.rows = append(q.rows, row{cap: f.caps[kind], list: newOrdered(list)})
}

// list is the hosts of a row, by place.
func (q *part) list(r int32) *ordered {
	if r == 0 {
		return &q.hosts
	}
	return &q.rows[r].list
}

// rowsOf appends the rows that a host counts in.
func (q *part) rowsOf(f *fleet, h int32, rows []int32) []int32 {
	rows = append(rows, 0)
	for _, d := range f.spread(h) {
		if r := q.row(d); r > 0 {
			rows = append(rows, r)
		}
	}
	return rows
}

// take takes a host out of its wave. Rows that were full have room for another.
func (q *part) take(f *fleet, h int32) {
	w := int(f.hosts[h].wave)
	f.hosts[h].wave = unplaced
	var buf [8]int32
	for _, r := range q.rowsOf(f, h, buf[:0]) {
		c, limit := &q.cells[int(r)*q.stride+w], q.limit(r, w)
		if c.count >= limit {
			q.push(f, event{wave: w, host: c.last, row: r, kind: scan})
		}
		if c.count--; c.last != h || limit == unlimited {
			continue
		}
		for x := range q.list(r).before(f.placed(h), f.byPlace) {
			if int(f.hosts[x].wave) == w {
				c.last = x
				break
			}
		}
	}
}

// put puts a host into a wave, and out of it whoever comes last in a row that is
// now over its limit.
func (q *part) put(f *fleet, h int32, w int) {
	f.hosts[h].wave = int16(w)
	var buf [8]int32
	rows := q.rowsOf(f, h, buf[:0])
	for _, r := range rows {
		c := &q.cells[int(r)*q.stride+w]
		if c.count++; c.count == 1 || f.byPlace(h, c.last) > 0 {
			c.last = h
		}
	}
	for _, r := range rows {
		q.trim(f, r, w)
	}
}

// trim takes out of a wave whoever is too many in a row.
func (q *part) trim(f *fleet, r int32, w int) {
	for {
		c := &q.cells[int(r)*q.stride+w]
		if c.count <= q.limit(r, w) {
			return
		}
		last := c.last
		q.take(f, last)
		q.push(f, event{wave: w + 1, host: last, kind: seek})
	}
}

// free reports whether no row of the host is full of hosts before it.
func (q *part) free(f *fleet, h int32, w int) bool {
	var buf [8]int32
	for _, r := range q.rowsOf(f, h, buf[:0]) {
		if c := &q.cells[int(r)*q.stride+w]; c.count >= q.limit(r, w) && f.byPlace(h, c.last) > 0 {
			return false
		}
	}
	return true
}

// resize changes the limits of the widening waves.
func (q *part) resize(f *fleet, sizes []int32) {
	if slices.Equal(sizes, q.limits) {
		return
	}
	q.ready(f)
	if q.stale = q.stale || len(sizes) != len(q.limits); q.stale {
		return
	}
	old := q.limits
	q.limits = sizes
	for w := range sizes {
		if c := q.cells[w]; c.count >= old[w] && sizes[w] > old[w] {
			q.push(f, event{wave: w, host: c.last, kind: scan})
		}
		q.trim(f, 0, w)
	}
}

// push queues an event, the earliest at the end.
func (q *part) push(f *fleet, e event) {
	at, _ := slices.BinarySearchFunc(q.events, e, func(a, b event) int {
		if a.wave != b.wave {
			return b.wave - a.wave
		}
		if a.host != b.host {
			return f.byPlace(b.host, a.host)
		}
		return cmp.Or(cmp.Compare(b.kind, a.kind), cmp.Compare(b.row, a.row))
	})
	q.events = slices.Insert(q.events, at, e)
}

// drain works off the events. It gives up, and leaves the part stale, if there
// are more waves than its cells hold.
func (q *part) drain(f *fleet) {
	for len(q.events) > 0 && !q.stale {
		e := q.events[len(q.events)-1]
		q.events = q.events[:len(q.events)-1]
		if e.wave >= q.stride {
			q.stale = true
			return
		}
		wave := f.hosts[e.host].wave
		switch {
		case e.kind == seek && wave != unplaced:
		case e.kind == seek && q.free(f, e.host, e.wave):
			q.put(f, e.host, e.wave)
		case e.kind == seek:
			e.wave++
			q.push(f, e)
		case e.kind == try && int(wave) > e.wave && q.free(f, e.host, e.wave):
			if wave != unplaced {
				q.take(f, e.host)
			}
			q.put(f, e.host, e.wave)
			q.scan(f, e)
		default:
			q.scan(f, e)
		}
	}
}

// scan looks behind a host of a row for one that the row's room in a wave is for.
func (q *part) scan(f *fleet, e event) {
	if q.cells[int(e.row)*q.stride+e.wave].count >= q.limit(e.row, e.wave) {
		return
	}
	all := q.cells[e.wave]
	full := all.count >= q.limit(0, e.wave)
	for x := range q.list(e.row).after(f.placed(e.host), f.byPlace) {
		if full && f.byPlace(x, all.last) > 0 {
			return // the wave as a whole is full of hosts before it
		}
		if int(f.hosts[x].wave) > e.wave && q.free(f, x, e.wave) {
			q.push(f, event{wave: e.wave, host: x, row: e.row, kind: try})
			return
		}
	}
}
