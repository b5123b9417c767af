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
	delay, lanes := 0, 0
	if chance(r, 60) {
		lanes = canariesFirst(hosts)
	}
	for size, left := 1, len(hosts); left > 0; size *= 2 + r.IntN(3) {
		n := min(size, left)
		if len(plan.Waves) == 1 && lanes > 1 {
			n = lanes - 1 // one host of each other kernel build
		}
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
	if chance(r, 50) {
		plan.Gate.MinReadings = 1 + r.IntN(4)
	}
	if chance(r, 20) {
		plan.Gate.SlowTransitionMillis = 300 + r.IntN(1000)
	}
	if zone := hosts[0].Domains["zone"]; chance(r, 60) && zone != "" {
		plan.Late = &hotstick.LateRule{Labels: map[string]string{"zone": zone}}
		if len(plan.Calendars) > 0 {
			plan.Late.Calendar = plan.Calendars[0].Name
		}
	}
}

// canariesFirst moves the first host of each kernel build to the front, and
// returns how many builds there are.
func canariesFirst(hosts []hotstick.PlanHost) int {
	seen := map[hotstick.KernelBuild]bool{}
	for i, h := range hosts {
		if !seen[h.Build] {
			copy(hosts[len(seen)+1:i+1], hosts[len(seen):i])
			hosts[len(seen)] = h
			seen[h.Build] = true
		}
	}
	return len(seen)
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
