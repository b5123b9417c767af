package world

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/decide/rollout"
	"github.com/hotstick/hotstick/internal/sim/checker"
	"github.com/hotstick/hotstick/internal/steady"
	"github.com/hotstick/hotstick/internal/store/memory"
	"github.com/hotstick/hotstick/internal/trace"
)

// began is the wall-clock time at which every run begins.
var began = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)

// World is one run.
type World struct {
	loop
	opt  Options
	seed uint64

	nodes   []*node
	spare   []*node // hosts that are not in the fleet yet
	byID    map[hotstick.HostID]*node
	servers []*server
	memory  *memory.Store
	// clock is what the servers decide by, and set is what their machine's wall clock
	// is off by.
	clock  *steady.Clock
	set    time.Duration
	tap    *tap
	limits rollout.Limits
	// staleAfter is the age beyond which no screen calls a level applied.
	staleAfter time.Duration

	supply
	people

	// dieAfterTake ends the server that takes so many more check-ins, between its
	// commit and its answer.
	dieAfterTake int
	quiet        bool // no more faults
	output
}

// output is what a run leaves.
type output struct {
	hash      hash.Hash
	check     *checker.Checker
	sometimes map[string]int
	failure   string
	// moved is when a host last made a step.
	moved  time.Duration
	broken bool
}

// supply is what the catalog has.
type supply struct {
	catalog catalog.View
	levels  []level
	modules map[hotstick.Digest][]byte
	byName  map[moduleKey]hotstick.Digest
	// driverOf are the drivers of vendors' modules.
	driverOf map[string]string
	// scratch is where a mixed fleet keeps files; empty for none.
	scratch string
}

type moduleKey struct {
	build  hotstick.KernelBuild
	module string
}

// Result is what became of a run.
type Result struct {
	Seed   uint64 `json:"seed"`
	Events int    `json:"events"`
	// Hash is over the whole trace.
	Hash string `json:"hash"`
	// Seconds of simulated time.
	Seconds float64        `json:"seconds"`
	Report  checker.Report `json:"report"`
	// Sometimes counts the interesting things that happened.
	Sometimes map[string]int `json:"sometimes"`
	// Theft is what a thief did who owned the servers; nil if nobody stole them.
	Theft *Theft `json:"theft,omitempty"`
	// Failure is a fault of the simulation or an error that no part of the product
	// may return.
	Failure string `json:"failure,omitempty"`
}

// Bad reports whether the run broke a rule.
func (r Result) Bad() bool { return r.Failure != "" || len(r.Report.Violations) > 0 }

// newWorld makes a world before its first event.
func newWorld(c Case) *World {
	w := &World{opt: c.Options.filled(c.Seed), seed: c.Seed, byID: map[hotstick.HostID]*node{},
		output: output{hash: sha256.New(), check: checker.New(), sometimes: map[string]int{}}}
	r := stream(w.seed, "world", 0)
	// A host that is idle must not look silent.
	silent := 4*w.opt.Pace + time.Duration(8+r.IntN(20))*time.Second
	w.limits = rollout.Limits{SilentAfter: silent, GrantLife: rollout.DefaultLimits.GrantLife}
	w.staleAfter = 2*w.opt.Pace*4 + 10*time.Second
	w.clock = steady.New(func() time.Time { return w.time().Add(w.set) }, func() time.Duration { return w.now })
	w.memory = memory.Open(w.clock.Now)
	w.tap = &tap{Store: w.memory, w: w}
	w.makeKeys()
	w.makeSupply(r)
	w.lurk()
	for i := range w.opt.Hosts + newcomers {
		w.addHost(i)
	}
	w.emit(w.ground())
	w.nodes, w.spare = w.nodes[:w.opt.Hosts:w.opt.Hosts], w.nodes[w.opt.Hosts:]
	w.enrol(w.nodes)
	for i, n := range w.nodes {
		w.at(time.Duration(i)*37*time.Millisecond, n.begin)
	}
	for range w.opt.Servers {
		s := &server{w: w}
		w.servers = append(w.servers, s)
		w.at(0, s.start)
	}
	w.after(w.staleAfter, w.screens)
	return w
}

// time is the true time.
func (w *World) time() time.Time { return began.Add(w.now) }

// elapsed is when a true time comes, from the run's beginning.
func (w *World) elapsed(t time.Time) time.Duration { return t.Sub(began) }

func (w *World) since(t time.Time) time.Duration { return t.Sub(began) }

// emit writes one event of the trace and checks it.
func (w *World) emit(e trace.Event) {
	e.T = int64(w.now)
	line, err := json.Marshal(e)
	if err != nil {
		w.fail("cannot write the trace: %v", err)
		return
	}
	w.hash.Write(line)
	w.hash.Write([]byte{'\n'})
	if w.opt.Trace != nil {
		w.opt.Trace(line)
	}
	if e.Kind == trace.KindHostState || e.Kind == trace.KindPhase {
		w.moved = w.now
	}
	if e.Kind == trace.KindHostState && e.Cause == string(hotstick.ReasonDrifted) {
		w.some("put back after drift")
	}
	if w.check.Take(e) {
		w.broken = true
	}
}

// some counts something interesting.
func (w *World) some(what string) { w.sometimes[what]++ }

// fail ends the run: the simulation, or an error that may not be.
func (w *World) fail(format string, args ...any) {
	if w.failure == "" {
		w.failure = fmt.Sprintf(format, args...)
	}
	w.broken = true
}

// fault writes that a fault was made.
func (w *World) fault(cause string, n *node) {
	e := trace.Event{Node: "world", Kind: trace.KindFault, Cause: cause}
	if n != nil {
		e.Host = n.id
	}
	w.emit(e)
	w.some("fault " + cause)
}

const (
	faultLoaderUp   = checker.FaultLoaderUp
	faultLoaderDown = checker.FaultLoaderDown
)

// ground is the begin event.
func (w *World) ground() trace.Event {
	g := checker.Ground{Began: began, Approvals: w.catalog.Trust.Approvals, SettleMillis: 5000, GrantMillis: 60_000,
		SilenceMillis: 15_000, StaleMillis: w.staleAfter.Milliseconds(), SilentMillis: w.limits.SilentAfter.Milliseconds()}
	for _, n := range w.nodes {
		g.Hosts = append(g.Hosts, checker.GroundHost{Host: n.id, Name: n.name(), Build: n.m.Member.Build, Labels: n.m.Member.Labels, System: n.system(), Things: n.begins()})
	}
	for _, l := range w.levels {
		for _, a := range l.Patch.Artifacts {
			g.Artifacts = append(g.Artifacts, checker.GroundArtifact{Digest: a.Digest, Build: a.Build, Patch: l.Patch.Ref, Module: a.Module, Driver: l.Patch.Driver, Stays: stays(l.Patch.Driver), Touches: groundTouches(l.Patch)})
		}
	}
	body, err := json.Marshal(g)
	if err != nil {
		w.fail("cannot write the ground: %v", err)
	}
	return trace.Event{Node: "world", Kind: trace.KindBegin, Detail: trace.Schema, Body: body}
}

func (w *World) artifactOf(build hotstick.KernelBuild, module string) hotstick.Digest {
	return w.byName[moduleKey{build, module}]
}

// Run runs a case to its end, or to the first broken rule.
func Run(c Case) Result {
	w := newWorld(c)
	defer w.cleanUp()
	return w.play(c)
}

// cleanUp removes what the run has left on the machine's own disk.
func (w *World) cleanUp() {
	if w.scratch == "" {
		return
	}
	for _, n := range append(w.nodes, w.spare...) {
		if n.vendor != nil && n.vendor.job != nil {
			n.vendor.job.Abandon()
		}
	}
	if err := os.RemoveAll(w.scratch); err != nil {
		w.fail("cannot remove a run's files: %v", err)
	}
}

func (w *World) play(c Case) Result {
	for i, s := range c.steps(w.opt) {
		w.at(s.At, func() { w.step(i, s) })
	}
	ends := w.opt.Events
	if w.opt.Live {
		// The time that rollouts need after the last fault is not rationed.
		ends *= 8
	}
	for w.count < ends && !w.broken && !w.over() && w.loop.step() {
	}
	switch {
	case !w.opt.Live || w.broken:
	case w.over():
		w.fault(checker.FaultRunEnd, nil)
	default:
		w.some("live run cut short")
	}
	if w.opt.inspect != nil {
		w.opt.inspect(w)
	}
	r := Result{Seed: c.Seed, Events: w.count, Hash: hex.EncodeToString(w.hash.Sum(nil)), Seconds: w.now.Seconds(),
		Report: w.check.Report(), Sometimes: w.sometimes, Failure: w.failure}
	if w.thief.at {
		r.Theft = w.thief.Theft
	}
	return r
}

// restFor is how long nothing may move in a live run before it counts as at rest:
// longer than waves, bakes, delays, the lives of grants and silences together.
const restFor = 4 * time.Minute

// restForMixed is the same in a mixed fleet, where tools of vendors are slow and a way
// back is tried for minutes.
const restForMixed = 20 * time.Minute

// over reports whether a live run has come to rest.
func (w *World) over() bool {
	rest := restFor
	if w.opt.Mixed {
		rest = restForMixed
	}
	return w.opt.Live && w.quiet && w.now-max(w.moved, w.calmed) > rest
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func chance(r *rand.Rand, percent int) bool { return r.IntN(100) < percent }
