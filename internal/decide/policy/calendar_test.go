package policy

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hotstick/hotstick"
)

func mustZone(t testing.TB, name string) *time.Location {
	t.Helper()
	var z zone
	if err := z.Read(name); err != nil {
		t.Fatal(err)
	}
	return z.Location
}

func mustWall(t testing.TB, s string) wall {
	t.Helper()
	var w wall
	if err := w.Read(s); err != nil {
		t.Fatal(err)
	}
	return w
}

// The instants were worked out by hand from the zones' published rules.
func TestTheWallIsReadAsRFC5545Asks(t *testing.T) {
	tests := []struct{ what, zone, wall, want string }{
		{"Berlin in winter", "Europe/Berlin", "2026-03-28 02:30", "2026-03-28T01:30:00Z"},
		{"Berlin, the hour that spring leaves out", "Europe/Berlin", "2026-03-29 02:30", "2026-03-29T01:30:00Z"},
		{"Berlin, the first minute left out", "Europe/Berlin", "2026-03-29 02:00", "2026-03-29T01:00:00Z"},
		{"Berlin, the last minute before", "Europe/Berlin", "2026-03-29 01:59", "2026-03-29T00:59:00Z"},
		{"Berlin, the first minute after", "Europe/Berlin", "2026-03-29 03:00", "2026-03-29T01:00:00Z"},
		{"Berlin in summer", "Europe/Berlin", "2026-03-30 02:30", "2026-03-30T00:30:00Z"},
		{"Berlin, the hour that autumn doubles", "Europe/Berlin", "2026-10-25 02:30", "2026-10-25T00:30:00Z"},
		{"Berlin, before the doubled hour", "Europe/Berlin", "2026-10-25 01:59", "2026-10-24T23:59:00Z"},
		{"Berlin, after the doubled hour", "Europe/Berlin", "2026-10-25 03:00", "2026-10-25T02:00:00Z"},
		{"New York, left out", "America/New_York", "2026-03-08 02:30", "2026-03-08T07:30:00Z"},
		{"New York, the day after", "America/New_York", "2026-03-09 02:30", "2026-03-09T06:30:00Z"},
		{"New York, doubled", "America/New_York", "2026-11-01 01:30", "2026-11-01T05:30:00Z"},
		{"New York, after the doubled hour", "America/New_York", "2026-11-01 02:00", "2026-11-01T07:00:00Z"},
		{"Lord Howe, half an hour left out", "Australia/Lord_Howe", "2026-10-04 02:15", "2026-10-03T15:45:00Z"},
		{"Lord Howe, after it", "Australia/Lord_Howe", "2026-10-04 02:30", "2026-10-03T15:30:00Z"},
		{"Lord Howe, half an hour doubled", "Australia/Lord_Howe", "2026-04-05 01:45", "2026-04-04T14:45:00Z"},
		{"Lord Howe, after it", "Australia/Lord_Howe", "2026-04-05 02:00", "2026-04-04T15:30:00Z"},
		{"Kolkata changes nothing in spring", "Asia/Kolkata", "2026-03-29 02:30", "2026-03-28T21:00:00Z"},
		{"Kolkata changes nothing in autumn", "Asia/Kolkata", "2026-10-25 02:30", "2026-10-24T21:00:00Z"},
		{"Apia, before the day it left out", "Pacific/Apia", "2011-12-29 23:00", "2011-12-30T09:00:00Z"},
		{"Apia, the day it left out", "Pacific/Apia", "2011-12-30 02:00", "2011-12-30T12:00:00Z"},
		{"Apia, the day after", "Pacific/Apia", "2011-12-31 02:00", "2011-12-30T12:00:00Z"},
		{"Apia without summer time", "Pacific/Apia", "2026-04-05 03:30", "2026-04-04T14:30:00Z"},
		{"Apia, doubled in 2021", "Pacific/Apia", "2021-04-04 03:30", "2021-04-03T13:30:00Z"},
		{"UTC", "UTC", "2026-03-29 02:30", "2026-03-29T02:30:00Z"},
	}
	for _, tt := range tests {
		got := resolve(mustWall(t, tt.wall).Time, mustZone(t, tt.zone)).UTC().Format(time.RFC3339)
		if got != tt.want {
			t.Errorf("%s: %s is %s, want %s", tt.what, tt.wall, got, tt.want)
		}
	}
}

// Read back on the wall, an instant shows the time that was asked for, but where the
// clocks left it out; then it is later by just what they left out. Nothing is ever
// read as earlier than asked.
func TestResolvingIsTheInverseOfReadingAClock(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		name := rapid.SampledFrom([]string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Apia",
			"Africa/Casablanca", "America/Sao_Paulo", "Asia/Tehran", "Pacific/Chatham", "Antarctica/Troll", "Europe/London", "UTC"}).Draw(rt, "zone")
		location := mustZone(t, name)
		asked := time.Unix(rapid.Int64Range(time.Date(2000, 1, 2, 0, 0, 0, 0, time.UTC).Unix(), time.Date(2037, 1, 1, 0, 0, 0, 0, time.UTC).Unix()).Draw(rt, "wall"), 0).UTC()
		at := resolve(asked, location)
		_, offset := at.In(location).Zone()
		shown := at.UTC().Add(time.Duration(offset) * time.Second)
		if shown.Equal(asked) {
			// The first of two: an hour and a half earlier the clock showed less.
			if _, before := at.Add(-90 * time.Minute).In(location).Zone(); at.Add(-90 * time.Minute).Add(time.Duration(before) * time.Second).Equal(asked) {
				rt.Fatalf("%s: %v is not the first", name, asked)
			}
			return
		}
		if shown.Before(asked) || shown.Sub(asked) > 24*time.Hour {
			rt.Fatalf("%s: %v was read as %v", name, asked, shown)
		}
		if again := time.Date(asked.Year(), asked.Month(), asked.Day(), asked.Hour(), asked.Minute(), asked.Second(), 0, location); again.Hour() == asked.Hour() && again.Day() == asked.Day() && again.Minute() == asked.Minute() {
			rt.Fatalf("%s: %v exists, and was read as %v", name, asked, shown)
		}
	})
}

// opening is a calendar's windows in a week, as instants.
func opening(t *testing.T, body string, from, until string) string {
	t.Helper()
	set, err := Parse([]byte("apiVersion: hotstick/policy/v1\nkind: Policy\nname: p\n---\napiVersion: hotstick/policy/v1\nkind: Calendar\nname: c\n" + body))
	if err != nil {
		t.Fatalf("%v", err)
	}
	var life hotstick.Interval
	for _, end := range []struct {
		text string
		into *time.Time
	}{{from, &life.From}, {until, &life.Until}} {
		at, err := time.Parse(time.DateOnly, end.text)
		if err != nil {
			t.Fatal(err)
		}
		*end.into = at
	}
	var out []string
	for _, o := range set.calendars[0].opens(life) {
		out = append(out, fmt.Sprintf("%s+%s", o.From.UTC().Format("01-02T15:04"), span(o.Until.Sub(o.From))))
	}
	return strings.Join(out, " ")
}

func TestWindows(t *testing.T) {
	tests := []struct{ what, body, from, until, want string }{
		{"every night over the spring change", "zone: Europe/Berlin\nwindows: [{start: 2026-01-01 02:30, duration: 1h, rule: FREQ=DAILY}]",
			"2026-03-28", "2026-03-31", "03-28T01:30+1h 03-29T01:30+1h 03-30T00:30+1h"},
		{"every night over the autumn change", "zone: Europe/Berlin\nwindows: [{start: 2026-01-01 02:30, duration: 1h, rule: FREQ=DAILY}]",
			"2026-10-24", "2026-10-27", "10-24T00:30+1h 10-25T00:30+1h 10-26T01:30+1h"},
		{"a window over the doubled hour lasts as long as it says", "zone: Europe/Berlin\nwindows: [{start: 2026-01-01 01:00, duration: 3h, rule: FREQ=DAILY}]",
			"2026-10-24", "2026-10-26", "10-24T00:00+2h 10-24T23:00+3h"},
		{"two starts that the spring change makes one", "zone: Europe/Berlin\nwindows: [{start: 2026-01-01 02:30, duration: 1h, rule: 'FREQ=DAILY;BYHOUR=2,3;BYMINUTE=30'}]",
			"2026-03-29", "2026-03-30", "03-29T01:30+1h"},
		{"the day that Apia left out", "zone: Pacific/Apia\nwindows: [{start: 2011-12-01 02:00, duration: 1h, rule: FREQ=DAILY}]",
			"2011-12-28", "2012-01-02", "12-28T12:00+1h 12-29T12:00+1h 12-30T12:00+1h 12-31T12:00+1h 01-01T12:00+1h"},
		{"half an hour of Lord Howe", "zone: Australia/Lord_Howe\nwindows: [{start: 2026-01-01 02:15, duration: 30m, rule: FREQ=DAILY}]",
			"2026-10-02", "2026-10-05", "10-02T15:45+30m 10-03T15:45+30m 10-04T15:15+30m"},
		{"some weekdays", "zone: Asia/Kolkata\nwindows: [{start: 2026-01-05 22:00, duration: 4h, rule: 'FREQ=WEEKLY;BYDAY=MO,WE'}]",
			"2026-11-22", "2026-11-29", "11-23T16:30+4h 11-25T16:30+4h"},
		{"the second Tuesday", "windows: [{start: 2026-01-13 02:00, duration: 2h, rule: 'FREQ=MONTHLY;BYDAY=2TU'}]",
			"2026-11-01", "2026-12-31", "11-10T02:00+2h 12-08T02:00+2h"},
		{"the last day of the month", "windows: [{start: 2026-01-31 02:00, duration: 2h, rule: 'FREQ=MONTHLY;BYMONTHDAY=-1'}]",
			"2026-11-01", "2026-12-01", "11-30T02:00+2h"},
		{"the last working day of the month", "windows: [{start: 2026-01-30 02:00, duration: 2h, rule: 'FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1'}]",
			"2026-10-01", "2026-12-01", "10-30T02:00+2h 11-30T02:00+2h"},
		{"every other week", "windows: [{start: 2026-11-02 02:00, duration: 2h, rule: 'FREQ=WEEKLY;INTERVAL=2'}]",
			"2026-11-01", "2026-12-01", "11-02T02:00+2h 11-16T02:00+2h 11-30T02:00+2h"},
		{"a number of times", "windows: [{start: 2026-11-02 02:00, duration: 2h, rule: 'FREQ=DAILY;COUNT=2'}]", "2026-11-01", "2026-12-01", "11-02T02:00+2h 11-03T02:00+2h"},
		{"until a day, that day included", "windows: [{start: 2026-11-02 02:00, duration: 2h, rule: FREQ=DAILY, until: 2026-11-03}]", "2026-11-01", "2026-12-01", "11-02T02:00+2h 11-03T02:00+2h"},
		{"once", "windows: [{start: 2026-11-05 02:00, duration: 2h}]", "2026-11-01", "2026-12-01", "11-05T02:00+2h"},
		{"once, too late", "windows: [{start: 2027-11-05 02:00, duration: 2h}]", "2026-11-01", "2026-12-01", ""},
		{"days and starts that are left out", "windows: [{start: 2026-11-02 02:00, duration: 1h, rule: 'FREQ=DAILY;BYHOUR=2,14'}]\nexcept: [2026-11-03, 2026-11-04 14:00]",
			"2026-11-02", "2026-11-05", "11-02T02:00+1h 11-02T14:00+1h 11-04T02:00+1h"},
		{"windows that overlap are joined", "windows: [{start: 2026-11-02 02:00, duration: 2h}, {start: 2026-11-02 03:00, duration: 2h}, {start: 2026-11-02 05:00, duration: 1h}]",
			"2026-11-01", "2026-12-01", "11-02T02:00+4h"},
		{"a window that is open when the plan is made", "windows: [{start: 2026-11-01 22:00, duration: 4h}]", "2026-11-02", "2026-12-01", "11-02T00:00+2h"},
		{"a leap day", "windows: [{start: 2024-02-29 02:00, duration: 1h, rule: FREQ=YEARLY}]", "2027-01-01", "2029-01-01", "02-29T02:00+1h"},
	}
	for _, tt := range tests {
		if got := opening(t, tt.body, tt.from, tt.until); got != tt.want {
			t.Errorf("%s: opens %q, want %q", tt.what, got, tt.want)
		}
	}
}

// Whatever is cut out of a calendar: what is left is in order, does not overlap, and
// is exactly what was open and is not cut.
func TestFreezesTakeOutJustThemselves(t *testing.T) {
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	interval := func(rt *rapid.T, name string) hotstick.Interval {
		from := rapid.IntRange(0, 100).Draw(rt, name)
		return hotstick.Interval{From: start.Add(time.Duration(from) * time.Hour), Until: start.Add(time.Duration(from+rapid.IntRange(1, 20).Draw(rt, name+" lasts")) * time.Hour)}
	}
	in := func(list []hotstick.Interval, at time.Time) bool {
		for _, i := range list {
			if !at.Before(i.From) && at.Before(i.Until) {
				return true
			}
		}
		return false
	}
	rapid.Check(t, func(rt *rapid.T) {
		var list []hotstick.Interval
		for i := range rapid.IntRange(0, 8).Draw(rt, "windows") {
			list = append(list, interval(rt, fmt.Sprint("window ", i)))
		}
		open := union(append([]hotstick.Interval(nil), list...))
		cut := interval(rt, "freeze")
		left := subtract(open, cut)
		for i := range left {
			if !left[i].Until.After(left[i].From) || i > 0 && !left[i].From.After(left[i-1].Until) {
				rt.Fatalf("left %v", left)
			}
		}
		for h := range 125 {
			at := start.Add(time.Duration(h)*time.Hour + 30*time.Minute)
			if in(left, at) != (in(list, at) && !in([]hotstick.Interval{cut}, at)) {
				rt.Fatalf("at %v: left %v of %v without %v", at, left, list, cut)
			}
		}
	})
}
