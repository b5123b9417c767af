package notify

import (
	"testing"
	"time"
)

func mustSpan(t *testing.T, text string) Span {
	t.Helper()
	s, err := ParseSpan(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestQuietHoursByTheWallClock(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		spans []string
		zone  *time.Location
		at    string
		until string // empty: not quiet
	}{
		{"before a night", []string{"22:00-06:00"}, nil, "2026-11-21T21:59:59Z", ""},
		{"at its beginning", []string{"22:00-06:00"}, nil, "2026-11-21T22:00:00Z", "2026-11-22T06:00:00Z"},
		{"after midnight", []string{"22:00-06:00"}, nil, "2026-11-22T03:00:00Z", "2026-11-22T06:00:00Z"},
		{"at its end", []string{"22:00-06:00"}, nil, "2026-11-22T06:00:00Z", ""},
		{"the night after a Friday is Friday's", []string{"mon-fri 22:00-06:00"}, nil, "2026-11-21T03:00:00Z", "2026-11-21T06:00:00Z"},
		{"a Saturday night is not", []string{"mon-fri 22:00-06:00"}, nil, "2026-11-21T23:00:00Z", ""},
		{"a weekend is one quiet time", []string{"sat,sun 00:00-24:00"}, nil, "2026-11-21T09:00:00Z", "2026-11-23T00:00:00Z"},
		{"with the night before and after", []string{"sat,sun 00:00-24:00", "22:00-06:00"}, nil, "2026-11-20T23:00:00Z", "2026-11-23T06:00:00Z"},
		{"in another zone", []string{"22:00-06:00"}, berlin, "2026-11-21T21:30:00Z", "2026-11-22T05:00:00Z"},
		{"the night in which clocks go forward", []string{"22:00-06:00"}, berlin, "2026-03-28T23:00:00Z", "2026-03-29T04:00:00Z"},
		{"the night in which clocks go back", []string{"22:00-06:00"}, berlin, "2026-10-24T23:00:00Z", "2026-10-25T05:00:00Z"},
		{"no hours at all", nil, nil, "2026-11-21T03:00:00Z", ""},
	}
	for _, tt := range tests {
		q := Quiet{Zone: tt.zone}
		for _, s := range tt.spans {
			q.Hours = append(q.Hours, mustSpan(t, s))
		}
		now, err := time.Parse(time.RFC3339, tt.at)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if end, quiet := q.hours(now); quiet {
			got = end.UTC().Format(time.RFC3339)
		}
		if got != tt.until {
			t.Errorf("%s: quiet until %q; want %q", tt.name, got, tt.until)
		}
	}
}

func TestAlwaysQuietEndsTheSearch(t *testing.T) {
	q := Quiet{Hours: []Span{mustSpan(t, "00:00-24:00")}}
	if _, quiet := q.hours(time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC)); !quiet {
		t.Error("a day that is all quiet is not quiet")
	}
}

func TestQuietHoursThatAreRefused(t *testing.T) {
	for _, text := range []string{"", "22:00", "22:00-", "22-06", "25:00-06:00", "22:00-24:01", "22:00-22:00", "24:00-06:00",
		"fri-mon 22:00-06:00", "weekend 22:00-06:00", "mon, 22:00-06:00", "mon tue 22:00-06:00", "2:00-06:00"} {
		if _, err := ParseSpan(text); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}
