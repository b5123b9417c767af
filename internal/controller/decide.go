package controller

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/gate"
	"github.com/hotstick/hotstick/internal/decide/rollout"
	"github.com/hotstick/hotstick/internal/failpoint"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/store"
)

// Round wakes held check-ins, decides on every plan that may have something to do,
// and returns how long to wait before the next round if nothing changes. [Run]
// calls it; a simulation may call it instead of running the loop.
func (c *Controller) Round(ctx context.Context) time.Duration {
	c.wake(ctx)
	return c.decide(ctx)
}

// decide is a round for whoever has just woken the check-ins.
func (c *Controller) decide(ctx context.Context) time.Duration {
	plans, next, now, err := c.due(ctx)
	if err == nil {
		called, failed := c.callBack(ctx)
		if failed != nil && ctx.Err() == nil {
			c.log.Error("cannot call hosts back from a recalled level", "error", failed)
		}
		if called {
			plans, next, now, err = c.due(ctx)
		}
	}
	if err != nil {
		if ctx.Err() == nil {
			c.log.Error("cannot read the plans", "error", err)
		}
		return retry
	}
	sooner := func(t time.Time) {
		if !t.IsZero() && t.Before(next) {
			next = t
		}
	}
	for _, id := range plans {
		check, err := c.Decide(ctx, id)
		if err != nil {
			if ctx.Err() == nil {
				c.log.Error("cannot decide on a plan", "plan", id.Short(), "error", err)
			}
			check = now.Add(retry)
		}
		sooner(check)
	}
	sooner(c.nextSilence(now))
	return max(coalesce, next.Sub(now))
}

// due lists the plans that have something to do, in order, and says when one of
// the others will.
func (c *Controller) due(ctx context.Context) (ids []hotstick.PlanID, next, now time.Time, err error) {
	err = c.store.View(ctx, func(tx store.Tx) error {
		ids, now, next = nil, tx.Now(), tx.Now().Add(longest)
		c.picture.mu.Lock()
		defer c.picture.mu.Unlock()
		if _, err := c.catchUp(tx); err != nil {
			return err
		}
		for id := range c.picture.awake {
			l := c.picture.lives[id]
			switch {
			case l == nil || l.due(now):
				ids = append(ids, id)
			case !l.check.IsZero() && l.check.Before(next):
				next = l.check
			}
		}
		slices.Sort(ids)
		return nil
	})
	return ids, next, now, err
}

// due reports whether anything is to be decided now.
func (l *live) due(now time.Time) bool { return l.dirty || !l.check.IsZero() && !now.Before(l.check) }

// nextSilence is when the next host may fall silent, as far as a kept plan may
// care; zero if none is kept.
func (c *Controller) nextSilence(now time.Time) time.Time {
	c.picture.mu.Lock()
	defer c.picture.mu.Unlock()
	if len(c.picture.lives) == 0 || len(c.picture.silence) == 0 {
		return time.Time{}
	}
	return c.picture.silence[0].at.Add(c.limitsAt(now).SilentAfter)
}

// decideTries bounds how often a decision is made anew after somebody else was
// faster.
const decideTries = 5

// Decide makes and commits the next decision on one plan, and returns when to
// decide again; the zero time means that only a change can matter.
func (c *Controller) Decide(ctx context.Context, id hotstick.PlanID) (time.Time, error) {
	c.deciding.Lock()
	defer c.deciding.Unlock()
	var check time.Time
	for range decideTries {
		due, at, err := c.ready(ctx, id)
		if err != nil || !due {
			return at, err
		}
		failpoint.Here(failpoint.ControllerDecideBefore)
		err = c.Update(ctx, func(tx store.Tx) error {
			check, err = c.step(tx, id)
			failpoint.Here(failpoint.ControllerDecideWritten)
			return err
		})
		failpoint.Here(failpoint.ControllerDecideAfter)
		if err == nil {
			return check, nil
		}
		c.doubt()
		if !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrTaken) {
			return check, err
		}
	}
	return check, store.ErrConflict
}

// doubt throws away what is kept: it may be ahead of the store.
func (c *Controller) doubt() {
	c.picture.mu.Lock()
	defer c.picture.mu.Unlock()
	c.picture.forget()
}

// ready takes the plan up, if it is not kept yet, outside of any write transaction,
// and reports whether anything is to be decided on it now, or when.
func (c *Controller) ready(ctx context.Context, id hotstick.PlanID) (due bool, at time.Time, err error) {
	if c.dirty(id) {
		return true, at, nil
	}
	for fresh := false; !fresh && err == nil; {
		err = c.store.View(ctx, func(tx store.Tx) error {
			c.picture.mu.Lock()
			defer c.picture.mu.Unlock()
			var err error
			if fresh, err = c.catchUp(tx); err != nil || !fresh {
				return err
			}
			l, err := c.keep(tx, id)
			if err != nil {
				return err
			}
			due, at = l.due(l.now(tx)), l.check
			return nil
		})
	}
	return due, at, err
}

// dirty reports whether the plan is kept and something happened to it.
func (c *Controller) dirty(id hotstick.PlanID) bool {
	c.picture.mu.Lock()
	defer c.picture.mu.Unlock()
	l := c.picture.lives[id]
	return l != nil && l.dirty
}

// keep returns the plan as it is kept, and takes it up first if need be. The
// caller holds mu and is caught up.
func (c *Controller) keep(tx store.Tx, id hotstick.PlanID) (*live, error) {
	if l := c.picture.lives[id]; l != nil {
		return l, nil
	}
	plan, err := tx.Plans().Get(id)
	if err != nil {
		return nil, err
	}
	view, err := c.view(tx, plan)
	if err != nil {
		return nil, err
	}
	l := &live{id: id, body: view.Plan, lanes: view.Plan.IndexLanes(), r: rollout.Open(view), dirty: true, domains: domainsOf(view),
		lag: lagOf(view.Plan, c.limits)}
	if err := c.findLate(tx, l); err != nil {
		return nil, err
	}
	c.picture.lives[id] = l
	c.picture.awake[id] = true
	return l, nil
}

// step decides on what the write transaction sees and commits that.
func (c *Controller) step(tx store.Tx, id hotstick.PlanID) (time.Time, error) {
	c.picture.mu.Lock()
	defer c.picture.mu.Unlock()
	fresh, err := c.catchUp(tx)
	if err != nil {
		return time.Time{}, err
	}
	if !fresh {
		// A write transaction sees everything. What the picture has besides never was.
		return time.Time{}, store.ErrConflict
	}
	l, err := c.keep(tx, id)
	if err != nil {
		return time.Time{}, err
	}
	plan, err := tx.Plans().Get(id)
	if err != nil {
		return time.Time{}, err
	}
	if err := c.admitLate(tx, l, plan); err != nil {
		return time.Time{}, err
	}
	if err := c.reframe(tx, l, plan); err != nil {
		return time.Time{}, err
	}
	if len(l.rest) > 0 {
		return tx.Now(), c.goOn(tx, l, plan)
	}
	d := l.r.Next(l.now(tx))
	l.check, l.dirty = d.Check, !d.Empty()
	if until := l.waived.until; !until.IsZero() && plan.Status.Active() && (l.check.IsZero() || until.Before(l.check)) {
		l.check = until
	}
	l.stale = slices.ContainsFunc(d.Gates, func(v gate.Verdict) bool { return v.Reason.Code == hotstick.ReasonStaleReadings })
	c.tracer.gates, c.tracer.told = d.Gates, 0
	if l.dirty {
		c.remask(l, d)
		d, l.rest = urgentPart(d)
		if err := c.commit(tx, plan, d); err != nil {
			return time.Time{}, err
		}
		return tx.Now(), c.takeIn(tx, id)
	}
	if plan.Status.Over() && d.Check.IsZero() && l.r.AtRest() {
		delete(c.picture.lives, id)
		delete(c.picture.awake, id)
	}
	return l.check, nil
}

// piece bounds the changes of one commit where nothing else waits for them.
const piece = 100

// urgentPart cuts a decision that ends a plan: the end, the ban and the first
// changes are committed at once, so that nothing starts any more; the other hosts
// are ordered back by the commits that follow.
func urgentPart(d rollout.Decision) (rollout.Decision, []rollout.Change) {
	if !d.Status.Over() || len(d.Starts) > 0 || len(d.Changes) <= piece {
		return d, nil
	}
	rest := d.Changes[piece:]
	d.Changes = d.Changes[:piece]
	return d, rest
}

// goOn commits more of a decision. Hosts that have said something else since are
// left out; the rollout learns what the store has of all of them.
func (c *Controller) goOn(tx store.Tx, l *live, plan store.Plan) error {
	n := min(piece, len(l.rest))
	now := l.rest[:n]
	l.rest = l.rest[n:]
	var d rollout.Decision
	for _, ch := range now {
		line, err := tx.Plans().Host(l.id, ch.Host)
		if err != nil {
			return err
		}
		if line.State.CanBecome(ch.State) {
			d.Changes = append(d.Changes, ch)
			continue
		}
		if err := c.syncSlots(tx, holder{l.id, ch.Host}, ""); err != nil {
			return err
		}
		if err := c.syncHost(tx, ch.Host, ""); err != nil {
			return err
		}
	}
	if d.Empty() {
		return nil
	}
	if err := c.commit(tx, plan, d); err != nil {
		return err
	}
	return c.takeIn(tx, "")
}

// reframe tells the rollout what holds for the whole plan, if that changed.
func (c *Controller) reframe(tx store.Tx, l *live, plan store.Plan) error {
	frame, err := c.frame(tx, plan, l.body)
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(frame, l.r.Frame()) {
		l.r.SetFrame(frame)
	}
	return nil
}

// Ask lets fn look at a plan's rollout as it is kept, brought up to date, or as the
// transaction sees it where it is not kept. Nothing is decided meanwhile, so fn must
// be quick; the rollout ends with it.
func (c *Controller) Ask(tx store.Tx, plan store.Plan, fn func(r *rollout.Rollout, now time.Time)) error {
	c.picture.mu.Lock()
	defer c.picture.mu.Unlock()
	if _, err := c.catchUp(tx); err != nil {
		return err
	}
	if l := c.picture.lives[plan.ID]; l != nil {
		if err := c.reframe(tx, l, plan); err != nil {
			return err
		}
		fn(l.r, l.now(tx))
		return nil
	}
	view, err := c.view(tx, plan)
	if err != nil {
		return err
	}
	fn(rollout.Open(view), tx.Now())
	return nil
}

// Update runs fn as the store does, and traces what it committed.
func (c *Controller) Update(ctx context.Context, fn func(store.Tx) error) error {
	var from, until int64
	returned := false
	if c.tracer.on() {
		c.tracer.order.Lock()
		defer c.tracer.order.Unlock()
	}
	var events []store.Event
	err := c.store.Update(ctx, func(tx store.Tx) error {
		returned, events = false, nil
		if c.quiet != nil {
			tx = listening{tx, &events}
		}
		var err error
		if c.tracer.on() {
			if from, err = inventory.Next(tx); err != nil {
				return err
			}
		}
		if err := fn(tx); err != nil {
			return err
		}
		returned = true
		if c.tracer.on() {
			until, err = inventory.Next(tx)
		}
		return err
	})
	c.quiet.told(events)
	if err != nil && returned {
		c.doubt() // somebody may have looked at what did not come to last
	}
	if err == nil && c.tracer.on() {
		return c.trace(ctx, from, until)
	}
	return err
}
