package planner_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/planner"
)

// sample is a fleet in which every rule has something to say.
func sample() planner.Request {
	var hosts []planner.Host
	for i := range 64 {
		h := host(fmt.Sprintf("n%03d", i), string(alphabet[i%5]))
		h.Labels = map[string]string{"rack": fmt.Sprint("r", i/8), "zone": fmt.Sprint("z", i%3), "role": fmt.Sprint("o", i%2)}
		if i >= 40 && i < 52 {
			h.Labels["pair"] = fmt.Sprint("p", i/2)
		}
		if i >= 60 {
			h.Labels["critical"] = "true"
		}
		if i%4 == 3 {
			h.Verdict.Ring = 1
		}
		if i%6 == 1 {
			h.Verdict.Calendar = "night"
		}
		if i%7 == 0 {
			h.Compat.InEffect = hotstick.PatchRef{Name: "fix", Level: 1}
		}
		if i == 20 {
			h.Compat.Reverted = []hotstick.PatchRef{{Name: "fix", Level: 2}}
		}
		hosts = append(hosts, h)
	}
	r := request(patch(2, alphabet), hosts...)
	r.Shape.Waves.Spread = map[string]int{"rack": 3}
	r.Shape.Waves.Representative = []string{"role"}
	r.Shape.Waves.RingDelay = []time.Duration{0, time.Hour}
	r.Shape.Budgets = []hotstick.Budget{{Domain: "pair", Max: 1, Quorum: true}, {Domain: "zone", Percent: 10}}
	r.Shape.Calendars = []hotstick.Calendar{{Name: "night", Opens: []hotstick.Interval{{From: r.Now, Until: r.Now.Add(time.Hour)}}}}
	return r
}

// A checker that cannot fail proves nothing: each of these breaks one rule of a
// good plan, and must be found.
func TestTheCheckerFindsPlantedBugs(t *testing.T) {
	at := func(d *planner.Draft, which func(hotstick.PlanHost) bool) *hotstick.PlanHost {
		return &d.Hosts[slices.IndexFunc(d.Hosts, which)]
	}
	move := func(d *planner.Draft, from, to int) {
		i := slices.IndexFunc(d.Hosts, func(h hotstick.PlanHost) bool { return h.Wave == from })
		h := d.Hosts[i]
		h.Wave = to
		d.Plan.Waves[from].Hosts--
		d.Plan.Waves[to].Hosts++
		d.Hosts = slices.Delete(d.Hosts, i, i+1)
		j := slices.IndexFunc(d.Hosts, func(h hotstick.PlanHost) bool { return h.Wave >= to })
		d.Hosts = slices.Insert(d.Hosts, max(j, 0), h)
	}
	exchange := func(d *planner.Draft, a, b hotstick.HostID) {
		i := slices.IndexFunc(d.Hosts, func(h hotstick.PlanHost) bool { return h.Host == a })
		j := slices.IndexFunc(d.Hosts, func(h hotstick.PlanHost) bool { return h.Host == b })
		d.Hosts[i], d.Hosts[j] = d.Hosts[j], d.Hosts[i]
		d.Hosts[i].Wave, d.Hosts[j].Wave = d.Hosts[j].Wave, d.Hosts[i].Wave
	}
	find := func(d *planner.Draft, label, value string, wave func(int) bool) hotstick.HostID {
		return at(d, func(h hotstick.PlanHost) bool { return h.Domains[label] == value && wave(h.Wave) }).Host
	}
	tests := []struct {
		bug   string
		plant func(d *planner.Draft)
	}{
		{"two hosts go first", func(d *planner.Draft) { move(d, 1, 0) }},
		{"a widening host among the canaries", func(d *planner.Draft) { move(d, len(d.Plan.Waves)-4, 2) }},
		{"a host listed twice", func(d *planner.Draft) { d.Hosts[9] = d.Hosts[8] }},
		{"a host forgotten", func(d *planner.Draft) { d.Hosts = d.Hosts[:len(d.Hosts)-1] }},
		{"a reverted host listed", func(d *planner.Draft) { d.LeftOut = nil }},
		{"a critical host early", func(d *planner.Draft) {
			exchange(d, find(d, "critical", "true", func(int) bool { return true }), find(d, "critical", "", func(w int) bool { return w == 4 }))
		}},
		{"a pair torn apart", func(d *planner.Draft) {
			pair := d.Hosts[slices.IndexFunc(d.Hosts, func(h hotstick.PlanHost) bool { return h.Domains["pair"] != "" })]
			exchange(d, pair.Host, d.Hosts[len(d.Hosts)-7].Host)
		}},
		{"a wave too large", func(d *planner.Draft) { move(d, 5, 4) }},
		{"a host that waits for nothing", func(d *planner.Draft) {
			late := d.Hosts[slices.IndexFunc(d.Hosts, func(h hotstick.PlanHost) bool { return h.Wave == 4 })]
			for i := range d.Hosts {
				if d.Hosts[i].Host == late.Host {
					d.Hosts[i].Wave = 5
				}
			}
			d.Plan.Waves[4].Hosts--
			d.Plan.Waves[5].Hosts++
			slices.SortStableFunc(d.Hosts, func(a, b hotstick.PlanHost) int { return a.Wave - b.Wave })
		}},
		{"a delay that shrinks", func(d *planner.Draft) { d.Plan.Waves[len(d.Plan.Waves)-1].DelaySeconds = 0 }},
		{"a short bake", func(d *planner.Draft) { d.Plan.Waves[0].BakeSeconds = 60 }},
		{"a stand-in of another build", func(d *planner.Draft) {
			h := at(d, func(h hotstick.PlanHost) bool { return h.StandIn != nil })
			other := at(d, func(x hotstick.PlanHost) bool { return x.Build != h.Build && x.StandIn == nil && x.Wave > 4 })
			h.StandIn, other.StandIn = nil, h.StandIn
		}},
		{"no stand-in", func(d *planner.Draft) {
			at(d, func(h hotstick.PlanHost) bool { return h.StandIn != nil }).StandIn = nil
		}},
		{"a level nobody may go back to", func(d *planner.Draft) { d.Plan.Lanes[0].RevertTo = d.Plan.Lanes[0].RevertTo[:1] }},
		{"a lane missing", func(d *planner.Draft) { d.Plan.Lanes = d.Plan.Lanes[1:] }},
		{"a budget raised", func(d *planner.Draft) { d.Plan.Budgets[0].Max++ }},
		{"a budget dropped", func(d *planner.Draft) { d.Plan.Budgets = d.Plan.Budgets[1:] }},
		{"a host out of its window", func(d *planner.Draft) {
			at(d, func(h hotstick.PlanHost) bool { return h.Calendar != "" }).Calendar = ""
		}},
		{"no calendar", func(d *planner.Draft) { d.Plan.Calendars = nil }},
		{"a wave nobody proved", func(d *planner.Draft) { d.Plan.Waves[1].Proven = true }},
	}
	good, err := planner.Build(sample())
	if err != nil {
		t.Fatal(err)
	}
	if wrong := violations(sample(), good); len(wrong) > 0 {
		t.Fatalf("the good plan is found to be wrong: %q", wrong)
	}
	for _, test := range tests {
		d, err := planner.Build(sample())
		if err != nil {
			t.Fatal(err)
		}
		test.plant(&d)
		if wrong := violations(sample(), d); len(wrong) == 0 {
			t.Errorf("not found: %s", test.bug)
		}
	}
}
