package planner_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/planner"
	"pgregory.net/rapid"
)

// newer asks for the next level over a rollout of which some waves have passed:
// their hosts carry its level.
func newer(r planner.Request, d planner.Draft, passed int) planner.Request {
	next := r
	next.Patch = patch(3, alphabet)
	next.Catalog = []hotstick.Patch{patch(1, alphabet), patch(2, alphabet), next.Patch}
	c := &planner.Continued{ID: hotstick.NewDigest([]byte("older")), Plan: d.Plan, Passed: make([]bool, len(d.Plan.Waves))}
	for i := range passed {
		c.Passed[i] = true
	}
	next.Hosts = slices.Clone(r.Hosts)
	for _, l := range d.Hosts {
		state := hotstick.Waiting
		if l.Wave < passed {
			state = hotstick.Confirmed
			edit(next.Hosts, l.Host, func(h *planner.Host) { h.Compat.InEffect = d.Plan.Patch })
		}
		c.Hosts = append(c.Hosts, planner.ContinuedHost{Listed: l, State: state})
	}
	next.Continues = c
	return next
}

func edit(hosts []planner.Host, id hotstick.HostID, change func(*planner.Host)) {
	change(&hosts[slices.IndexFunc(hosts, func(h planner.Host) bool { return h.ID == id })])
}

func TestRetargetKeepsWavesAndSendsOnlyCanariesAhead(t *testing.T) {
	var hosts []planner.Host
	for i := range 40 {
		hosts = append(hosts, host(fmt.Sprintf("n%02d", i), string("aab"[i%3])))
	}
	r := request(patch(2, alphabet), hosts...)
	first, err := planner.Build(r)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(first.Plan.Waves), 7; got != want {
		t.Fatalf("%d waves, want two of canaries and five that widen", got)
	}
	next := newer(r, first, 3) // the canaries and the first widening wave
	d, err := planner.Build(next)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	proven := 0
	for _, w := range d.Plan.Waves {
		names = append(names, w.Name)
		if w.Proven {
			proven += w.Hosts
		}
	}
	if names[0] != "level-3-first-host" || names[1] != "level-3-canary-1" || d.Plan.Continues != next.Continues.ID || len(d.Hosts) != 40 {
		t.Errorf("waves %q of a plan that continues %q, %d hosts", names, d.Plan.Continues, len(d.Hosts))
	}
	if d.Plan.Waves[0].BakeSeconds != 3600 || d.Plan.Waves[0].Proven {
		t.Errorf("the first host bakes %d s, proven %t", d.Plan.Waves[0].BakeSeconds, d.Plan.Waves[0].Proven)
	}
	if want := first.Plan.Waves[0].Hosts + first.Plan.Waves[1].Hosts + first.Plan.Waves[2].Hosts - 2; proven != want {
		t.Errorf("%d hosts are in proven waves, want %d", proven, want)
	}
	for _, lane := range d.Plan.Lanes {
		if n := len(lane.RevertTo); n != 2 || lane.RevertTo[n-1].Patch.Level != 2 {
			t.Errorf("lane %s may go back to %+v", lane.Build, lane.RevertTo)
		}
	}
}

func TestRetargetRefusesAnotherPatchOrAnOlderLevel(t *testing.T) {
	r := request(patch(2, "a"), host("x", "a"), host("y", "a"))
	d, err := planner.Build(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		edit func(*planner.Request)
	}{
		{"the same level", func(r *planner.Request) { r.Patch = patch(2, "a") }},
		{"another patch", func(r *planner.Request) { r.Patch.Ref.Name = "other" }},
		{"waves of which nothing is known", func(r *planner.Request) { r.Continues.Passed = nil }},
		{"a plan without an identity", func(r *planner.Request) { r.Continues.ID = "" }},
		{"a list with a host twice", func(r *planner.Request) { r.Continues.Hosts = append(r.Continues.Hosts, r.Continues.Hosts[0]) }},
	} {
		next := newer(r, d, 1)
		test.edit(&next)
		if _, err := planner.Build(next); err == nil || !strings.Contains(err.Error(), "cannot") {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

// Whatever the fleet and however far the older plan came: see [retargetViolations].
func TestEveryRetargetKeepsTheRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := anyRequest(t)
		first, err := planner.Build(r)
		if err != nil {
			return
		}
		next := newer(r, first, rapid.IntRange(0, len(first.Plan.Waves)).Draw(t, "passed"))
		for i := range next.Continues.Hosts {
			states := []hotstick.HostState{hotstick.Lost, hotstick.Quarantined, hotstick.Reverted, hotstick.Skipped}
			if n := rapid.IntRange(0, 20).Draw(t, "fate"); n < len(states) {
				next.Continues.Hosts[i].State = states[n]
			}
			if rapid.IntRange(0, 20).Draw(t, "kernel") == 0 { // it booted another kernel since
				edit(next.Hosts, next.Continues.Hosts[i].Listed.Host, func(h *planner.Host) { h.Compat.Facts = host("x", "c").Compat.Facts })
			}
		}
		for i := range next.Hosts { // somebody took the older level out again
			if rapid.IntRange(0, 3).Draw(t, "bare") == 0 {
				next.Hosts[i].Compat.InEffect = hotstick.PatchRef{}
			}
		}
		for i := range rapid.IntRange(0, 5).Draw(t, "newcomers") {
			next.Hosts = append(next.Hosts, anyHost(t, 100+i, r.Shape))
		}
		d, err := planner.Build(next)
		if err != nil {
			if strings.Contains(err.Error(), "cannot make a plan: ") {
				return // nobody is left
			}
			t.Fatal(err)
		}
		if wrong := retargetViolations(next, d); len(wrong) > 0 {
			for _, h := range d.Hosts {
				t.Logf("%d %s %s %s", h.Wave, d.Plan.Waves[h.Wave].Name, h.Host, h.Build.Release)
			}
			t.Fatalf("%q", wrong)
		}
		slices.Reverse(next.Hosts)
		slices.Reverse(next.Continues.Hosts)
		if again, err := planner.Build(next); err != nil || !reflect.DeepEqual(again, d) {
			t.Fatalf("another order of the input gave another plan (%v)", err)
		}
	})
}

// retargetViolations says what is wrong with a plan that continues another.
func retargetViolations(r planner.Request, d planner.Draft) []string {
	c := &checker{req: r, draft: d, host: map[hotstick.HostID]planner.Host{}, first: map[hotstick.KernelBuild]int{}}
	old, out := map[hotstick.HostID]planner.ContinuedHost{}, map[hotstick.HostID]hotstick.ReasonCode{}
	for _, h := range r.Hosts {
		c.host[h.ID] = h
	}
	for _, h := range r.Continues.Hosts {
		old[h.Listed.Host] = h
	}
	for _, o := range d.LeftOut {
		out[o.Host] = o.Reason.Code
	}
	c.waves = make([][]hotstick.PlanHost, len(d.Plan.Waves))
	credit := false
	for _, l := range d.Hosts {
		c.waves[l.Wave] = append(c.waves[l.Wave], l)
		if w, ok := c.first[l.Build]; !ok || l.Wave < w {
			c.first[l.Build] = l.Wave
		}
		o, kept := old[l.Host]
		if kept && (o.State == hotstick.Lost || o.State == hotstick.Quarantined) {
			c.bad("%s is listed though it is %s", l.Host, o.State)
		}
		credit = credit || kept && r.Continues.Passed[o.Listed.Wave]
	}
	for id, o := range old {
		listed := slices.ContainsFunc(d.Hosts, func(l hotstick.PlanHost) bool { return l.Host == id })
		if gone := o.State == hotstick.Lost || o.State == hotstick.Quarantined; gone && out[id] == "" || !gone && !listed {
			c.bad("%s, which is %s, is listed: %t, left out for %q", id, o.State, listed, out[id])
		}
	}
	if d.Plan.Continues != r.Continues.ID {
		c.bad("the plan continues %q", d.Plan.Continues)
	}
	c.oneOfEachBuild()
	if !credit { // then it is an ordinary plan
		fresh := r
		fresh.Continues = nil
		fresh.Hosts = slices.DeleteFunc(slices.Clone(r.Hosts), func(h planner.Host) bool {
			return old[h.ID].State == hotstick.Lost || old[h.ID].State == hotstick.Quarantined
		})
		if want, err := planner.Build(fresh); err != nil || !reflect.DeepEqual(want.Hosts, d.Hosts) {
			c.bad("nothing is proven, and the plan is not begun anew (%v)", err)
		}
		return c.verdict
	}
	c.kept(old)
	c.ahead(old)
	return c.verdict
}

// oneOfEachBuild: one host goes first; no build begins with two hosts, and canary
// stages are staged.
func (c *checker) oneOfEachBuild() {
	for i, w := range c.waves {
		begins := map[hotstick.KernelBuild]int{}
		for _, l := range w {
			if c.isCanary(l) {
				begins[l.Build]++
			}
		}
		for b, n := range begins {
			if n > 1 {
				c.bad("wave %d begins %s with %d hosts", i, b, n)
			}
		}
	}
	if len(c.waves[0]) != 1 {
		c.bad("%d hosts go first", len(c.waves[0]))
	}
}

// kept: all but the new canaries keep their wave, in the old order, with its
// credit; those that come new go after all.
func (c *checker) kept(old map[hotstick.HostID]planner.ContinuedHost) {
	lastOld, newcomers := -1, len(c.waves)
	for i, w := range c.waves {
		name := c.draft.Plan.Waves[i].Name
		if strings.HasPrefix(name, "level-3-") {
			continue
		}
		was := -2
		for _, l := range w {
			from := -1
			if o, ok := old[l.Host]; ok {
				from = o.Listed.Wave
			}
			if was != -2 && from != was {
				c.bad("wave %d mixes waves %d and %d", i, was, from)
			}
			was = from
		}
		if was < 0 {
			newcomers = min(newcomers, i)
			continue
		}
		before, now := c.req.Continues.Plan.Waves[was], c.draft.Plan.Waves[i]
		if was <= lastOld || i > newcomers || now.Proven != c.req.Continues.Passed[was] || now.Name != before.Name ||
			now.BakeSeconds != before.BakeSeconds || now.DelaySeconds < before.DelaySeconds {
			c.bad("wave %d is wave %d of before and says %+v", i, was, now)
		}
		lastOld = was
	}
	for i := range c.waves[1:] {
		if c.draft.Plan.Waves[i+1].DelaySeconds < c.draft.Plan.Waves[i].DelaySeconds {
			c.bad("the delay of wave %d shrinks", i+1)
		}
	}
}

// ahead: builds with proven hosts have their canary in front, from among them,
// with the level before if any has it; it bakes in full.
func (c *checker) ahead(old map[hotstick.HostID]planner.ContinuedHost) {
	size, front := 1, true
	for i, w := range c.waves {
		name := c.draft.Plan.Waves[i].Name
		if front = front && strings.HasPrefix(name, "level-3-"); front {
			bake := 30 * time.Minute
			if i == 0 {
				bake = time.Hour
			}
			if len(w) > size || c.draft.Plan.Waves[i].BakeSeconds != int(bake/time.Second) || c.draft.Plan.Waves[i].Proven {
				c.bad("%s has %d hosts and bakes %d s", name, len(w), c.draft.Plan.Waves[i].BakeSeconds)
			}
			size *= 2
		}
		for _, l := range w {
			if strings.HasPrefix(name, "level-3-") && !c.isCanary(l) {
				c.bad("%s goes ahead and is no canary", l.Host)
			}
			if s := l.StandIn; s != nil {
				c.standsIn(l, *s)
			}
		}
	}
	for build := range c.first {
		best, got := 0, 0
		for _, l := range c.draft.Hosts {
			o, kept := old[l.Host]
			if l.Build != build || !kept || !c.req.Continues.Passed[o.Listed.Wave] {
				continue
			}
			worth := 1
			if o.Listed.Build == build {
				worth += 2
			}
			if c.host[l.Host].Compat.InEffect.Name == "fix" {
				worth++
			}
			best = max(best, worth)
			if l.Wave == c.first[build] {
				got = worth
			}
		}
		if got != best {
			c.bad("the canary of %s is worth %d, and one is worth %d", build, got, best)
		}
	}
}

func (c *checker) standsIn(l hotstick.PlanHost, s hotstick.StandIn) {
	others := 0
	for _, x := range c.draft.Hosts {
		if x.StandIn != nil && x.StandIn.For == s.For {
			others++
		}
	}
	if others > hotstick.MaxStandIns {
		c.bad("%d hosts stand in for %s", others, s.For)
	}
	i := slices.IndexFunc(c.draft.Hosts, func(x hotstick.PlanHost) bool { return x.Host == s.For })
	if i < 0 || c.draft.Hosts[i].StandIn != nil || c.draft.Hosts[i].Wave != s.Wave || l.Wave <= s.Wave || c.draft.Hosts[i].Build != l.Build {
		c.bad("%s cannot stand in for %s", l.Host, s.For)
	}
}
