package planner

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/compat"
)

// Planner keeps a packed fleet with the wave of every host, so that a plan can be
// made again cheaply after one host changed. The same hosts always give the same
// plan, whichever way the Planner came to know them.
//
// A Planner is not safe for concurrent use.
type Planner struct {
	req   Request
	rules compat.Rules
	old   *chain
	// chosen is what each host gets, in a plan for a CVE.
	chosen []choice
	// why says why hosts are left out, by their slot.
	why map[int32]hotstick.Reason
	fleet
	varieties []variety
	pools     []pool
	lanes     []lane
	blocks    []block
	// first is the first block of which any host is left.
	first    int
	election election
	staging  staging
	// slot finds hosts by ID, and failed says why there is no plan: both are for
	// [Planner.Change].
	slot   map[hotstick.HostID]int32
	failed error
}

// fleet is the selected hosts in packed form. A host's slot is its place in src.
type fleet struct {
	src   []Host
	hosts []packed
	// kinds of failure domain; the first spreads of them have a cap, in caps.
	kinds   []string
	spreads int
	caps    []int32
	// failing are the kinds whose hosts fail together: not the fleet, no calendar.
	failing []int
	// domains holds, for each slot, one domain a kind.
	domains []int32
	named   names
}

// packed is one host as the hot path sees it, without pointers.
type packed struct {
	// key is the host's place in the shuffle; its highest bit is set.
	key uint64
	// at is its place within its part: the key, or its cluster's hash.
	at uint64
	// lane, variety and cluster are numbers given in the order of the input: they
	// tell apart and never decide. cluster is -1 outside quorum domains.
	lane, variety, cluster, level int32
	// part and wave within it; for a canary, the block and the stage within it.
	part, wave int16
	listed     bool
	canary     bool
}

// names gives numbers to the strings of a fleet.
type names struct {
	domain   []map[string]int32 // by kind
	kindOf   []int32            // of each domain
	valueOf  []string           // of each domain
	quorum   []string
	cluster  map[string]int32
	clusters []uint64 // hash of each
	value    []map[string]int32
	values   int32
	model    map[[2]int32]int32
	models   []int32 // the representative values of each model, one after the other
	lane     map[laneKey]int32
	pool     map[[3]int32]int32
	variety  map[[2]int32]int32
	level    map[hotstick.PatchRef]int32
	levels   []hotstick.PatchRef
}

// laneKey tells lanes apart.
type laneKey struct {
	build     hotstick.KernelBuild
	candidate int
}

// Pack takes up the hosts of a request and plans them. Errors are those of
// [Build], but for those of Root.
func Pack(r Request) (*Planner, error) {
	if r.Forbidden != nil {
		return nil, &Refusal{Reason: *r.Forbidden}
	}
	shape, err := withDefaults(r.Shape)
	if err != nil {
		return nil, err
	}
	r.Shape = shape
	p := &Planner{req: r, rules: compat.For(r.Patch, modules(r.Catalog)), why: map[int32]hotstick.Reason{},
		staging: staging{count: map[[3]int32]int32{}}}
	if r.CVE != "" {
		if p.chosen, err = choose(r); err != nil {
			return nil, err
		}
		r.Hosts = slices.Clone(r.Hosts)
		for i, c := range p.chosen {
			r.Hosts[i].Verdict = c.verdict
		}
	}
	p.fleet = newFleet(r)
	if err := p.follow(); err != nil {
		return nil, err
	}
	for i := range r.Hosts {
		if err := p.check(&r.Hosts[i]); err != nil {
			return nil, err
		}
		p.sieve(int32(i))
	}
	if p.old != nil && !p.old.credit(p) {
		p.old = nil // nothing that was proven is left: everything begins anew
	}
	for i := range r.Hosts {
		if p.hosts[i].listed {
			p.pack(int32(i))
		}
	}
	p.layBlocks()
	return p, p.plan()
}

// modules tells which module names are ours.
func modules(catalog []hotstick.Patch) func(string) bool {
	ours := map[string]bool{}
	for _, p := range catalog {
		for _, a := range p.Artifacts {
			ours[a.Module] = true
		}
	}
	return func(module string) bool { return ours[module] }
}

func newFleet(r Request) fleet {
	f := fleet{src: r.Hosts, hosts: make([]packed, len(r.Hosts)), kinds: sortedKeys(r.Shape.Waves.Spread)}
	f.spreads = len(f.kinds)
	for _, kind := range f.kinds {
		f.caps = append(f.caps, int32(min(r.Shape.Waves.Spread[kind], hotstick.MaxPlanHosts)))
	}
	for _, b := range r.Shape.Budgets {
		if b.Domain != hotstick.FleetDomain && !slices.Contains(f.kinds, b.Domain) {
			f.kinds = append(f.kinds, b.Domain)
		}
		if b.Quorum {
			f.named.quorum = append(f.named.quorum, b.Domain)
		}
	}
	for i, kind := range f.kinds {
		if kind != hotstick.FleetDomain && kind != CalendarKind {
			f.failing = append(f.failing, i)
		}
	}
	f.domains = make([]int32, len(r.Hosts)*len(f.kinds))
	f.named.cluster = map[string]int32{}
	f.named.model = map[[2]int32]int32{}
	f.named.lane = map[laneKey]int32{}
	f.named.pool = map[[3]int32]int32{}
	f.named.variety = map[[2]int32]int32{}
	f.named.level = map[hotstick.PatchRef]int32{}
	for range f.kinds {
		f.named.domain = append(f.named.domain, map[string]int32{})
	}
	for range r.Shape.Waves.Representative {
		f.named.value = append(f.named.value, map[string]int32{})
	}
	return f
}

// check refuses what the policy cannot have said of a host.
func (p *Planner) check(h *Host) error {
	s := &p.req.Shape
	if ring, rings := h.Verdict.Ring, max(1, len(s.Waves.RingDelay)); ring < 0 || ring >= rings {
		return fmt.Errorf("cannot put host %s in ring %d: the policy has %d", h.ID, ring, rings)
	}
	if name := h.Verdict.Calendar; name != "" && !slices.ContainsFunc(s.Calendars, func(c hotstick.Calendar) bool { return c.Name == name }) {
		return fmt.Errorf("cannot start host %s by calendar %q: the policy has no such calendar", h.ID, name)
	}
	return nil
}

// sieve decides whether the host is listed at all.
func (p *Planner) sieve(i int32) {
	h := &p.src[i]
	var why *hotstick.Reason
	if p.req.CVE != "" {
		why = p.chosen[i].why
	} else {
		why = p.rules.Check(h.Compat)
	}
	if why == nil {
		why = h.Verdict.Reason
	}
	if why == nil && p.old != nil {
		why = p.old.leftOut(h.ID)
	}
	p.hosts[i].listed = why == nil
	delete(p.why, i)
	if why != nil {
		p.why[i] = *why
	}
}

// pack fills in the packed form of a listed host.
func (p *Planner) pack(i int32) {
	h, k, n := &p.src[i], &p.hosts[i], &p.named
	*k = packed{listed: true, cluster: p.clusterOf(h)}
	for j, kind := range p.kinds {
		p.domains[int(i)*len(p.kinds)+j] = n.domainOf(int32(j), valueOf(h, kind))
	}
	k.lane = p.laneOf(p.laneKeyOf(i))
	k.level = number(n.level, h.Compat.InEffect, func() { n.levels = append(n.levels, h.Compat.InEffect) })
	block, rank := p.rankOf(h, k.cluster >= 0)
	k.variety = p.varietyOf(p.poolOf(k.lane, block, rank), p.modelOf(h))
}

// number returns the number of a thing, giving it the next one if it is new.
func number[K comparable](m map[K]int32, k K, add func()) int32 {
	if id, ok := m[k]; ok {
		return id
	}
	id := int32(len(m))
	m[k] = id
	add()
	return id
}

func (n *names) domainOf(kind int32, value string) int32 {
	if d, ok := n.domain[kind][value]; ok {
		return d
	}
	d := int32(len(n.kindOf))
	n.domain[kind][value] = d
	n.kindOf, n.valueOf = append(n.kindOf, kind), append(n.valueOf, value)
	return d
}

// valueOf says which domain of a kind a host is in. Hosts without the label share
// one domain: what is unknown is not taken for apart.
func valueOf(h *Host, kind string) string {
	switch kind {
	case hotstick.FleetDomain:
		return "all"
	case CalendarKind:
		return h.Verdict.Calendar
	}
	return h.Labels[kind]
}

// clusterOf returns the first quorum domain that the host is in, by the order of
// their kinds, or -1. Here a missing label means that the host is in none: most
// machines are in no cluster.
func (p *Planner) clusterOf(h *Host) int32 {
	for _, kind := range p.named.quorum {
		value := h.Labels[kind]
		if value == "" {
			continue
		}
		name := kind + "=" + value
		return number(p.named.cluster, name, func() {
			p.named.clusters = append(p.named.clusters, p.hash(name)&^ordinary)
		})
	}
	return -1
}

func (p *Planner) laneOf(k laneKey) int32 {
	return number(p.named.lane, k, func() { p.lanes = append(p.lanes, lane{build: k.build, candidate: k.candidate}) })
}

func (p *Planner) laneKeyOf(i int32) laneKey {
	k := laneKey{build: build(p.src[i])}
	if p.req.CVE != "" {
		k.candidate = p.chosen[i].candidate
	}
	return k
}

// modelOf numbers the host's representative labels: hosts of one model do not
// differ in any of them.
func (p *Planner) modelOf(h *Host) int32 {
	n := &p.named
	model := int32(-1)
	var values [8]int32
	picked := values[:0]
	for r, key := range p.req.Shape.Waves.Representative {
		v, ok := n.value[r][h.Labels[key]]
		if !ok {
			v = n.values
			n.value[r][h.Labels[key]] = v
			n.values++
		}
		picked = append(picked, v)
		model = number(n.model, [2]int32{model, v}, func() {
			n.models = append(append(n.models, picked...), make([]int32, len(n.value)-len(picked))...)
		})
	}
	return model
}

// representative returns the values of a model that has all of them, or nothing
// for none.
func (n *names) representative(model int32) []int32 {
	if model == none {
		return nil
	}
	return n.models[int(model)*len(n.value):][:len(n.value)]
}

func (p *Planner) poolOf(lane, block, rank int32) int32 {
	return number(p.named.pool, [3]int32{lane, block, rank}, func() {
		id := int32(len(p.pools))
		p.pools = append(p.pools, pool{lane: lane, block: block, rank: rank})
		l := &p.lanes[lane]
		l.pools = append(l.pools, id)
		slices.SortFunc(l.pools, func(a, b int32) int {
			return cmp.Or(cmp.Compare(p.pools[a].block, p.pools[b].block), cmp.Compare(p.pools[a].rank, p.pools[b].rank))
		})
	})
}

func (p *Planner) varietyOf(in, model int32) int32 {
	return number(p.named.variety, [2]int32{in, model}, func() {
		p.pools[in].varieties = append(p.pools[in].varieties, int32(len(p.varieties)))
		p.varieties = append(p.varieties, variety{pool: in, model: model, first: none})
	})
}

// none is the slot of no host.
const none = int32(-1)

// ordinary is set in the place of every host but those of clusters, which
// therefore come first in their part.
const ordinary = uint64(1) << 63

// hash is FNV-1a of 64 bits over the patch (NAME@LEVEL) or the CVE, a zero byte and s,
// finished by the mixer of SplitMix64. Signed plans rest on it: it must not change.
func (p *Planner) hash(s string) uint64 {
	return mix(fnv(p.seed(), s))
}

func (p *Planner) seed() uint64 {
	return fnv(fnv(14695981039346656037, p.req.closes()), "\x00")
}

func fnv(h uint64, s string) uint64 {
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}

func mix(h uint64) uint64 {
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// byKey orders hosts by their places in the shuffle.
func (f *fleet) byKey(a, b int32) int {
	if c := cmp.Compare(f.hosts[a].key, f.hosts[b].key); c != 0 {
		return c
	}
	return cmp.Compare(f.src[a].ID, f.src[b].ID)
}

// byPlace orders hosts within a part.
func (f *fleet) byPlace(a, b int32) int {
	if c := cmp.Compare(f.hosts[a].at, f.hosts[b].at); c != 0 {
		return c
	}
	return cmp.Compare(f.src[a].ID, f.src[b].ID)
}

func build(h Host) hotstick.KernelBuild { return h.Compat.Facts.Kernel.Build }

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
