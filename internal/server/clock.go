package server

import (
	"context"
	"time"

	"github.com/hotstick/hotstick/internal/steady"
	"github.com/hotstick/hotstick/internal/store"
)

const (
	// clockPace is how often the machine's clock is compared with ours.
	clockPace = time.Minute
	// maxSetBack is how far a machine's clock may be behind the audit log without
	// putting the log in doubt instead.
	maxSetBack = 24 * time.Hour
)

// settleClock starts the clock no earlier than the newest thing in the audit log: a
// machine whose clock was set back between two starts must not make time run twice.
// Where the log is more than a day ahead it was written by a clock that was wrong,
// and time must come right again.
func (s *Server) settleClock(ctx context.Context) error {
	if s.options.clock == nil {
		return nil
	}
	return s.store.View(ctx, func(tx store.Tx) error {
		newest, err := tx.Events().List(store.EventFilter{Limit: 1})
		if err != nil || len(newest) == 0 {
			return err
		}
		ahead := newest[0].At.Sub(s.now())
		if ahead > maxSetBack {
			s.log.Warn("the audit log ends in the future; some server's clock was wrong", "ahead", ahead.Round(time.Second))
			return nil
		}
		s.options.clock.NotBefore(newest[0].At)
		return nil
	})
}

// watchClock tells of a machine's clock that was set while the server runs. Nothing
// is decided by it, but people read other times than ours.
func (s *Server) watchClock(ctx context.Context) error {
	tick := time.NewTicker(clockPace)
	defer tick.Stop()
	told := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		off := s.clockOff()
		set := off.Abs() > steady.MaxDrawn
		if set && !told {
			s.log.Warn("the machine's clock was set; the server goes on by its own, and takes the new time when it is restarted", "off", off.Round(time.Second))
		}
		told = set
	}
}

// clockOff is how far the machine's clock is ahead of the server's.
func (s *Server) clockOff() time.Duration {
	if s.options.clock == nil {
		return 0
	}
	return s.options.clock.Off()
}
