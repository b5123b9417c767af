package planner

import (
	"iter"
	"slices"
)

// entry is a host in a sorted list, with the first bits of what it is sorted by:
// they nearly always decide, and the host itself is far away in memory.
type entry struct {
	head uint32
	host int32
}

// keyed is a host's entry in a list by key.
func (f *fleet) keyed(h int32) entry { return entry{uint32(f.hosts[h].key >> 32), h} }

// placed is a host's entry in a list by place.
func (f *fleet) placed(h int32) entry { return entry{uint32(f.hosts[h].at >> 32), h} }

// ordered is a sorted list of hosts in chunks, so that one host comes or goes
// without moving all others. Whoever uses it always gives the same order.
type ordered struct {
	chunks [][]entry
	// ends holds the last entry of each chunk.
	ends []entry
}

const chunkSize = 128

// newOrdered takes over a sorted list.
func newOrdered(sorted []entry) ordered {
	n := (len(sorted) + chunkSize - 1) / chunkSize
	o := ordered{chunks: make([][]entry, 0, n), ends: make([]entry, 0, n)}
	for chunk := range slices.Chunk(sorted, chunkSize) {
		o.chunks = append(o.chunks, chunk)
		o.ends = append(o.ends, chunk[len(chunk)-1])
	}
	return o
}

// all goes through the list from its beginning.
func (o *ordered) all() iter.Seq[int32] {
	return func(yield func(int32) bool) {
		for _, chunk := range o.chunks {
			for _, e := range chunk {
				if !yield(e.host) {
					return
				}
			}
		}
	}
}

// find returns where the first host stands that is not before e.
func (o *ordered) find(e entry, order func(a, b int32) int) (chunk, at int, found bool) {
	chunk = search(o.ends, e, order)
	if chunk == len(o.ends) {
		return chunk, 0, false
	}
	at = search(o.chunks[chunk], e, order)
	return chunk, at, o.chunks[chunk][at].host == e.host
}

// search returns where the first entry stands that is not before e. Only where
// heads are equal it asks for the order of the hosts.
func search(sorted []entry, e entry, order func(a, b int32) int) int {
	from, to := 0, len(sorted)
	for from < to {
		at := (from + to) / 2
		x := sorted[at]
		if x.head < e.head || x.head == e.head && order(x.host, e.host) < 0 {
			from = at + 1
		} else {
			to = at
		}
	}
	return from
}

func (o *ordered) insert(e entry, order func(a, b int32) int) {
	chunk, at, _ := o.find(e, order)
	switch {
	case len(o.chunks) == 0:
		o.chunks, o.ends = append(o.chunks, []entry{e}), append(o.ends, e)
		return
	case chunk == len(o.chunks):
		chunk--
		at = len(o.chunks[chunk])
	}
	c := slices.Insert(o.chunks[chunk], at, e)
	if len(c) > 2*chunkSize {
		o.chunks = slices.Insert(o.chunks, chunk, c[:chunkSize:chunkSize])
		o.ends = slices.Insert(o.ends, chunk, c[chunkSize-1])
		c, chunk = c[chunkSize:], chunk+1
	}
	o.chunks[chunk], o.ends[chunk] = c, c[len(c)-1]
}

func (o *ordered) remove(e entry, order func(a, b int32) int) {
	chunk, at, found := o.find(e, order)
	if !found {
		return
	}
	c := slices.Delete(o.chunks[chunk], at, at+1)
	if len(c) == 0 {
		o.chunks, o.ends = slices.Delete(o.chunks, chunk, chunk+1), slices.Delete(o.ends, chunk, chunk+1)
		return
	}
	o.chunks[chunk], o.ends[chunk] = c, c[len(c)-1]
}

// after goes through the hosts behind e, which need not be in the list.
func (o *ordered) after(e entry, order func(a, b int32) int) iter.Seq[int32] {
	return func(yield func(int32) bool) {
		chunk, at, found := o.find(e, order)
		if found {
			at++
		}
		for ; chunk < len(o.chunks); chunk, at = chunk+1, 0 {
			for _, x := range o.chunks[chunk][at:] {
				if !yield(x.host) {
					return
				}
			}
		}
	}
}

// before goes backwards through the hosts ahead of e, which need not be in the
// list.
func (o *ordered) before(e entry, order func(a, b int32) int) iter.Seq[int32] {
	return func(yield func(int32) bool) {
		chunk, at, _ := o.find(e, order)
		for ; chunk >= 0; chunk-- {
			if chunk < len(o.chunks) {
				for _, x := range slices.Backward(o.chunks[chunk][:min(at, len(o.chunks[chunk]))]) {
					if !yield(x.host) {
						return
					}
				}
			}
			at = 1 << 30
		}
	}
}
