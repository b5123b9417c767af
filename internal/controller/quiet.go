package controller

import (
	"context"
	"sync"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/wire"
)

// Nearly every check-in of a fleet says what the one before it said, and nothing has
// happened meanwhile that concerns the host. Such a one needs no transaction: it
// would change when the host was last seen, and its answer would be as empty as the
// last. So a host whose check-in was counted and got nothing is remembered as quiet,
// until an event of its own, or one that concerns everybody, is committed: what the
// hub wakes held check-ins for. When quiet hosts were last seen is stored together,
// every saveEvery; a crash of the server forgets that much, and no more.

// saveEvery is how often the signs of life of quiet hosts are stored.
const saveEvery = 2 * time.Second

// saveTogether is how many are stored in one transaction.
const saveTogether = 256

// quiet remembers quiet hosts. A nil one remembers nothing.
type quiet struct {
	now func() time.Time

	mu sync.Mutex
	// hosts are those that are quiet, and those whose answer is being made.
	hosts map[hotstick.HostID]*quietHost
	// unsaved are check-ins of quiet hosts that the store does not have.
	unsaved map[hotstick.HostID]sign
}

// quietHost is a host with its newest check-in.
type quietHost struct {
	said     wire.SyncRequest
	heard    heard
	reported uint64
	// empty: the answer to such a check-in is.
	empty bool
}

// sign is a sign of life.
type sign struct {
	said *wire.SyncRequest
	at   time.Time
}

func newQuiet(now func() time.Time) *quiet {
	if now == nil {
		return nil
	}
	return &quiet{now: now, hosts: map[hotstick.HostID]*quietHost{}, unsaved: map[hotstick.HostID]sign{}}
}

// take takes the check-in of a quiet host, if it is one.
func (q *quiet) take(req *wire.SyncRequest, silentAfter time.Duration) (inventory.Taken, bool) {
	if q == nil {
		return inventory.Taken{}, false
	}
	now := store.Instant(q.now())
	q.mu.Lock()
	defer q.mu.Unlock()
	h := q.hosts[req.Host]
	if h == nil || !h.empty || now.Sub(h.heard.seen) > silentAfter || !inventory.Repeats(&h.said, req) {
		delete(q.hosts, req.Host)
		return inventory.Taken{}, false
	}
	h.said, h.heard.seen = remembered(req), now
	said := h.said
	q.unsaved[req.Host] = sign{&said, now}
	return inventory.Taken{Host: store.Host{ID: req.Host, Reported: h.reported}, Counted: true}, true
}

// remembered is what of a check-in the next one is compared with.
func remembered(req *wire.SyncRequest) wire.SyncRequest {
	said := *req
	said.Facts, said.Delta, said.Reports, said.Audit = nil, nil, nil, nil
	return said
}

// begin notes that the answer to a counted check-in is being made. What happens from
// here on is not in it.
func (q *quiet) begin(req *wire.SyncRequest, taken inventory.Taken, h heard) {
	if !inventory.Steady(taken, req) {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.hosts[req.Host] = &quietHost{said: remembered(req), heard: h, reported: taken.Host.Reported}
}

// answered notes whether the answer to that check-in was empty. It is forgotten if
// anything happened that concerns the host.
func (q *quiet) answered(req *wire.SyncRequest, empty bool) {
	if q == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if h := q.hosts[req.Host]; h != nil && h.said.Boot == req.Boot && h.said.Seq == req.Seq {
		h.empty = empty
	}
}

// answer returns what to tell the loop of a check-in that take took, and whether its
// answer is still empty.
func (q *quiet) answer(req *wire.SyncRequest) (heard, bool) {
	if q == nil {
		return heard{}, false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	h := q.hosts[req.Host]
	if h == nil || !h.empty || h.said.Boot != req.Boot || h.said.Seq != req.Seq {
		return heard{}, false
	}
	return h.heard, true
}

// told forgets the hosts that events concern. Those of this server's own commits come
// before the commit is acknowledged, those of others with the audit log.
func (q *quiet) told(events []store.Event) {
	if q == nil || len(events) == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range events {
		if e.Host == "" {
			clear(q.hosts)
			return
		}
		delete(q.hosts, e.Host)
	}
}

// forget forgets that any host is quiet.
func (q *quiet) forget() {
	if q == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	clear(q.hosts)
}

// waiting returns unsaved check-ins: that of one host, or so many if host is empty.
func (q *quiet) waiting(host hotstick.HostID, limit int) []sign {
	q.mu.Lock()
	defer q.mu.Unlock()
	if host != "" {
		if s, there := q.unsaved[host]; there {
			return []sign{s}
		}
		return nil
	}
	var all []sign
	for _, s := range q.unsaved { // in any order: each is of another host
		if all = append(all, s); len(all) == limit {
			break
		}
	}
	return all
}

// saved forgets check-ins that the store has now.
func (q *quiet) saved(signs []sign) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, s := range signs {
		if q.unsaved[s.said.Host] == s {
			delete(q.unsaved, s.said.Host)
		}
	}
}

// save stores signs of life: that of one host, before the store is asked about it, or
// some of all. It reports whether there may be more.
func (c *Controller) save(ctx context.Context, host hotstick.HostID) (more bool, err error) {
	if c.quiet == nil {
		return false, nil
	}
	signs := c.quiet.waiting(host, saveTogether)
	if len(signs) == 0 {
		return false, nil
	}
	err = c.store.Update(ctx, func(tx store.Tx) error {
		for _, s := range signs {
			if err := inventory.Seen(tx, s.said, s.at); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		c.quiet.saved(signs)
	}
	return len(signs) == saveTogether, err
}

// saveAll stores all signs of life.
func (c *Controller) saveAll(ctx context.Context) {
	for more := true; more; {
		var err error
		if more, err = c.save(ctx, ""); err != nil {
			c.log.Error("cannot store when hosts were last seen", "error", err)
			return
		}
	}
}

// listening hears of the events that a transaction appends.
type listening struct {
	store.Tx
	events *[]store.Event
}

// Events implements store.Tx.
func (l listening) Events() store.EventTable { return appending{l.Tx.Events(), l.events} }

type appending struct {
	store.EventTable
	events *[]store.Event
}

// Append implements store.EventTable.
func (a appending) Append(e store.Event) (store.Event, error) {
	e, err := a.EventTable.Append(e)
	if err == nil {
		*a.events = append(*a.events, e)
	}
	return e, err
}
