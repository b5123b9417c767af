package world

import (
	"testing"
	"time"
)

// Each of these was found by a seed and made short. Where the bug is not repaired
// yet, known says why: the case must then still break its rule, so that the entry
// goes when the bug does.
func TestRegressions(t *testing.T) {
	for _, tt := range []struct {
		name, rule, known string
		c                 Case
	}{
		{"a restored ledger knows nothing of its attempt", "L1 finishes", "",
			Case{Seed: 92, Options: Options{Events: 10000, Hosts: 16, Servers: 3, Plans: 3, Live: true, Pace: 5885 * time.Millisecond, Timeout: 5 * time.Second}, Steps: []Step{
				{At: 43523548603, Do: "propose", Host: 16, For: 37 * time.Second, N: 2614006823421453466},
				{At: 102 * time.Second, Do: oldLedger, Host: 46, For: 35 * time.Second, N: 305726564828015371},
				{At: 172109195402, Do: "calm"}}}},
		{"a plan whose kept bytes are torn is never sent again", "L1 finishes", "",
			Case{Seed: 92, Options: Options{Events: 10000, Hosts: 16, Servers: 1, Plans: 1, Live: true, Pace: 3 * time.Second, Timeout: 5 * time.Second}, Steps: []Step{
				{At: 2 * time.Second, Do: torn, Host: 0},
				{At: 5 * time.Second, Do: "propose", N: 2614006823421453466},
				{At: 60 * time.Second, Do: "calm"}}}},
	} {
		r := Run(tt.c)
		switch got := broke(r); {
		case tt.known == "" && got != "":
			t.Errorf("%s: breaks %s again:\n%v", tt.name, got, r.Report.Violations)
		case tt.known != "" && got != tt.rule:
			t.Errorf("%s: breaks %q, not %q any more; if the bug is gone, take its known reason out", tt.name, got, tt.rule)
		}
	}
}
