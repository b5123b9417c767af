package probe

import "time"

// LimitsOf returns what a built-in probe takes for healthy, and its pace in an attempt.
func LimitsOf(name string) (Limits, time.Duration) {
	for _, b := range builtins {
		if b.name == name {
			return b.limits, orElse(b.watch, PaceWatch)
		}
	}
	panic("there is no such probe")
}
