package checker

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/trace"
)

// release is a level and the plan that rolls it out.
type release struct {
	plan     hotstick.PlanID
	patch    hotstick.PatchRef
	artifact hotstick.Digest
	module   string
}

func newRelease(level int) release {
	name := fmt.Sprintf("fix_%d", level)
	return release{plan: hotstick.NewDigest([]byte("plan of " + name)), patch: hotstick.PatchRef{Name: "fix", Level: level},
		artifact: hotstick.NewDigest([]byte(name)), module: name}
}

var (
	buildA = hotstick.KernelBuild{Release: "6.1.0-47-amd64", Arch: "x86_64", BuildID: "00112233445566770011223344556677"}
	buildB = hotstick.KernelBuild{Release: "6.12.9-amd64", Arch: "x86_64", BuildID: "8899aabbccddeeff8899aabbccddeeff"}
	// older and newer are two levels of one patch; most stories tell of newer.
	older, newer = newRelease(1), newRelease(2)
	other        = hotstick.NewDigest([]byte("other"))
)

// story is a trace in the making. Each line takes a second.
type story struct {
	t      *testing.T
	now    time.Duration
	events []trace.Event
	// of is the level that the story tells of at the moment.
	of release
	// boots are the hosts' current ones, attempts those under way.
	boots    map[hotstick.HostID]string
	attempts map[hotstick.HostID]int
}

// change is something else about an event, or about a plan.
type (
	change func(*trace.Event)
	edit   func(*trace.PlanBody)
)

// newStory begins with five hosts, of which no plan lists the last.
func newStory(t *testing.T) *story {
	s := &story{t: t, of: newer, boots: map[hotstick.HostID]string{}, attempts: map[hotstick.HostID]int{}}
	g := Ground{Approvals: 1, SettleMillis: 5000, GrantMillis: 60_000, SilenceMillis: 15_000, StaleMillis: 30_000, SilentMillis: 60_000}
	for _, r := range []release{older, newer} {
		g.Artifacts = append(g.Artifacts, GroundArtifact{Digest: r.artifact, Build: buildA, Patch: r.patch, Module: r.module})
	}
	for _, h := range []hotstick.HostID{"h1", "h2", "h3", "h4", "h9"} {
		g.Hosts = append(g.Hosts, GroundHost{Host: h, Name: string(h), Build: buildA, Labels: map[string]string{"role": "web"}})
		s.boots[h] = "b1"
	}
	s.add(trace.Event{Node: "world", Kind: trace.KindBegin, Detail: trace.Schema, Body: s.encode(g)})
	for _, h := range g.Hosts {
		s.host("kernel", trace.KindBoot, h.Host)
	}
	s.wait(time.Minute)
	return s
}

// dated lets the story begin at a time, so that it tells of nonces and clears, too.
func (s *story) dated() {
	var g Ground
	if err := json.Unmarshal(s.events[0].Body, &g); err != nil {
		s.t.Fatal(err)
	}
	g.Began = night
	s.events[0].Body = s.encode(g)
}

// quoting is about a nonce.
func quoting(nonce string) change { return func(e *trace.Event) { e.Detail = nonce } }

// plans begins a story with a running plan of the newer level: h1, then h2 and h3,
// then h4; of each rack one at a time. h1 and h3 are in rack a.
func plans(t *testing.T, edits ...edit) *story {
	s := newStory(t)
	s.propose(newer, edits...)
	return s
}

// propose makes a plan of a level known, starts it and lets every host see it.
func (s *story) propose(r release, edits ...edit) {
	s.of = r
	body := trace.PlanBody{Approvers: []hotstick.Person{"bob"}, Plan: hotstick.Plan{Patch: r.patch, Author: "ann", Epoch: 1, ProbationSeconds: 10,
		Lanes:   []hotstick.Lane{{Build: buildA, Artifact: r.artifact, RevertTo: []hotstick.RevertTarget{{}, {Patch: older.patch, Artifact: older.artifact}}}},
		Waves:   []hotstick.Wave{{Name: "one", Hosts: 1, BakeSeconds: 20}, {Name: "two", Hosts: 2, DelaySeconds: 3}, {Name: "rest", Hosts: 1, DelaySeconds: 3}},
		Budgets: []hotstick.Budget{{Domain: "rack", Max: 1}}}}
	for i, rack := range []string{"a", "b", "a", "b"} {
		h := hotstick.HostID(fmt.Sprintf("h%d", i+1))
		body.Hosts = append(body.Hosts, hotstick.PlanHost{Host: h, Name: string(h), Build: buildA, Wave: []int{0, 1, 1, 2}[i], Domains: map[string]string{"rack": rack}})
	}
	for _, edit := range edits {
		edit(&body)
	}
	s.add(trace.Event{Node: "people", Kind: trace.KindPlan, Plan: r.plan, Patch: r.patch, Epoch: 1, Body: s.encode(body), Detail: "matches 4 lists 4"})
	s.status("running")
	for _, h := range body.Hosts {
		s.host("disk", trace.KindSeen, h.Host)
	}
	s.wait(10 * time.Second)
}

func (s *story) encode(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		s.t.Fatal(err)
	}
	return raw
}

func (s *story) wait(d time.Duration) { s.now += d }

func (s *story) add(e trace.Event, changes ...change) {
	s.now += time.Second
	e.T = int64(s.now)
	for _, c := range changes {
		c(&e)
	}
	s.events = append(s.events, e)
}

// drop leaves the newest event out.
func (s *story) drop() { s.events = s.events[:len(s.events)-1] }

// server adds a server's event with its leaf.
func (s *story) server(e trace.Event, changes ...change) {
	e.Node = "server"
	s.add(e, changes...)
	s.add(trace.Event{Node: "server", Kind: trace.KindLeaf, Generation: uint64(len(s.events))})
}

func (s *story) status(to string) {
	s.server(trace.Event{Kind: trace.KindPlanStatus, Plan: s.of.plan, To: to})
}

func (s *story) row(h hotstick.HostID, to hotstick.HostState, changes ...change) {
	s.server(trace.Event{Kind: trace.KindHostState, Plan: s.of.plan, Host: h, To: string(to), Attempt: s.attempts[h]}, changes...)
}

// admit gives the host its next attempt.
func (s *story) admit(h hotstick.HostID, changes ...change) {
	s.attempts[h]++
	s.row(h, hotstick.Admitted, changes...)
}

func (s *story) grant(h hotstick.HostID, changes ...change) {
	s.server(trace.Event{Kind: trace.KindGrant, Plan: s.of.plan, Host: h, Boot: s.boots[h], Attempt: s.attempts[h], Grant: s.grantOf(h)}, changes...)
}

func (s *story) grantOf(h hotstick.HostID) hotstick.Digest {
	return hotstick.NewDigest(fmt.Appendf(nil, "%s %s %d", s.of.plan, h, s.attempts[h]))
}

func (s *story) slot(h hotstick.HostID, to, index string) {
	s.server(trace.Event{Kind: trace.KindSlot, Plan: s.of.plan, Host: h, To: to, Domains: map[string]string{"rack": "a"}, Detail: index})
}

// host adds an event of a host.
func (s *story) host(node string, kind trace.Kind, h hotstick.HostID, changes ...change) {
	s.add(trace.Event{Node: node, Kind: kind, Plan: s.of.plan, Host: h, Boot: s.boots[h], Attempt: s.attempts[h], Patch: s.of.patch,
		Artifact: s.of.artifact, Uptime: (s.now + time.Second).Milliseconds()}, changes...)
}

func (s *story) arm(h hotstick.HostID, changes ...change) {
	grant := func(e *trace.Event) { e.Grant = s.grantOf(h) }
	s.host("disk", trace.KindIntent, h, append([]change{grant}, changes...)...)
}

// armAgain arms the level by itself, without a plan.
func (s *story) armAgain(h hotstick.HostID, changes ...change) {
	alone := func(e *trace.Event) { e.Plan, e.Grant = "", "" }
	s.arm(h, append([]change{alone}, changes...)...)
}

func (s *story) load(h hotstick.HostID, changes ...change) {
	s.host("kernel", trace.KindLoad, h, changes...)
}

func (s *story) kernel(h hotstick.HostID, to hotstick.Effect, changes ...change) {
	module := func(e *trace.Event) { e.To, e.Detail, e.Patch = string(to), s.of.module, hotstick.PatchRef{} }
	s.host("kernel", trace.KindKernel, h, append([]change{module}, changes...)...)
}

func (s *story) phase(h hotstick.HostID, to hotstick.HostState, changes ...change) {
	step := func(e *trace.Event) { e.To = string(to) }
	s.host("disk", trace.KindPhase, h, append([]change{step}, changes...)...)
}

// learn tells what the host durably learned.
func (s *story) learn(h hotstick.HostID, what string, changes ...change) {
	says := func(e *trace.Event) { e.To, e.Uptime = what, 0 }
	s.host("disk", trace.KindLearned, h, append([]change{says}, changes...)...)
}

// forget tells what is not in the host's ledger any more.
func (s *story) forget(h hotstick.HostID, what string) {
	s.learn(h, learnedForgotten, func(e *trace.Event) { e.From = what })
}

func (s *story) fault(cause string, h hotstick.HostID) {
	s.add(trace.Event{Node: "world", Kind: trace.KindFault, Cause: cause, Host: h})
}

// down ends the host's boot.
func (s *story) down(h hotstick.HostID, cause string) {
	s.host("kernel", trace.KindDown, h, because(cause))
}

// up begins the host's next boot, and settles.
func (s *story) up(h hotstick.HostID) {
	s.boots[h] += "+"
	s.host("disk", trace.KindBoot, h)
	s.wait(6 * time.Second)
}

// shows puts a host on the screen, by what it said so long ago.
func (s *story) shows(h hotstick.HostID, what string, ago time.Duration, changes ...change) {
	said := (s.now + time.Second - ago).Milliseconds()
	s.server(trace.Event{Kind: trace.KindShown, Host: h, Boot: s.boots[h], Patch: s.of.patch, To: what,
		Body: s.encode(Shown{HeardMillis: said, SentMillis: said})}, changes...)
	s.drop() // looking leaves no leaf
}

// ends ends the run, with liveness asked for.
func (s *story) ends() {
	s.fault(FaultsEnd, "")
	s.fault(FaultRunEnd, "")
}

// admitted lets a host be admitted and given a grant.
func (s *story) admitted(h hotstick.HostID) {
	s.admit(h)
	s.grant(h)
}

// probation lets a host take the level, up to its probation.
func (s *story) probation(h hotstick.HostID) {
	s.admitted(h)
	s.arm(h)
	s.takes(h)
}

// takes lets an armed host load, up to its probation.
func (s *story) takes(h hotstick.HostID) {
	s.load(h)
	s.kernel(h, hotstick.TransitionIn)
	s.phase(h, hotstick.Applying)
	s.kernel(h, hotstick.InEffect)
	s.phase(h, hotstick.Probation)
}

// patched lets a host take the level as it should.
func (s *story) patched(h hotstick.HostID) {
	s.probation(h)
	s.phase(h, hotstick.Confirmed)
	s.row(h, hotstick.Confirmed)
}

// baked lets the first host take the level, and waits.
func (s *story) baked() {
	s.patched("h1")
	s.wait(20 * time.Second)
}

// returns takes the level out again.
func (s *story) returns(h hotstick.HostID) {
	s.phase(h, hotstick.Reverting)
	s.kernel(h, hotstick.TransitionOut)
	s.kernel(h, hotstick.Disabled)
}

// replaces takes the newer level where the older one is in effect.
func (s *story) replaces(h hotstick.HostID) {
	s.load(h)
	s.kernel(h, hotstick.InEffect)
	s.kernel(h, hotstick.Disabled, of(older))
	s.phase(h, hotstick.Probation)
}

// report reads the story as a trace.
func (s *story) report() Report {
	var lines bytes.Buffer
	for _, e := range s.events {
		lines.Write(append(s.encode(e), '\n'))
	}
	report, err := Run(&lines)
	if err != nil {
		s.t.Fatal(err)
	}
	return report
}

// broken returns the numbers of the rules that a report says are broken.
func broken(r Report) []string {
	var ids []string
	for _, v := range r.Violations {
		id, _, _ := strings.Cut(v.Rule, " ")
		ids = append(ids, id)
	}
	return ids
}

func because(cause string) change { return func(e *trace.Event) { e.Cause = cause } }

// reason is because in the product's words.
func reason(code hotstick.ReasonCode) change { return because(string(code)) }

func from(state hotstick.HostState) change {
	return func(e *trace.Event) { e.From = string(state) }
}

// of is about another level than the story's.
func of(r release) change {
	return func(e *trace.Event) {
		e.Artifact, e.Detail = r.artifact, r.module
		if e.Kind != trace.KindKernel {
			e.Patch = r.patch
		}
	}
}

// pick returns what breaks the rule, or what does not.
func pick[T any](bad bool, breaks, keeps T) T {
	if bad {
		return breaks
	}
	return keeps
}

// waves replaces the waves, and puts the hosts into them.
func waves(places string, list ...hotstick.Wave) edit {
	return func(b *trace.PlanBody) {
		b.Plan.Waves = list
		for i := range b.Hosts {
			b.Hosts[i].Wave = int(places[i] - '0')
		}
	}
}

// roomy leaves the racks out of the plan.
func roomy(b *trace.PlanBody) {
	b.Plan.Budgets = []hotstick.Budget{{Domain: hotstick.FleetDomain, Max: 4}}
}
