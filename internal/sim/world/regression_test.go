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
		{"two servers, of which one was away, disagree for ever about who is silent", "S29 bounded", "",
			Case{Seed: 562, Options: Options{Events: 20000, Hosts: 8, Servers: 3, Plans: 1, Pace: 2129 * time.Millisecond, Timeout: 5 * time.Second}, Steps: []Step{
				{At: 2 * time.Second, Do: "propose", Host: 29, N: 6688595651385746456},
				{At: 37121740698, Do: "disk full", Host: 6, For: 24 * time.Second, N: 8053268145542011281},
				{At: 72127583844, Do: "propose", Host: 29, N: 3267038649929924800},
				{At: 80549338860, Do: "kill all servers", For: 23 * time.Second},
				{At: 131590832759, Do: "kill server", For: 10 * time.Second, N: 3139126592907453903}}}},
		{"what an attempt could not take out again counts as good", "S33 last known good", "",
			Case{Seed: 744, Options: Options{Events: 20000, Hosts: 12, Servers: 2, Plans: 3, Live: true, Pace: 3590 * time.Millisecond, Timeout: 5 * time.Second}, Steps: []Step{
				{At: 137493624459, Do: "propose", Host: 39, For: 21 * time.Second, N: 5533316737816720389},
				{At: 144972600235, Do: "propose", Host: 5, For: 6 * time.Second, N: 630132557829551272},
				{At: 205824858757, Do: "calm"}}}},
		{"a stand-in bakes in a wave that is over", "S5 wave order", "",
			Case{Seed: 200, Options: Options{Events: 10000, Hosts: 8, Servers: 1, Plans: 3, Live: true, Pace: 4513 * time.Millisecond, Timeout: 5 * time.Second}, Steps: []Step{
				{At: 2 * time.Second, Do: "propose", Host: 9, For: 19 * time.Second, N: 3570236662912131945},
				{At: 38038110507, Do: "retarget", Host: 7, For: 13 * time.Second, N: 3120030426774219163},
				{At: 141416699504, Do: "propose", Host: 2, For: 39 * time.Second, N: 9000080817648345054}}}},
		{"a server that still listens takes back what another one admits", "S29 bounded", "",
			Case{Seed: 288, Options: Options{Events: 20000, Hosts: 49, Servers: 3, Plans: 3, Live: true, Pace: 4163 * time.Millisecond, Timeout: 5 * time.Second}, Steps: []Step{
				{At: 15699820239, Do: "kill agent", For: 14 * time.Second, N: 1836948596040079681},
				{At: 17133515430, Do: "kill all servers", Host: 33, For: 6 * time.Second, N: 4913989830087384517},
				{At: 34237169241, Do: "cut there", Host: 46, For: 7 * time.Second, N: 278479778434683120},
				{At: 52148847942, Do: "server between", Host: 23, For: 36 * time.Second, N: 1794532868242034074},
				{At: 74072045896, Do: "propose", Host: 45, For: 4 * time.Second, N: 5563951926764542708}}}},
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
