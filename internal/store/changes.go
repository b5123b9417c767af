package store

import "sync"

// Hints tells subscribers that something was committed; stores keep one to offer
// [Store].Changes. The zero Hints is ready for use.
type Hints struct {
	mu     sync.Mutex
	subs   map[chan struct{}]bool
	closed bool
}

// Changes returns a channel of hints and the function that ends them. After Close
// the channel comes closed.
func (h *Hints) Changes() (<-chan struct{}, func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	ch := make(chan struct{}, 1)
	if h.closed {
		close(ch)
		return ch, func() {}
	}
	if h.subs == nil {
		h.subs = map[chan struct{}]bool{}
	}
	h.subs[ch] = true
	return ch, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.subs, ch)
	}
}

// Give gives every subscriber a token, unless one waits there already.
func (h *Hints) Give() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for ch := range h.subs {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}

// Close closes every channel. It may be repeated.
func (h *Hints) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for ch := range h.subs {
		close(ch)
	}
	h.subs, h.closed = nil, true
}
