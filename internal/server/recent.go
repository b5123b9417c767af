package server

import (
	"container/list"
	"sync"
)

// recent is a table of at most so many rows. When it is full, the row that was not
// used for the longest time makes room: a stranger who fills it makes it forget
// strangers, not whoever is using it. It is safe for use by several goroutines.
type recent[V any] struct {
	mu    sync.Mutex
	limit int
	order *list.List // of *row[V], used last at the front
	rows  map[string]*list.Element
}

type row[V any] struct {
	key   string
	value V
}

func newRecent[V any](limit int) *recent[V] {
	return &recent[V]{limit: limit, order: list.New(), rows: map[string]*list.Element{}}
}

// with runs fn with the row of a key, which it makes if there is none. No other
// call runs meanwhile.
func (t *recent[V]) with(key string, fn func(*V)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, ok := t.rows[key]
	if !ok {
		if t.order.Len() >= t.limit {
			oldest := t.order.Back()
			delete(t.rows, oldest.Value.(*row[V]).key)
			t.order.Remove(oldest)
		}
		e = t.order.PushFront(&row[V]{key: key})
		t.rows[key] = e
	}
	t.order.MoveToFront(e)
	fn(&e.Value.(*row[V]).value)
}

// has reports whether there is a row of a key; it does not count as its use.
func (t *recent[V]) has(key string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.rows[key]
	return ok
}

// forget drops the row of a key, if there is one.
func (t *recent[V]) forget(key string) { t.settle(key, func(*V) bool { return true }) }

// settle runs fn with the row of a key, if there is one, and drops it where fn says that
// it is done.
func (t *recent[V]) settle(key string, fn func(*V) (done bool)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e, ok := t.rows[key]; ok && fn(&e.Value.(*row[V]).value) {
		delete(t.rows, key)
		t.order.Remove(e)
	}
}
