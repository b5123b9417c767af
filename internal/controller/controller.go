package controller

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/decide/rollout"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/trace"
)

// Catalog is what the controller needs of the catalog.
type Catalog interface {
	// View returns what the catalog says now.
	View() catalog.View
	// Refresh renews the online signatures if their life is running out.
	Refresh(now time.Time) (bool, error)
}

// Options are what a controller works with. All but Log are needed.
type Options struct {
	Store   store.Store
	Catalog Catalog
	// Online signs grants, bans, halts and orders.
	Online statement.Signer
	Limits rollout.Limits
	Log    *slog.Logger
	// Trace takes what was committed, right after it was; nil means nowhere. Node is
	// this server's name in it.
	Trace trace.Sink
	Node  string
	// Now is the clock of the store. If it is set, a check-in that says what the one
	// before said is answered without a transaction where nothing happened meanwhile,
	// and stored soon after (see quiet.go).
	Now func() time.Time
}

// Controller decides and hands out documents. It is safe for use by several
// goroutines.
type Controller struct {
	store   store.Store
	catalog Catalog
	online  statement.Signer
	limits  rollout.Limits
	log     *slog.Logger
	hub     *hub
	plans   *library
	sent    *sentLog
	picture *picture
	feed    *feed
	quiet   *quiet
	tracer  tracer
	modules modules

	// deciding orders decisions: what one took into the picture is committed, or thrown
	// away, before the next one begins. It is never taken inside a transaction.
	deciding sync.Mutex

	// calledBack is the version of the catalog whose recalls the plans that are over
	// have seen; only rounds use it.
	calledBack int64

	mu sync.Mutex
	// away is how long the server was down before it started; until graceEnd it
	// is taken off every host's silence.
	away     time.Duration
	graceEnd time.Time
}

// New makes a controller. Nothing happens before [Controller.Run].
func New(o Options) *Controller {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Trace == nil {
		o.Trace = trace.Discard
	}
	return &Controller{
		store: o.Store, catalog: o.Catalog, online: o.Online, limits: o.Limits, log: o.Log,
		hub: newHub(), plans: newLibrary(), sent: newSentLog(),
		picture: newPicture(), feed: newFeed(), quiet: newQuiet(o.Now), tracer: tracer{sink: o.Trace, node: o.Node},
	}
}

// Pace of the loop.
const (
	// coalesce bounds how often rounds may follow each other where all is well, so
	// that a burst of reports is decided on together. Bad news never waits for it.
	coalesce = 20 * time.Millisecond
	// retry is when a round that failed, for example on a full disk, runs again.
	retry = time.Second
	// longest is the longest the loop sleeps, whatever nobody asked for.
	longest = time.Minute
	// renewEvery is how often the catalog's online signatures are looked at.
	renewEvery = 10 * time.Minute
)

// Run decides until the context ends or the store is closed. It must be called
// once.
func (c *Controller) Run(ctx context.Context) error {
	changes, stop := c.store.Changes()
	defer stop()
	if err := c.Begin(ctx); err != nil {
		return err
	}
	c.renew(time.Now())
	round, renew := time.NewTimer(0), time.NewTicker(renewEvery)
	save := time.NewTicker(saveEvery)
	defer round.Stop()
	defer renew.Stop()
	defer save.Stop()
	defer func() { c.saveAll(context.WithoutCancel(ctx)) }()
	var last time.Time
	urgent := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case _, open := <-changes:
			if !open {
				return nil
			}
			// What came since must not put off what is urgent.
			urgent = c.wake(ctx) || urgent
			wait := max(0, coalesce-time.Since(last))
			if urgent {
				wait = 0
			}
			round.Reset(wait)
		case <-round.C:
			last, urgent = time.Now(), false
			round.Reset(c.decide(ctx))
		case <-save.C:
			c.saveAll(ctx)
		case now := <-renew.C:
			c.renew(now)
		}
	}
}

// Begin learns where the audit log ends and how long the server was away. [Controller.Run]
// calls it; whoever calls [Controller.Round] instead calls it once before.
func (c *Controller) Begin(ctx context.Context) error {
	return c.store.View(ctx, func(tx store.Tx) error {
		next, err := inventory.Next(tx)
		if err != nil {
			return err
		}
		c.hub.begin(next)
		if err := c.traceMissing(tx, next); err != nil {
			return err
		}
		c.picture.mu.Lock()
		defer c.picture.mu.Unlock()
		if err := c.picture.prime(tx, c.limits.SilentAfter); err != nil {
			return err
		}
		newest := c.picture.newest()
		if newest.IsZero() {
			return nil
		}
		c.mu.Lock()
		c.away = max(0, tx.Now().Sub(newest))
		c.graceEnd = tx.Now().Add(c.limits.SilentAfter)
		c.mu.Unlock()
		c.picture.judge(tx.Now(), c.limitsAt(tx.Now()).SilentAfter)
		return nil
	})
}

func (c *Controller) renew(now time.Time) {
	renewed, err := c.catalog.Refresh(now)
	switch {
	case err != nil:
		c.log.Error("cannot renew the catalog's online signatures", "error", err)
	case renewed:
		c.log.Info("renewed the catalog's online signatures")
		c.hub.wakeAll()
		c.quiet.forget()
	}
}

// wake tells held check-ins what happened since it was last called, and reports
// whether any of it must be decided on at once.
func (c *Controller) wake(ctx context.Context) (urgent bool) {
	err := c.store.View(ctx, func(tx store.Tx) error {
		events, err := inventory.Since(tx, c.hub.position())
		if err != nil {
			return err
		}
		urgent = slices.ContainsFunc(events, bad)
		c.hub.publish(events)
		c.quiet.told(events)
		return nil
	})
	if err != nil && ctx.Err() == nil {
		c.log.Error("cannot read what changed", "error", err)
		c.hub.wakeAll()
		c.quiet.forget()
	}
	return urgent
}

// bad reports whether an event says that something went wrong, or that a person
// wants something to stop.
func bad(e store.Event) bool {
	switch e.Kind {
	case inventory.HostState:
		switch hotstick.HostState(e.State) {
		case hotstick.Reverting, hotstick.Reverted, hotstick.Failed, hotstick.Quarantined, hotstick.Lost:
			return true
		}
	case inventory.HostStruck, inventory.HostRecalled, inventory.PatchBanned, inventory.PatchStopped, inventory.PlanReverting, inventory.FleetStopped:
		return true
	}
	return false
}
