package steady_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hotstick/hotstick/internal/steady"
)

var began = time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC)

// machine has a wall clock that can be set and one that cannot.
type machine struct {
	up  time.Duration
	off time.Duration
}

func (m *machine) clock() *steady.Clock {
	return steady.New(func() time.Time { return began.Add(m.up + m.off) }, func() time.Duration { return m.up })
}

func TestTheClockDoesNotJump(t *testing.T) {
	for name, off := range map[string]time.Duration{"ahead by a minute": time.Minute, "back by an hour": -time.Hour,
		"ahead by ten years": 87_600 * time.Hour, "back by ten years": -87_600 * time.Hour} {
		m := &machine{}
		c := m.clock()
		m.up, m.off = time.Hour, off
		if now := c.Now(); !now.Equal(began.Add(time.Hour)) {
			t.Errorf("%s: it is %v after an hour", name, now.Sub(began))
		}
		if got := c.Off(); got != off {
			t.Errorf("%s: it says that it is off by %v", name, got)
		}
	}
}

func TestASmallErrorIsDrawnAwaySlowly(t *testing.T) {
	for _, off := range []time.Duration{4 * time.Second, -4 * time.Second} {
		m := &machine{}
		c := m.clock()
		m.off = off
		m.up = 100 * time.Second
		if got := c.Now().Sub(began) - m.up; got != off/4 {
			t.Errorf("off by %v: drawn by %v in 100 s", off, got)
		}
		m.up = time.Hour
		if got := c.Now().Sub(began) - m.up; got != off || c.Off() != 0 {
			t.Errorf("off by %v: drawn by %v in an hour", off, got)
		}
	}
}

func TestTheClockStartsWhereTheLastOneEnded(t *testing.T) {
	m := &machine{off: -time.Hour}
	c := m.clock()
	c.NotBefore(began)
	m.up = time.Minute
	if now := c.Now(); !now.Equal(began.Add(time.Minute)) {
		t.Errorf("it is %v", now)
	}
	c.NotBefore(began.Add(-time.Hour))
	if now := c.Now(); !now.Equal(began.Add(time.Minute)) {
		t.Errorf("an older time took it back to %v", now)
	}
}

// Whatever happens to the wall clock, a time by this clock is as long as it is, within
// a hundredth, and the clock never goes back.
func TestATimeIsAsLongAsItIs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &machine{}
		c := m.clock()
		last := c.Now()
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			passed := time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "passed"))
			m.up += passed
			m.off += time.Duration(rapid.Int64Range(-int64(20*time.Second), int64(20*time.Second)).Draw(t, "set"))
			now := c.Now()
			if wrong := (now.Sub(last) - passed).Abs(); wrong > passed/100 {
				t.Fatalf("%v passed, and %v by the clock", passed, now.Sub(last))
			}
			last = now
		}
	})
}
