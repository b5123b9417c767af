package cli

import (
	"strconv"
	"strings"
	"time"
)

// timeForms are how people write a time, in UTC if they name no zone.
var timeForms = []string{time.RFC3339, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02"}

// parseWhen reads a time, or a length of time from a start.
func parseWhen(flag, text string, start time.Time) (time.Time, error) {
	if d, ok := parseSpan(text); ok {
		return start.Add(d).UTC().Truncate(time.Second), nil
	}
	for _, form := range timeForms {
		if t, err := time.Parse(form, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, usage("write a time such as 2026-11-30T18:00Z or 2026-11-30, or a length such as 90m, 12h, 7d or 2w",
		"cannot read %q as --%s", text, flag)
}

// parseSpan reads a length of time above zero; days and weeks are allowed, for
// nobody counts an exclusion in hours.
func parseSpan(text string) (time.Duration, bool) {
	for unit, length := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		if number, ok := strings.CutSuffix(text, unit); ok {
			n, err := strconv.Atoi(number)
			return time.Duration(n) * length, err == nil && n > 0 && n <= 3660
		}
	}
	d, err := time.ParseDuration(text)
	return d, err == nil && d > 0
}
