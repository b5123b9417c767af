package planner

import (
	"slices"

	"github.com/hotstick/hotstick"
)

// Change takes up what is new of one host, or a new host, and plans again. Where
// neither it nor a canary that changes is in a quorum domain, the cost is that of
// the hosts that move, not of the fleet; everywhere else, and in plans that
// continue others, the fleet is planned from scratch. Errors are those of [Pack]:
// one that names the host changes nothing; after any other the Planner holds the
// change, and no plan until another change makes one possible.
func (p *Planner) Change(h Host) error {
	if err := p.check(&h); err != nil {
		return err
	}
	if p.req.CVE != "" {
		hosts := slices.DeleteFunc(slices.Clone(p.req.Hosts), func(old Host) bool { return old.ID == h.ID })
		return p.again(append(hosts, h))
	}
	p.prepare()
	i, known := p.slot[h.ID]
	if !known {
		i = int32(len(p.src))
		p.slot[h.ID] = i
		p.src = append(p.src, Host{})
		p.hosts = append(p.hosts, packed{})
		p.domains = append(p.domains, make([]int32, len(p.kinds))...)
	}
	return p.renew(i, func() {
		p.src[i] = h
		p.sieve(i)
	})
}

// Drop takes a host out of the selection and plans again, as [Planner.Change]
// does. A host that was not selected changes nothing.
func (p *Planner) Drop(id hotstick.HostID) error {
	if p.req.CVE != "" {
		return p.again(slices.DeleteFunc(slices.Clone(p.req.Hosts), func(h Host) bool { return h.ID == id }))
	}
	p.prepare()
	i, known := p.slot[id]
	if !known {
		return p.failed
	}
	return p.renew(i, func() {
		delete(p.why, i)
		p.hosts[i].listed = false
	})
}

// Wave returns the number of a host's wave, if the plan lists the host.
func (p *Planner) Wave(id hotstick.HostID) (int, bool) {
	p.prepare()
	i, known := p.slot[id]
	if !known || !p.hosts[i].listed || p.failed != nil {
		return 0, false
	}
	return p.waveOf(i), true
}

// prepare makes the Planner's own copy of the hosts, to be found by ID.
func (p *Planner) prepare() {
	if p.slot != nil {
		return
	}
	p.src = slices.Clone(p.src)
	p.slot = make(map[hotstick.HostID]int32, len(p.src))
	for i := range p.src {
		p.slot[p.src[i].ID] = int32(i)
	}
}

// renew takes a host out as it was, lets edit change it, puts it in as it is, and
// brings the waves up to date.
func (p *Planner) renew(i int32, edit func()) error {
	local := p.old == nil && p.failed == nil
	before := p.staffed()
	if was := p.hosts[i]; was.listed && local {
		local = was.cluster < 0
		p.unpool(i)
		if local && !was.canary {
			p.partAt(was.part).leave(&p.fleet, i)
		}
	}
	edit()
	if p.hosts[i].listed {
		p.pack(i)
		p.setKey(i, p.seed())
		local = local && p.hosts[i].cluster < 0
		if local {
			p.enpool(i)
		}
	}
	if local = local && p.anyone(); local {
		local = p.reseat(i, before, p.pick())
	}
	if local {
		p.failed = p.settleParts()
	} else {
		p.failed = p.plan()
	}
	return p.failed
}

// anyone reports whether any host is listed.
func (p *Planner) anyone() bool {
	return slices.ContainsFunc(p.pools, func(q pool) bool { return q.count > 0 })
}

// staffed lists the staged canary of every lane.
func (p *Planner) staffed() []int32 {
	hosts := p.election.before[:0]
	for l := range p.lanes {
		hosts = append(hosts, p.lanes[l].staged())
	}
	p.election.before = hosts
	return hosts
}

// staged returns the lane's staged canary, or none.
func (l *lane) staged() int32 {
	if l.count == 0 || l.canary.stage == inPlace {
		return none
	}
	return l.canary.host
}

// unpool takes a host out of its pool.
func (p *Planner) unpool(i int32) {
	k := &p.hosts[i]
	v := &p.varieties[k.variety]
	in, l := &p.pools[v.pool], &p.lanes[k.lane]
	in.list.remove(p.keyed(i), p.byKey)
	in.count--
	v.count--
	l.count--
	l.dirty = true
	if l.canary.host == i {
		l.canary.host = none
	}
	if v.first != i {
		return
	}
	v.first = none
	for h := range in.list.after(p.keyed(i), p.byKey) {
		if p.hosts[h].variety == k.variety {
			v.first = h
			return
		}
	}
}

// enpool puts a host into its pool.
func (p *Planner) enpool(i int32) {
	k := &p.hosts[i]
	v := &p.varieties[k.variety]
	in, l := &p.pools[v.pool], &p.lanes[k.lane]
	in.list.insert(p.keyed(i), p.byKey)
	in.count++
	v.count++
	l.count++
	l.dirty = true
	if v.first == none || p.byKey(i, v.first) < 0 {
		v.first = i
	}
}

// reseat brings canaries and the host that changed to their places, after a choice
// of canaries that moved any or none. It reports whether that could be done
// without clusters.
func (p *Planner) reseat(i int32, before []int32, moved bool) bool {
	if moved && !p.exchange(i, before) {
		return false
	}
	if p.hosts[i].listed && !p.isStaged(i) {
		p.enter(i)
	}
	return true
}

// exchange moves hosts between canary stages and parts after a new choice of
// canaries, all but the host that changed.
func (p *Planner) exchange(i int32, before []int32) bool {
	for l := range p.lanes {
		was, now := none, p.lanes[l].staged()
		if l < len(before) {
			was = before[l]
		}
		if was == now {
			continue
		}
		if (was != none && p.hosts[was].cluster >= 0) || (now != none && p.hosts[now].cluster >= 0) {
			return false
		}
		if now != none && now != i {
			p.partAt(p.hosts[now].part).leave(&p.fleet, now)
		}
		if was != none && was != i {
			p.hosts[was].canary = false
			p.enter(was)
		}
	}
	for l := range p.lanes {
		if h := p.lanes[l].staged(); h != none {
			p.hosts[h].part, p.hosts[h].wave = int16(p.lanes[l].canary.block), int16(p.lanes[l].canary.stage)
			p.hosts[h].canary = true
		}
	}
	return true
}

func (p *Planner) isStaged(i int32) bool { return p.lanes[p.hosts[i].lane].staged() == i }

func (p *Planner) partAt(number int16) *part { return &p.blocks[number/2].parts[number%2] }

// enter puts a host into the part where it is cut.
func (p *Planner) enter(h int32) {
	k := &p.hosts[h]
	k.part = p.partOf(h, nil)
	p.partAt(k.part).enter(&p.fleet, h)
}

// settleParts brings every part up to date.
func (p *Planner) settleParts() error {
	floor := 0
	for i := range p.blocks {
		b := &p.blocks[i]
		for _, n := range b.stages {
			floor += int(n)
		}
		for j := range b.parts {
			q := &b.parts[j]
			if q.count == 0 {
				*q = part{}
				continue
			}
			q.resize(&p.fleet, limits(p.req.Shape.Waves.Widen, int(q.count), floor))
			q.drain(&p.fleet)
			if q.stale {
				if err := p.cut(b, q, floor); err != nil {
					return err
				}
			}
		}
	}
	return p.numberWaves()
}
