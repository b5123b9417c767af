package rollout_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/rollout"
	"pgregory.net/rapid"
)

// world plays one fleet against the deciders of its plans, which share the
// domains: it commits decisions as the server would, lets hosts take steps that a
// loader may report, and checks every start against what is true.
type world struct {
	t     *rapid.T
	r     *rand.Rand
	now   time.Time
	hosts []*machine
	plans []*running
	// bad: the first plan's patch has shown itself bad.
	bad bool
}

// machine is what is true of a host.
type machine struct {
	id     hotstick.HostID
	labels map[string]string
	// away: it does not check in. What it runs goes on, and is told when it is back.
	away, dead bool
	seen       time.Time
	ill        time.Time
	excluded   *hotstick.Reason
	cuts       int
}

// running is one plan: what the store would say, and the decider that is kept.
type running struct {
	mirror
	kept *rollout.Rollout
	// opened are the waves that were opened, by lane; skipped are hosts that were
	// passed over once, and are caught up if they come back.
	opened  map[string]bool
	skipped map[hotstick.HostID]bool
	// forgot: the host's loader lost the attempt that is under way, and says nothing
	// of it any more.
	forgot map[hotstick.HostID]bool
	// drifts are the hosts on which somebody took the level away.
	drifts map[hotstick.HostID]*hotstick.Drift
}

// steps a healthy or unlucky host may report next.
var steps = map[hotstick.HostState][]hotstick.HostState{
	hotstick.Admitted:  {hotstick.Armed},
	hotstick.Armed:     {hotstick.Applying},
	hotstick.Applying:  {hotstick.Probation},
	hotstick.Probation: {hotstick.Confirmed},
	hotstick.Reverting: {hotstick.Reverted},
}

func newWorld(t *rapid.T) *world {
	w := &world{t: t, r: rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1)), now: t0}
	for i := range 2 + w.r.IntN(16) {
		m := &machine{id: hotstick.HostID(fmt.Sprintf("h%02d", i)), seen: t0,
			labels: map[string]string{"rack": fmt.Sprint(i % 4), "pair": fmt.Sprint(i / 2)}}
		if w.r.IntN(5) == 0 {
			delete(m.labels, "pair")
		}
		w.hosts = append(w.hosts, m)
	}
	for n := range 1 + w.r.IntN(2) {
		w.plans = append(w.plans, w.newPlan(n))
	}
	return w
}

// newPlan makes the n-th plan over the fleet, with limits of its own.
func (w *world) newPlan(n int) *running {
	p := &running{opened: map[string]bool{}, skipped: map[hotstick.HostID]bool{}, forgot: map[hotstick.HostID]bool{}, drifts: map[hotstick.HostID]*hotstick.Drift{}}
	p.ID, p.now = hotstick.PlanID(fmt.Sprint("sha256:plan", n)), t0
	p.Frame = rollout.Frame{Status: hotstick.Running, Limits: rollout.DefaultLimits, Started: &t0}
	p.Plan = hotstick.Plan{Patch: hotstick.PatchRef{Name: fmt.Sprint("fix", n), Level: 2}, NotAfter: t0.Add(1000 * time.Hour), Reapply: w.r.IntN(3)}
	p.Plan.Budgets = []hotstick.Budget{{Domain: hotstick.FleetDomain, Max: 1 + w.r.IntN(6)}, {Domain: "rack", Max: 1 + w.r.IntN(2)},
		{Domain: "pair", Max: 1, Quorum: true, Open: w.r.IntN(4)}}
	p.Plan.Calendars = []hotstick.Calendar{{Name: "hours"}}
	for at := t0; at.Before(p.Plan.NotAfter); at = at.Add(time.Hour) {
		p.Plan.Calendars[0].Opens = append(p.Plan.Calendars[0].Opens, hotstick.Interval{From: at, Until: at.Add(30 * time.Minute)})
	}
	p.Plan.Gate.BackgroundPPM = 300_000       // hosts that fall silent are lost, and no verdict here
	p.Plan.Gate.MinReadings = 1 + w.r.IntN(3) // and as many at risk at least
	builds := 1 + w.r.IntN(3)
	for i, m := range w.hosts {
		wave := 0
		switch {
		case i == 0:
		case i < builds:
			wave = 1
		default:
			wave = 2 + (i-builds)/4
		}
		for len(p.Plan.Waves) <= wave {
			p.Plan.Waves = append(p.Plan.Waves, hotstick.Wave{Name: fmt.Sprint("w", len(p.Plan.Waves)), BakeSeconds: 60})
		}
		build := string(rune('x' + i%builds))
		h := rollout.Host{State: hotstick.Waiting, Updated: t0, Posture: rollout.Posture{LastSeen: t0, Announced: true},
			Listed: hotstick.PlanHost{Host: m.id, Name: string(m.id), Wave: wave, Domains: m.labels,
				Build: hotstick.KernelBuild{Release: build, BuildID: build}}}
		if w.r.IntN(3) == 0 {
			h.Listed.Calendar = "hours"
		}
		if wave > 1 && w.r.IntN(2) == 0 {
			canary := p.Hosts[i%builds].Listed
			h.Listed.StandIn = &hotstick.StandIn{For: canary.Host, Wave: canary.Wave}
		}
		p.Hosts = append(p.Hosts, h)
	}
	p.kept = rollout.Open(copied(p.View))
	return p
}

// early is a decision that looks again when the kept rollout's does, if that is
// earlier: an edge that does not matter any more costs a look, and nothing else.
func early(anew, kept rollout.Decision) rollout.Decision {
	if !kept.Check.IsZero() && (anew.Check.IsZero() || kept.Check.Before(anew.Check)) {
		anew.Check = kept.Check
	}
	return anew
}

// decide lets every plan decide until it rests.
func (w *world) decide() {
	for _, p := range w.plans {
		for range 50 {
			d := p.kept.Next(w.now)
			if anew := rollout.Next(copied(p.View), w.now); !reflect.DeepEqual(d, early(anew, d)) {
				w.t.Fatalf("kept %+v\nanew %+v", d, anew)
			}
			if d.Empty() {
				break
			}
			w.commit(p, d)
		}
	}
}

// commit writes a decision, and tells the other plans of its slots.
func (w *world) commit(p *running, d rollout.Decision) {
	state := map[hotstick.HostID]hotstick.HostState{}
	for _, c := range d.Changes {
		have, changed := state[c.Host]
		if !changed {
			have = p.host(c.Host).State
		}
		p.skipped[c.Host] = p.skipped[c.Host] || c.State == hotstick.Skipped
		if c.Reapply {
			w.checkReapply(p, c)
		}
		if state[c.Host] = c.State; !have.CanBecome(c.State) {
			w.t.Fatalf("%s cannot become %s", have, c.State)
		}
	}
	p.now = w.now
	before := p.View.Frame
	p.take(rollout.Decision{Changes: d.Changes, StandIns: d.StandIns, Release: d.Release})
	for _, id := range d.Release {
		w.free(p, id)
	}
	for _, c := range d.Changes {
		w.share(p, c.Host, c.Slots)
	}
	if d.Ban != nil && !w.bad && p == w.plans[0] {
		w.t.Fatalf("banned a good patch: %+v", d.Ban)
	}
	for _, s := range d.Starts {
		w.checkStart(p, before, s)
		p.take(rollout.Decision{Starts: []rollout.Start{s}})
		w.share(p, s.Host, s.Slots)
	}
	p.take(rollout.Decision{Status: d.Status, Reason: d.Reason, Revert: d.Revert, Ban: d.Ban})
}

// share tells the other plans of slots that a plan took.
func (w *world) share(p *running, host hotstick.HostID, slots []rollout.Slot) {
	for _, other := range w.plans {
		if other == p || len(slots) == 0 {
			continue
		}
		for _, slot := range slots {
			other.Slots = append(other.Slots, slot)
			other.kept.TakeSlot(slot)
		}
		w.tell(other, host)
	}
}

func (w *world) free(p *running, id hotstick.HostID) {
	for _, other := range w.plans {
		if other != p {
			other.free(p.ID, id)
			other.kept.FreeSlots(p.ID, id)
			w.tell(other, id)
		}
	}
}

// machine is the host itself.
func (w *world) machine(id hotstick.HostID) *machine {
	i := slices.IndexFunc(w.hosts, func(m *machine) bool { return m.id == id })
	return w.hosts[i]
}

// tell gives a plan's decider what is known of a host now.
func (w *world) tell(p *running, id hotstick.HostID) {
	h, m := p.host(id), w.machine(id)
	h.LastSeen, h.IllSince, h.Excluded = m.seen, m.ill, m.excluded
	if h.Busy = busy(h.State) && !p.forgot[m.id]; h.Busy {
		delete(p.drifts, id) // the new attempt puts the level back
	}
	h.Drift = p.drifts[id]
	h.Elsewhere = slices.ContainsFunc(p.Slots, func(s rollout.Slot) bool { return s.Plan != p.ID && s.Host == id })
	p.kept.SetHost(*h)
}

// busy reports whether a loader has an attempt open in a state.
func busy(s hotstick.HostState) bool { return s.HoldsSlot() && s != hotstick.Admitted }

// checkStart holds a start against what is true: S3 to S6 and S9 of the
// invariants.
func (w *world) checkStart(p *running, f rollout.Frame, s rollout.Start) {
	h := p.host(s.Host)
	switch {
	case f.Status != hotstick.Running || f.StopAll || f.Banned || f.Reverting || w.bad && p == w.plans[0]:
		w.t.Fatalf("started %s although the plan is %+v", s.Host, f)
	case h.State != hotstick.Waiting || s.Attempt != h.Attempt+1:
		w.t.Fatalf("admitted %s, which is %s with attempt %d, for attempt %d", s.Host, h.State, h.Attempt, s.Attempt)
	case h.Elsewhere || h.Excluded != nil && w.now.Before(*h.Excluded.Until) || !h.IllSince.IsZero() || w.quiet(w.machine(s.Host)):
		w.t.Fatalf("started %+v, which cannot be worked on", h)
	case h.Listed.Calendar != "" && w.now.Sub(t0)%time.Hour >= 30*time.Minute:
		w.t.Fatalf("started %s outside its window", s.Host)
	}
	for _, freeze := range f.Freezes {
		if !w.now.Before(freeze.From) && w.now.Before(freeze.Until) {
			w.t.Fatalf("started %s in a freeze", s.Host)
		}
	}
	w.checkOrder(p, h)
	for _, b := range p.Plan.Budgets {
		w.checkBudget(p, b, h, s)
	}
}

// checkReapply: nothing is put back against a person, nor more often than the plan's
// signatures say.
func (w *world) checkReapply(p *running, c rollout.Change) {
	h, f := p.host(c.Host), p.View.Frame
	switch {
	case p.drifts[c.Host] == nil:
		w.t.Fatalf("put the level back on %s, which did not lose it", c.Host)
	case h.Reapplied >= p.Plan.Reapply:
		w.t.Fatalf("put the level back on %s %d times, of %d", c.Host, h.Reapplied+1, p.Plan.Reapply)
	case f.Status != hotstick.Running && f.Status != hotstick.Completed || f.StopAll || f.Banned || f.Reverting:
		w.t.Fatalf("put the level back on %s although the plan is %+v", c.Host, f)
	case w.quiet(w.machine(c.Host)) || h.Excluded != nil && w.now.Before(*h.Excluded.Until):
		w.t.Fatalf("put the level back on %+v, which cannot be worked on", h)
	}
}

func (w *world) quiet(m *machine) bool {
	return !w.now.Before(m.seen.Add(rollout.DefaultLimits.SilentAfter))
}

// checkOrder: when a wave opens for a lane, every host of the lane's earlier waves
// is terminal, and one of the lane is confirmed; so it is for the fleet's first.
func (w *world) checkOrder(p *running, started *rollout.Host) {
	wave := started.Listed.Wave
	if started.Standing {
		wave = started.Listed.StandIn.Wave
	}
	key := fmt.Sprint(started.Listed.Build.Release, wave)
	if p.opened[key] || wave == 0 {
		return
	}
	for later := wave + 1; later < len(p.Plan.Waves); later++ {
		if p.opened[fmt.Sprint(started.Listed.Build.Release, later)] {
			return // the lane had passed it, and this host is caught up
		}
	}
	p.opened[key] = true
	evidence, first := false, false
	for i := range p.Hosts {
		h := &p.Hosts[i]
		first = first || h.State == hotstick.Confirmed
		if h.Listed.Build != started.Listed.Build {
			continue
		}
		evidence = evidence || h.State == hotstick.Confirmed
		replaced := slices.ContainsFunc(p.Hosts, func(in rollout.Host) bool {
			return in.Standing && in.Listed.StandIn.For == h.Listed.Host
		})
		chance := h.State == hotstick.Lost && p.confirmedBeside(h) >= p.Plan.Gate.MinReadings // by the plan's own background
		if h.Listed.Wave < wave && !h.Standing && !replaced && !chance && !p.skipped[h.Listed.Host] && !p.passedBefore(h) && (!h.State.Terminal() || h.State == hotstick.Interrupted) {
			w.t.Fatalf("wave %d opened with %s while %s of wave %d is %s", wave, started.Listed.Name, h.Listed.Name, h.Listed.Wave, h.State)
		}
	}
	lowest := !slices.ContainsFunc(p.Hosts, func(h rollout.Host) bool {
		return h.Listed.Build == started.Listed.Build && h.Listed.Wave < wave
	})
	if !first || !evidence && !lowest {
		w.t.Fatalf("wave %d opened with %s on no data", wave, started.Listed.Name)
	}
}

// passedBefore reports whether a host that waits for its level to be put back is of a
// wave that its lane had passed.
func (p *running) passedBefore(h *rollout.Host) bool {
	return h.Reapplied > 0 && slices.ContainsFunc(p.Hosts, func(o rollout.Host) bool {
		return o.Listed.Build == h.Listed.Build && o.Attempt > 0 && o.Listed.Wave > h.Listed.Wave
	})
}

// confirmedBeside counts the confirmed hosts of a host's lane in its wave.
func (p *running) confirmedBeside(h *rollout.Host) int {
	n := 0
	for i := range p.Hosts {
		if o := &p.Hosts[i]; o.State == hotstick.Confirmed && o.Listed.Wave == h.Listed.Wave && o.Listed.Build == h.Listed.Build {
			n++
		}
	}
	return n
}

// checkBudget counts a domain by hand: who is in it and disturbed, by any plan, or
// down.
func (w *world) checkBudget(p *running, b hotstick.Budget, h *rollout.Host, s rollout.Start) {
	value := h.Listed.Domains[b.Domain]
	if b.Domain == hotstick.FleetDomain {
		value = "all"
	}
	if value == "" {
		return
	}
	count := 0
	for _, m := range w.hosts {
		if b.Domain != hotstick.FleetDomain && m.labels[b.Domain] != value {
			continue
		}
		disturbed := !m.ill.IsZero() || w.quiet(m)
		for _, other := range w.plans {
			disturbed = disturbed || other.host(m.id).State.HoldsSlot()
		}
		if disturbed {
			count++
		}
	}
	if count >= b.Limit(0) {
		w.t.Fatalf("started %s although %d of %d are disturbed in %s=%s", s.Host, count, b.Limit(0), b.Domain, value)
	}
	for _, other := range p.Slots {
		for _, slot := range s.Slots {
			if slot.Domain == other.Domain && slot.Value == other.Value && slot.Index == other.Index {
				w.t.Fatalf("slot %+v was given twice", slot)
			}
		}
	}
	if !slices.ContainsFunc(s.Slots, func(slot rollout.Slot) bool { return slot.Domain == b.Domain && slot.Value == value }) {
		w.t.Fatalf("%s started without a slot in %s=%s", s.Host, b.Domain, value)
	}
}

// live lets every host that is up check in, and some take a step.
func (w *world) live(trouble bool) {
	for _, m := range w.hosts {
		if trouble {
			w.trouble(m)
		}
		if !m.away && !m.dead {
			m.seen = w.now
		}
		for _, p := range w.plans {
			h := p.host(m.id)
			if m.away || m.dead {
				w.tell(p, m.id)
				continue
			}
			if p.forgot[m.id] = p.forgot[m.id] && busy(h.State); p.forgot[m.id] {
				if h.State == hotstick.Reverting && h.Reason != nil && h.Reason.Code == hotstick.ReasonRevertOrdered {
					// It refuses the order, for it knows of no part that it took.
					w.report(p, h, hotstick.Failed, &hotstick.Reason{Code: hotstick.ReasonRevertFailed})
				}
				w.tell(p, m.id)
				continue
			}
			if next := steps[h.State]; len(next) > 0 && w.r.IntN(3) > 0 {
				w.report(p, h, next[0], nil)
			} else if h.State == hotstick.Lost { // it is back, and says where it stands
				w.report(p, h, hotstick.Probation, nil)
			}
			w.tell(p, m.id)
		}
	}
}

func (w *world) report(p *running, h *rollout.Host, to hotstick.HostState, why *hotstick.Reason) {
	if h.State == hotstick.Reverting && why == nil {
		why = &hotstick.Reason{Code: hotstick.ReasonRevertOrdered}
	}
	h.State, h.Reason, h.Updated = to, why, w.now
}

// trouble befalls a host for causes that are not the patch.
func (w *world) trouble(m *machine) {
	switch w.r.IntN(60) {
	case 0:
		m.away = true
	case 1, 2, 3:
		m.away = false
	case 4:
		if !m.away {
			m.ill = w.now
		}
	case 5, 6:
		m.ill = time.Time{}
	case 7:
		until := w.now.Add(time.Duration(w.r.IntN(60)) * time.Minute)
		m.excluded = &hotstick.Reason{Code: hotstick.ReasonExcluded, Until: &until}
	case 8:
		for _, p := range w.plans {
			if h := p.host(m.id); h.State == hotstick.Probation && m.cuts < 2 && !m.away {
				m.cuts++
				p.forgot[m.id] = true
			}
		}
	case 10:
		for _, p := range w.plans {
			// Where nobody is to put it back, a person would have to end the story.
			if h := p.host(m.id); h.State == hotstick.Confirmed && h.Reapplied < p.Plan.Reapply && !m.away {
				p.drifts[m.id] = &hotstick.Drift{Kind: hotstick.DriftKinds()[w.r.IntN(2)], Expected: p.Plan.Patch, Since: w.now}
				if w.r.IntN(2) == 0 {
					w.report(p, h, hotstick.Failed, &hotstick.Reason{Code: hotstick.ReasonRemovedOutside})
				}
			}
		}
	case 9:
		for _, p := range w.plans {
			if h := p.host(m.id); h.State == hotstick.Armed && m.cuts < 2 && !m.away {
				m.cuts++
				w.report(p, h, hotstick.Interrupted, &hotstick.Reason{Code: hotstick.ReasonCleanShutdown})
			}
		}
	}
}

// operate lets operators hold, resume, stop and freeze.
func (w *world) operate() {
	p := w.plans[w.r.IntN(len(w.plans))]
	f := &p.Frame
	switch w.r.IntN(6) {
	case 0:
		if f.Status == hotstick.Running {
			f.Status = hotstick.Held
		}
	case 1:
		f.StopAll = true
	case 2:
		f.Freezes = []rollout.Freeze{{Reason: "sale", Interval: hotstick.Interval{From: w.now, Until: w.now.Add(time.Hour)}}}
	default:
		w.resume(p)
	}
	p.kept.SetFrame(p.Frame)
}

func (w *world) resume(p *running) {
	if p.Status == hotstick.Held {
		p.Status = hotstick.Running
	}
	p.StopAll = false
}

// heal ends all trouble.
func (w *world) heal() {
	for _, m := range w.hosts {
		m.away, m.ill, m.excluded = false, time.Time{}, nil
	}
	for _, p := range w.plans {
		w.resume(p)
		p.kept.SetFrame(p.Frame)
	}
}

func (w *world) pass(d time.Duration) { w.now = w.now.Add(d) }

// Whatever hosts and operators do, and however plans share domains: no start
// breaks a rule, and once trouble ends every healthy plan completes.
func TestRolloutsOfGoodPatchesEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		for range w.r.IntN(150) {
			w.pass(time.Duration(w.r.IntN(100)) * time.Second)
			w.live(true)
			if w.r.IntN(10) == 0 {
				w.operate()
			}
			w.decide()
		}
		w.heal()
		over := func(p *running) bool { return p.Status.Over() }
		for range 3000 {
			w.pass(30 * time.Second)
			w.live(false)
			w.decide()
			if !slices.ContainsFunc(w.plans, func(p *running) bool { return !over(p) }) {
				break
			}
		}
		for _, p := range w.plans {
			if p.Status != hotstick.Completed {
				t.Fatalf("a healthy plan is %s: %+v\n%s", p.Status, p.kept.Stuck(w.now), p.standing(w.now))
			}
		}
	})
}

// standing writes where every host stands.
func (p *running) standing(now time.Time) (out string) {
	for _, h := range p.Hosts {
		out += fmt.Sprintf("%s/%s/%d:%s %+v why %+v\n", h.Listed.Name, h.Listed.Build.Release, h.Listed.Wave, h.State, h.Reason, p.kept.Why(h.Listed.Host, now))
	}
	return out
}

// However a rollout stood when its patch turned out bad, and whichever hosts died
// of it: nothing starts any more, and every host that is up goes back.
func TestRevertsOfBadPatchesFinish(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		p, i := w.plans[0], -1
		for n := w.r.IntN(100); (n > 0 || i < 0) && !p.Status.Over(); n-- {
			w.pass(time.Duration(w.r.IntN(100)) * time.Second)
			w.live(n > 0 && w.r.IntN(2) == 0)
			w.decide()
			i = slices.IndexFunc(p.Hosts, func(h rollout.Host) bool { return h.State == hotstick.Probation })
			if n < 0 {
				w.heal()
			}
		}
		if i < 0 {
			return // it was over before
		}
		w.bad = true
		w.report(p, &p.Hosts[i], hotstick.Reverted, &hotstick.Reason{Code: hotstick.ReasonProbeFailed})
		w.tell(p, p.Hosts[i].Listed.Host)
		for _, m := range w.hosts {
			m.dead = w.r.IntN(4) == 0
		}
		w.heal()
		w.decide()
		if p.Status != hotstick.Halted || !p.Reverting || !p.Banned {
			t.Fatalf("the plan is %+v", p.Frame)
		}
		for range 400 {
			w.pass(30 * time.Second)
			w.live(false)
			w.decide()
			w.checkReverts(p)
		}
		for _, h := range p.Hosts {
			if m := w.machine(h.Listed.Host); !m.dead && (h.State == hotstick.Confirmed || h.State.HoldsSlot()) {
				t.Fatalf("%s is still %s: %+v\n%s", h.Listed.Name, h.State, p.kept.Why(h.Listed.Host, w.now), p.standing(w.now))
			}
		}
	})
}

// checkReverts counts the hosts on their way back, by hand.
func (w *world) checkReverts(p *running) {
	for _, kind := range []string{"rack", "pair"} {
		back, listed := map[string]int{}, map[string]int{}
		for _, h := range p.Hosts {
			value := h.Listed.Domains[kind]
			listed[value]++
			if h.State == hotstick.Reverting && h.Updated.Equal(w.now) && h.Reason.Code == hotstick.ReasonRevertOrdered && h.Attempt == 1 {
				back[value]++
			}
		}
		delete(back, "")
		for value, n := range back {
			if limit := max(1, listed[value]/4); kind == "rack" && n > limit+p.Plan.Budgets[1].Max || kind == "pair" && n > 2 {
				w.t.Fatalf("%d hosts of %s=%s were sent back at once", n, kind, value)
			}
		}
	}
}
