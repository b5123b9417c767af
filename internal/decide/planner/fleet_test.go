package planner_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/planner"
	"github.com/hotstick/hotstick/internal/decide/policy"
	"pgregory.net/rapid"
)

const alphabet = "abcdefghijklmnopqrstuvwxyz"

// anyShape draws a policy's shape, with overlapping kinds of domain.
func anyShape(t *rapid.T) policy.Shape {
	var s policy.Shape
	if rapid.Bool().Draw(t, "spread") {
		s.Waves.Spread = map[string]int{}
		for _, kind := range []string{"rack", "zone", "service", "calendar", "fleet"} {
			if rapid.Bool().Draw(t, "spread "+kind) {
				s.Waves.Spread[kind] = rapid.IntRange(1, 12).Draw(t, "cap of "+kind)
			}
		}
	}
	s.Waves.Widen = rapid.SampledFrom([][]int{nil, {100}, {1, 100}, {10, 30, 60, 100}}).Draw(t, "widen")
	s.Waves.Representative = rapid.SampledFrom([][]string{nil, {"role"}, {"zone", "role"}}).Draw(t, "representative")
	s.Waves.StandIns = rapid.IntRange(0, 3).Draw(t, "stand-ins")
	s.Waves.Manual = rapid.Bool().Draw(t, "manual")
	s.Waves.Delay = time.Duration(rapid.IntRange(0, 3).Draw(t, "delay")) * time.Minute
	for i := range rapid.IntRange(0, 3).Draw(t, "rings") {
		s.Waves.RingDelay = append(s.Waves.RingDelay, time.Duration(rapid.IntRange(0, i+2).Draw(t, "ring delay"))*time.Hour)
	}
	for _, b := range []hotstick.Budget{{Domain: "ceph", Max: 1, Quorum: true}, {Domain: "pair", Max: 1, Quorum: true, Open: 1},
		{Domain: "hypervisor", Max: 2}, {Domain: "zone", Percent: 1}, {Domain: "fleet", Percent: 10}} {
		if rapid.Bool().Draw(t, "budget "+b.Domain) {
			s.Budgets = append(s.Budgets, b)
		}
	}
	night := hotstick.Interval{From: time.Unix(0, 0).UTC(), Until: time.Unix(3600, 0).UTC()}
	s.Calendars = []hotstick.Calendar{{Name: "day", Opens: []hotstick.Interval{night}}, {Name: "night", Opens: []hotstick.Interval{night}}}
	return s
}

// anyHost draws one host of a small, crowded fleet.
func anyHost(t *rapid.T, i int, s policy.Shape) planner.Host {
	label := func(kind string, values int) string {
		return fmt.Sprintf("%s%d", kind, rapid.IntRange(0, values-1).Draw(t, kind))
	}
	h := host(fmt.Sprintf("n%03d", i), string(alphabet[rapid.IntRange(0, 7).Draw(t, "build")]))
	h.Labels = map[string]string{"rack": label("r", 6), "zone": label("z", 3), "service": label("s", 9), "role": label("o", 3)}
	if rapid.IntRange(0, 2).Draw(t, "clustered") == 0 {
		h.Labels[rapid.SampledFrom([]string{"pair", "ceph", "hypervisor"}).Draw(t, "kind")] = label("c", 4)
	}
	if rapid.IntRange(0, 9).Draw(t, "critical") == 0 {
		h.Labels["critical"] = "true"
	}
	h.Verdict = policy.Verdict{Ring: rapid.IntRange(0, max(0, len(s.Waves.RingDelay)-1)).Draw(t, "ring"),
		Calendar: rapid.SampledFrom([]string{"", "day", "night"}).Draw(t, "calendar"), Last: rapid.IntRange(0, 15).Draw(t, "last") == 0}
	two := hotstick.PatchRef{Name: "fix", Level: 2}
	switch rapid.IntRange(0, 30).Draw(t, "fate") {
	case 0:
		h.Compat.Strikes = []hotstick.PatchRef{two}
	case 1:
		h.Compat.Reverted = []hotstick.PatchRef{two}
	case 2:
		h.Verdict.Reason = &hotstick.Reason{Code: hotstick.ReasonNotEligible}
	case 3:
		h.Compat.InEffect = two
	case 4, 5, 6:
		h.Compat.InEffect = hotstick.PatchRef{Name: "fix", Level: 1}
	}
	return h
}

func anyRequest(t *rapid.T) planner.Request {
	s := anyShape(t)
	var hosts []planner.Host
	for i := range rapid.IntRange(1, 70).Draw(t, "hosts") {
		hosts = append(hosts, anyHost(t, i, s))
	}
	r := request(patch(2, alphabet), hosts...)
	r.Shape = s
	return r
}

// Whatever the fleet and the policy, the plan keeps every rule, and another order
// of the input gives the same plan.
func TestEveryPlanKeepsTheRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := anyRequest(t)
		d, err := planner.Build(r)
		if err != nil {
			if !slices.ContainsFunc(r.Hosts, func(h planner.Host) bool { return mustBeOut(r, h) == "" }) {
				return // nobody is left
			}
			t.Fatal(err)
		}
		if wrong := violations(r, d); len(wrong) > 0 {
			for _, h := range d.Hosts {
				t.Logf("%d %s %s %v %+v %v", h.Wave, h.Host, h.Build.Release, h.Domains, r.Hosts[slices.IndexFunc(r.Hosts, func(x planner.Host) bool { return x.ID == h.Host })].Verdict, h.StandIn)
			}
			t.Fatalf("%q", wrong)
		}
		slices.Reverse(r.Hosts)
		again, err := planner.Build(r)
		if err != nil || !reflect.DeepEqual(again, d) {
			t.Fatalf("another order of the input gave another plan (%v)", err)
		}
	})
}
