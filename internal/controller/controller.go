package controller

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/decide/rollout"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store"
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

	mu sync.Mutex
	// away is how long the server was down before it started; until graceEnd it
	// is taken off every host's silence.
	away     time.Duration
	graceEnd time.Time
	// resting holds plans that are over and have nothing left to do.
	resting map[hotstick.PlanID]bool
	// undecided is the first event that no round has seen yet, and again is when
	// the last round asked to decide again without one. Only the loop uses them.
	undecided int64
	again     time.Time
}

// New makes a controller. Nothing happens before [Controller.Run].
func New(o Options) *Controller {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return &Controller{
		store: o.Store, catalog: o.Catalog, online: o.Online, limits: o.Limits, log: o.Log,
		hub: newHub(), plans: newLibrary(), sent: newSentLog(),
		resting: map[hotstick.PlanID]bool{},
	}
}

// Pace of the loop.
const (
	// coalesce bounds how often rounds may follow each other, so that a burst of
	// reports is decided on together.
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
	if err := c.begin(ctx); err != nil {
		return err
	}
	c.renew(time.Now())
	round, renew := time.NewTimer(0), time.NewTicker(renewEvery)
	defer round.Stop()
	defer renew.Stop()
	var last time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case _, open := <-changes:
			if !open {
				return nil
			}
			c.wake(ctx)
			round.Reset(max(0, coalesce-time.Since(last)))
		case <-round.C:
			last = time.Now()
			round.Reset(c.round(ctx))
		case now := <-renew.C:
			c.renew(now)
		}
	}
}

// begin learns where the audit log ends and how long the server was away.
func (c *Controller) begin(ctx context.Context) error {
	return c.store.View(ctx, func(tx store.Tx) error {
		next, err := inventory.Next(tx)
		if err != nil {
			return err
		}
		c.undecided = next
		c.hub.begin(next)
		var newest time.Time
		hosts, _, err := tx.Hosts().List(store.HostFilter{})
		if err != nil {
			return err
		}
		for _, h := range hosts {
			if h.LastSeen.After(newest) {
				newest = h.LastSeen
			}
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if !newest.IsZero() {
			c.away = max(0, tx.Now().Sub(newest))
			c.graceEnd = tx.Now().Add(c.limits.SilentAfter)
		}
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
	}
}

// wake tells held check-ins what happened since it was last called.
func (c *Controller) wake(ctx context.Context) {
	err := c.store.View(ctx, func(tx store.Tx) error {
		events, err := inventory.Since(tx, c.hub.position())
		if err != nil {
			return err
		}
		c.hub.publish(events)
		return nil
	})
	if err != nil && ctx.Err() == nil {
		c.log.Error("cannot read what changed", "error", err)
		c.hub.wakeAll()
	}
}

// round decides on every plan that may have something to do, and returns when
// to decide again if nothing changes.
func (c *Controller) round(ctx context.Context) time.Duration {
	plans, now, err := c.due(ctx)
	if err != nil {
		if ctx.Err() == nil {
			c.log.Error("cannot read the plans", "error", err)
		}
		return retry
	}
	if len(plans) == 0 && now.Before(c.again) {
		return c.again.Sub(now)
	}
	next := now.Add(longest)
	for _, id := range plans {
		check, err := c.Decide(ctx, id)
		if err != nil {
			if ctx.Err() == nil {
				c.log.Error("cannot decide on a plan", "plan", id.Short(), "error", err)
			}
			check = now.Add(retry)
		}
		if !check.IsZero() && check.Before(next) {
			next = check
		}
	}
	c.again = next
	return max(coalesce, next.Sub(now))
}

// due lists the plans to decide on: all that are not over, and those that are
// over but were not seen at rest since they last changed. Where nothing happened
// since the last round, and it is not yet time again, there are none.
func (c *Controller) due(ctx context.Context) ([]hotstick.PlanID, time.Time, error) {
	var ids []hotstick.PlanID
	var now time.Time
	err := c.store.View(ctx, func(tx store.Tx) error {
		now = tx.Now()
		events, err := inventory.Since(tx, c.undecided)
		if err != nil {
			return err
		}
		if len(events) == 0 && now.Before(c.again) {
			return nil
		}
		plans, err := tx.Plans().List(false)
		if err != nil {
			return err
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, e := range events {
			delete(c.resting, e.Plan)
			c.undecided = e.Seq + 1
		}
		for _, p := range plans {
			if !c.resting[p.ID] {
				ids = append(ids, p.ID)
			}
		}
		return nil
	})
	return ids, now, err
}

// decideTries bounds how often a decision is made anew after somebody else was
// faster.
const decideTries = 5

// Decide makes and commits the next decision on one plan, and returns when to
// decide again; the zero time means that only a change can matter.
func (c *Controller) Decide(ctx context.Context, id hotstick.PlanID) (time.Time, error) {
	var check time.Time
	for range decideTries {
		d, err := c.look(ctx, id)
		if err != nil || d.Empty() {
			return d.Check, err
		}
		err = c.store.Update(ctx, func(tx store.Tx) error {
			check, err = c.step(tx, id)
			return err
		})
		if !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrTaken) {
			return check, err
		}
	}
	return check, store.ErrConflict
}

// look decides on a snapshot, so that the common case of nothing to do costs no
// write transaction.
func (c *Controller) look(ctx context.Context, id hotstick.PlanID) (rollout.Decision, error) {
	var d rollout.Decision
	err := c.store.View(ctx, func(tx store.Tx) error {
		plan, err := tx.Plans().Get(id)
		if err != nil {
			return err
		}
		view, err := c.View(tx, plan)
		if err != nil {
			return err
		}
		d = rollout.Next(view, tx.Now())
		if plan.Status.Over() && d.Empty() && d.Check.IsZero() {
			c.mu.Lock()
			c.resting[id] = true
			c.mu.Unlock()
		}
		return nil
	})
	return d, err
}

// step decides on what the write transaction sees and commits that.
func (c *Controller) step(tx store.Tx, id hotstick.PlanID) (time.Time, error) {
	plan, err := tx.Plans().Get(id)
	if err != nil {
		return time.Time{}, err
	}
	view, err := c.View(tx, plan)
	if err != nil {
		return time.Time{}, err
	}
	d := rollout.Next(view, tx.Now())
	if d.Empty() {
		return d.Check, nil
	}
	return d.Check, c.commit(tx, plan, d)
}
