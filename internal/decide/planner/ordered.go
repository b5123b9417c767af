package planner

import (
	"iter"
	"slices"
)

// ordered is a sorted list of hosts in chunks, so that one host comes or goes
// without moving all others. Whoever uses it always gives the same order.
type ordered struct{ chunks [][]int32 }

const chunkSize = 256

// newOrdered takes over a sorted list.
func newOrdered(sorted []int32) ordered {
	o := ordered{chunks: make([][]int32, 0, len(sorted)/chunkSize+1)}
	for chunk := range slices.Chunk(sorted, chunkSize) {
		o.chunks = append(o.chunks, chunk)
	}
	return o
}

// all goes through the list from its beginning.
func (o *ordered) all() iter.Seq[int32] {
	return func(yield func(int32) bool) {
		for _, chunk := range o.chunks {
			for _, h := range chunk {
				if !yield(h) {
					return
				}
			}
		}
	}
}

// find returns where the first host stands that is not before h.
func (o *ordered) find(h int32, order func(a, b int32) int) (chunk, at int, found bool) {
	chunk, _ = slices.BinarySearchFunc(o.chunks, h, func(c []int32, h int32) int { return order(c[len(c)-1], h) })
	if chunk == len(o.chunks) {
		return chunk, 0, false
	}
	at, found = slices.BinarySearchFunc(o.chunks[chunk], h, order)
	return chunk, at, found
}

func (o *ordered) insert(h int32, order func(a, b int32) int) {
	chunk, at, _ := o.find(h, order)
	switch {
	case len(o.chunks) == 0:
		o.chunks = append(o.chunks, []int32{h})
		return
	case chunk == len(o.chunks):
		chunk--
		at = len(o.chunks[chunk])
	}
	c := slices.Insert(o.chunks[chunk], at, h)
	o.chunks[chunk] = c
	if len(c) > 2*chunkSize {
		o.chunks[chunk] = c[:chunkSize:chunkSize]
		o.chunks = slices.Insert(o.chunks, chunk+1, c[chunkSize:])
	}
}

func (o *ordered) remove(h int32, order func(a, b int32) int) {
	chunk, at, found := o.find(h, order)
	if !found {
		return
	}
	if o.chunks[chunk] = slices.Delete(o.chunks[chunk], at, at+1); len(o.chunks[chunk]) == 0 {
		o.chunks = slices.Delete(o.chunks, chunk, chunk+1)
	}
}

// after goes through the hosts behind h, which need not be in the list.
func (o *ordered) after(h int32, order func(a, b int32) int) iter.Seq[int32] {
	return func(yield func(int32) bool) {
		chunk, at, found := o.find(h, order)
		if found {
			at++
		}
		for ; chunk < len(o.chunks); chunk, at = chunk+1, 0 {
			for _, x := range o.chunks[chunk][at:] {
				if !yield(x) {
					return
				}
			}
		}
	}
}

// before goes backwards through the hosts ahead of h, which need not be in the
// list.
func (o *ordered) before(h int32, order func(a, b int32) int) iter.Seq[int32] {
	return func(yield func(int32) bool) {
		chunk, at, _ := o.find(h, order)
		for ; chunk >= 0; chunk-- {
			if chunk < len(o.chunks) {
				for _, x := range slices.Backward(o.chunks[chunk][:min(at, len(o.chunks[chunk]))]) {
					if !yield(x) {
						return
					}
				}
			}
			at = 1 << 30
		}
	}
}
