package planner_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/planner"
)

// checker judges a draft by the rules of the package's comment, by brute force
// and sharing nothing with the planner. It knows nothing of the shuffle: where a
// rule leaves a choice to it, any choice is right.
type checker struct {
	req     planner.Request
	draft   planner.Draft
	host    map[hotstick.HostID]planner.Host
	first   map[hotstick.KernelBuild]int // first wave of each build
	waves   [][]hotstick.PlanHost
	verdict []string
}

// violations says what is wrong with a plan that continues no other.
func violations(r planner.Request, d planner.Draft) []string {
	c := &checker{req: r, draft: d}
	if !c.listing() {
		return c.verdict // the rest would only stumble
	}
	c.staging()
	c.order()
	c.canaries()
	c.spreading()
	c.widening()
	c.clusters()
	c.standIns()
	c.clocks()
	c.rest()
	return c.verdict
}

func (c *checker) bad(format string, args ...any) {
	c.verdict = append(c.verdict, fmt.Sprintf(format, args...))
}

// mustBeOut says why a host must not be listed, and the code it must be given.
func mustBeOut(r planner.Request, h planner.Host) hotstick.ReasonCode {
	switch {
	case slices.Contains(h.Compat.Strikes, r.Patch.Ref):
		return hotstick.ReasonStruck
	case slices.Contains(h.Compat.Reverted, r.Patch.Ref):
		return hotstick.ReasonRevertedBefore
	case h.Compat.InEffect == r.Patch.Ref:
		return hotstick.ReasonAlreadyInEffect
	case h.Verdict.Reason != nil:
		return h.Verdict.Reason.Code
	}
	return ""
}

func (c *checker) listing() bool {
	c.host = map[hotstick.HostID]planner.Host{}
	out := map[hotstick.HostID]hotstick.ReasonCode{}
	for _, o := range c.draft.LeftOut {
		out[o.Host] = o.Reason.Code
	}
	fit := 0
	for _, h := range c.req.Hosts {
		c.host[h.ID] = h
		if want := mustBeOut(c.req, h); want != out[h.ID] {
			c.bad("%s is left out for %q, want %q", h.ID, out[h.ID], want)
		} else if want == "" {
			fit++
		}
	}
	c.waves = make([][]hotstick.PlanHost, len(c.draft.Plan.Waves))
	c.first = map[hotstick.KernelBuild]int{}
	seen := map[hotstick.HostID]bool{}
	for i, l := range c.draft.Hosts {
		h, ok := c.host[l.Host]
		switch {
		case !ok || seen[l.Host] || out[l.Host] != "":
			c.bad("%s is listed and should not be, or twice", l.Host)
			return false
		case l.Wave < 0 || l.Wave >= len(c.waves) || i > 0 && l.Wave < c.draft.Hosts[i-1].Wave:
			c.bad("the list is not wave by wave")
			return false
		case l.Build != h.Compat.Facts.Kernel.Build || l.Identity != h.Identity || l.Calendar != h.Verdict.Calendar || !maps.Equal(l.Domains, h.Labels):
			c.bad("%s is listed as another host", l.Host)
		}
		seen[l.Host] = true
		c.waves[l.Wave] = append(c.waves[l.Wave], l)
		if w, ok := c.first[l.Build]; !ok || l.Wave < w {
			c.first[l.Build] = l.Wave
		}
	}
	for i, w := range c.waves {
		if len(w) == 0 || len(w) != c.draft.Plan.Waves[i].Hosts {
			c.bad("wave %d lists %d hosts and says %d", i, len(w), c.draft.Plan.Waves[i].Hosts)
		}
	}
	if len(seen) != fit || c.draft.Plan.HostCount != fit {
		c.bad("%d of %d hosts are listed, the plan says %d", len(seen), fit, c.draft.Plan.HostCount)
	}
	return len(c.verdict) == 0
}

// stretch is a host's place among rings: critical hosts after all others.
func (c *checker) stretch(id hotstick.HostID) int {
	h := c.host[id]
	if h.Verdict.Last || h.Labels["critical"] == "true" {
		return 1000 + h.Verdict.Ring
	}
	return h.Verdict.Ring
}

func (c *checker) isCanary(l hotstick.PlanHost) bool { return c.first[l.Build] == l.Wave }

// staging: one host, then at most 2, 4, 8 … builds, one host of each, and no
// other host in a wave with canaries.
func (c *checker) staging() {
	if len(c.waves[0]) != 1 {
		c.bad("%d hosts go first", len(c.waves[0]))
	}
	size, before := 1, -1
	for i, w := range c.waves {
		canaries := map[hotstick.KernelBuild]int{}
		for _, l := range w {
			if c.isCanary(l) {
				canaries[l.Build]++
			}
		}
		if len(canaries) == 0 {
			continue
		}
		if here := c.stretch(w[0].Host); here != before {
			size, before = min(2, i+1), here
		}
		if len(w) != len(canaries) || len(w) > size {
			c.bad("wave %d has %d hosts and %d canaries, with room for %d", i, len(w), len(canaries), size)
		}
		size *= 2
	}
}

// order: no wave mixes rings, and they come in order; within a ring canaries go
// first, then ordinary hosts, then clusters.
func (c *checker) order() {
	last := [2]int{}
	for i, w := range c.waves {
		here := [2]int{c.stretch(w[0].Host), 1}
		switch {
		case c.isCanary(w[0]):
			here[1] = 0
		case !slices.ContainsFunc(w, func(l hotstick.PlanHost) bool { return c.cluster(l.Host) == "" || c.begun(l.Host) }):
			here[1] = 2
		}
		for _, l := range w {
			if c.stretch(l.Host) != here[0] {
				c.bad("wave %d mixes rings", i)
			}
			if here[1] == 1 && c.cluster(l.Host) != "" && !c.begun(l.Host) {
				c.bad("wave %d mixes ordinary hosts and clusters", i)
			}
		}
		if i > 0 && slices.Compare(here[:], last[:]) < 0 {
			c.bad("wave %d comes too late", i)
		}
		last = here
	}
}

// cluster names the quorum domain of a host.
func (c *checker) cluster(id hotstick.HostID) string {
	var kinds []string
	for _, b := range c.req.Shape.Budgets {
		if b.Quorum {
			kinds = append(kinds, b.Domain)
		}
	}
	slices.Sort(kinds)
	for _, kind := range kinds {
		if v := c.host[id].Labels[kind]; v != "" {
			return kind + "=" + v
		}
	}
	return ""
}

// begun: a canary of the host's ring is of its cluster.
func (c *checker) begun(id hotstick.HostID) bool {
	for _, l := range c.draft.Hosts {
		if c.isCanary(l) && c.cluster(l.Host) == c.cluster(id) && c.stretch(l.Host) == c.stretch(id) {
			return true
		}
	}
	return false
}

// candidates lists the hosts that may be the canary of a build, and all hosts of
// the build in the canary's ring.
func (c *checker) candidates(canary hotstick.PlanHost) (fit, ring []hotstick.PlanHost) {
	for _, l := range c.draft.Hosts {
		if l.Build == canary.Build && c.stretch(l.Host) == c.stretch(canary.Host) {
			ring = append(ring, l)
			if c.cluster(l.Host) == "" {
				fit = append(fit, l)
			}
		}
		if l.Build == canary.Build && c.stretch(l.Host) < c.stretch(canary.Host) {
			c.bad("%s is not in the first ring of its build", canary.Host)
		}
	}
	if len(fit) == 0 {
		fit = ring
	}
	return fit, ring
}

func (c *checker) model(id hotstick.HostID) string {
	s := ""
	for _, key := range c.req.Shape.Waves.Representative {
		s += c.host[id].Labels[key] + "\x00"
	}
	return s
}

// canaries: outside clusters where a build has such hosts, and of a model that is
// common among them.
func (c *checker) canaries() {
	for _, l := range c.draft.Hosts {
		if !c.isCanary(l) {
			continue
		}
		fit, _ := c.candidates(l)
		counts := map[string]int{}
		most := 0
		for _, f := range fit {
			counts[c.model(f.Host)]++
			most = max(most, counts[c.model(f.Host)])
		}
		if !slices.ContainsFunc(fit, func(f hotstick.PlanHost) bool { return f.Host == l.Host }) {
			c.bad("canary %s is of a cluster and need not be", l.Host)
		}
		if 2*counts[c.model(l.Host)] < most {
			c.bad("canary %s is one of %d, and others are %d", l.Host, counts[c.model(l.Host)], most)
		}
	}
}

func (c *checker) domain(kind string, id hotstick.HostID) string {
	switch kind {
	case "fleet":
		return "all"
	case "calendar":
		return c.host[id].Verdict.Calendar
	}
	return c.host[id].Labels[kind]
}

func (c *checker) together(wave int, kind string, id hotstick.HostID) int {
	n := 0
	for _, l := range c.waves[wave] {
		if c.domain(kind, l.Host) == c.domain(kind, id) {
			n++
		}
	}
	return n
}

func (c *checker) spreading() {
	for kind, limit := range c.req.Shape.Waves.Spread {
		for i, w := range c.waves {
			for _, l := range w {
				if n := c.together(i, kind, l.Host); n > limit {
					c.bad("wave %d has %d hosts of %s=%s", i, n, kind, c.domain(kind, l.Host))
				}
			}
		}
	}
}

// widening: the waves of a ring's ordinary hosts and those of its clusters are as
// large as the percentages allow, and no host waits for nothing.
func (c *checker) widening() {
	type group struct {
		ring     int
		clusters bool
	}
	groups := map[group][]int{}
	for i, w := range c.waves {
		if !c.isCanary(w[0]) {
			g := group{c.stretch(w[0].Host), true}
			for _, l := range w {
				g.clusters = g.clusters && c.cluster(l.Host) != "" && !c.begun(l.Host)
			}
			groups[g] = append(groups[g], i)
		}
	}
	for _, waves := range groups {
		hosts, canaries := 0, 0
		for _, i := range waves {
			hosts += len(c.waves[i])
		}
		for _, l := range c.draft.Hosts {
			if c.isCanary(l) && l.Wave < waves[0] {
				canaries++
			}
		}
		limits := c.limits(hosts, canaries)
		for n, i := range waves {
			c.wave(waves, n, i, limits)
		}
	}
}

// limits are the sizes of widening waves; past the end there is none.
func (c *checker) limits(hosts, canaries int) []int {
	widen := c.req.Shape.Waves.Widen
	if widen == nil {
		widen = []int{5, 25, 100}
	}
	var out []int
	done := 0
	for _, percent := range widen {
		target := max(hosts*percent/100, done+max(1, canaries))
		for done < target {
			size := target - done
			first := max(1, canaries)
			for size > first && (size > first+done || size > 32 && 3*size > 2*(first+done)) {
				size--
			}
			if done += size; done >= hosts {
				return out
			}
			out = append(out, size)
		}
	}
	return out
}

func (c *checker) wave(waves []int, n, i int, limits []int) {
	size := 1 << 30
	if n < len(limits) {
		size = limits[n]
	}
	if len(c.waves[i]) > size && !c.oneCluster(i) {
		c.bad("wave %d has %d hosts, more than %d", i, len(c.waves[i]), size)
	}
	for _, later := range waves[n+1:] {
		for _, l := range c.waves[later] {
			if c.roomFor(l.Host, i, size) {
				c.bad("%s waits for wave %d with room in wave %d", l.Host, later, i)
			}
		}
	}
}

func (c *checker) oneCluster(i int) bool {
	for _, l := range c.waves[i] {
		if name := c.cluster(l.Host); name == "" || name != c.cluster(c.waves[i][0].Host) {
			return false
		}
	}
	return true
}

// roomFor reports whether a wave has room for a host, together with the members
// of its cluster that wait with it.
func (c *checker) roomFor(id hotstick.HostID, wave, size int) bool {
	unit := []hotstick.HostID{id}
	if c.cluster(id) != "" {
		unit = nil
		for _, l := range c.draft.Hosts {
			if c.cluster(l.Host) == c.cluster(id) && c.stretch(l.Host) == c.stretch(id) && !c.isCanary(l) {
				unit = append(unit, l.Host)
			}
		}
		if c.parted(unit) {
			return false // each went on its own; one of them may have been in the way
		}
	}
	if len(c.waves[wave])+len(unit) > size {
		return false
	}
	for kind, limit := range c.req.Shape.Waves.Spread {
		for _, x := range unit {
			n := c.together(wave, kind, x)
			for _, y := range unit {
				if c.domain(kind, x) == c.domain(kind, y) {
					n++
				}
			}
			if n > limit {
				return false
			}
		}
	}
	return true
}

// parted: spread caps keep a cluster from going in one wave.
func (c *checker) parted(unit []hotstick.HostID) bool {
	for kind, limit := range c.req.Shape.Waves.Spread {
		counts := map[string]int{}
		for _, x := range unit {
			if counts[c.domain(kind, x)]++; counts[c.domain(kind, x)] > limit {
				return true
			}
		}
	}
	return false
}

// clusters: what is left of a cluster goes in one wave, side by side; of one that
// a canary began, in the first widening wave that can take it.
func (c *checker) clusters() {
	type key struct {
		name string
		ring int
	}
	places := map[key][]int{}
	for i, l := range c.draft.Hosts {
		if name := c.cluster(l.Host); name != "" && !c.isCanary(l) {
			k := key{name, c.stretch(l.Host)}
			places[k] = append(places[k], i)
		}
	}
	for k, at := range places {
		var unit []hotstick.HostID
		for _, i := range at {
			unit = append(unit, c.draft.Hosts[i].Host)
		}
		if c.parted(unit) {
			continue
		}
		if at[len(at)-1]-at[0] != len(at)-1 || c.draft.Hosts[at[0]].Wave != c.draft.Hosts[at[len(at)-1]].Wave {
			c.bad("%s of ring %d is torn: places %v", k.name, k.ring, at)
		}
	}
}

func (c *checker) standIns() {
	want := cmp.Or(c.req.Shape.Waves.StandIns, 3)
	for _, canary := range c.draft.Hosts {
		if !c.isCanary(canary) {
			continue
		}
		_, ring := c.candidates(canary)
		var got, all []int
		for _, l := range ring {
			if l.Host == canary.Host {
				continue
			}
			all = append(all, c.shared(l.Host, canary.Host))
			if l.StandIn != nil {
				got = append(got, c.shared(l.Host, canary.Host))
			}
		}
		slices.Sort(all)
		slices.Sort(got)
		if !slices.Equal(got, all[:min(want, len(all))]) {
			c.bad("the stand-ins of %s share %v domains with it; %v were possible", canary.Host, got, all)
		}
	}
	for _, l := range c.draft.Hosts {
		if l.StandIn == nil {
			continue
		}
		i := slices.IndexFunc(c.draft.Hosts, func(x hotstick.PlanHost) bool { return x.Host == l.StandIn.For })
		if i < 0 {
			c.bad("%s stands in for nobody", l.Host)
			continue
		}
		canary := c.draft.Hosts[i]
		if !c.isCanary(canary) || canary.Wave != l.StandIn.Wave || l.Wave <= canary.Wave || canary.Build != l.Build || c.stretch(canary.Host) != c.stretch(l.Host) {
			c.bad("%s cannot stand in for %s", l.Host, canary.Host)
		}
	}
}

func (c *checker) shared(a, b hotstick.HostID) int {
	kinds := map[string]bool{}
	for kind := range c.req.Shape.Waves.Spread {
		kinds[kind] = true
	}
	for _, budget := range c.req.Shape.Budgets {
		kinds[budget.Domain] = true
	}
	delete(kinds, "fleet")
	delete(kinds, "calendar")
	n := 0
	for kind := range kinds {
		if c.domain(kind, a) == c.domain(kind, b) {
			n++
		}
	}
	return n
}

// clocks: delays never shrink, keep their distance within a ring and its own
// offset; bakes are those asked for.
func (c *checker) clocks() {
	s := c.req.Shape.Waves
	for i, w := range c.draft.Plan.Waves {
		ring := c.stretch(c.waves[i][0].Host) % 1000
		least := 0
		if ring < len(s.RingDelay) {
			least = int(s.RingDelay[ring] / time.Second)
		}
		if i > 0 {
			before := c.draft.Plan.Waves[i-1].DelaySeconds
			if c.stretch(c.waves[i-1][0].Host)%1000 == ring {
				before += int(s.Delay / time.Second)
			}
			least = max(least, before)
		}
		if w.DelaySeconds != least {
			c.bad("wave %d has a delay of %d s, want %d", i, w.DelaySeconds, least)
		}
		bake := cmp.Or(s.Bake, 30*time.Minute)
		if c.isCanary(c.waves[i][0]) {
			bake = cmp.Or(s.CanaryBake, 30*time.Minute)
		}
		if i == 0 {
			bake = cmp.Or(s.FirstBake, time.Hour)
		}
		manual := s.Manual && !c.isCanary(c.waves[i][0])
		if w.BakeSeconds != int(bake/time.Second) || w.Manual != manual || w.Proven {
			c.bad("wave %d bakes %d s, manual %t, proven %t", i, w.BakeSeconds, w.Manual, w.Proven)
		}
	}
}

// rest: lanes with what their hosts may go back to, budgets, calendars.
func (c *checker) rest() {
	p := c.draft.Plan
	back := map[hotstick.KernelBuild]map[hotstick.PatchRef]bool{}
	calendars := map[string]bool{}
	for _, l := range c.draft.Hosts {
		if back[l.Build] == nil {
			back[l.Build] = map[hotstick.PatchRef]bool{}
		}
		back[l.Build][c.host[l.Host].Compat.InEffect] = true
		if l.Calendar != "" {
			calendars[l.Calendar] = true
		}
	}
	for _, lane := range p.Lanes {
		targets := map[hotstick.PatchRef]bool{}
		for _, t := range lane.RevertTo {
			targets[t.Patch] = true
		}
		if !maps.Equal(targets, back[lane.Build]) || len(targets) != len(lane.RevertTo) {
			c.bad("lane %s may go back to %v, want %v", lane.Build, targets, back[lane.Build])
		}
		delete(back, lane.Build)
	}
	if len(back) > 0 {
		c.bad("%d builds have no lane", len(back))
	}
	for _, cal := range p.Calendars {
		if !calendars[cal.Name] {
			c.bad("calendar %s is nobody's", cal.Name)
		}
		delete(calendars, cal.Name)
	}
	if len(calendars) > 0 {
		c.bad("calendars %v are missing", calendars)
	}
	want := map[string]hotstick.Budget{"fleet": {Domain: "fleet", Max: max(1, p.HostCount/4)}}
	for _, b := range c.req.Shape.Budgets {
		want[b.Domain] = b
	}
	for _, b := range p.Budgets {
		if want[b.Domain] != b {
			c.bad("the budget %+v should be %+v", b, want[b.Domain])
		}
		delete(want, b.Domain)
	}
	if len(want) > 0 || p.Patch != c.req.Patch.Ref || p.Approvals != c.req.Shape.Approvals || p.Policy != c.req.Shape.Policy || p.Gate != c.req.Shape.Gate || p.Late != c.req.Shape.Late {
		c.bad("the plan does not say what its policy does")
	}
}
