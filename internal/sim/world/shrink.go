package world

import (
	"fmt"
	"slices"
	"strings"
)

// Shrink makes a failing case short: it leaves out steps, and hosts, as long as
// the same rule is broken, and returns the shortest case that it found and its
// result. It runs the case at most tries times.
func Shrink(c Case, tries int) (Case, Result) {
	best := c
	best.Options = c.Options.filled(c.Seed)
	best.Steps = c.steps(best.Options)
	result := Run(best)
	rule := broke(result)
	if rule == "" {
		return best, result
	}
	again := func(next Case) bool {
		if tries <= 0 {
			return false
		}
		tries--
		r := Run(next)
		if broke(r) != rule {
			return false
		}
		best, result = next, r
		return true
	}
	for size := max(1, len(best.Steps)/2); size >= 1; {
		cut := false
		for from := 0; from < len(best.Steps); {
			next := best
			next.Steps = slices.Delete(slices.Clone(best.Steps), from, min(from+size, len(best.Steps)))
			if again(next) {
				cut = true
			} else {
				from += size
			}
		}
		if size > 1 || !cut {
			size /= 2
		}
		if tries <= 0 {
			break
		}
	}
	for _, hosts := range []int{2, 4, 8, 12, 16, 24, 32} {
		next := best
		if next.Options.Hosts = hosts; hosts < best.Options.Hosts && again(next) {
			break
		}
	}
	return best, result
}

// broke names the first rule that a run broke; empty if it broke none.
func broke(r Result) string {
	if len(r.Report.Violations) > 0 {
		return r.Report.Violations[0].Rule
	}
	if r.Failure != "" {
		return "failure"
	}
	return ""
}

// String writes the case as Go source, to be pasted into the table of regressions.
func (c Case) String() string {
	var b strings.Builder
	o := c.Options
	fmt.Fprintf(&b, "world.Case{Seed: %d, Options: world.Options{Events: %d, Hosts: %d, Servers: %d, Plans: %d, Live: %v, Mixed: %v, Touched: %v, Pace: %d, Timeout: %d}, Steps: []world.Step{\n",
		c.Seed, o.Events, o.Hosts, o.Servers, o.Plans, o.Live, o.Mixed, o.Touched, o.Pace, o.Timeout)
	for _, s := range c.Steps {
		fmt.Fprintf(&b, "\t{At: %d, Do: %q, Host: %d, For: %d, N: %d}, // %s\n", s.At, s.Do, s.Host, s.For, s.N, s.At)
	}
	b.WriteString("}}")
	return b.String()
}
