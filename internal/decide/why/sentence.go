package why

import (
	"fmt"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
)

// Subject is what a sentence speaks of. The set is closed.
type Subject string

const (
	// AHost, by its name.
	AHost Subject = "Host"
	// AWave, by its name in the plan.
	AWave Subject = "Wave"
	// ALane, by its kernel build.
	ALane Subject = "Lane"
	// ARollout, by its plan's name.
	ARollout Subject = "Rollout"
)

// Sentence answers for one host, wave, lane or rollout why it does not move, what
// it waits for and what would change that. A nil reason means that nothing keeps it.
func Sentence(of Subject, name string, r *hotstick.Reason, at Place, now time.Time) string {
	if r == nil {
		return fmt.Sprintf("%s %s moves, or has nothing left to do.", of, name)
	}
	told := *r
	told.Until = nil
	parts := []string{fmt.Sprintf("%s %s waits: %s", of, name, lower(Text(told)))}
	switch remedy, ends := Remedy(*r, at), Ends(*r); {
	case r.Until != nil && r.Until.After(now):
		parts = append(parts, fmt.Sprintf("That ends at %s, in %s.", r.Until.UTC().Format(time.RFC3339), in(r.Until.Sub(now))))
		if remedy != "" {
			parts = append(parts, remedy)
		}
	case remedy != "":
		parts = append(parts, remedy)
	case ends != "":
		parts = append(parts, ends)
	}
	return strings.Join(parts, " ")
}

// lower makes a sentence the second half of another one.
func lower(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

// in tells a time span to people: no seconds beyond an hour.
func in(d time.Duration) string {
	if d >= time.Hour {
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
	return d.Round(time.Second).String()
}
