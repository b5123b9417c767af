package server

import (
	"context"
	"log/slog"
	"sync"

	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/store"
)

// feed reads the audit log as it grows, once for all: for the metrics and for
// every open live view.
type feed struct {
	store store.Store
	// seen is called for each event, in order, before anybody is told of it.
	seen func(tx store.Tx, e store.Event)
	log  *slog.Logger

	mu        sync.Mutex
	listeners map[chan store.Event]bool
	next      int64
	started   bool
}

func newFeed(s store.Store, seen func(store.Tx, store.Event), log *slog.Logger) *feed {
	return &feed{store: s, seen: seen, log: log, listeners: map[chan store.Event]bool{}}
}

// backlog is how many events a listener may be behind before it is let go; a
// browser then reads its views again and listens anew.
const backlog = 256

// listen returns a channel of events from now on. It is closed if the listener
// falls too far behind.
func (f *feed) listen() (<-chan store.Event, func()) {
	ch := make(chan store.Event, backlog)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.listeners[ch] = true
	return ch, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.drop(ch)
	}
}

func (f *feed) drop(ch chan store.Event) {
	if f.listeners[ch] {
		delete(f.listeners, ch)
		close(ch)
	}
}

// run follows the log until the context ends.
func (f *feed) run(ctx context.Context) error {
	changes, stop := f.store.Changes()
	defer stop()
	if err := f.pull(ctx); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case _, open := <-changes:
			if !open {
				return nil
			}
			// What is missed now is read with the next change.
			if err := f.pull(ctx); err != nil && ctx.Err() == nil {
				f.log.Error("cannot read the audit log", "error", err)
			}
		}
	}
}

// pull reads what was appended since the last time. The first time it only finds
// out where the log ends.
func (f *feed) pull(ctx context.Context) error {
	return f.store.View(ctx, func(tx store.Tx) error {
		if !f.started {
			next, err := inventory.Next(tx)
			f.next, f.started = next, err == nil
			return err
		}
		events, err := inventory.Since(tx, f.next)
		if err != nil {
			return err
		}
		for _, e := range events {
			f.seen(tx, e)
			f.publish(e)
			f.next = e.Seq + 1
		}
		return nil
	})
}

func (f *feed) publish(e store.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for ch := range f.listeners {
		select {
		case ch <- e:
		default:
			f.drop(ch)
		}
	}
}
