package cli

import (
	"testing"
	"time"
)

func TestTimesAsPeopleWriteThem(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 500, time.UTC)
	for _, tt := range []struct{ text, want string }{
		{"90m", "2026-11-21T13:30:00Z"},
		{"7d", "2026-11-28T12:00:00Z"},
		{"2w", "2026-12-05T12:00:00Z"},
		{"2026-11-30", "2026-11-30T00:00:00Z"},
		{"2026-11-30 18:00", "2026-11-30T18:00:00Z"},
		{"2026-11-30T18:00", "2026-11-30T18:00:00Z"},
		{"2026-11-30T18:00:00+01:00", "2026-11-30T17:00:00Z"},
		{"", ""}, {"0d", ""}, {"-1h", ""}, {"-3d", ""}, {"tomorrow", ""}, {"99999w", ""}, {"2026-13-01", ""}, {"1.5d", ""},
	} {
		got, err := parseWhen("until", tt.text, now)
		if (err != nil) != (tt.want == "") || err == nil && got.Format(time.RFC3339) != tt.want {
			t.Errorf("%q is %s, %v; want %q", tt.text, got, err, tt.want)
		}
	}
}
