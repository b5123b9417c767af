package why_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/why"
)

func TestEveryCoverReadsAsASentence(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	seen := map[string]bool{}
	for _, r := range hotstick.CoverReasons() {
		text := why.Covered("db-1", hotstick.Cover{State: r.State(), Reason: r, Until: now}, now)
		if !strings.Contains(text, "db-1") || !strings.HasSuffix(text, ".") && !strings.HasSuffix(text, "hotstick host show db-1") || strings.Contains(text, "unknown") || seen[text] {
			t.Errorf("%s: %q", r, text)
		}
		seen[text] = true
	}
	if text := why.Covered("db-1", hotstick.Cover{Reason: "weather"}, now); !strings.Contains(text, `"weather" is unknown`) {
		t.Errorf("of a reason that nobody knows: %q", text)
	}
}

func TestCovered(t *testing.T) {
	until := time.Date(2027, 2, 15, 0, 0, 0, 0, time.UTC)
	c := hotstick.Cover{State: hotstick.CoverEnds, Until: until, Reason: hotstick.CoverCounted, Rule: "canonical-thirteen-months",
		Released: hotstick.KernelRelease{Day: until.AddDate(0, -13, 0), Origin: hotstick.ReleasedByRepository}}
	const counted = " after 2027-02-15: counted from the day on which the kernel was published, 2026-01-15 (repository), by the rule canonical-thirteen-months."
	for at, want := range map[time.Time]string{
		until.Add(24*time.Hour - 1): "Live patches for the kernel of db-1 end" + counted + " It must boot another kernel by then.",
		until.Add(24 * time.Hour):   "Live patches for the kernel of db-1 ended" + counted + " Reboot it into a kernel that is covered.",
	} {
		if got := why.Covered("db-1", c, at); got != want {
			t.Errorf("at %s said\n%s\nwant\n%s", at, got, want)
		}
	}
	if got := why.Covered("$(reboot)", hotstick.Cover{State: hotstick.CoverNone, Reason: hotstick.CoverNoSystem}, until); !strings.HasSuffix(got, "hotstick host show HOST") {
		t.Errorf("of a hostile name: %q", got)
	}
}
