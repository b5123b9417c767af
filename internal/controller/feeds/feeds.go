package feeds

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/hotstick/hotstick/internal/integrate/advisories"
	"github.com/hotstick/hotstick/internal/store"
)

// Importer reads a feed into a sink, as [advisories.Importer] does.
type Importer interface {
	Import(ctx context.Context, feed advisories.Feed, sink advisories.Sink) (advisories.Result, error)
}

// Options are what the loop works with. All but Log are needed.
type Options struct {
	Store    store.Store
	Importer Importer
	// Now is the clock of the store.
	Now func() time.Time
	Log *slog.Logger
}

// Loop reads feeds when they are due. One goroutine runs it.
type Loop struct {
	store    store.Store
	importer Importer
	now      func() time.Time
	log      *slog.Logger
	swept    time.Time
}

// New makes a loop. Nothing happens before [Loop.Run] or [Loop.Round].
func New(o Options) *Loop {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return &Loop{store: o.Store, importer: o.Importer, now: o.Now, log: o.Log}
}

// Pace of the loop.
const (
	// look is how often the list of feeds is looked at: a feed that is new waits so long.
	look = 5 * time.Second
	// firstRetry is when a feed is tried again after it broke; it doubles with each failure, up
	// to maxRetry or the feed's period.
	firstRetry = time.Minute
	maxRetry   = 6 * time.Hour
	// minPeriod bounds what an operator can ask of a feed's owner.
	minPeriod = time.Minute
	// remember is how long the store keeps what documents do not say any more.
	remember = 30 * 24 * time.Hour
	// sweepEvery is how often older such rows are swept.
	sweepEvery = 24 * time.Hour
)

// Run reads feeds until the context ends.
func (l *Loop) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
			if err := l.Round(ctx); err != nil && ctx.Err() == nil {
				l.log.Error("cannot look after the feeds of advisories", "error", err)
			}
			timer.Reset(look)
		}
	}
}

// Round reads every feed that is due, one after the other, and takes out those that were
// removed. That a feed breaks is told in its State and is no error.
func (l *Loop) Round(ctx context.Context) error {
	var all []store.Feed
	if err := l.store.View(ctx, func(tx store.Tx) (err error) { all, err = tx.Feeds().List(); return err }); err != nil {
		return err
	}
	for _, f := range all {
		var err error
		switch {
		case f.Removed:
			err = l.takeOut(ctx, f.Name)
		case f.Enabled && !Due(f).After(l.now()):
			err = l.read(ctx, f)
		}
		if err != nil {
			return err
		}
	}
	return l.sweep(ctx, len(all) > 0)
}

// Due says when a feed is to be read next; the zero time is at once.
func Due(f store.Feed) time.Time {
	s, period := f.State, max(f.Period, minPeriod)
	if s.Basis != basis(f) {
		return time.Time{} // never, or as it was before somebody changed it
	}
	failures := s.Failures
	if s.Reading { // its end was never told
		failures++
	}
	if failures == 0 {
		return s.Tried.Add(period)
	}
	retry := firstRetry << min(failures-1, 16)
	return s.Tried.Add(min(retry, maxRetry, period))
}

// basis is what a reading depends on beside the documents: where it differs, what was read
// before is read again, though it did not change.
func basis(f store.Feed) string {
	return fmt.Sprintf("%s %q %q", advisories.Reader, f.Location, f.Complete)
}

// mark is how far a feed was read, and by which basis.
type mark struct {
	Basis string          `json:"basis"`
	Mark  advisories.Mark `json:"mark"`
}

// read reads one feed.
func (l *Loop) read(ctx context.Context, f store.Feed) error {
	began := l.now()
	state := f.State
	if state.Reading {
		state.Failures, state.Failed = state.Failures+1, "the server went down while it was read"
	}
	state.Tried, state.Reading, state.Basis = began, true, basis(f)
	var from mark
	err := l.store.Update(ctx, func(tx store.Tx) error {
		if err := tx.Feeds().Tell(f.Name, state); err != nil {
			return err
		}
		data, err := tx.Feeds().Mark(f.Name)
		if err != nil || len(data) == 0 {
			return err
		}
		if json.Unmarshal(data, &from) != nil || from.Basis != state.Basis {
			from = mark{}
		}
		return nil
	})
	if err != nil {
		return err
	}
	in := &intake{ctx: ctx, store: l.store, feed: f.Name, now: l.now}
	result, err := l.importer.Import(ctx, advisories.Feed{Name: f.Name, Location: f.Location, Complete: f.Complete, Mark: from.Mark}, in)
	if ctx.Err() != nil {
		return ctx.Err() // it counts as cut short, and is read again soon
	}
	if flushed := in.flush(); err == nil {
		err = flushed
	}
	return l.finish(ctx, f, state, in, result, err)
}

// finish writes how a reading went and, if it was whole, how far.
func (l *Loop) finish(ctx context.Context, f store.Feed, state store.FeedState, in *intake, result advisories.Result, failed error) error {
	state.Reading = false
	if !result.Unchanged {
		state.Counts = store.FeedCounts{Documents: result.Documents, Fresh: in.fresh, Beside: result.Beside, Refused: result.Refused,
			Missed: result.Missed, Advisories: result.Advisories, Unread: result.Unread}
	}
	if failed != nil {
		state.Failures, state.Failed = state.Failures+1, cut(failed.Error())
		l.log.Warn("cannot read a feed of advisories; what it said last stays", "feed", f.Name, "error", failed, "good", state.Good)
	} else {
		state.Good, state.Failures, state.Failed = state.Tried, 0, ""
		l.log.Info("read a feed of advisories", "feed", f.Name, "unchanged", result.Unchanged, "documents", result.Documents,
			"fresh", in.fresh, "refused", result.Refused, "missed", result.Missed)
	}
	return l.store.Update(ctx, func(tx store.Tx) error {
		if failed == nil && !result.Unchanged {
			data, err := json.Marshal(mark{state.Basis, result.Mark})
			if err != nil {
				return fmt.Errorf("cannot encode how far %s was read: %w", f.Name, err)
			}
			if err := tx.Feeds().SetMark(f.Name, data); err != nil {
				return err
			}
			if err := tx.Feeds().Forgive(f.Name, state.Tried); err != nil {
				return err
			}
		}
		return tx.Feeds().Tell(f.Name, state)
	})
}

// maxFailed is how much is kept of why a reading broke off, in bytes.
const maxFailed = 1000

func cut(text string) string {
	if len(text) > maxFailed {
		text = text[:maxFailed]
	}
	return strings.ToValidUTF8(text, "")
}

// takeOut withdraws what a removed feed said, document by document, and then the feed.
func (l *Loop) takeOut(ctx context.Context, name string) error {
	for after, more := "", true; more; {
		var page []store.AdvisoryDocument
		err := l.store.View(ctx, func(tx store.Tx) (err error) {
			page, err = tx.Advisories().List(name, after, batchDocuments)
			return err
		})
		if err != nil {
			return err
		}
		for _, d := range page {
			if after = d.ID; d.Withdrawn {
				continue
			}
			now := l.now()
			if err := forget(ctx, l.store, name, d.ID, now); err != nil {
				return err
			}
			d.Withdrawn, d.Fetched = true, now
			if err := l.store.Update(ctx, func(tx store.Tx) error { return tx.Advisories().Put(d, nil) }); err != nil {
				return err
			}
		}
		more = len(page) == batchDocuments
	}
	return l.store.Update(ctx, func(tx store.Tx) error { return tx.Feeds().Delete(name) })
}

// sweep has the store forget, now and then, what documents have not said for long.
func (l *Loop) sweep(ctx context.Context, any bool) error {
	now := l.now()
	if !any || now.Sub(l.swept) < sweepEvery {
		return nil
	}
	if err := l.store.Update(ctx, func(tx store.Tx) error { return tx.Advisories().Sweep(now.Add(-remember)) }); err != nil {
		return err
	}
	l.swept = now
	return nil
}
