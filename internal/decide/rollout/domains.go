package rollout

import (
	"cmp"
	"math/bits"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/planted"
)

// budgetBook is what the failure domains of a plan come to.
type budgetBook struct {
	kinds []*kind
	// stirred domains changed since they were last looked at.
	stirred []*domain
	// hot are the queues from which hosts could start, by their first host.
	hot heap[*queue]
	// sources are the same for reverts.
	sources heap[*queue]
	// patient are quorum domains whose reverts wait for members that are down.
	patient heap[*domain]
	// halved: every limit is halved.
	halved bool
}

// kind is all budgets of one kind of domain.
type kind struct {
	name    string
	at      int
	budgets []hotstick.Budget
	quorum  bool
	open    int
	mixed   time.Duration
	domains map[string]*domain
	// partly are the quorum domains that are partly done; begin are those that could
	// begin, by their first host.
	partly []*domain
	begin  heap[*domain]
	// overdue: one is for too long, so that no other begins.
	overdue bool
	// grown: domains came, or became bigger, since limits were set.
	grown bool
}

// domain is one failure domain.
type domain struct {
	kind    *kind
	value   string
	members []int32
	// listed counts the hosts that the plan lists; limit and sendLimit follow.
	listed, limit, sendLimit int
	// used counts slots of all plans, extra those that count without one.
	used, extra int
	indexes     indexes
	// down counts members that are down, back those reverting, moving those under
	// way, done those that have the level.
	down, back, moving, done int
	// parked wait for room to start, sent for room to go back.
	parked, sent queue
	stirred      bool
	partlyAt     int // place in kind.partly, -1 if not partly done
	beginAt      int
	patience     int64
	patientAt    int
}

// indexes are the slots of a domain that are taken.
type indexes []uint64

func (x *indexes) set(i int, taken bool) {
	if i < 0 || i > hotstick.MaxPlanHosts {
		return
	}
	for len(*x) <= i/64 {
		*x = append(*x, 0)
	}
	if taken {
		(*x)[i/64] |= 1 << (i % 64)
	} else {
		(*x)[i/64] &^= 1 << (i % 64)
	}
}

// free is the first slot that is not taken.
func (x indexes) free() int {
	for i, word := range x {
		if word != ^uint64(0) {
			return i*64 + bits.TrailingZeros64(^word)
		}
	}
	return len(x) * 64
}

func (r *Rollout) buildKinds() {
	r.hot = heap[*queue]{less: r.headBefore, moved: func(q *queue, at int) { q.hot = at }}
	r.sources = heap[*queue]{less: r.headBefore, moved: func(q *queue, at int) { q.hot = at }}
	r.patient = heap[*domain]{moved: func(d *domain, at int) { d.patientAt = at },
		less: func(a, b *domain) bool {
			if a.patience != b.patience {
				return a.patience < b.patience
			}
			return a.before(b)
		}}
	for _, b := range r.plan.Budgets {
		var k *kind
		for _, have := range r.kinds {
			if have.name == b.Domain {
				k = have
			}
		}
		if k == nil {
			k = &kind{name: b.Domain, at: len(r.kinds), domains: map[string]*domain{}}
			k.begin = heap[*domain]{moved: func(d *domain, at int) { d.beginAt = at },
				less: func(a, b *domain) bool { return r.headBefore(&a.parked, &b.parked) }}
			r.kinds = append(r.kinds, k)
		}
		k.add(b)
	}
}

// add joins a budget to its kind: the stricter holds.
func (k *kind) add(b hotstick.Budget) {
	k.budgets = append(k.budgets, b)
	if !b.Quorum {
		return
	}
	open := max(1, b.Open)
	if k.open == 0 || open < k.open {
		k.open = open
	}
	if mixed := time.Duration(b.MixedSeconds) * time.Second; mixed > 0 && (k.mixed == 0 || mixed < k.mixed) {
		k.mixed = mixed
	}
	k.quorum = true
}

func (r *Rollout) headBefore(a, b *queue) bool { return r.byOrder(a.top(), b.top()) }

func (d *domain) before(e *domain) bool {
	return cmp.Or(cmp.Compare(d.kind.at, e.kind.at), cmp.Compare(d.value, e.value)) < 0
}

// String names the domain as a budget's subject.
func (d *domain) String() string { return d.kind.name + "=" + d.value }

// domainsOf finds the domain of each kind that a host is in, nil where it lacks
// the label.
func (r *Rollout) domainsOf(i int32) []*domain {
	out := make([]*domain, len(r.kinds))
	for k, kind := range r.kinds {
		value, in := "all", true
		if kind.name != hotstick.FleetDomain {
			value, in = r.hosts[i].Listed.Domains[kind.name]
		}
		if !in || value == "" {
			continue
		}
		d := kind.domains[value]
		if d == nil {
			d = r.newDomain(kind, value)
		}
		d.members = append(d.members, i)
		if !r.hosts[i].Late {
			d.listed++
		}
		out[k], kind.grown = d, true
	}
	return out
}

func (r *Rollout) newDomain(k *kind, value string) *domain {
	d := &domain{kind: k, value: value, partlyAt: -1, beginAt: -1, patientAt: -1, parked: r.newQueue(), sent: r.newQueue()}
	d.parked.domain, d.sent.domain, d.sent.sends = d, d, true
	k.domains[value] = d
	return d
}

// limitDomains sets the limits of domains that are new or have grown.
func (r *Rollout) limitDomains() {
	for _, k := range r.kinds {
		if !k.grown {
			continue
		}
		k.grown = false
		for _, d := range k.domains {
			d.limit = -1
			for _, b := range k.budgets {
				if limit := b.Limit(d.listed); d.limit < 0 || limit < d.limit {
					d.limit = limit
				}
			}
			if d.sendLimit = max(1, d.listed/revertShare); k.quorum {
				d.sendLimit = 1
			}
		}
	}
}

// holdsSlot reports whether one of a host's slots is in a domain.
func holdsSlot(slots []Slot, d *domain) bool {
	for _, s := range slots {
		if s.Domain == d.kind.name && s.Value == d.value {
			return true
		}
	}
	return false
}

func (r *Rollout) domain(name, value string) *domain {
	for _, k := range r.kinds {
		if k.name == name {
			return k.domains[value]
		}
	}
	return nil
}

func (r *Rollout) countSlot(s Slot, n int) {
	if d := r.domain(s.Domain, s.Value); d != nil && !(planted.Bug("plans-share-nothing") && s.Plan != r.id) {
		d.used += n
		d.indexes.set(s.Index, n > 0)
		r.stir(d)
	}
}

// countOutsider counts a host outside the plan that is down.
func (r *Rollout) countOutsider(o Outsider, n int) {
	for _, k := range r.kinds {
		value := o.Domains[k.name]
		if k.name == hotstick.FleetDomain {
			value = "all"
		}
		if d := k.domains[value]; d != nil {
			r.countOutsiderIn(d, o, n)
		}
	}
}

func (r *Rollout) countOutsiderIn(d *domain, o Outsider, n int) {
	if !d.kind.quorum && !r.sinceStart(o.Since) {
		return
	}
	d.down += n
	if !holdsSlot(r.held[o.Host], d) {
		d.extra += n
	}
	r.stir(d)
}

// recount moves a host from one stance to another in its domains.
func (r *Rollout) recount(s *spot, old, now stance) {
	for k, d := range s.domains {
		if d == nil {
			continue
		}
		bit := uint32(1) << k
		extra, down := step1(old.extra&bit != 0, now.extra&bit != 0), step1(old.down&bit != 0, now.down&bit != 0)
		back, moving, done := step1(old.back, now.back), step1(old.moving, now.moving), step1(old.done, now.done)
		if extra == 0 && down == 0 && back == 0 && moving == 0 && done == 0 && (!d.kind.quorum || old.phase == now.phase) {
			continue
		}
		d.extra, d.down, d.back, d.moving, d.done = d.extra+extra, d.down+down, d.back+back, d.moving+moving, d.done+done
		r.stir(d)
	}
}

// step1 is by how much a count changes.
func step1(old, now bool) int {
	switch {
	case now && !old:
		return 1
	case old && !now:
		return -1
	}
	return 0
}

// stir notes that a domain changed, so that who waits for it is looked at.
func (r *Rollout) stir(d *domain) {
	if !d.stirred {
		d.stirred = true
		r.stirred = append(r.stirred, d)
	}
}

// stirDomains notes that a host of these domains waits elsewhere now.
func (r *Rollout) stirDomains(s *spot) {
	for _, d := range s.domains {
		if d != nil {
			r.stir(d)
		}
	}
}

// limit is how many hosts of a domain may be disturbed at once now.
func (r *Rollout) limit(d *domain) int {
	if r.halved {
		return max(1, d.limit/2)
	}
	return d.limit
}

func (r *Rollout) room(d *domain) bool {
	return d.used+d.extra < r.limit(d) || planted.Bug("budget-off-by-one") && d.used+d.extra == r.limit(d)
}

// calm looks at every domain that changed.
func (r *Rollout) calm() {
	for n := 0; n < len(r.stirred); n++ {
		d := r.stirred[n]
		d.stirred = false
		if d.kind.quorum {
			r.countPartly(d)
		}
		r.offer(d)
		r.offerBack(d)
	}
	r.stirred = r.stirred[:0]
}

// countPartly finds out whether a quorum domain is partly done.
func (r *Rollout) countPartly(d *domain) {
	partly := d.moving > 0 || d.done > 0 && r.room(d) && r.goesOn(d)
	k := d.kind
	switch {
	case partly && d.partlyAt < 0:
		d.partlyAt = len(k.partly)
		k.partly = append(k.partly, d)
	case !partly && d.partlyAt >= 0:
		last := k.partly[len(k.partly)-1]
		k.partly[d.partlyAt], last.partlyAt = last, d.partlyAt
		k.partly, d.partlyAt = k.partly[:len(k.partly)-1], -1
	}
}

// goesOn reports whether a member could start now, as far as it and its wave go.
func (r *Rollout) goesOn(d *domain) bool {
	for _, i := range d.members {
		if s := &r.at[i]; s.phase == ready && r.penOf(i).pen.open {
			return true
		}
	}
	return false
}

// offer makes the hosts that wait for a domain candidates, where it has room.
func (r *Rollout) offer(d *domain) {
	begins := d.kind.quorum && d.partlyAt < 0
	want := d.parked.len() > 0 && r.room(d)
	if want && !begins {
		r.heat(&d.parked)
	}
	b := &d.kind.begin
	switch {
	case d.beginAt >= 0 && !(want && begins):
		b.remove(d.beginAt)
	case d.beginAt >= 0:
		b.fix(d.beginAt)
	case want && begins:
		b.push(d)
	}
}

// heat makes a queue one of the sources of the next starts.
func (r *Rollout) heat(q *queue) {
	if q.hot < 0 && q.len() > 0 {
		r.hot.push(q)
	}
}

// queueChanged keeps what is ordered by a queue's first host in order.
func (r *Rollout) queueChanged(q *queue) {
	sources := &r.hot
	if q.sends {
		sources = &r.sources
	}
	if q == &r.confirmed || q == &r.recalled {
		return
	}
	switch {
	case q.hot >= 0 && q.len() == 0:
		sources.remove(q.hot)
	case q.hot >= 0:
		sources.fix(q.hot)
	case q.pen != nil && q.pen.open:
		r.heat(q)
	}
	if d := q.domain; d != nil && !q.sends {
		r.offer(d)
	} else if d != nil {
		r.offerBack(d)
	}
	if q.cell != nil && q.cell.open {
		r.stirCell(q.cell)
	}
}

// mixedTooLong reports whether some domain of a kind has run both levels for too long.
func (r *Rollout) mixedTooLong(k *kind) bool {
	if k.mixed == 0 {
		return false
	}
	for _, d := range k.partly {
		if since := r.mixedSince(d); since != nil && !r.now.Before(since.Add(k.mixed)) {
			return true
		}
	}
	return false
}

// mixedSince is since when a domain runs both levels; nil if it does not.
func (r *Rollout) mixedSince(d *domain) *time.Time {
	if d.done == 0 || d.done == len(d.members) {
		return nil
	}
	var since *time.Time
	for _, i := range d.members {
		if h := &r.hosts[i]; r.at[i].done && (since == nil || h.Updated.Before(*since)) {
			at := h.Updated
			since = &at
		}
	}
	return since
}
