package checker

import (
	"encoding/json"
	"slices"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/trace"
)

// fleet is everything that the events so far have told.
type fleet struct {
	now    int64 // of the event under way, in nanoseconds
	wall   int64 // what the server's wall clock is ahead of that; 0 unknown
	ground *Ground
	hosts  map[hotstick.HostID]*host
	plans  map[hotstick.PlanID]*plan
	// order lists hosts and plans as they were first met, so that nothing hangs on
	// the order of a map.
	hostOrder []*host
	planOrder []*plan
	artifacts map[hotstick.Digest]GroundArtifact
	banned    map[hotstick.PatchRef]bool
	recalled  map[hotstick.PatchRef]bool
	// stopped are the kinds of machines on which a level is stopped; of a build only its
	// ID is known.
	stopped   map[hotstick.CrashPrint]bool
	stopAll   bool
	owned     bool
	failing   bool // the store
	faultsEnd int64
	steps     int64 // of all hosts
	// leaves is the size of the audit log; unlogged counts changes since its
	// newest leaf.
	leaves   uint64
	unlogged int
	// grants are the committed ones, and when each was.
	grants map[hotstick.Digest]int64
	// clears are those that people signed.
	clears map[hotstick.Digest]bool
	orders
}

// host is one host, in truth.
type host struct {
	id     hotstick.HostID
	name   string
	build  hotstick.KernelBuild
	labels map[string]string
	// system is the driver of the host's own live-patch system.
	system string
	boot   string
	bootAt int64
	up     bool
	downAt int64
	// unclean are when boots ended uncleanly.
	unclean []int64
	open    *attempt
	// loads counts load calls of the open attempt's artifact.
	loads      int
	writtenOff bool
	heard      int64 // when a server last counted a check-in
	kernelTruth
	touchTruth
	ledgerTruth
	trouble
	shown
	leafTimes []int64
	// nonces are those that the loader's process made, and when; spent if one has
	// started something.
	nonces map[string]int64
}

// kernelTruth is what the kernel says.
type kernelTruth struct {
	kernel map[hotstick.Digest]string
	moving map[string]bool // modules in transition, foreign ones too
	// effects are when each artifact was last seen in effect, by boot.
	effects map[effectKey]int64
}

// touchTruth is what levels have touched beside the kernel's code.
type touchTruth struct {
	// begins are the values with which each boot begins, things those that were changed
	// since.
	begins, things map[string]string
	// stuck: some attempt could not put back what it had touched.
	stuck bool
}

// ledgerTruth is what the host durably learned.
type ledgerTruth struct {
	crashed map[hotstick.PatchRef]bool
	banned  map[hotstick.PatchRef]bool
	halted  map[hotstick.PlanID]bool
	// cleared are patches whose marks a clear lifted.
	cleared map[hotstick.PatchRef]bool
	// confirmed is the highest level ever confirmed, by patch name.
	confirmed map[string]int
	seen      map[hotstick.PlanID]int64 // uptime in ms
	wayBack
	intents        map[intentKey]bool
	strikes        map[string]bool // by boot
	catalog        int64           // when the newest catalog it learned expires; 0 unknown
	catalogVersion uint64
	epoch          uint64
}

// trouble is what was done to the host.
type trouble struct {
	loaderAt int64 // since when the loader runs; -1 while it is away
	agentOff int64 // since when the agent is away; 0 while it runs
	diskBad  bool
	foreign  int64 // when somebody else last changed its patches; 0 never
	clockBad bool
	lifted   int64 // since when its own system starts patches by itself; 0 while it is on hold
	putBack  bool  // its ledger was replaced by an older one
}

// shown is of which boots the screens spoke.
type shown struct {
	shown     map[string]int // how often each boot began to be shown
	shownBoot string
	shownSent int64 // when the newest check-in that was shown had been sent, in ms
}

type effectKey struct {
	artifact hotstick.Digest
	boot     string
}

type intentKey struct {
	plan    hotstick.PlanID
	attempt int
}

// attempt is the change of a kernel under way.
type attempt struct {
	plan     hotstick.PlanID
	number   int
	patch    hotstick.PatchRef
	artifact hotstick.Digest
	boot     string
	grant    hotstick.Digest
	phase    hotstick.HostState
	since    int64
	// voluntary: it is the way back of a level that was confirmed.
	voluntary bool
}

// plan is one plan and the server's rows of it.
type plan struct {
	id     hotstick.PlanID
	body   trace.PlanBody
	listed map[hotstick.HostID]hotstick.PlanHost
	status hotstick.PlanStatus
	halted int64 // when, 0 if it is not
	ended  int64
	again  bool // it was completed, and ran again
	lines  map[hotstick.HostID]*line
	truth  map[truthKey]bool
	// order is in which order they came.
	order map[truthKey]int64
	staging
}

type truthKey struct {
	host    hotstick.HostID
	attempt int
	state   hotstick.HostState
}

type waveLane struct {
	wave int
	lane laneKey
}

// line is the server's row of a host in a plan.
type line struct {
	state   hotstick.HostState
	attempt int
	cause   string
	since   int64 // when the state was reached
	// standing: it has the place of the canary that it stands in for.
	standing bool
	// harmed: the patch did it harm, whatever was decided of that.
	harmed bool
	// gone: it was once passed over for a cause that is not the patch.
	gone bool
	// putBack counts the attempts that put back what somebody else took away.
	putBack int
	slots   map[string]bool
}

func newFleet() *fleet {
	return &fleet{hosts: map[hotstick.HostID]*host{}, plans: map[hotstick.PlanID]*plan{},
		artifacts: map[hotstick.Digest]GroundArtifact{}, banned: map[hotstick.PatchRef]bool{}, recalled: map[hotstick.PatchRef]bool{}, stopped: map[hotstick.CrashPrint]bool{}, grants: map[hotstick.Digest]int64{}, clears: map[hotstick.Digest]bool{},
		orders: orders{out: map[hotstick.HostID]int{}}}
}

func (f *fleet) host(id hotstick.HostID) *host {
	h := f.hosts[id]
	if h == nil {
		h = &host{id: id, up: true, nonces: map[string]int64{}, shown: shown{shown: map[string]int{}},
			kernelTruth: kernelTruth{map[hotstick.Digest]string{}, map[string]bool{}, map[effectKey]int64{}},
			ledgerTruth: newLedgerTruth()}
		f.hosts[id] = h
		f.hostOrder = append(f.hostOrder, h)
	}
	return h
}

func (f *fleet) plan(id hotstick.PlanID) *plan {
	p := f.plans[id]
	if p == nil {
		p = &plan{id: id, listed: map[hotstick.HostID]hotstick.PlanHost{}, lines: map[hotstick.HostID]*line{},
			truth: map[truthKey]bool{}, order: map[truthKey]int64{}}
		f.plans[id] = p
		f.planOrder = append(f.planOrder, p)
	}
	return p
}

func (p *plan) patchOf(id hotstick.HostID) hotstick.PatchRef {
	return p.listed[id].PatchIn(p.body.Plan.Patch)
}

// banning: one of the plan's patches is banned.
func (f *fleet) banning(p *plan) bool {
	return slices.ContainsFunc(p.body.Plan.Patches(), func(patch hotstick.PatchRef) bool { return f.banned[patch] })
}

func (p *plan) known() bool { return len(p.body.Plan.Waves) > 0 }

// reach notes that a host truly came to a state.
func (p *plan) reach(f *fleet, key truthKey) {
	f.steps++
	p.truth[key], p.order[key] = true, f.steps
}

func (p *plan) line(id hotstick.HostID) *line {
	l := p.lines[id]
	if l == nil {
		l = &line{state: hotstick.Waiting, slots: map[string]bool{}}
		p.lines[id] = l
	}
	return l
}

// domain says in which domain of a kind a host is; empty for a host without the
// label, which is in no domain of that kind.
func (p *plan) domain(id hotstick.HostID, kind string) string {
	if kind == hotstick.FleetDomain {
		return "all"
	}
	return p.listed[id].Domains[kind]
}

// apply takes an event into the state, after the rules have seen it.
func (f *fleet) apply(e *trace.Event) {
	switch e.Kind {
	case trace.KindBegin:
		f.begin(e)
	case trace.KindFault:
		f.fault(e)
	case trace.KindPlan, trace.KindPlanStatus, trace.KindHostState, trace.KindGate, trace.KindGrant, trace.KindSlot,
		trace.KindBan, trace.KindClear, trace.KindCrashStop, trace.KindStopAll, trace.KindShown, trace.KindWriteOff, trace.KindLeaf:
		f.server(e)
	default:
		if e.Host != "" {
			f.host(e.Host).apply(f, e)
		}
	}
}

func (f *fleet) begin(e *trace.Event) {
	var g Ground
	if len(e.Body) == 0 || json.Unmarshal(e.Body, &g) != nil {
		return
	}
	f.ground = &g
	for _, a := range g.Artifacts {
		f.artifacts[a.Digest] = a
	}
	for _, gh := range g.Hosts {
		h := f.host(gh.Host)
		h.build, h.name, h.labels, h.system, h.begins = gh.Build, gh.Name, gh.Labels, gh.System, gh.Things
	}
}

func (f *fleet) fault(e *trace.Event) {
	f.ordered(e)
	switch e.Cause {
	case FaultOwned:
		f.owned = true
	case FaultStore:
		f.failing = true
	case FaultStoreOver:
		f.failing = false
	case PeopleClear:
		f.clears[e.Grant] = true
	case PeopleRecall:
		f.recalled[e.Patch] = true
	case FaultsEnd:
		f.faultsEnd = e.T
	}
	if e.Host == "" {
		return
	}
	h := f.host(e.Host)
	switch e.Cause {
	case FaultLoaderDown:
		h.loaderAt = -1
	case FaultLoaderUp:
		h.loaderAt = e.T
		h.nonces = map[string]int64{}
	case FaultAgentDown:
		h.agentOff = e.T
	case FaultAgentUp:
		h.agentOff = 0
	case FaultForeign:
		h.foreign = e.T
	case FaultDisk:
		h.diskBad = true
	case FaultDiskOver:
		h.diskBad = false
	case FaultClock:
		h.clockBad = true
	case FaultLifted:
		h.lifted = e.T
	case FaultHeld:
		h.lifted = 0
	case FaultLedger:
		h.cutShort(f)
		h.restored()
	}
}

// restored: what the host's ledger knew is gone, by a hand outside; the rules
// hold from what the older copy knows on, which its next events tell.
func (h *host) restored() {
	old := h.ledgerTruth
	h.ledgerTruth = newLedgerTruth()
	h.seen, h.catalog, h.catalogVersion = old.seen, old.catalog, old.catalogVersion
	h.putBack = true
	h.open, h.unclean = nil, nil
}

func newLedgerTruth() ledgerTruth {
	return ledgerTruth{crashed: map[hotstick.PatchRef]bool{}, banned: map[hotstick.PatchRef]bool{}, halted: map[hotstick.PlanID]bool{},
		cleared: map[hotstick.PatchRef]bool{}, confirmed: map[string]int{}, seen: map[hotstick.PlanID]int64{}, intents: map[intentKey]bool{}, strikes: map[string]bool{},
		wayBack: wayBack{places: map[intentKey]hotstick.Digest{}}}
}
