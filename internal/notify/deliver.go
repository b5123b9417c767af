package notify

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/hotstick/hotstick/internal/store"
)

// Pace of delivery.
const (
	// MaxAttempts is after how many tries a message is given up: about two days.
	MaxAttempts = 30
	batch       = 20
	firstPause  = 2 * time.Second
	longPause   = 2 * time.Hour
	// poll is how often the outbox is looked at if nothing changes.
	poll = 30 * time.Second
)

// Sender makes one try to deliver a message.
type Sender interface {
	Send(ctx context.Context, id string, body []byte, now time.Time) error
}

// Deliverer empties the outbox.
type Deliverer struct {
	store  store.Store
	sender Sender
	log    *slog.Logger
}

// NewDeliverer makes a deliverer. A nil sender means that nobody is to be told:
// messages then end without being sent.
func NewDeliverer(s store.Store, sender Sender, log *slog.Logger) *Deliverer {
	return &Deliverer{store: s, sender: sender, log: log}
}

// Run delivers until the context ends.
func (d *Deliverer) Run(ctx context.Context) error {
	changes, stop := d.store.Changes()
	defer stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case _, open := <-changes:
			if !open {
				return nil
			}
		case <-timer.C:
		}
		timer.Reset(d.round(ctx))
	}
}

// round sends what is due and returns when to look again.
func (d *Deliverer) round(ctx context.Context) time.Duration {
	var due []store.Message
	var now time.Time
	err := d.store.View(ctx, func(tx store.Tx) error {
		var err error
		now = tx.Now()
		// What is due soon is looked at too, for the time of the next round.
		due, err = tx.Outbox().Due(now.Add(poll), batch)
		return err
	})
	if err != nil {
		if ctx.Err() == nil {
			d.log.Error("cannot read the outbox", "error", err)
		}
		return poll
	}
	next := poll
	for _, m := range due {
		if m.Due.After(now) {
			next = min(next, m.Due.Sub(now))
			continue
		}
		pause, err := d.deliver(ctx, m)
		if err != nil {
			if ctx.Err() == nil {
				d.log.Error("cannot record a delivery", "message", m.ID, "error", err)
			}
			return poll
		}
		if pause > 0 {
			next = min(next, pause)
		}
	}
	if len(due) == batch && !due[batch-1].Due.After(now) {
		return 0
	}
	return next
}

// deliver makes one try and records what became of it; it returns the pause
// before the next try, 0 if there is none.
func (d *Deliverer) deliver(ctx context.Context, m store.Message) (time.Duration, error) {
	var failed error
	if d.sender != nil {
		failed = d.sender.Send(ctx, messageID(m), m.Body, time.Now())
	}
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	m.Attempts++
	pause := pauseAfter(m.Attempts)
	err := d.store.Update(ctx, func(tx store.Tx) error {
		now := tx.Now()
		m.Due = now.Add(pause)
		if failed == nil || m.Attempts >= MaxAttempts {
			m.Done = &now
		}
		return tx.Outbox().Put(m)
	})
	switch {
	case m.Done != nil && failed == nil:
		return 0, err
	case m.Done != nil:
		d.log.Error("gave up a notification", "message", m.ID, "kind", m.Kind, "attempts", m.Attempts, "error", failed)
		return 0, err
	}
	d.log.Warn("cannot deliver a notification yet", "message", m.ID, "kind", m.Kind, "attempts", m.Attempts, "error", failed)
	return pause, err
}

func messageID(m store.Message) string { return fmt.Sprintf("msg_%d_%d", m.Created.Unix(), m.ID) }

// pauseAfter doubles with each try.
func pauseAfter(attempts int) time.Duration {
	pause := firstPause
	for range attempts - 1 {
		if pause *= 2; pause > longPause {
			return longPause
		}
	}
	return pause
}
