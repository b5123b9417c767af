package notify

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

// Pace of delivery.
const (
	// MaxAttempts is after how many tries a message is given up: about two days.
	MaxAttempts = 30
	// DefaultGroup is how long what can wait is collected before it is told.
	DefaultGroup = 5 * time.Second
	batch        = 10_000
	firstPause   = 2 * time.Second
	longPause    = 2 * time.Hour
	// poll is how often the outbox is looked at if nothing changes.
	poll = 30 * time.Second
)

// Sender makes one try to deliver a message.
type Sender interface {
	Send(ctx context.Context, id string, body []byte, now time.Time) error
}

// Options are what a deliverer works with.
type Options struct {
	Store store.Store
	// Sender may be nil: nobody is to be told, and messages end without being sent.
	Sender Sender
	Quiet  Quiet
	// Window tells until when a maintenance window of the plan is open; it is asked
	// only where Quiet.Windows is set.
	Window func(tx store.Tx, plan hotstick.PlanID, now time.Time) (until time.Time, open bool, err error)
	// Group is how long what can wait is collected; 0 means [DefaultGroup].
	Group time.Duration
	Log   *slog.Logger
}

// Deliverer empties the outbox.
type Deliverer struct{ o Options }

// NewDeliverer makes a deliverer.
func NewDeliverer(o Options) *Deliverer {
	if o.Group == 0 {
		o.Group = DefaultGroup
	}
	return &Deliverer{o: o}
}

// Run delivers until the context ends.
func (d *Deliverer) Run(ctx context.Context) error {
	changes, stop := d.o.Store.Changes()
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

// round tells what is due and returns when to look again.
func (d *Deliverer) round(ctx context.Context) time.Duration {
	looked, err := d.look(ctx)
	if err != nil {
		if ctx.Err() == nil {
			d.o.Log.Error("cannot read the outbox", "error", err)
		}
		return poll
	}
	next := looked.next
	if err := d.put(ctx, looked.later); err != nil {
		if ctx.Err() == nil {
			d.o.Log.Error("cannot put off a notification", "error", err)
		}
		return poll
	}
	for _, g := range looked.ready {
		pause, err := d.deliver(ctx, g)
		if err != nil {
			if ctx.Err() == nil {
				d.o.Log.Error("cannot record a delivery", "message", g.first().ID, "error", err)
			}
			return poll
		}
		if pause > 0 {
			next = min(next, pause)
		}
	}
	if looked.full && len(looked.ready) > 0 {
		return 0
	}
	return next
}

// looked is what a look into the outbox found.
type looked struct {
	ready []group
	// later are messages to be put off: their Due is set.
	later []store.Message
	// next is when something else may be due, and full whether there is more than
	// was looked at.
	next time.Duration
	full bool
}

// look sorts what is due into what is told now and what waits for others of its
// kind or for the end of a quiet time.
func (d *Deliverer) look(ctx context.Context) (looked, error) {
	out := looked{next: poll}
	err := d.o.Store.View(ctx, func(tx store.Tx) error {
		now := tx.Now()
		// What is due soon is looked at too: it may join what is told now.
		soon, err := tx.Outbox().Due(now.Add(poll), batch)
		if err != nil {
			return err
		}
		out.full = len(soon) == batch
		for _, g := range groups(soon) {
			until, err := d.until(tx, g, now)
			if err != nil {
				return err
			}
			if !until.After(now) {
				out.ready = append(out.ready, g)
				continue
			}
			out.next = min(out.next, until.Sub(now))
			for _, m := range g.messages {
				if !m.Due.Equal(until) {
					m.Due = until
					out.later = append(out.later, m)
				}
			}
		}
		return nil
	})
	return out, err
}

// until is when a group may be told: once others of its kind had time to join it
// and people want to hear of it.
func (d *Deliverer) until(tx store.Tx, g group, now time.Time) (time.Time, error) {
	first := g.first()
	if d.o.Sender == nil || first.Attempts > 0 || critical(first.Kind) {
		return first.Due, nil
	}
	until := first.Created.Add(d.o.Group)
	if end, quiet := d.o.Quiet.hours(now); quiet && end.After(until) {
		until = end
	}
	if d.o.Quiet.Windows && d.o.Window != nil && g.about.Data.Plan != "" {
		end, open, err := d.o.Window(tx, g.about.Data.Plan, now)
		if err != nil {
			return now, err
		}
		if open && end.After(until) {
			until = end
		}
	}
	return until, nil
}

func (d *Deliverer) put(ctx context.Context, messages []store.Message) error {
	if len(messages) == 0 {
		return nil
	}
	return d.o.Store.Update(ctx, func(tx store.Tx) error {
		for _, m := range messages {
			if err := tx.Outbox().Put(m); err != nil {
				return err
			}
		}
		return nil
	})
}

// deliver makes one try and records what became of it; it returns the pause
// before the next try, 0 if there is none.
func (d *Deliverer) deliver(ctx context.Context, g group) (time.Duration, error) {
	var failed error
	if d.o.Sender != nil {
		failed = d.send(ctx, g)
	}
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	first := g.first()
	attempts := first.Attempts + 1
	pause, over := pauseAfter(attempts), failed == nil || attempts >= MaxAttempts
	err := d.o.Store.Update(ctx, func(tx store.Tx) error {
		now := tx.Now()
		for _, m := range g.messages {
			m.Attempts, m.Due = attempts, now.Add(pause)
			if over {
				m.Done = &now
			}
			if err := tx.Outbox().Put(m); err != nil {
				return err
			}
		}
		return nil
	})
	switch {
	case failed == nil:
		return 0, err
	case over:
		d.o.Log.Error("gave up a notification", "message", first.ID, "kind", first.Kind, "attempts", attempts, "error", failed)
		return 0, err
	}
	d.o.Log.Warn("cannot deliver a notification yet", "message", first.ID, "kind", first.Kind, "attempts", attempts, "error", failed)
	return pause, err
}

func (d *Deliverer) send(ctx context.Context, g group) error {
	body, err := g.body()
	if err != nil {
		return err
	}
	return d.o.Sender.Send(ctx, messageID(g.first()), body, time.Now())
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
