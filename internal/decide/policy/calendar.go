package policy

import (
	"slices"
	"time"
	_ "time/tzdata" // a machine without zones of its own still knows them all

	"github.com/hotstick/hotstick"
)

// resolve turns what a clock on the wall shows in a zone into an instant, as RFC
// 5545 (3.3.5) asks: of a time that a change of clocks doubles the first one, and
// for a time that it leaves out the offset before the change.
func resolve(wall time.Time, location *time.Location) time.Time {
	// No zone is further than 14 h from UTC, so the offsets on both sides tell all
	// that can hold at this time of the wall.
	before := offset(wall.Add(-15*time.Hour), location)
	after := offset(wall.Add(15*time.Hour), location)
	early := wall.Add(-max(before, after))
	if offset(early, location) == max(before, after) {
		return early
	}
	if late := wall.Add(-min(before, after)); offset(late, location) == min(before, after) {
		return late
	}
	return wall.Add(-before)
}

// offset is how far a zone is ahead of UTC at an instant.
func offset(t time.Time, location *time.Location) time.Duration {
	_, seconds := t.In(location).Zone()
	return time.Duration(seconds) * time.Second
}

// opens lists the calendar's windows that touch life, in order, joined where they
// overlap or meet.
func (c calendarDoc) opens(life hotstick.Interval) []hotstick.Interval {
	var list []hotstick.Interval
	for _, w := range c.Windows {
		for _, start := range w.starts(life.Until.Add(15 * time.Hour)) {
			if c.excepts(start) {
				continue
			}
			from := resolve(start, c.location())
			list = append(list, hotstick.Interval{From: from, Until: from.Add(time.Duration(w.Duration))})
		}
	}
	return clip(union(list), life)
}

func (c calendarDoc) location() *time.Location {
	if c.Zone.Location == nil {
		return time.UTC
	}
	return c.Zone.Location
}

// excepts tells whether a start is on the list of exceptions, itself or its day.
func (c calendarDoc) excepts(start time.Time) bool {
	return slices.ContainsFunc(c.Except, func(e wall) bool {
		if e.day {
			return e.Format(time.DateOnly) == start.Format(time.DateOnly)
		}
		return e.Equal(start)
	})
}

// interval is the freeze in instants.
func (f freezeDoc) interval() hotstick.Interval {
	location := time.UTC
	if f.Zone.Location != nil {
		location = f.Zone.Location
	}
	return hotstick.Interval{From: resolve(f.From.Time, location), Until: resolve(f.Until.Time, location)}
}

// union sorts intervals and joins those that overlap or meet.
func union(list []hotstick.Interval) []hotstick.Interval {
	slices.SortFunc(list, func(a, b hotstick.Interval) int { return a.From.Compare(b.From) })
	var out []hotstick.Interval
	for _, i := range list {
		if n := len(out); n > 0 && !i.From.After(out[n-1].Until) {
			if i.Until.After(out[n-1].Until) {
				out[n-1].Until = i.Until
			}
			continue
		}
		out = append(out, i)
	}
	return out
}

// clip keeps what lies within life.
func clip(list []hotstick.Interval, life hotstick.Interval) []hotstick.Interval {
	var out []hotstick.Interval
	for _, i := range list {
		if i.From.Before(life.From) {
			i.From = life.From
		}
		if i.Until.After(life.Until) {
			i.Until = life.Until
		}
		if i.Until.After(i.From) {
			out = append(out, i)
		}
	}
	return out
}

// subtract takes one interval out of a sorted list.
func subtract(list []hotstick.Interval, cut hotstick.Interval) []hotstick.Interval {
	var out []hotstick.Interval
	for _, i := range list {
		if !cut.From.Before(i.Until) || !cut.Until.After(i.From) {
			out = append(out, i)
			continue
		}
		if cut.From.After(i.From) {
			out = append(out, hotstick.Interval{From: i.From, Until: cut.From})
		}
		if cut.Until.Before(i.Until) {
			out = append(out, hotstick.Interval{From: cut.Until, Until: i.Until})
		}
	}
	return out
}
