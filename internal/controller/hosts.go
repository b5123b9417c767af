package controller

import (
	"context"
	"errors"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/store"
)

// Exclude keeps a host out of every rollout until a time; what it runs stays, and
// what it is in the middle of comes to its end.
func (c *Controller) Exclude(ctx context.Context, host hotstick.HostID, until time.Time, who hotstick.Person, reason string) error {
	said, err := ordered(who, reason)
	if err != nil {
		return err
	}
	until = store.Instant(until)
	return c.onHost(ctx, host, func(tx store.Tx, h store.Host) error {
		if err := checkUntil(tx.Now(), until); err != nil {
			return err
		}
		old, err := tx.Hosts().Exclusion(host)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if err == nil && old.Until.Equal(until) && old.Reason == said.Detail && old.By == who {
			return nil
		}
		e := store.Exclusion{Host: host, Until: until, Reason: said.Detail, By: who, At: tx.Now()}
		if err := tx.Hosts().Exclude(e); err != nil {
			return err
		}
		_, err = tx.Events().Append(store.Event{Kind: inventory.HostExcluded, Actor: string(who), Host: host, HostName: h.Name, Reason: excluded(e)})
		return err
	})
}

// excluded is an exclusion as the reason for which a host waits.
func excluded(e store.Exclusion) *hotstick.Reason {
	return &hotstick.Reason{Code: hotstick.ReasonExcluded, Subject: string(e.By), Detail: e.Reason, Until: &e.Until}
}

// Include takes an exclusion back.
func (c *Controller) Include(ctx context.Context, host hotstick.HostID, who hotstick.Person, reason string) error {
	said, err := ordered(who, reason)
	if err != nil {
		return err
	}
	return c.onHost(ctx, host, func(tx store.Tx, h store.Host) error {
		_, err := tx.Hosts().Exclusion(host)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err == nil {
			err = tx.Hosts().Include(host)
		}
		if err != nil {
			return err
		}
		_, err = tx.Events().Append(store.Event{Kind: inventory.HostIncluded, Actor: string(who), Host: host, HostName: h.Name, Reason: said})
		return err
	})
}

// onHost runs fn on a host that is not written off.
func (c *Controller) onHost(ctx context.Context, host hotstick.HostID, fn func(store.Tx, store.Host) error) error {
	return c.Update(ctx, func(tx store.Tx) error {
		h, err := tx.Hosts().Get(host)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return refuse(CodeNotFound, "list them with hotstick host list", "cannot find this host")
		case err != nil:
			return err
		case h.Revoked:
			return refuse(CodeConflict, "", "cannot do this with %s: it was written off", h.Name)
		}
		return fn(tx, h)
	})
}

// WriteOff gives a host up: its identity is ended for good, its slots are freed,
// and every plan passes it over. It may be repeated.
func (c *Controller) WriteOff(ctx context.Context, host hotstick.HostID, who hotstick.Person, reason string) error {
	said, err := ordered(who, reason)
	if err != nil {
		return err
	}
	var refusal *Refusal
	err = c.onHost(ctx, host, func(tx store.Tx, h store.Host) error {
		if err := tx.Hosts().Delete(host); err != nil {
			return err
		}
		why := &hotstick.Reason{Code: hotstick.ReasonWrittenOff, Subject: string(who), Detail: said.Detail}
		_, err := tx.Events().Append(store.Event{Kind: inventory.HostRevoked, Actor: string(who), Host: host, HostName: h.Name, Reason: why})
		if err != nil {
			return err
		}
		lines, err := tx.Plans().OfHost(host)
		if err != nil {
			return err
		}
		for _, line := range lines {
			if err := c.writeOffLine(tx, line, who, why); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.As(err, &refusal) && refusal.Code == CodeConflict {
		return nil // it was written off before
	}
	return err
}

// writeOffLine ends one line of a host that is given up. A host that may have
// started is lost first, for that is what it is.
func (c *Controller) writeOffLine(tx store.Tx, line store.PlanHost, who hotstick.Person, why *hotstick.Reason) error {
	plan, err := tx.Plans().Get(line.Plan)
	if err != nil {
		return err
	}
	resting := plan.Status.Over() || !line.State.CanBecome(hotstick.Skipped)
	// What the patch did to a host stays open until somebody dismisses it.
	blames := line.State == hotstick.Quarantined || line.State == hotstick.Reverted
	if !line.State.HoldsSlot() && (resting || blames) {
		return nil
	}
	w := &committing{c: c, tx: tx, plan: plan, now: tx.Now()}
	if err := w.advance(); err != nil {
		return err
	}
	for _, state := range []hotstick.HostState{hotstick.Lost, hotstick.Skipped} {
		if line.State == hotstick.Skipped || state == hotstick.Lost && line.State.CanBecome(hotstick.Skipped) {
			continue
		}
		line.State, line.Reason, line.Updated, line.Recall, line.Ended = state, why, w.now, nil, nil
		if state.Terminal() {
			line.Ended = &w.now
		}
		if err := w.put(line, string(who)); err != nil {
			return err
		}
	}
	held, err := tx.Slots().Held(line.Plan, line.Listed.Host)
	if err != nil || len(held) == 0 {
		return err
	}
	return w.release(line.Listed.Host)
}
