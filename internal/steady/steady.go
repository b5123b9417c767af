// Package steady is a wall clock that does not jump. A server decides by it: bakes,
// silence and windows must not end because somebody, or a time server, set the
// machine's clock.
//
// It takes the wall clock once and counts on by a clock that never jumps. Where the
// wall clock is off by up to [MaxDrawn] afterwards, it is drawn there, by at most a
// hundredth of the time that passes, so that a minute stays a minute. Farther off is
// a jump: the clock goes on as before and says so by [Clock.Off]; a restart takes the
// wall clock anew.
package steady

import (
	"sync"
	"time"

	"github.com/hotstick/hotstick/internal/planted"
)

// MaxDrawn is how far off the wall clock may be without being taken for set.
const MaxDrawn = 10 * time.Second

// drawing is the part of the time that passes by which the clock may be drawn.
const drawing = 100

// Clock is a wall clock that does not jump. Its methods are safe for concurrent use.
type Clock struct {
	wall func() time.Time
	up   func() time.Duration

	mu sync.Mutex
	at time.Time     // guarded by mu: the time
	of time.Duration // guarded by mu: when it was that, by up
}

// New starts a clock at the wall clock's time. up is a clock that never jumps, from
// any beginning.
func New(wall func() time.Time, up func() time.Duration) *Clock {
	return &Clock{wall: wall, up: up, at: wall().Round(0), of: up()}
}

// NotBefore moves the clock on to a time that has been seen already, such as that of
// the newest thing that was written down before a restart.
func (c *Clock) NotBefore(t time.Time) {
	c.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.After(c.at) {
		c.at = t
	}
}

// Now returns the time; it never goes back.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	up, wall := c.up(), c.wall().Round(0)
	if planted.Bug("clock-jumps") {
		return wall
	}
	passed := max(0, up-c.of)
	c.at, c.of = c.at.Add(passed), max(up, c.of)
	if off := wall.Sub(c.at); off.Abs() <= MaxDrawn {
		c.at = c.at.Add(min(max(off, -passed/drawing), passed/drawing))
	}
	return c.at
}

// Off returns how far the wall clock is ahead of this one.
func (c *Clock) Off() time.Duration {
	now := c.Now()
	return c.wall().Sub(now)
}
