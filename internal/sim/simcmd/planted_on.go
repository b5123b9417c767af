//go:build planted

package simcmd

import (
	"fmt"
	"io"
	"time"

	"github.com/hotstick/hotstick/internal/planted"
	"github.com/hotstick/hotstick/internal/sim/world"
)

// Found is what became of one planted bug.
type Found struct {
	Bug string `json:"bug"`
	// Seeds is how many were run until a rule broke; 0 if none did.
	Seeds   int     `json:"seeds"`
	Rule    string  `json:"rule,omitempty"`
	Seconds float64 `json:"seconds"`
}

// findPlanted switches each bug on in turn and counts the seeds until it is found.
func findPlanted(f flags, out, errs io.Writer) int {
	var all []Found
	found := 0
	bugs := planted.Bugs()
	if f.evil {
		bugs = planted.Owned()
	}
	for _, bug := range bugs {
		if f.only != "" && bug.Name != f.only {
			continue
		}
		one := search(f, bug.Name)
		all = append(all, one)
		if one.Seeds > 0 {
			found++
		}
		if f.output == "text" {
			fmt.Fprintf(out, "%-28s %5d seeds %6.1f s  %s\n", one.Bug, one.Seeds, one.Seconds, one.Rule)
		}
	}
	if f.output == "json" {
		writeJSON(out, all)
	}
	share := float64(found) / float64(max(1, len(all)))
	fmt.Fprintf(errs, "%d of %d planted bugs found within %d seeds (%.0f %%)\n", found, len(all), f.seeds, 100*share)
	if share < wantShare {
		return exitBroken
	}
	return 0
}

// wantShare of the planted bugs must be found.
const wantShare = 0.95

func search(f flags, bug string) Found {
	began := time.Now()
	one := Found{Bug: bug}
	for from, left := f.from, f.seeds; left > 0; {
		planted.Plant(bug)
		n, rule := suspect(f, from, left)
		if rule == "" {
			break
		}
		from, left = from+n, left-n
		planted.Plant("")
		if !honest(f, uint64(from-1), rule) {
			one.Seeds, one.Rule = from-f.from, rule
			break
		}
	}
	one.Seconds = time.Since(began).Seconds()
	return one
}

// suspect runs seeds until one breaks a rule, and returns how many it ran.
func suspect(f flags, from, n int) (int, string) {
	ran := 0
	for r := range runs(f, from, n) {
		ran++
		if rule := unknown(r); rule != "" {
			return ran, rule
		}
	}
	return ran, ""
}

// honest reports whether the seed breaks the rule without any planted bug, too:
// then it proves nothing.
func honest(f flags, seed uint64, rule string) bool {
	r := world.Run(caseOf(f, int(seed)))
	for _, v := range r.Report.Violations {
		if v.Rule == rule {
			return true
		}
	}
	return r.Failure != "" && r.Failure == rule
}

// unknown names the first broken rule that is of no known bug.
func unknown(r world.Result) string {
	for _, v := range r.Report.Violations {
		if _, known := world.Known(r.Seed, v); !known {
			return v.Rule
		}
	}
	return r.Failure
}
