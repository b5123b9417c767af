package rehearse

import (
	"fmt"
	"math"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/rollout"
)

// world is one run.
type world struct {
	Scenario
	model  Model
	fleet  fleet
	plan   hotstick.Plan
	engine *rollout.Rollout
	chance chance
	start  time.Time
	now    time.Time
	// look is when the rollout wants to be asked again; zero for never.
	look   time.Time
	queue  agenda
	hosts  []host
	status hotstick.PlanStatus
	// down counts, for each kind and domain, the hosts that are disturbed.
	down [][]int
	// started and patched count hosts; wave is the furthest that has started.
	started, patched, wave int
	// cut: the outage has begun.
	cut bool
	// moved is when anything happened last.
	moved time.Time
	// restless: the rollout never ceases to decide.
	restless bool
	run
}

// chance is a seeded generator.
type chance interface {
	IntN(n int) int
	Int64N(n int64) int64
	ExpFloat64() float64
	NormFloat64() float64
}

// host is the truth of one simulated host.
type host struct {
	state   hotstick.HostState
	attempt int
	// turn counts changes of course: events of an older turn are void.
	turn int32
	// patched: the patch is in its kernel.
	patched, doomed, crashed, disturbed bool
	// cut: out of the server's reach. booting: down.
	cut, booting bool
	// untold reports wait until the host is reached again.
	untold []hotstick.Report
}

func play(r Request, f fleet, s Scenario, chance chance) (run, error) {
	w := &world{Scenario: s, model: r.Model, fleet: f, plan: r.Plan, chance: chance, start: r.Start, now: r.Start,
		moved: r.Start, hosts: make([]host, len(f.hosts)), status: hotstick.Running, wave: -1}
	w.widest = make([]reach, len(f.kinds))
	for _, k := range f.kinds {
		w.down = append(w.down, make([]int, len(k.values)))
	}
	w.engine = rollout.Open(rollout.View{Plan: r.Plan, ID: r.ID, Hosts: f.hosts,
		Frame: rollout.Frame{Status: hotstick.Running, Started: &w.start, Promoted: len(r.Plan.Waves), Limits: rollout.DefaultLimits}})
	for i := range w.hosts {
		w.hosts[i] = host{state: hotstick.Waiting, doomed: chance.IntN(1_000_000) < s.KillPPM}
	}
	w.decide()
	for !w.restless && w.advance() {
		w.decide()
	}
	if w.restless {
		return run{}, fmt.Errorf("cannot rehearse: the rollout does not come to rest %s after its start", w.now.Sub(w.start))
	}
	w.finish()
	return w.run, nil
}

// advance moves the clock to the next second in which anything happens, and lets
// it happen; false when nothing does any more.
func (w *world) advance() bool {
	next, some := w.queue.next()
	if look := w.look; !look.IsZero() && (!some || look.Before(next)) {
		if !some && !look.Before(w.plan.NotAfter) {
			return false // only the end of the plan's life is left to wait for
		}
		next, some = look, true
		if !look.After(w.now) {
			next = w.now.Add(time.Second)
		}
	}
	if !some || w.status.Over() && next.After(w.start.Add(w.took+Aftermath)) {
		return false
	}
	// Reports of one second are decided on together, as a busy server does.
	w.now = next.Truncate(time.Second)
	if w.now.Before(next) {
		w.now = w.now.Add(time.Second)
	}
	for {
		e, ok := w.queue.pop(w.now)
		if !ok {
			return true
		}
		w.happen(e)
	}
}

// decide asks the rollout until it has nothing more to say. A decider that never
// comes to rest must not hang whoever rehearses.
func (w *world) decide() {
	for n := 0; ; n++ {
		if n > 4*len(w.hosts)+100 {
			w.restless = true
			return
		}
		d := w.engine.Next(w.now)
		w.look = d.Check
		if d.Empty() {
			break
		}
		w.moved = w.now
		for _, c := range d.Changes {
			w.changed(c)
		}
		for _, s := range d.Starts {
			i := w.fleet.index[s.Host]
			h := &w.hosts[i]
			h.turn++
			h.attempt = s.Attempt
			w.at(w.wait(), grant, i)
		}
		if d.Status != "" {
			w.over(d)
		}
	}
	if w.OutageSeconds > 0 && !w.cut && w.started*3 >= len(w.hosts) {
		w.cutOff()
	}
}

// changed is what the rollout made of a host without its doing.
func (w *world) changed(c rollout.Change) {
	i := w.fleet.index[c.Host]
	h := &w.hosts[i]
	switch {
	case c.State == hotstick.Reverting && !h.booting:
		h.turn++
		w.at(w.wait(), order, i)
	case c.State == hotstick.Waiting, c.State == hotstick.Skipped:
		if !h.patched {
			h.turn++ // an admission taken back, or a new attempt to come
		}
	}
}

// over notes how the plan ended. What happens afterwards still counts as crashed.
func (w *world) over(d rollout.Decision) {
	w.status = d.Status
	w.took, w.reached = w.now.Sub(w.start), w.patched
	switch d.Status {
	case hotstick.Completed:
		w.end = Completed
	case hotstick.Halted:
		w.stopped(Halted, *d.Reason)
	default:
		w.stopped(Held, *d.Reason)
	}
}

func (w *world) stopped(end End, why hotstick.Reason) {
	w.end = end
	w.stop = stop{wave: max(w.wave, 0), reason: why, patched: w.patched, crashed: w.crashed}
	w.stop.name = w.plan.Waves[w.stop.wave].Name
}

// finish sums up a run that came to a hold: it was over when the last thing moved.
func (w *world) finish() {
	if w.end != "" {
		return
	}
	why := hotstick.Reason{Code: hotstick.ReasonNoReadings}
	if stuck := w.engine.Stuck(w.now); stuck != nil {
		why = *stuck
	}
	w.took, w.reached = w.moved.Sub(w.start), w.patched
	w.stopped(Held, why)
}

// cutOff takes one domain's network away.
func (w *world) cutOff() {
	w.cut = true
	k := w.fleet.zones
	domain := k.of[w.chance.IntN(len(w.hosts))]
	for i := range w.hosts {
		if k.of[i] != domain {
			continue
		}
		w.hosts[i].cut = true
		w.silence(int32(i))
		w.at(seconds(w.OutageSeconds)+w.wait(), reached, int32(i))
	}
}

// silence tells the rollout when the host was heard of for the last time.
func (w *world) silence(i int32) {
	known, _ := w.engine.Host(w.fleet.hosts[i].Listed.Host)
	if known.LastSeen.After(w.now) {
		known.LastSeen = w.now
		w.engine.SetHost(known)
	}
}

// wait is the time until a host's next check-in.
func (w *world) wait() time.Duration {
	return time.Duration(w.chance.Int64N(int64(seconds(w.model.CheckInSeconds))))
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

func millis(n int) time.Duration { return time.Duration(n) * time.Millisecond }

// about is a time around its median, seldom much longer.
func (w *world) about(median time.Duration) time.Duration {
	return time.Duration(float64(median) * math.Exp(0.5*w.chance.NormFloat64()))
}
