package rollout

// heap is a binary heap whose members know their place, so that any of them can
// be moved or taken out. Its order must be total: then what it yields does not
// depend on how it was filled.
type heap[T any] struct {
	items []T
	less  func(a, b T) bool
	// moved tells a member its place; -1 when it left.
	moved func(x T, at int)
}

func (h *heap[T]) len() int { return len(h.items) }

func (h *heap[T]) top() T { return h.items[0] }

func (h *heap[T]) push(x T) {
	h.items = append(h.items, x)
	h.moved(x, len(h.items)-1)
	h.up(len(h.items) - 1)
}

// remove takes out the member at a place.
func (h *heap[T]) remove(at int) {
	last := len(h.items) - 1
	gone := h.items[at]
	if at != last {
		h.items[at] = h.items[last]
		h.moved(h.items[at], at)
	}
	var zero T
	h.items[last] = zero
	h.items = h.items[:last]
	if at != last {
		h.fix(at)
	}
	h.moved(gone, -1)
}

// fix restores the order after the member at a place changed.
func (h *heap[T]) fix(at int) {
	if !h.down(at) {
		h.up(at)
	}
}

func (h *heap[T]) up(at int) {
	for at > 0 {
		parent := (at - 1) / 2
		if !h.less(h.items[at], h.items[parent]) {
			return
		}
		h.swap(at, parent)
		at = parent
	}
}

func (h *heap[T]) down(at int) bool {
	start := at
	for {
		child := 2*at + 1
		if child >= len(h.items) {
			break
		}
		if child+1 < len(h.items) && h.less(h.items[child+1], h.items[child]) {
			child++
		}
		if !h.less(h.items[child], h.items[at]) {
			break
		}
		h.swap(at, child)
		at = child
	}
	return at > start
}

func (h *heap[T]) swap(a, b int) {
	h.items[a], h.items[b] = h.items[b], h.items[a]
	h.moved(h.items[a], a)
	h.moved(h.items[b], b)
}
