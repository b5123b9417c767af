package amazonstep

import (
	"strings"
	"time"
)

// CoverUntil reads when the running kernel's cover ends from what the plugin says: the day
// after the word "after" or "until", at its end. False if it says no day.
func CoverUntil(text string) (time.Time, bool) {
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		for i := 1; i < len(words); i++ {
			if words[i-1] != "after" && words[i-1] != "until" {
				continue
			}
			if day, err := time.Parse(time.DateOnly, strings.TrimRight(words[i], ".")); err == nil {
				return day.AddDate(0, 0, 1), true
			}
		}
	}
	return time.Time{}, false
}
