package planner

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
)

// numberWaves gives the plan's waves their numbers, block by block.
func (p *Planner) numberWaves() error {
	n := 0
	for i := range p.blocks {
		b := &p.blocks[i]
		b.from = n
		n += len(b.stages) + b.parts[0].waves() + b.parts[1].waves()
	}
	if n > hotstick.MaxPlanWaves {
		return fmt.Errorf("cannot make a plan of %d waves: the limit is %d", n, hotstick.MaxPlanWaves)
	}
	return nil
}

// waves counts the waves of a part; there is no gap among them.
func (q *part) waves() int {
	n := 0
	for n < q.stride && q.cells[n].count > 0 {
		n++
	}
	return n
}

// waveOf is the number of a host's wave in the plan.
func (p *Planner) waveOf(h int32) int {
	k := &p.hosts[h]
	if k.canary {
		return p.blocks[k.part].from + int(k.wave)
	}
	b := &p.blocks[k.part/2]
	wave := b.from + len(b.stages) + int(k.wave)
	if k.part%2 == 1 {
		wave += b.parts[0].waves()
	}
	return wave
}

// Draft writes the plan out: its waves, lanes and budgets, and the host list in
// the order in which the Merkle root covers it.
func (p *Planner) Draft() (Draft, error) {
	if p.failed != nil {
		return Draft{}, p.failed
	}
	order := p.listOrder()
	out := p.leftOut()
	hosts := make([]hotstick.PlanHost, len(order))
	calendars := map[string]bool{}
	for i, h := range order {
		src := &p.src[h]
		hosts[i] = hotstick.PlanHost{
			Host: src.ID, Name: src.Name, Identity: src.Identity, Build: build(*src),
			Wave: p.waveOf(h), Domains: src.Labels, Calendar: src.Verdict.Calendar,
			StandIn: p.oldStandIn(h),
		}
		if r := &p.req; r.CVE != "" {
			patch := p.patchOf(&p.lanes[p.hosts[h].lane])
			hosts[i].Driver, hosts[i].Patch = patch.Driver, patch.Ref
		}
		calendars[src.Verdict.Calendar] = true
	}
	p.writeStandIns(order, hosts)
	root, err := p.req.Root(hosts)
	if err != nil {
		return Draft{}, fmt.Errorf("cannot compute the host list's root: %v", err)
	}
	plan := p.describe(order, root)
	plan.Late = p.lateRule(hosts)
	for _, c := range p.req.Shape.Calendars {
		if calendars[c.Name] {
			plan.Calendars = append(plan.Calendars, c)
		}
	}
	if err := plan.Validate(); err != nil {
		return Draft{}, err
	}
	return Draft{Plan: plan, Hosts: hosts, LeftOut: out}, nil
}

// lateRule is the policy's rule for late hosts, with the first calendar that a host
// of the last wave has: a plan made for windows keeps late hosts to them.
func (p *Planner) lateRule(hosts []hotstick.PlanHost) *hotstick.LateRule {
	if p.req.CVE != "" {
		return nil // which system patches a host is planned, and signed
	}
	if p.req.Shape.Late == nil || len(hosts) == 0 {
		return p.req.Shape.Late
	}
	rule, last := *p.req.Shape.Late, hosts[len(hosts)-1].Wave
	for _, h := range slices.Backward(hosts) {
		if h.Wave != last {
			break
		}
		if h.Calendar != "" {
			rule.Calendar = h.Calendar
		}
	}
	return &rule
}

// leftOut lists the hosts that the plan leaves out.
func (p *Planner) leftOut() []LeftOut {
	var out []LeftOut
	for i := range p.hosts {
		if why, ok := p.why[int32(i)]; ok {
			out = append(out, LeftOut{Host: p.src[i].ID, Name: p.src[i].Name, Reason: why})
		}
	}
	sortLeftOut(out)
	return out
}

// listOrder lists the hosts wave by wave; within a wave clusters come first, each
// together, then all others in the order of the shuffle.
func (p *Planner) listOrder() []int32 {
	total, canaries := 0, p.staged()
	for i := range p.blocks {
		total += int(p.blocks[i].parts[0].count + p.blocks[i].parts[1].count)
	}
	order := make([]int32, 0, total+len(canaries))
	for i := range p.blocks {
		for len(canaries) > 0 && int(p.hosts[canaries[0]].part) == i {
			order, canaries = append(order, canaries[0]), canaries[1:]
		}
		for j := range p.blocks[i].parts {
			order = p.blocks[i].parts[j].append(&p.fleet, order)
		}
	}
	return order
}

// staged lists the staged canaries by block, stage and place.
func (p *Planner) staged() []int32 {
	var canaries []int32
	for i := range p.lanes {
		if l := &p.lanes[i]; l.count > 0 && l.canary.stage != inPlace {
			canaries = append(canaries, l.canary.host)
		}
	}
	slices.SortFunc(canaries, func(a, b int32) int {
		x, y := &p.hosts[a], &p.hosts[b]
		return cmp.Or(cmp.Compare(x.part, y.part), cmp.Compare(x.wave, y.wave), p.byPlace(a, b))
	})
	return canaries
}

// append adds the part's hosts, wave by wave.
func (q *part) append(f *fleet, order []int32) []int32 {
	next := make([]int, q.waves())
	at := len(order)
	for w := range next {
		next[w] = at
		at += int(q.cells[w].count)
	}
	order = order[:at]
	for h := range q.hosts.all() {
		w := f.hosts[h].wave
		order[next[w]] = h
		next[w]++
	}
	return order
}

// oldStandIn keeps a host standing by for a canary that stays where it was.
func (p *Planner) oldStandIn(h int32) *hotstick.StandIn {
	if p.old == nil {
		return nil
	}
	i, ok := p.old.line[p.src[h].ID]
	if !ok || p.old.Hosts[i].Listed.StandIn == nil {
		return nil
	}
	canary := p.old.Hosts[i].Listed.StandIn.For
	for j := range p.lanes {
		l := &p.lanes[j]
		if l.count > 0 && l.canary.stage == inPlace && p.src[l.canary.host].ID == canary && l.build == build(p.src[h]) {
			return &hotstick.StandIn{For: canary, Wave: p.waveOf(l.canary.host)}
		}
	}
	return nil
}

// writeStandIns marks the stand-ins of the staged canaries.
func (p *Planner) writeStandIns(order []int32, hosts []hotstick.PlanHost) {
	duty := map[int32]*hotstick.StandIn{}
	for i := range p.lanes {
		if c := &p.lanes[i].canary; p.lanes[i].count > 0 && c.stage != inPlace {
			for _, h := range c.standIns {
				duty[h] = &hotstick.StandIn{For: p.src[c.host].ID, Wave: p.waveOf(c.host)}
			}
		}
	}
	for i, h := range order {
		if d, ok := duty[h]; ok {
			hosts[i].StandIn = d
		}
	}
}

func (p *Planner) describe(order []int32, root string) hotstick.Plan {
	r, s := &p.req, &p.req.Shape
	now := r.Now.UTC().Truncate(time.Second)
	plan := hotstick.Plan{
		Schema: hotstick.PlanSchema, Name: cmp.Or(r.Name, r.closes()+" "+now.Format("2006-01-02 15:04:05")),
		Patch: r.Patch.Ref, CVE: r.CVE, Author: r.Author, Epoch: r.Epoch, CreatedAt: now, NotAfter: now.Add(s.Life),
		Lanes: p.writeLanes(order), Waves: p.writeWaves(), HostsRoot: root, HostCount: len(order),
		Budgets:           budgets(s.Budgets, len(order)),
		ProbationSeconds:  seconds(s.Probation),
		TransitionSeconds: seconds(p.transition()),
		Gate:              s.Gate, Policy: s.Policy, Approvals: s.Approvals, Reapply: s.Reapply,
	}
	if r.Continues != nil {
		plan.Continues = r.Continues.ID
	}
	return plan
}

// transition is how long a level may take to come into effect, wherever the lane does not
// say otherwise. Where all hosts get one patch it is that of the patch's driver, so that no
// lane has to: loaders of before lanes could say it refuse a plan of which one does.
func (p *Planner) transition() time.Duration {
	if p.req.CVE != "" {
		return p.req.Shape.Transition
	}
	return transitionBy(p.req.Shape, p.req.Patch.Driver)
}

// closes says in a word what the plan is for.
func (r *Request) closes() string {
	if r.CVE != "" {
		return r.CVE
	}
	return r.Patch.Ref.String()
}

// budgets adds the fleet's own: a quarter of the plan's hosts, never less than
// one, unless the shape says otherwise.
func budgets(asked []hotstick.Budget, count int) []hotstick.Budget {
	out := slices.Clone(asked)
	if !slices.ContainsFunc(out, func(b hotstick.Budget) bool { return b.Domain == hotstick.FleetDomain }) {
		out = append(out, hotstick.Budget{Domain: hotstick.FleetDomain, Max: max(1, count/4)})
		slices.SortStableFunc(out, func(a, b hotstick.Budget) int { return cmp.Compare(a.Domain, b.Domain) })
	}
	return out
}

// writeLanes describes every kernel build, with the levels its hosts may go back
// to.
func (p *Planner) writeLanes(order []int32) []hotstick.Lane {
	back := make([][]int32, len(p.lanes))
	for _, h := range order {
		if k := &p.hosts[h]; !slices.Contains(back[k.lane], k.level) {
			back[k.lane] = append(back[k.lane], k.level)
		}
	}
	artifacts := p.artifacts()
	var lanes []hotstick.Lane
	for i, l := range p.lanes {
		if l.count == 0 {
			continue
		}
		patch := p.patchOf(&l)
		artifact := artifacts[patch.Ref][l.build]
		lane := hotstick.Lane{Build: l.build, Driver: patch.Driver, Artifact: artifact.Digest, Module: artifact.Module}
		if p.req.CVE != "" {
			lane.Patch = patch.Ref
		}
		if limit := transitionBy(p.req.Shape, patch.Driver); limit != p.transition() {
			lane.TransitionSeconds = seconds(limit)
		}
		for _, level := range back[i] {
			if target := p.target(p.named.levels[level], l.build, artifacts); !slices.Contains(lane.RevertTo, target) {
				lane.RevertTo = append(lane.RevertTo, target)
			}
		}
		slices.SortFunc(lane.RevertTo, func(a, b hotstick.RevertTarget) int { return compareRefs(a.Patch, b.Patch) })
		lanes = append(lanes, lane)
	}
	slices.SortFunc(lanes, func(a, b hotstick.Lane) int {
		return cmp.Or(compareBuilds(a.Build, b.Build), cmp.Compare(a.Driver, b.Driver))
	})
	return lanes
}

// target is the level before as a host of the build goes back to it. A level that was a
// reboot is the kernel as it booted: no bytes of it could be loaded there.
func (p *Planner) target(ref hotstick.PatchRef, build hotstick.KernelBuild, artifacts map[hotstick.PatchRef]map[hotstick.KernelBuild]hotstick.Artifact) hotstick.RevertTarget {
	if p.isReboot(ref) {
		return hotstick.RevertTarget{}
	}
	a := artifacts[ref][build]
	return hotstick.RevertTarget{Patch: ref, Artifact: a.Digest, Module: a.Module}
}

func (p *Planner) isReboot(ref hotstick.PatchRef) bool {
	return slices.ContainsFunc(p.req.Catalog, func(k hotstick.Patch) bool { return k.Ref == ref && hotstick.Reboots(k.Driver) })
}

// artifacts finds the bytes of the levels that matter by level and build.
func (p *Planner) artifacts() map[hotstick.PatchRef]map[hotstick.KernelBuild]hotstick.Artifact {
	found := map[hotstick.PatchRef]map[hotstick.KernelBuild]hotstick.Artifact{}
	brought := map[hotstick.PatchRef]bool{}
	all := append([]hotstick.Patch{}, p.req.Catalog...)
	for i := range p.lanes {
		patch := p.patchOf(&p.lanes[i])
		if !brought[patch.Ref] {
			brought[patch.Ref] = true
			all = append([]hotstick.Patch{*patch}, all...)
		}
	}
	for _, patch := range all {
		_, wanted := p.named.level[patch.Ref]
		if found[patch.Ref] != nil || (!wanted && !brought[patch.Ref]) {
			continue
		}
		found[patch.Ref] = make(map[hotstick.KernelBuild]hotstick.Artifact, len(patch.Artifacts))
		for _, a := range patch.Artifacts {
			found[patch.Ref][a.Build] = a
		}
	}
	return found
}

func compareBuilds(a, b hotstick.KernelBuild) int {
	return cmp.Or(cmp.Compare(a.Release, b.Release), cmp.Compare(a.BuildID, b.BuildID), cmp.Compare(a.Arch, b.Arch))
}

func compareRefs(a, b hotstick.PatchRef) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Level, b.Level))
}
