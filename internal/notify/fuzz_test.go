package notify

import (
	"testing"
	"time"
)

// Quiet hours that are read lie within a day and name days of a week.
func FuzzParseSpan(f *testing.F) {
	for _, seed := range []string{"22:00-06:00", "mon-fri 22:00-06:00", "sat,sun 00:00-24:00", "fri-mon 1:00-2:00", "24:00-24:01", "-:-"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSpan(text)
		if err != nil {
			return
		}
		if s.From < 0 || s.From >= 24*time.Hour || s.Until < 0 || s.Until > 24*time.Hour || len(s.Days) > 7 {
			t.Errorf("%q was read as %+v", text, s)
		}
	})
}
