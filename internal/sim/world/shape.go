package world

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/hotstick/hotstick"
)

// shape gives a plan its waves, budgets, windows and stand-ins: one host first,
// then wider waves.
func (w *World) shape(r *rand.Rand, plan *hotstick.Plan, hosts []hotstick.PlanHost) {
	delay := 0
	for size, left := 1, len(hosts); left > 0; size *= 2 + r.IntN(3) {
		n := min(size, left)
		delay += r.IntN(8)
		for i := len(hosts) - left; i < len(hosts)-left+n; i++ {
			hosts[i].Wave = len(plan.Waves)
		}
		plan.Waves = append(plan.Waves, hotstick.Wave{Name: fmt.Sprintf("w%d", len(plan.Waves)), Hosts: n, DelaySeconds: delay,
			BakeSeconds: r.IntN(12), Manual: len(plan.Waves) > 0 && chance(r, 15)})
		left -= n
	}
	plan.Budgets = []hotstick.Budget{{Domain: hotstick.FleetDomain, Max: 2 + r.IntN(6)}, {Domain: "rack", Max: 1 + r.IntN(3)},
		{Domain: "pair", Max: 1, Quorum: true}}
	if chance(r, 30) {
		plan.Budgets[0] = hotstick.Budget{Domain: hotstick.FleetDomain, Percent: 5 + r.IntN(20)}
	}
	if chance(r, 25) {
		windows(r, plan, hosts)
	}
	if chance(r, 40) {
		standIn(hosts)
	}
}

// windows gives every second host a calendar with two windows.
func windows(r *rand.Rand, plan *hotstick.Plan, hosts []hotstick.PlanHost) {
	first := plan.CreatedAt.Add(time.Duration(r.IntN(20)) * time.Second)
	second := first.Add(time.Duration(60+r.IntN(60)) * time.Second)
	plan.Calendars = []hotstick.Calendar{{Name: "night", Opens: []hotstick.Interval{
		{From: first, Until: first.Add(time.Duration(20+r.IntN(30)) * time.Second)},
		{From: second, Until: second.Add(30 * time.Minute)}}}}
	for i := range hosts {
		if i%2 == 1 {
			hosts[i].Calendar = "night"
		}
	}
}

// standIn lets the next host of the canary's lane take its place if need be.
func standIn(hosts []hotstick.PlanHost) {
	for i := range hosts {
		if hosts[i].Wave > 0 && hosts[i].Build == hosts[0].Build {
			hosts[i].StandIn = &hotstick.StandIn{For: hosts[0].Host, Wave: hosts[0].Wave}
			return
		}
	}
}
