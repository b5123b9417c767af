package rollout

import (
	"cmp"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/gate"
	"github.com/hotstick/hotstick/internal/planted"
)

// book is what follows from what is known of a plan at one time: who stands
// where, what every gate and domain counts, and who could be next. Each change of
// one host moves only that host in it.
type book struct {
	at []spot
	waveBook
	budgetBook
	queueBook
	calendars map[string]*calendar
	posts     []*post
	postOf    map[hotstick.HostID]*post
}

// queueBook holds the hosts that wait for a decision of their own kind. Every
// host is in at most one queue, these and those of pens and domains.
type queueBook struct {
	byOrder func(a, b int32) bool
	queued  func(i int32, at int)
	// urgent hosts are decided on whatever the plan's status, tasks only while it
	// runs.
	urgent, tasks queue
	// admitted, moving, lost and confirmed hosts, and those that are recalled.
	admitted, moving, lost, confirmed, recalled queue
	// dueMoving and dueResting are the deadlines of hosts under way and of others.
	dueMoving, dueResting heap[int32]
	// release are hosts whose slots are free again.
	release []int32
	// unfinished counts hosts that are not terminal; returning counts skipped ones
	// that may come back.
	unfinished, returning int
	// wantedBack counts confirmed hosts that are recalled.
	wantedBack int
	// drifts are the hosts on which the plan may put its level back.
	drifts map[int32]bool
}

// queue is hosts in the order of the plan's host list. A queue of hosts that wait
// to start is a pen's or a domain's.
type queue struct {
	heap[int32]
	pen    *pen
	domain *domain
	cure   *cure
	// cell is set for the hosts of it that are to be passed over.
	cell *cell
	// sends: a domain's queue of reverts, not of starts.
	sends bool
	// hot is its place among the sources of the next starts; -1 if it is none.
	hot int
}

func (r *Rollout) newQueue() queue {
	q := queue{hot: -1}
	q.less, q.moved = r.byOrder, r.queued
	return q
}

// spot is where one host stands.
type spot struct {
	lane int32
	cell *cell
	// domains has one entry a kind, nil where the host is in none.
	domains []*domain
	stance
	// replaced: a stand-in has taken this canary's place.
	replaced bool
	// post is the canary's that the host may stand in for.
	post    *post
	queue   *queue
	queueAt int
	// due is where the host stands in its deadline heap.
	due     *heap[int32]
	dueAt   int
	freeing bool
}

// stance is what a host is at the moment, to queues and domains.
type stance struct {
	phase phase
	// until is when the stance changes by itself, in nanoseconds of the epoch; 0
	// for never.
	until int64
	// extra has a bit for each kind in whose domain the host counts without holding a
	// slot there, down for each in which it is down.
	extra, down uint32
	// moving: under way and not lost; done: it has the level; back: reverting.
	moving, done, back bool
	// awaits: its level is to be put back, so that what it says is no reading yet.
	awaits bool
}

// build derives the book from all that is known.
func (r *Rollout) build(now time.Time) {
	r.now, r.built = now, true
	r.book = book{queueBook: queueBook{drifts: map[int32]bool{}}, at: make([]spot, len(r.hosts), len(r.hosts)+len(r.hosts)/8)}
	r.byOrder = r.before
	r.queued = func(i int32, at int) { r.at[i].queueAt = at }
	for _, q := range []*queue{&r.urgent, &r.tasks, &r.admitted, &r.moving, &r.lost, &r.confirmed, &r.recalled} {
		*q = r.newQueue()
	}
	for _, h := range []*heap[int32]{&r.dueMoving, &r.dueResting} {
		h.less = func(a, b int32) bool {
			if x, y := r.at[a].until, r.at[b].until; x != y {
				return x < y
			}
			return a < b
		}
		h.moved = func(i int32, at int) { r.at[i].dueAt = at }
	}
	r.buildCalendars()
	r.buildWaves()
	r.buildKinds()
	for i := range r.hosts {
		r.locate(int32(i))
	}
	r.limitDomains()
	r.buildPosts()
	for _, slots := range r.held {
		for _, s := range slots {
			r.countSlot(s, 1)
		}
	}
	for _, o := range r.outsiders {
		r.countOutsider(o, 1)
	}
	for i := range r.hosts {
		r.place(int32(i))
	}
}

// advance brings the book up to now.
func (r *Rollout) advance(now time.Time) {
	if !r.built || now.Before(r.now) {
		r.build(now)
		return
	}
	r.now = now
	r.turnCalendars()
	for _, h := range []*heap[int32]{&r.dueMoving, &r.dueResting} {
		for h.len() > 0 && r.at[h.top()].until <= now.UnixNano() {
			r.settle(h.top())
		}
	}
}

// before orders hosts: as the plan lists them, late ones after that by their ID.
func (r *Rollout) before(a, b int32) bool {
	x, y := &r.hosts[a], &r.hosts[b]
	switch {
	case x.Late != y.Late:
		return y.Late
	case x.Late:
		return cmp.Less(x.Listed.Host, y.Listed.Host)
	}
	return a < b
}

// enter makes room for a host that came after the book was built.
func (r *Rollout) enter(i int32) {
	r.at = append(r.at, spot{})
	r.locate(i)
	r.limitDomains()
	r.keepTo(i)
	for _, d := range r.at[i].domains {
		if d != nil && len(d.members) == 1 {
			r.countEarlier(d)
		}
	}
}

// countEarlier counts what was known of a domain before the plan had a host in it.
func (r *Rollout) countEarlier(d *domain) {
	for _, slots := range r.held {
		for _, s := range slots {
			if r.domain(s.Domain, s.Value) == d {
				r.countSlot(s, 1)
			}
		}
	}
	for _, o := range r.outsiders {
		if o.Domains[d.kind.name] == d.value || d.kind.name == hotstick.FleetDomain {
			r.countOutsiderIn(d, o, 1)
		}
	}
}

// locate finds a host's lane and domains, which never change.
func (r *Rollout) locate(i int32) {
	s := &r.at[i]
	s.queueAt, s.dueAt = -1, -1
	s.lane = r.laneIndex(placeOf(&r.hosts[i]), r.patchOf(&r.hosts[i]))
	s.domains = r.domainsOf(i)
}

// alter changes one host and everything that follows from it.
func (r *Rollout) alter(i int32, change func(*Host)) {
	old, was := r.reading(i), r.commonTo(i)
	from := r.at[i].cell
	r.lift(i)
	change(&r.hosts[i])
	r.place(i)
	s := &r.at[i]
	if from != s.cell || was != r.commonTo(i) {
		r.stirLanes()
	}
	r.stirOthers(i, old, r.reading(i))
	if s.post != nil {
		r.staffed(s.post)
	}
}

// common is what every lane rests on, whichever host it comes from.
type common struct {
	atRest bool
	// evidence is how many hosts have the level, as far as a gate may ask for more, and
	// own how many of them have the same patch.
	evidence, own int
}

func (r *Rollout) commonTo(i int32) common {
	w := r.at[i].cell.wave
	return common{atRest: !w.canary || w.unsettled == 0, evidence: min(r.evidence, r.readings), own: min(r.cureOf(i).evidence, r.readings)}
}

// stirOthers marks the lanes that another lane's host matters to: what the first
// wave says, that of all or that of a patch, and when a canary wave is baked.
func (r *Rollout) stirOthers(i int32, old, now gate.Reading) {
	moved := old.State != now.State || !old.At.Equal(now.At)
	w := r.at[i].cell.wave
	first := w.index == 0 || w.index == r.cureOf(i).first
	switch {
	case w.canary && w.unsettled == 0 && moved, first && (moved || causeOf(old.Reason) != causeOf(now.Reason)):
		r.stirLanes()
	case first: // a check-in keeps its readings fresh
		for _, l := range r.lanes {
			l.dirty = l.dirty || l.reached <= w.index
		}
	}
}

// lift takes what a host's line says out of the counts of its gates.
func (r *Rollout) lift(i int32) {
	r.observe(i, -1)
	r.count(i, -1)
}

// place puts it in again.
func (r *Rollout) place(i int32) {
	r.join(i)
	h := &r.hosts[i]
	r.at[i].awaits = r.awaitsReapply(h, r.silent(h), &edges{now: r.now})
	r.count(i, 1)
	r.observe(i, 1)
	r.settle(i)
	if s := &r.at[i]; !s.freeing && r.ownSlots(i) && (!r.hosts[i].State.HoldsSlot() || planted.Bug("probation-frees-slot") && r.hosts[i].State == hotstick.Probation) {
		s.freeing = true
		r.release = append(r.release, i)
	}
}

// count adds a host to, or takes it from, what the plan, its lane and its wave
// count.
func (r *Rollout) count(i int32, n int) {
	h, s := &r.hosts[i], &r.at[i]
	if !h.State.Terminal() || h.State == hotstick.Interrupted {
		r.unfinished += n
		if h.State != hotstick.Lost && !(s.replaced && idle(h)) {
			s.cell.wave.unsettled += n
		}
	} else if s.awaits {
		s.cell.wave.unsettled += n
	}
	r.noteDrift(i, n)
	if r.mayReturn(h) {
		r.returning += n
		s.cell.away += n
	}
	switch h.State {
	case hotstick.Waiting, hotstick.Interrupted:
		s.cell.waiting += n
	case hotstick.Confirmed:
		if h.Recall != nil {
			r.wantedBack += n
		}
	case hotstick.Admitted, hotstick.Armed, hotstick.Applying, hotstick.Probation:
		r.risked += n
		r.cureOf(i).risked += n
	}
	l := r.lanes[s.lane]
	if !l.cure.stopped && (h.State == hotstick.Confirmed || skippedFor(h, hotstick.ReasonAlreadyInEffect)) {
		l.evidence += n
		l.cure.evidence += n
		r.evidence += n
	}
	l.cure.countHolder(h, n)
	if h.Attempt > 0 {
		if s.cell.started += n; s.cell.started <= 1 {
			l.reach(r)
		}
	}
	l.states[h.State] += n
	l.dirty = true
}

// ownSlots reports whether the plan holds slots for a host.
func (r *Rollout) ownSlots(i int32) bool {
	for _, s := range r.held[r.hosts[i].Listed.Host] {
		if s.Plan == r.id {
			return true
		}
	}
	return false
}

// settle finds out anew what a host is at the moment.
func (r *Rollout) settle(i int32) {
	s := &r.at[i]
	old, now := s.stance, r.stanceOf(i)
	if old.awaits != now.awaits { // its gates count it otherwise by now
		r.alter(i, func(*Host) {})
		return
	}
	s.stance = now
	r.recount(s, old, now)
	r.enqueue(i)
	due := &r.dueResting
	if state := r.hosts[i].State; state.HoldsSlot() && state != hotstick.Lost {
		due = &r.dueMoving
	}
	switch {
	case s.dueAt >= 0 && (now.until == 0 || s.due != due):
		s.due.remove(s.dueAt)
		fallthrough
	case s.dueAt < 0 && now.until != 0:
		if now.until != 0 {
			s.due = due
			due.push(i)
		}
	case s.dueAt >= 0:
		s.due.fix(s.dueAt)
	}
}

// enqueue moves a host to the queue of its phase.
func (r *Rollout) enqueue(i int32) {
	s := &r.at[i]
	want := r.queueOf(i)
	if s.queue == want {
		return
	}
	// Who waits for a domain, or a patch, stays there while nothing else keeps it.
	if q := s.queue; want != nil && q != nil && (q.domain != nil || q.cure != nil) && (q.sends && s.phase.goesBack() || !q.sends && s.phase == ready) {
		return
	}
	r.dequeue(i)
	if want != nil {
		r.queueIn(want, i)
	}
}

// queueOf is the queue of a host's phase, nil for none.
func (r *Rollout) queueOf(i int32) *queue {
	switch s := &r.at[i]; s.phase {
	case leaving, retry, returned:
		return &r.tasks
	case absent:
		return &s.cell.absent
	case ready:
		return r.penOf(i)
	case admitted:
		return &r.admitted
	case dropped, missing, ordered, resurfaced, forgotten:
		return &r.urgent
	case moving:
		return &r.moving
	case astray:
		return &r.lost
	case patched:
		return &r.confirmed
	case recalled:
		return &r.recalled
	}
	return nil
}

func (r *Rollout) dequeue(i int32) {
	s := &r.at[i]
	if s.queue == nil {
		return
	}
	q := s.queue
	q.remove(s.queueAt)
	s.queue = nil
	r.queueChanged(q)
}

func (r *Rollout) queueIn(q *queue, i int32) {
	r.at[i].queue = q
	q.push(i)
	r.queueChanged(q)
}
