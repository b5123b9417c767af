package rollout_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/rollout"
)

// brief writes a reason in one line.
func brief(r *hotstick.Reason) string {
	if r == nil {
		return "nothing"
	}
	out := string(r.Code)
	if r.Subject != "" {
		out += " " + r.Subject
	}
	if r.Until != nil {
		out += " +" + r.Until.Sub(t0).String()
	}
	return out
}

func TestWhy(t *testing.T) {
	night := func(v *rollout.View) {
		v.Plan.Calendars = []hotstick.Calendar{{Name: "night", Opens: []hotstick.Interval{{From: t0.Add(2 * time.Hour), Until: t0.Add(3 * time.Hour)}}}}
		on("b", func(h *rollout.Host) { h.Listed.Calendar = "night" })(v)
	}
	rack := all(budgets(hotstick.Budget{Domain: "rack", Max: 1}), on("a b c", labelled("rack", "r1")))
	pairs := all(budgets(hotstick.Budget{Domain: "pair", Max: 1, Quorum: true}), on("b d", labelled("pair", "p1")), on("c e", labelled("pair", "p2")))
	tests := []struct {
		name   string
		fleet  string
		change func(*rollout.View)
		after  time.Duration
		want   string // of host b
	}{
		{"an earlier wave", "a/x/0:probation b/x/1:waiting", nil, 0, "wave_not_open w0"},
		{"a bake", "a/x/0:confirmed b/x/1:waiting", nil, time.Second, "bake w0 +1m0s"},
		{"another lane's canary", "a/x/0:confirmed c/y/1:probation b/x/2:waiting", nil, time.Hour, "wave_not_open w1"},
		{"a lost canary", "a/x/0:confirmed c/x/1:lost=silent_after_start b/x/2:waiting", nil, time.Hour, "canary_lost c"},
		{"an operator's word", "a/x/0:confirmed b/x/1:waiting", func(v *rollout.View) { v.Plan.Waves[1].Manual = true }, time.Hour, "needs_promotion w1"},
		{"a wave of absent hosts", "a/x/0:skipped=host_silent b/x/1:waiting", on("a", silent), time.Hour, "lane_held w0"},
		{"a window", "a/x/0:confirmed b/x/1:waiting", night, time.Hour, "window_closed night +2h0m0s"},
		{"a window that never comes", "a/x/0:confirmed b/x/1:waiting", all(night, func(v *rollout.View) { v.Plan.NotAfter = t0.Add(2 * time.Hour) }), time.Hour, "window_closed night"},
		{"a freeze", "a/x/0:confirmed b/x/1:waiting", func(v *rollout.View) {
			v.Freezes = []rollout.Freeze{{Reason: "sale", Interval: hotstick.Interval{From: t0, Until: t0.Add(2 * time.Hour)}}}
		}, time.Hour, "freeze sale +2h0m0s"},
		{"a signed delay", "a/x/0:confirmed b/x/1:waiting", func(v *rollout.View) { v.Plan.Waves[1].DelaySeconds = 7200 }, time.Hour, "delay +2h0m0s"},
		{"an exclusion", "a/x/0:probation b/x/1:waiting", on("b", excludedFor(time.Hour)), time.Second, "excluded alice +1h0m0s"},
		{"its own silence", "a/x/0:confirmed b/x/1:waiting", on("b", silent), time.Hour, "host_silent b"},
		{"another plan", "a/x/0:confirmed b/x/1:waiting", on("b", func(h *rollout.Host) { h.Elsewhere = true }), time.Hour, "other_plan"},
		{"a budget", "a/x/0:confirmed c/x/1:probation b/x/1:waiting", rack, time.Hour, "budget rack=r1"},
		{"members that are down", "a/x/0:confirmed c/x/1:confirmed b/x/1:waiting", all(rack, on("c", func(h *rollout.Host) { h.IllSince = t0 })), time.Hour, "domain_ill rack=r1"},
		{"a slow rollout", "a/x/0:confirmed c/x/1:probation b/x/1:waiting", all(budgets(hotstick.Budget{Domain: "fleet", Max: 2}),
			on("a", func(h *rollout.Host) { h.Timing.TransitionMillis = 60_000 })), time.Hour, "slow fleet=all"},
		{"another cluster", "a/x/0:confirmed c/x/1:probation b/x/1:waiting d/x/1:waiting", pairs, time.Hour, "domain_unfinished pair=p1"},
		{"its canary", "a/x/0:probation b/x/1:waiting", on("b", standsInFor("a", 0)), 0, "standing_by a"},
		{"its stand-in", "b/x/0:waiting=caught_up c/x/1:probation", all(on("c", standsInFor("b", 0)), on("c", standing)), 0, "wave_not_open w0"},
		{"its pause", "a/x/0:confirmed b/x/1:interrupted=clean_shutdown", on("b", func(h *rollout.Host) { h.Attempt = 2 }), time.Second, "clean_shutdown +1m0s"},
		{"its next check-in", "a/x/0:confirmed b/x/1:admitted", nil, time.Hour, "awaiting_grant"},
		{"its write-off", "a/x/0:confirmed b/x/1:lost", nil, time.Hour, "silent_after_start"},
		{"its turn to go back", "a/x/0:confirmed c/x/0:reverting b/x/1:confirmed", all(rack, func(v *rollout.View) { v.Status, v.Reverting = hotstick.Halted, true }), time.Hour, "budget rack=r1"},
		{"nothing while it moves", "a/x/0:confirmed b/x/1:probation", nil, time.Hour, "nothing"},
		{"nothing where it is done", "a/x/0:confirmed b/x/1:confirmed", nil, time.Hour, "nothing"},
		{"nothing where it is about to start", "a/x/0:confirmed b/x/1:waiting", nil, time.Hour, "nothing"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			v := fleet(test.fleet)
			for i := range v.Hosts {
				if v.Hosts[i].State != hotstick.Lost {
					v.Hosts[i].LastSeen = t0.Add(test.after)
				}
			}
			if test.change != nil {
				test.change(&v)
			}
			r := rollout.Open(v)
			if got := brief(r.Why("b", t0.Add(test.after))); got != test.want {
				t.Errorf("b waits for %q, want %q", got, test.want)
			}
			started := slices.ContainsFunc(r.Next(t0.Add(test.after)).Starts, func(s rollout.Start) bool { return s.Host == "b" })
			if about := strings.Contains(test.name, "about to start"); started != about {
				t.Errorf("b started: %v", started)
			}
		})
	}
}

func TestALostHostsSlotSaysWhoFreesIt(t *testing.T) {
	v := fleet("a/x/0:confirmed c/x/1:lost b/x/1:waiting")
	v.Plan.Budgets[0].Max = 1
	why := rollout.Open(v).Why("b", t0.Add(time.Minute))
	if why == nil || why.Cause != hotstick.ReasonSilentAfter || !strings.Contains(why.Detail, "c keeps its slot until it is written off") {
		t.Errorf("said %+v", why)
	}
}

func TestStuck(t *testing.T) {
	tests := []struct {
		name, fleet string
		change      func(*rollout.View)
		want        string
	}{
		{"nothing while a host is under way", "a/x/0:probation b/x/1:waiting", nil, "nothing"},
		{"nothing where all is done", "a/x/0:confirmed", nil, "nothing"},
		{"what the first host waits for", "a/x/0:confirmed b/x/1:waiting", nil, "bake w0 +1m0s"},
		{"a lost host", "a/x/0:confirmed b/x/0:lost", nil, "silent_after_start b"},
		{"who may come back", "a/x/0:confirmed b/x/0:skipped=host_silent", on("b", silent), "host_silent"},
		{"a hold", "a/x/0:confirmed b/x/1:waiting", func(v *rollout.View) { v.Status = hotstick.Held }, "plan_held"},
		{"nothing after a halt", "a/x/0:reverted b/x/1:waiting", func(v *rollout.View) { v.Status = hotstick.Halted }, "nothing"},
		{"reverts that wait for who is down", "a/x/0:confirmed b/x/0:quarantined", all(budgets(hotstick.Budget{Domain: "pair", Max: 1, Quorum: true}),
			on("a b", labelled("pair", "p")), on("b", func(h *rollout.Host) { h.LastSeen = t0.Add(-5 * time.Minute) }),
			func(v *rollout.View) { v.Status, v.Reverting = hotstick.Halted, true }), "domain_ill pair=p +15m0s"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			v := fleet(test.fleet)
			if test.change != nil {
				test.change(&v)
			}
			if got := brief(rollout.Open(v).Stuck(t0)); got != test.want {
				t.Errorf("stuck on %q, want %q", got, test.want)
			}
		})
	}
}

func TestARolloutWaitsForAPersonWhenNoLaneBakesAnyMore(t *testing.T) {
	v := fleet("a/x/0:confirmed b/y/0:confirmed c/x/1:confirmed d/y/1:confirmed e/x/2:waiting f/y/2:waiting")
	v.Plan.Waves[2].Manual = true
	on("d", func(h *rollout.Host) { h.Updated = t0.Add(time.Second) })(&v)
	for after, want := range map[time.Duration]string{
		59 * time.Second: "bake w1 +1m0s", time.Minute: "bake w1 +1m1s", 61 * time.Second: "needs_promotion w2",
	} {
		r := rollout.Open(v)
		if got, wave := brief(r.Stuck(t0.Add(after))), brief(r.Waves(t0.Add(after))[2].Closed); got != want || wave != want {
			t.Errorf("after %s the rollout waits for %q and its wave for %q, want %q", after, got, wave, want)
		}
	}
}

func TestWavesLanesAndDomains(t *testing.T) {
	v := fleet("a/x/0:confirmed b/y/1:quarantined=crash c/x/1:confirmed d/x/2:probation e/y/2:waiting f/x/2:skipped=host_silent g/x/3:waiting")
	now := t0.Add(time.Hour)
	for i := range v.Hosts {
		v.Hosts[i].LastSeen = now
	}
	on("f", silent)(&v)
	all(budgets(hotstick.Budget{Domain: "fleet", Max: 3}, hotstick.Budget{Domain: "pair", Max: 1, Quorum: true}),
		on("c d", labelled("pair", "p1")), on("e f", labelled("pair", "p2")), on("a g", labelled("pair", "p3")))(&v)
	r := rollout.Open(v)
	var waves, lanes, domains []string
	for _, w := range r.Waves(now) {
		waves = append(waves, fmt.Sprintf("%s %s %d", w.Gate.Outcome, brief(w.Closed), w.Absent))
	}
	for _, l := range r.Lanes(now) {
		lanes = append(lanes, fmt.Sprintf("%s %d %s %d", l.Build.Release, l.Wave, brief(l.Held), l.States[hotstick.Confirmed]))
	}
	for _, d := range r.Domains(now) {
		mixed := "-"
		if d.MixedSince != nil {
			mixed = d.MixedSince.Sub(t0).String()
		}
		domains = append(domains, fmt.Sprintf("%s=%s %d+%d/%d %s", d.Domain, d.Value, d.Used, d.Ill, d.Limit, mixed))
	}
	for _, test := range []struct {
		what      string
		got, want []string
	}{
		{"waves", waves, []string{"pass nothing 0", "hold nothing 0", "hold canary_lost b 1", "hold wave_not_open w2 0"}},
		{"lanes", lanes, []string{"x 2 nothing 2", "y 1 canary_lost b 0"}},
		{"domains", domains, []string{"fleet=all 1+0/3 -", "pair=p1 0+1/1 0s", "pair=p2 0+1/1 -", "pair=p3 0+0/1 0s"}},
	} {
		if !slices.Equal(test.got, test.want) {
			t.Errorf("%s %q, want %q", test.what, test.got, test.want)
		}
	}
}

func TestWhoMayJoinLate(t *testing.T) {
	build := hotstick.KernelBuild{Release: "x", BuildID: "x"}
	p := hotstick.Plan{Lanes: []hotstick.Lane{{Build: build}}, Late: &hotstick.LateRule{Labels: map[string]string{"site": "a", "role": "db"}}}
	tests := []struct {
		name   string
		plan   hotstick.Plan
		build  hotstick.KernelBuild
		labels map[string]string
		want   bool
	}{
		{"every label equal", p, build, map[string]string{"site": "a", "role": "db", "x": "y"}, true},
		{"one differs", p, build, map[string]string{"site": "b", "role": "db"}, false},
		{"one is missing", p, build, map[string]string{"site": "a"}, false},
		{"no lane for the kernel", p, hotstick.KernelBuild{Release: "y"}, map[string]string{"site": "a", "role": "db"}, false},
		{"no rule", hotstick.Plan{Lanes: p.Lanes}, build, map[string]string{"site": "a"}, false},
		{"a rule without labels selects nobody", hotstick.Plan{Lanes: p.Lanes, Late: &hotstick.LateRule{}}, build, nil, false},
	}
	for _, test := range tests {
		if got := rollout.Joins(test.plan, test.build, test.labels); got != test.want {
			t.Errorf("%s: joins %v", test.name, got)
		}
	}
}

func TestWhyNamesAllWhomAPowerCutStruck(t *testing.T) {
	struck := hotstick.Reason{Code: hotstick.ReasonStruck, Subject: "fix@2", Cause: hotstick.ReasonPowerCut, Detail: "rack=r1, with 3 others"}
	other := struck
	other.Detail = "rack=r10, with 3 others"
	v := fleet("a/x/0:skipped b/x/0:skipped c/x/0:skipped=struck d/x/0:confirmed e/x/0:skipped")
	v.Plan.Budgets = append(v.Plan.Budgets, hotstick.Budget{Domain: "rack", Max: 2})
	for i := range v.Hosts {
		v.Hosts[i].Listed.Domains = map[string]string{"rack": "r1"}
	}
	v.Hosts[0].Reason, v.Hosts[1].Reason, v.Hosts[4].Reason = &struck, &struck, &other
	v.Hosts[4].Listed.Domains = map[string]string{"rack": "r10"}
	for id, want := range map[hotstick.HostID]string{"a": "rack=r1, with 3 others; it struck a, b", "b": "rack=r1, with 3 others; it struck a, b",
		"c": "", "e": "rack=r10, with 3 others; it struck e"} {
		if got := rollout.Open(v).Why(id, t0); got == nil || got.Detail != want {
			t.Errorf("%s: %+v, want %q", id, got, want)
		}
	}
}

func TestAPowerCutStaysTheCauseWhileTheStrikeLasts(t *testing.T) {
	v := fleet("a/x/0:interrupted=power_cut")
	v.Hosts[0].Struck, v.Hosts[0].Reason.Subject, v.Hosts[0].Reason.Detail = true, "rack=r1", "with 3 others"
	d := rollout.Next(v, t0)
	want := hotstick.Reason{Code: hotstick.ReasonStruck, Subject: "fix@2", Cause: hotstick.ReasonPowerCut, Detail: "rack=r1, with 3 others"}
	if len(d.Changes) != 1 || d.Changes[0].State != hotstick.Skipped || d.Changes[0].Reason != want {
		t.Errorf("decided %q: %+v", say(d), d.Changes)
	}
}
