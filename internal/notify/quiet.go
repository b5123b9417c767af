package notify

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hotstick/hotstick/internal/inventory"
)

// Quiet says when people do not want to be told of what can wait. Halts, reverts
// and the fleet-wide stop are told at any time.
type Quiet struct {
	// Hours are the quiet times of a week, in Zone.
	Hours []Span
	Zone  *time.Location
	// Windows: also while a maintenance window of the rollout is open.
	Windows bool
}

// Span is a quiet time of some days, from From until just before Until, both as
// the time since midnight. One that ends at or before its beginning ends on the
// next day.
type Span struct {
	Days        []time.Weekday
	From, Until time.Duration
}

// ParseSpan reads days and a time, such as "mon-fri 22:00-06:00", "sat,sun
// 00:00-24:00", or "22:00-06:00" for every day.
func ParseSpan(text string) (Span, error) {
	wrong := fmt.Errorf("cannot read %.80q as quiet hours: write them as 22:00-06:00 or mon-fri 22:00-06:00", text)
	fields := strings.Fields(text)
	s := Span{Days: weekdays}
	if len(fields) == 2 {
		var ok bool
		if s.Days, ok = parseDays(fields[0]); !ok {
			return s, wrong
		}
		fields = fields[1:]
	}
	if len(fields) != 1 {
		return s, wrong
	}
	from, until, ok := strings.Cut(fields[0], "-")
	var okFrom, okUntil bool
	s.From, okFrom = parseClock(from)
	s.Until, okUntil = parseClock(until)
	if !ok || !okFrom || !okUntil || s.From == 24*time.Hour || s.From == s.Until {
		return s, wrong
	}
	return s, nil
}

var weekdays = []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday, time.Saturday, time.Sunday}

func parseDays(text string) ([]time.Weekday, bool) {
	var days []time.Weekday
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, until := dayNamed(first), dayNamed(last)
		if from < 0 || until < from {
			return nil, false
		}
		days = append(days, weekdays[from:until+1]...)
	}
	return days, true
}

// dayNamed is a day's place in the week, or -1.
func dayNamed(name string) int {
	return slices.IndexFunc(weekdays, func(d time.Weekday) bool { return strings.EqualFold(d.String()[:3], name) })
}

// parseClock reads 00:00 to 24:00.
func parseClock(text string) (time.Duration, bool) {
	if text == "24:00" {
		return 24 * time.Hour, true
	}
	t, err := time.Parse("15:04", text)
	if err != nil || len(text) != 5 {
		return 0, false
	}
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute, true
}

// maxJoined bounds how many spans that follow each other are taken together: more
// than a year of them is no quiet time but silence for ever.
const maxJoined = 400

// hours reports whether a time is within the quiet hours, and when those end.
func (q Quiet) hours(now time.Time) (time.Time, bool) {
	end, quiet := now, false
	for range maxJoined {
		next, more := q.span(end)
		if !more {
			break
		}
		end, quiet = next, true
	}
	return end, quiet
}

// span finds the latest end of the spans that hold at a time.
func (q Quiet) span(now time.Time) (end time.Time, quiet bool) {
	zone := q.Zone
	if zone == nil {
		zone = time.UTC
	}
	local := now.In(zone)
	for _, s := range q.Hours {
		// A span that began yesterday may reach into today.
		for _, ago := range []int{0, 1} {
			day := time.Date(local.Year(), local.Month(), local.Day()-ago, 12, 0, 0, 0, zone)
			if !slices.Contains(s.Days, day.Weekday()) {
				continue
			}
			from, until := at(day, s.From), at(day, s.Until)
			if s.Until <= s.From {
				until = at(day.AddDate(0, 0, 1), s.Until)
			}
			if !now.Before(from) && now.Before(until) && until.After(end) {
				end, quiet = until, true
			}
		}
	}
	return end, quiet
}

// at is a time of day by the wall clock, whatever daylight saving does.
func at(day time.Time, clock time.Duration) time.Time {
	return time.Date(day.Year(), day.Month(), day.Day(), int(clock/time.Hour), int(clock%time.Hour/time.Minute), 0, 0, day.Location())
}

// critical kinds are told at any time, and at once.
func critical(kind string) bool {
	return kind == inventory.NotifyHalt || kind == inventory.NotifyRevert || kind == inventory.NotifyStop || kind == inventory.NotifyDispute
}
