package world

import (
	"slices"
	"time"

	"github.com/hotstick/hotstick/internal/evil"
)

// Case is one run: its seed and, if it was cut, what happens in it.
type Case struct {
	Seed    uint64
	Options Options
	// Steps replace those that the seed would make; nil means the seed's own.
	Steps []Step
}

// Step is one fault, or one deed of a person.
type Step struct {
	At time.Duration
	Do string
	// Host is the index of the host concerned.
	Host int `json:",omitempty"`
	// For is how long a fault lasts.
	For time.Duration `json:",omitempty"`
	// N is the deed's own seed.
	N uint64 `json:",omitempty"`
}

// kind is one kind of step: how often it is drawn and what it does.
type kind struct {
	name   string
	weight int
	do     func(w *World, s Step, n *node)
}

// faults are what may go wrong. Liveness is asked for once none of them happens
// any more.
func faults() []kind {
	return []kind{
		{"drop", 6, func(w *World, s Step, n *node) { n.cable.lossy = w.now + s.For }},
		{"delay", 4, func(w *World, s Step, n *node) { n.cable.slow = w.now + s.For }},
		{"duplicate", 6, func(w *World, s Step, n *node) { n.cable.twice = w.now + s.For }},
		{"cut there", 3, func(w *World, s Step, n *node) { n.cable.up = w.now + s.For }},
		{"cut back", 5, func(w *World, s Step, n *node) { w.mute(s, n) }},
		{"partition", 4, func(w *World, s Step, n *node) { w.partition(s) }},
		{"version skew", 1, func(w *World, s Step, n *node) { n.cable.odd = w.now + s.For }},
		{"lying mirror", 2, func(w *World, s Step, n *node) { n.cable.lies = w.now + s.For }},
		{"kill agent", 5, func(w *World, s Step, n *node) { n.killAgent(s.For) }},
		{"kill loader", 6, func(w *World, s Step, n *node) { n.kill(s.For / 8) }},
		{"plug before", 4, func(w *World, s Step, n *node) { n.pull(s, true) }},
		{"plug after", 4, func(w *World, s Step, n *node) { n.pull(s, false) }},
		{"kill server", 4, func(w *World, s Step, n *node) { w.killServer(s) }},
		{"kill all servers", 2, func(w *World, s Step, n *node) { w.killServers(s) }},
		{"server between", 3, func(w *World, s Step, n *node) { w.dieAfterTake = 1 + int(s.N%20) }},
		{"panic", 4, func(w *World, s Step, n *node) { n.m.Kernel.Crash(panicText) }},
		{"power", 4, func(w *World, s Step, n *node) { n.m.Kernel.Crash("") }},
		{"off for minutes", 8, func(w *World, s Step, n *node) { n.switchOff(90*time.Second + 5*s.For) }},
		{"rack power", 2, func(w *World, s Step, n *node) { w.rackPower(n) }},
		{"hang", 3, func(w *World, s Step, n *node) { n.hang(s.For) }},
		{"reboot", 5, func(w *World, s Step, n *node) { n.shutDown() }},
		{"foreign patch", 3, func(w *World, s Step, n *node) { n.foreignLoad() }},
		{"foreign removal", 4, func(w *World, s Step, n *node) { n.foreignRemoval() }},
		{"hand", 0, func(w *World, s Step, n *node) { w.confirmedOn(s, s.N%3 != 0).foreignRemoval() }},
		{liftedHold, 0, func(w *World, s Step, n *node) { w.liftHold(s, w.scheduling(s)) }},
		{"rmmod", 0, func(w *World, s Step, n *node) { w.confirmedOn(s, s.N%3 != 0).rmmod() }},
		{"snapshot", 0, func(w *World, s Step, n *node) { w.confirmedOn(s, true).snapshot(s.N) }},
		{"clock", 5, func(w *World, s Step, n *node) { n.jump(s.N) }},
		{"server clock", 3, func(w *World, s Step, n *node) { w.setClock(s) }},
		{"disk full", 4, func(w *World, s Step, n *node) { n.diskFull(s.For) }},
		{"disk sync", 3, func(w *World, s Step, n *node) { n.diskSync(s.For) }},
		{torn, 2, func(w *World, s Step, n *node) { n.disk.fault.torn = true }},
		{"store full", 3, func(w *World, s Step, n *node) { w.storeFull(s.For / 4) }},
		{oldLedger, 1, func(w *World, s Step, n *node) { n.restoreLedger(s.N) }},
		{"replay", 5, func(w *World, s Step, n *node) { n.replay(w.nodes[int(s.N%uint64(len(w.nodes)))]) }},
	}
}

// deeds are what people do, sensible or not.
func deeds() []kind {
	return []kind{
		{"propose", 12, func(w *World, s Step, n *node) { w.propose(s.stream(), "") }},
		{"author only", 2, func(w *World, s Step, n *node) { w.propose(s.stream(), "author only") }},
		{"empty selector", 2, func(w *World, s Step, n *node) { w.propose(s.stream(), "empty selector") }},
		{"retarget", 4, func(w *World, s Step, n *node) { w.propose(s.stream(), "retarget") }},
		{"retry", 3, func(w *World, s Step, n *node) { w.retry(s.stream()) }},
		{"clear", 3, func(w *World, s Step, n *node) { w.clear(s.stream()) }},
		{"write off", 2, func(w *World, s Step, n *node) { w.writeOff(s.stream(), n) }},
		{newEpoch, 1, func(w *World, s Step, n *node) { w.publish(w.catalog.Trust.Epoch + 1) }},
		{"edit after approval", 3, func(w *World, s Step, n *node) { w.edit(s.stream(), n) }},
		{"approve twice", 2, func(w *World, s Step, n *node) { w.approveTwice(s.stream()) }},
		{"hold", 4, func(w *World, s Step, n *node) { w.hold(s.stream(), s.For/2) }},
		{"halt", 3, func(w *World, s Step, n *node) { w.halt(s.stream()) }},
		{"revert", 3, func(w *World, s Step, n *node) { w.revert(s.stream()) }},
		{"dismiss", 8, func(w *World, s Step, n *node) { w.dismiss(s.stream()) }},
		{"revert hosts", 3, func(w *World, s Step, n *node) { w.revertHosts(s.stream()) }},
		{"revert wave", 2, func(w *World, s Step, n *node) { w.revertWave(s.stream()) }},
		{"freeze", 4, func(w *World, s Step, n *node) { w.freeze(s.stream(), 2*s.For) }},
		{"exclude", 6, func(w *World, s Step, n *node) { w.exclude(s.stream(), n, time.Minute+3*s.For) }},
		{"late host", 6, func(w *World, s Step, n *node) { w.welcome() }},
		{"ban", 5, func(w *World, s Step, n *node) { w.ban(s.stream()) }},
		{"recall", 3, func(w *World, s Step, n *node) { w.recall(s.stream()) }},
		{"stop all", 2, func(w *World, s Step, n *node) { w.stopAll(s.stream(), s.For/2) }},
		{"publish", 3, func(w *World, s Step, n *node) { w.publish(1) }},
		{"expired catalog", 1, func(w *World, s Step, n *node) { w.expireCatalog(s.For) }},
	}
}

// Steps that regressions name.
const (
	oldLedger = "old ledger"
	torn      = "torn"
	steal     = "steal"
	stealNow  = "steal now"
	newEpoch  = "new epoch"

	liftedHold = "lifted hold"
)

// swindles are what nobody does in an ordinary run.
func swindles() []kind {
	return []kind{
		{"one approver twice", 0, func(w *World, s Step, n *node) { w.propose(s.stream(), "one approver twice") }},
		{"one zone", 0, func(w *World, s Step, n *node) { w.propose(s.stream(), "one zone") }},
	}
}

// thefts hand the servers to a thief. They are no faults that end.
func thefts() []kind {
	return []kind{
		{steal, 0, func(w *World, s Step, n *node) { w.stealLater(s.stream()) }},
		{stealNow, 0, func(w *World, s Step, n *node) { w.steal(s.stream()) }},
	}
}

func draw(kinds []kind, n int) kind {
	total := 0
	for _, k := range kinds {
		total += k.weight
	}
	at := n % total
	for _, k := range kinds {
		if at -= k.weight; at < 0 {
			return k
		}
	}
	return kinds[0]
}

// horizon is roughly how much simulated time a run's events fill.
func (o Options) horizon() time.Duration {
	return time.Duration(float64(o.Events) / float64(o.Hosts) / 3 * float64(o.Pace))
}

// steps returns what happens in the case.
func (c Case) steps(o Options) []Step {
	if c.Steps != nil {
		return c.Steps
	}
	if o.Evil != "" {
		return evilSteps(c.Seed, o)
	}
	return stepsOf(c.Seed, o)
}

// stepsOf makes the seed's own steps.
func stepsOf(seed uint64, o Options) []Step {
	r := stream(seed, "steps", 0)
	end := o.horizon()
	if o.Live {
		end /= 2
	}
	at := func() time.Duration { return 3*time.Second + time.Duration(r.Int64N(int64(end))) }
	step := func(name string, when time.Duration) Step {
		return Step{At: when, Do: name, Host: r.IntN(o.Hosts), For: time.Duration(1+r.IntN(40)) * time.Second, N: r.Uint64() >> 1}
	}
	steps := []Step{step("propose", 2*time.Second)}
	for range o.Plans - 1 {
		steps = append(steps, step("propose", at()))
	}
	for range []int{0, 6, 18, 45}[r.IntN(4)] {
		name := draw(faults(), r.IntN(1<<20)).name
		steps = append(steps, step(name, at()))
	}
	for range r.IntN(8) {
		steps = append(steps, step(draw(deeds(), r.IntN(1<<20)).name, at()))
	}
	steps = append(steps, dark(seed, o)...)
	steps = append(steps, hands(seed, o)...)
	steps = append(steps, lifted(seed, o)...)
	if !o.Live && chance(r, 20) {
		steps = append(steps, step(steal, at()))
	}
	if o.Live {
		steps = append(steps, Step{At: 3*time.Second + end, Do: "calm"})
	}
	slices.SortStableFunc(steps, func(a, b Step) int { return int(a.At - b.At) })
	return steps
}

// needs are what people and the world must have done before an attack on a claim has
// anything to work with.
func needs(claim evil.Claim) []string {
	switch claim {
	case evil.Unapproved:
		return []string{"author only", "one approver twice"}
	case evil.Halted:
		return []string{"halt", "halt", "halt"}
	case evil.Recalled:
		return []string{"ban", "recall", "clear"}
	case evil.Stale:
		return []string{"expired catalog", "recall"}
	case evil.Expired:
		return []string{newEpoch, "propose"}
	case evil.Older:
		return []string{"propose", "propose"}
	case evil.Replayed:
		return []string{"cut back", newEpoch, "propose"}
	case evil.Unsigned:
		return []string{"propose"}
	case evil.OutOfWave:
		return []string{"one zone", "one zone"}
	}
	return nil
}

// evilSteps makes a run in which a thief steals the servers early, and what the thief
// needs is there.
func evilSteps(seed uint64, o Options) []Step {
	r := stream(seed, "steps", 0)
	end := int64(o.horizon()) * 4 / 10 // beside a thief more happens in a while
	step := func(name string, from, until int64) Step {
		return Step{At: 3*time.Second + time.Duration(end*from/100+r.Int64N(end*(until-from)/100)), Do: name, Host: r.IntN(o.Hosts),
			For: time.Duration(1+r.IntN(40)) * time.Second, N: r.Uint64() >> 1}
	}
	first := step("propose", 0, 1)
	first.At = 2 * time.Second
	steps := []Step{first, step("propose", 5, 50), step(stealNow, 5, 30)}
	for _, s := range Modelled() {
		if s.Name != o.Evil {
			continue
		}
		names := map[string]int{}
		for _, c := range s.Claims {
			for _, name := range needs(c) {
				names[name]++
			}
		}
		for _, name := range sorted(names) {
			for range min(3, names[name]) {
				steps = append(steps, step(name, 5, 60))
			}
		}
	}
	for range r.IntN(4) {
		steps = append(steps, step(draw(faults(), r.IntN(1<<20)).name, 5, 80))
	}
	for range r.IntN(4) {
		steps = append(steps, step(draw(deeds(), r.IntN(1<<20)).name, 5, 80))
	}
	slices.SortStableFunc(steps, func(a, b Step) int { return int(a.At - b.At) })
	return steps
}

// dark switches some hosts of the first waves off as the first plan is made, in two
// runs of five: no fleet is whole.
func dark(seed uint64, o Options) []Step {
	r := stream(seed, "dark", 0)
	if !chance(r, 40) {
		return nil
	}
	var steps []Step
	for range 3 {
		steps = append(steps, Step{At: 2500 * time.Millisecond, Do: "off for minutes", Host: r.IntN(max(1, o.Hosts/2)),
			For: time.Duration(1+r.IntN(40)) * time.Second})
	}
	return steps
}

// hands are people who take away what Hotstick has loaded, in two runs of five, and
// machines that are put back to an earlier moment.
func hands(seed uint64, o Options) []Step {
	r := stream(seed, "hands", 0)
	if !chance(r, 40) {
		return nil
	}
	end := int64(o.horizon())
	if o.Live {
		end /= 2
	}
	var steps []Step
	for range 6 {
		steps = append(steps, Step{At: 20*time.Second + time.Duration(r.Int64N(end)), Do: []string{"hand", "hand", "rmmod", "snapshot"}[r.IntN(4)],
			Host: r.IntN(o.Hosts), For: time.Second, N: r.Uint64() >> 1})
	}
	return steps
}

// lifted are people who let vendors' systems start patches by themselves again, in three
// mixed fleets of five.
func lifted(seed uint64, o Options) []Step {
	r := stream(seed, "lifted", 0)
	if !o.Mixed || !chance(r, 60) {
		return nil
	}
	end := int64(o.horizon())
	if o.Live {
		end /= 2
	}
	var steps []Step
	for range 1 + r.IntN(4) {
		steps = append(steps, Step{At: 5*time.Second + time.Duration(r.Int64N(end)), Do: liftedHold, Host: r.IntN(o.Hosts),
			For: time.Duration(10+r.IntN(80)) * time.Second, N: r.Uint64() >> 1})
	}
	return steps
}

// aim picks the host of a step: every second one hits a host that is being
// changed, if there is any, for there most can go wrong.
func (w *World) aim(s Step) *node {
	n := w.nodes[s.Host%len(w.nodes)]
	if s.N%2 == 0 {
		return n
	}
	var busy []*node
	for _, other := range w.nodes {
		if other.truth.attempt != nil {
			busy = append(busy, other)
		}
	}
	if len(busy) == 0 {
		return n
	}
	return busy[s.Host%len(busy)]
}

// step does one step.
func (w *World) step(i int, s Step) {
	n := w.aim(s)
	if s.Do == "calm" {
		w.calm()
		return
	}
	for _, k := range slices.Concat(faults(), deeds(), swindles(), thefts()) {
		if k.name != s.Do {
			continue
		}
		if n.m.down && k.name != "publish" {
			w.some("step on a host that is down")
		}
		w.some("step " + s.Do)
		k.do(w, s, n)
		n.settle()
		return
	}
	w.fail("step %d: nothing is called %q", i, s.Do)
}
