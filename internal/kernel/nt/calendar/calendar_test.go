package calendar_test

import (
	"testing"
	"time"

	"github.com/hotstick/hotstick/internal/kernel/nt/calendar"
)

func month(text string) calendar.Month {
	t, err := time.Parse("2006-01", text)
	if err != nil {
		panic(err)
	}
	return calendar.Of(t)
}

func TestTheCalendarOfAYear(t *testing.T) {
	extra := month("2026-05")
	for _, c := range []struct {
		month     string
		kind      calendar.Kind
		rests     string
		published string
	}{
		{"2025-12", calendar.Hotpatch, "2025-10", "2025-12-09"},
		{"2026-01", calendar.Baseline, "2026-01", "2026-01-13"},
		{"2026-02", calendar.Hotpatch, "2026-01", "2026-02-10"},
		{"2026-03", calendar.Hotpatch, "2026-01", "2026-03-10"},
		{"2026-04", calendar.Baseline, "2026-04", "2026-04-14"},
		{"2026-05", calendar.Baseline, "2026-05", "2026-05-12"}, // unplanned
		{"2026-06", calendar.Hotpatch, "2026-05", "2026-06-09"},
		{"2026-07", calendar.Baseline, "2026-07", "2026-07-14"},
		{"2026-09", calendar.Hotpatch, "2026-07", "2026-09-08"},
		{"2026-10", calendar.Baseline, "2026-10", "2026-10-13"},
	} {
		m := month(c.month)
		if got := m.Kind(extra); got != c.kind {
			t.Errorf("%s is a %s, want %s", m, got, c.kind)
		}
		if got := m.Baseline(extra); got != month(c.rests) {
			t.Errorf("%s rests on %s, want %s", m, got, c.rests)
		}
		if got := m.Published().Format("2006-01-02"); got != c.published {
			t.Errorf("%s is published on %s, want %s", m, got, c.published)
		}
	}
}

func TestAHostThatMissedTheBaselineRestarts(t *testing.T) {
	for _, c := range []struct {
		month, runs string
		want        calendar.Kind
	}{
		{"2026-02", "2026-01", calendar.Hotpatch},
		{"2026-03", "2026-01", calendar.Hotpatch},
		{"2026-03", "2025-10", calendar.Baseline},
		{"2026-04", "2026-01", calendar.Baseline},
	} {
		if got := month(c.month).Needs(month(c.runs)); got != c.want {
			t.Errorf("%s on the baseline of %s comes by %s, want %s", c.month, c.runs, got, c.want)
		}
	}
	// A baseline that nobody planned takes the hotpatch from who has the planned one only.
	if got := month("2026-06").Needs(month("2026-04"), month("2026-05")); got != calendar.Baseline {
		t.Errorf("the hotpatch after an unplanned baseline comes by %s", got)
	}
}

func TestWhenTheNextRestartIs(t *testing.T) {
	for now, want := range map[string]string{
		"2026-01-13T16:59:59Z": "2026-01", // the baseline is not out yet
		"2026-01-13T17:00:00Z": "2026-04",
		"2026-03-31T00:00:00Z": "2026-04",
		"2026-11-02T00:00:00Z": "2027-01",
	} {
		at, err := time.Parse(time.RFC3339, now)
		if err != nil {
			t.Fatal(err)
		}
		if got := calendar.NextReboot(at); got != month(want) {
			t.Errorf("at %s the next restart is for %s, want %s", now, got, want)
		}
	}
}
