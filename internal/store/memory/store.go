// Package memory is a store that lives as long as its process: for hotstick dev,
// for tests and for the simulator. It keeps every guarantee of [store.Store] but
// durability, and gives the same answers as the sqlite store to the same calls.
//
// One lock orders everything: views share it, an update has it alone. An update
// changes the maps in place and keeps an undo log, which is played backwards if
// it fails. Stored values are never changed, only replaced, and are copied on the
// way in and out.
package memory

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/audit"
	"github.com/hotstick/hotstick/internal/store"
)

var errClosed = errors.New("cannot use the store: it is closed")

// Store keeps everything in maps. [Open] makes one.
type Store struct {
	clock func() time.Time
	hints store.Hints

	mu     sync.RWMutex // guards everything below
	closed bool
	hosts  hostRows
	plans  planRows
	slots  slotRows
	events eventRows
	bans   map[hotstick.PatchRef]store.Ban
	stop   bool
	tokens map[hotstick.Digest]store.Token
	outbox []store.Message // by ID, from 1

	accounts   map[hotstick.Person]store.Account
	exclusions map[hotstick.HostID]store.Exclusion
	freezes    map[int64]store.Freeze
	lastFreeze int64
	statements map[hotstick.Digest]store.Statement
	crashStops map[hotstick.CrashPrint]store.CrashStop
	marks      map[string]string
	know       knowledge
}

// Open returns an empty store that takes its time from clock.
func Open(clock func() time.Time) *Store {
	return &Store{
		clock:  clock,
		hosts:  hostRows{byID: map[hotstick.HostID]store.Host{}},
		plans:  newPlanRows(),
		slots:  newSlotRows(),
		events: eventRows{ofPlan: map[hotstick.PlanID][]int64{}, ofHost: map[hotstick.HostID][]int64{}},
		bans:   map[hotstick.PatchRef]store.Ban{},
		tokens: map[hotstick.Digest]store.Token{},

		accounts:   map[hotstick.Person]store.Account{},
		exclusions: map[hotstick.HostID]store.Exclusion{},
		freezes:    map[int64]store.Freeze{},
		statements: map[hotstick.Digest]store.Statement{},
		crashStops: map[hotstick.CrashPrint]store.CrashStop{},
		marks:      map[string]string{},
		know:       newKnowledge(),
	}
}

// View runs fn while no update runs.
func (s *Store) View(ctx context.Context, fn func(store.Tx) error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	t := &tx{ctx: ctx, s: s, now: store.Instant(s.clock()), readOnly: true}
	defer t.end()
	if err := t.usable(); err != nil {
		return err
	}
	return fn(t)
}

// Update runs fn alone. If fn fails, panics or ends its goroutine, or if ctx is
// over when fn returns, everything is undone.
func (s *Store) Update(ctx context.Context, fn func(store.Tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &tx{ctx: ctx, s: s, now: store.Instant(s.clock())}
	defer t.end()
	if err := t.usable(); err != nil {
		return err
	}
	if err := fn(t); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	t.committed = true
	if len(t.undo) > 0 {
		s.hints.Give()
	}
	return nil
}

// Changes subscribes to hints of commits.
func (s *Store) Changes() (<-chan struct{}, func()) { return s.hints.Changes() }

// Check reports whether the store is open.
func (s *Store) Check(ctx context.Context) error {
	return s.View(ctx, func(store.Tx) error { return nil })
}

// Close ends the store; what it held is gone.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.hints.Close()
	return nil
}

// tx is one transaction and, under other names, each of its tables.
type tx struct {
	ctx       context.Context
	s         *Store
	now       time.Time
	readOnly  bool
	committed bool
	over      bool
	// undo puts back what was changed, newest last.
	undo []func()
}

// end undoes what was not committed; deferred, so also after a panic.
func (t *tx) end() {
	t.over = true
	if t.committed {
		return
	}
	for i := len(t.undo) - 1; i >= 0; i-- {
		t.undo[i]()
	}
}

func (t *tx) usable() error {
	switch {
	case t.over:
		return errors.New("cannot use the transaction: it is over")
	case t.s.closed:
		return errClosed
	}
	return t.ctx.Err()
}

func (t *tx) writable() error {
	if t.readOnly {
		return store.ErrReadOnly
	}
	return t.usable()
}

// set changes a map and remembers how to change it back.
func set[K comparable, V any](t *tx, m map[K]V, k K, v V) {
	old, had := m[k]
	t.undo = append(t.undo, func() {
		if had {
			m[k] = old
		} else {
			delete(m, k)
		}
	})
	m[k] = v
}

// remove deletes from a map and remembers how to put it back.
func remove[K comparable, V any](t *tx, m map[K]V, k K) {
	old, had := m[k]
	if !had {
		return
	}
	t.undo = append(t.undo, func() { m[k] = old })
	delete(m, k)
}

// assign changes a variable and remembers its old value.
func assign[V any](t *tx, p *V, v V) {
	old := *p
	t.undo = append(t.undo, func() { *p = old })
	*p = v
}

// get returns a copy of a row, or ErrNotFound.
func get[K comparable, V interface{ Clone() V }](t *tx, m map[K]V, k K) (V, error) {
	var none V
	if err := t.usable(); err != nil {
		return none, err
	}
	v, ok := m[k]
	if !ok {
		return none, store.ErrNotFound
	}
	return v.Clone(), nil
}

func (t *tx) Now() time.Time            { return t.now }
func (t *tx) Hosts() store.HostTable    { return hostTable{t} }
func (t *tx) Plans() store.PlanTable    { return planTable{t} }
func (t *tx) Slots() store.SlotTable    { return slotTable{t} }
func (t *tx) Events() store.EventTable  { return eventTable{t} }
func (t *tx) Bans() store.BanTable      { return banTable{t} }
func (t *tx) Tokens() store.TokenTable  { return tokenTable{t} }
func (t *tx) Outbox() store.OutboxTable { return outboxTable{t} }

func (t *tx) Feeds() store.FeedTable                    { return feedTable{t} }
func (t *tx) Advisories() store.AdvisoryTable           { return advisoryTable{t} }
func (t *tx) Vulnerabilities() store.VulnerabilityTable { return vulnerabilityTable{t} }
func (t *tx) Exposures() store.ExposureTable            { return exposureTable{t} }

var (
	_ store.Store = (*Store)(nil)
	_ audit.Log   = eventTable{}
)
