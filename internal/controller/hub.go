package controller

import (
	"sync"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

// hub wakes held check-ins. An event of a host wakes that host; an event of a
// plan or of the whole fleet wakes everybody, for such events are rare.
type hub struct {
	mu      sync.Mutex
	waiting map[hotstick.HostID]map[*waiter]bool
	// next is the first event that was not published yet.
	next int64
}

// waiter is one held check-in.
type waiter struct {
	host hotstick.HostID
	// C receives a token when something may have changed for the host.
	C chan struct{}
}

func newHub() *hub {
	return &hub{waiting: map[hotstick.HostID]map[*waiter]bool{}}
}

// join starts waiting for changes that concern the host.
func (h *hub) join(host hotstick.HostID) *waiter {
	w := &waiter{host: host, C: make(chan struct{}, 1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.waiting[host] == nil {
		h.waiting[host] = map[*waiter]bool{}
	}
	h.waiting[host][w] = true
	return w
}

func (h *hub) leave(w *waiter) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.waiting[w.host], w)
	if len(h.waiting[w.host]) == 0 {
		delete(h.waiting, w.host)
	}
}

// begin publishes events from this one on.
func (h *hub) begin(next int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.next = next
}

// position is the first event that was not published yet.
func (h *hub) position() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.next
}

// publish wakes whom the events concern.
func (h *hub) publish(events []store.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range events {
		h.next = max(h.next, e.Seq+1)
		if e.Host == "" {
			h.all()
			continue
		}
		for w := range h.waiting[e.Host] {
			w.wake()
		}
	}
}

func (h *hub) wakeAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all()
}

func (h *hub) all() {
	for _, waiters := range h.waiting {
		for w := range waiters {
			w.wake()
		}
	}
}

func (w *waiter) wake() {
	select {
	case w.C <- struct{}{}:
	default:
	}
}
