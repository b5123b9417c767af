package controller

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/rollout"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/store"
)

// picture is what the controller keeps between decisions, so that a decision after
// one report touches only what that report changed. All of it may be thrown away
// at any time and is made again from the store.
//
// It is brought up to date from the audit log: every change that matters has an
// event, whichever server made it. Signs of life have none. Those that this server
// heard come through the feed; before a host is taken for silent, the store is
// asked, for it may have talked to another server.
//
// Its lock is taken inside transactions, never the other way round.
type picture struct {
	mu sync.Mutex
	// next is the first event that was not taken in; -1 before the store was read.
	next  int64
	lives map[hotstick.PlanID]*live
	// awake are the plans that may have something to do, whether or not they are kept.
	awake map[hotstick.PlanID]bool
	hosts map[hotstick.HostID]*known
	// silence orders hosts that are not down by when they were last heard of.
	silence silenceHeap
	// held counts, for each host, the plans that hold slots for it.
	held map[hotstick.HostID]map[hotstick.PlanID]bool
	// ended are plans that ended since recalls were looked at; endedAny: nobody knows which.
	ended    map[hotstick.PlanID]bool
	endedAny bool
}

// live is one plan that is not at rest.
type live struct {
	id   hotstick.PlanID
	body hotstick.Plan
	// lanes finds the lane of each host of the plan.
	lanes hotstick.LaneIndex
	r     *rollout.Rollout
	// lag is how old the last sign of life that it was told may be while newer ones
	// come; stale says that a gate waits for one.
	lag   time.Duration
	stale bool
	// check is when to decide again if nothing happens; dirty says that something did.
	check time.Time
	dirty bool
	// rest are changes of the last decision that were not committed yet.
	rest []rollout.Change
	// at is the newest time that the rollout was asked about: its clock never goes
	// back.
	at      time.Time
	domains domains
	// joining are hosts that the plan's rule for late hosts may take.
	joining []hotstick.HostID
	// waived are those of them that waivers leave out.
	waived waivedLate
}

// domains are the hosts of a plan by kind and value of each domain with a budget,
// in the order of the plan; the fleet, in which every host is, apart.
type domains map[string]map[string][]hotstick.HostID

// known is a host as far as silence is concerned.
type known struct {
	id   hotstick.HostID
	seen time.Time
	// told is the LastSeen that rollouts were told last: mere signs of life are
	// passed on only now and then.
	told time.Time
	// booted is when its newest boot was first heard of, as far as that was while the
	// picture was kept.
	booted time.Time
	// ill is since when its own probes fail; zero if they do not.
	ill time.Time
	// down: it has been silent for too long.
	down bool
}

func newPicture() *picture {
	m := &picture{}
	m.forget()
	return m
}

// forget throws everything away. The caller holds mu or is alone.
func (m *picture) forget() {
	m.next = -1
	m.lives, m.awake = map[hotstick.PlanID]*live{}, map[hotstick.PlanID]bool{}
	m.hosts, m.silence = map[hotstick.HostID]*known{}, nil
	m.held = map[hotstick.HostID]map[hotstick.PlanID]bool{}
	m.ended, m.endedAny = map[hotstick.PlanID]bool{}, true
}

// takeEnded returns the plans that ended since it was asked last; any: others may have.
func (m *picture) takeEnded() (ended map[hotstick.PlanID]bool, any bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	ended, any = m.ended, m.endedAny
	m.ended, m.endedAny = map[hotstick.PlanID]bool{}, false
	return ended, any
}

// putEnded notes them again: nobody could see to them.
func (m *picture) putEnded(ended map[hotstick.PlanID]bool, any bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.Copy(m.ended, ended)
	m.endedAny = m.endedAny || any
}

// now is the time for which a plan's rollout is asked, in a transaction of this
// time.
func (l *live) now(tx store.Tx) time.Time {
	if tx.Now().After(l.at) {
		l.at = tx.Now()
	}
	return l.at
}

// plans returns the kept plans in a fixed order.
func (m *picture) plans() []*live {
	all := make([]*live, 0, len(m.lives))
	for _, l := range m.lives {
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b *live) int { return cmp.Compare(a.id, b.id) })
	return all
}

// hostPage is how many hosts are read at once: their facts are large.
const hostPage = 5000

// prime reads what the store has, but for the plans themselves.
func (m *picture) prime(tx store.Tx, silentAfter time.Duration) error {
	m.forget()
	next, err := inventory.Next(tx)
	if err != nil {
		return err
	}
	var drifted []hotstick.HostID
	for after, more := "", true; more; {
		hosts, _, err := tx.Hosts().List(store.HostFilter{After: after, Limit: hostPage})
		if err != nil {
			return err
		}
		for _, h := range hosts {
			if h.Drift.Shown() != nil {
				drifted = append(drifted, h.ID)
			}
			m.hosts[h.ID] = &known{id: h.ID, seen: h.LastSeen, told: h.LastSeen, ill: illSince(h)}
			after = h.Cursor()
		}
		more = len(hosts) == hostPage
	}
	m.judge(tx.Now(), silentAfter)
	slots, err := tx.Slots().List()
	if err != nil {
		return err
	}
	for _, s := range slots {
		m.hold(s.Plan, s.Host, true)
	}
	plans, err := tx.Plans().Unfinished()
	if err != nil {
		return err
	}
	for _, p := range plans {
		m.awake[p.ID] = true
	}
	for _, id := range drifted {
		if err := m.rouse(tx, id); err != nil {
			return err
		}
	}
	m.next = next
	return nil
}

// judge says anew which hosts are down.
func (m *picture) judge(now time.Time, silentAfter time.Duration) {
	m.silence = nil
	for _, k := range m.hosts {
		if k.down = now.Sub(k.seen) >= silentAfter; !k.down {
			m.silence.push(k)
		}
	}
}

// illSince is since when a host's probes fail; zero if they do not.
func illSince(h store.Host) time.Time {
	if h.IllSince == nil {
		return time.Time{}
	}
	return *h.IllSince
}

// remask brings in line what a decision changed: a host on which an attempt of ours
// is under way is not ill for another cause.
func (c *Controller) remask(l *live, d rollout.Decision) {
	set := func(id hotstick.HostID) {
		h, _ := l.r.Host(id)
		k := c.picture.hosts[id]
		if k == nil || k.ill.IsZero() {
			return
		}
		if h.IllSince = k.ill; h.State.HoldsSlot() {
			h.IllSince = time.Time{}
		}
		l.r.SetHost(h)
	}
	for _, ch := range d.Changes {
		set(ch.Host)
	}
	for _, s := range d.Starts {
		set(s.Host)
	}
}

// hold notes whether a plan holds slots for a host.
func (m *picture) hold(plan hotstick.PlanID, host hotstick.HostID, holds bool) {
	switch plans := m.held[host]; {
	case holds && plans == nil:
		m.held[host] = map[hotstick.PlanID]bool{plan: true}
	case holds:
		plans[plan] = true
	default:
		delete(plans, plan)
		if len(plans) == 0 {
			delete(m.held, host)
		}
	}
}

// newest is when any host was last heard of.
func (m *picture) newest() time.Time {
	var newest time.Time
	for _, k := range m.hosts {
		if k.seen.After(newest) {
			newest = k.seen
		}
	}
	return newest
}

// elsewhere reports whether another plan holds slots for the host.
func (m *picture) elsewhere(plan hotstick.PlanID, host hotstick.HostID) bool {
	plans := m.held[host]
	return len(plans) > 1 || len(plans) == 1 && !plans[plan]
}

// catchUp brings everything up to date with what the transaction sees. It reports
// false for a snapshot that is older than what is known already; then nothing was
// done. The caller holds mu.
func (c *Controller) catchUp(tx store.Tx) (bool, error) {
	m := c.picture
	silentAfter := c.limitsAt(tx.Now()).SilentAfter
	if c.feed.lost() {
		m.forget()
	}
	if m.next < 0 {
		return true, m.prime(tx, silentAfter)
	}
	next, err := inventory.Next(tx)
	if err != nil || next < m.next {
		return false, err
	}
	if err := c.takeIn(tx, ""); err != nil {
		return false, err
	}
	c.hear()
	return true, c.fallSilent(tx, silentAfter)
}

// takeIn applies the events that were not taken in yet. What the plan skip did is
// known to its rollout already.
func (c *Controller) takeIn(tx store.Tx, skip hotstick.PlanID) error {
	m := c.picture
	events, err := inventory.Since(tx, m.next)
	if err != nil || len(events) == 0 {
		return err
	}
	var n news
	for _, e := range events {
		n.read(e)
	}
	for _, id := range n.drifted {
		if err := m.rouse(tx, id); err != nil {
			return err
		}
	}
	for _, id := range n.plans {
		m.awake[id] = true
		if l := m.lives[id]; l != nil {
			l.dirty = true
		}
	}
	if n.fleet {
		for _, l := range m.plans() {
			l.joining, l.waived = append(l.joining, l.waived.hosts...), waivedLate{}
			l.dirty = true
		}
	}
	for _, key := range n.slots {
		if err := c.syncSlots(tx, key, skip); err != nil {
			return err
		}
	}
	for _, id := range n.hosts {
		if err := c.syncHost(tx, id, skip); err != nil {
			return err
		}
	}
	for _, e := range events {
		if e.Kind == inventory.PlanStatus {
			if hotstick.PlanStatus(e.State).Over() {
				m.ended[e.Plan] = true
			}
			if err := c.overrule(tx, e.Plan, e.Patch.Name); err != nil {
				return err
			}
		}
		if k := m.hosts[e.Host]; k != nil && e.Kind == inventory.HostBooted {
			k.booted = e.At
		}
	}
	m.next = events[len(events)-1].Seq + 1
	return nil
}

// syncSlots tells every rollout which slots a plan holds for a host.
func (c *Controller) syncSlots(tx store.Tx, key holder, skip hotstick.PlanID) error {
	m := c.picture
	slots, err := tx.Slots().Held(key.plan, key.host)
	if err != nil {
		return err
	}
	m.hold(key.plan, key.host, len(slots) > 0)
	for _, l := range m.plans() {
		if l.id == skip && l.id == key.plan {
			continue
		}
		l.r.FreeSlots(key.plan, key.host)
		for _, s := range slots {
			l.r.TakeSlot(viewSlot(s))
		}
		l.dirty = true
		if h, listed := l.r.Host(key.host); listed && h.Elsewhere != m.elsewhere(l.id, key.host) {
			h.Elsewhere = !h.Elsewhere
			l.r.SetHost(h)
		}
	}
	return nil
}

// syncHost tells every rollout what the store knows of a host.
func (c *Controller) syncHost(tx store.Tx, id hotstick.HostID, skip hotstick.PlanID) error {
	m := c.picture
	h, err := tx.Hosts().Get(id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	c.heardOf(h, tx.Now())
	for _, l := range m.plans() {
		if l.id == skip {
			continue
		}
		if err := c.syncLine(tx, l, h); err != nil {
			return err
		}
	}
	return nil
}

func (c *Controller) syncLine(tx store.Tx, l *live, h store.Host) error {
	have, listed := l.r.Host(h.ID)
	line, err := tx.Plans().Host(l.id, h.ID)
	switch {
	case errors.Is(err, store.ErrNotFound) && !listed:
		c.syncOutsider(l, h)
		if c.joins(l.body, h) {
			l.joining, l.dirty = append(l.joining, h.ID), true
		}
		return nil
	case err != nil:
		return err
	}
	next := c.viewHost(l.body, l.lanes, line, h)
	e, err := tx.Hosts().Exclusion(h.ID)
	switch {
	case err == nil && next.Excluded == nil:
		next.Excluded = excluded(e)
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return err
	}
	next.Elsewhere = c.picture.elsewhere(l.id, h.ID)
	if next.Drift, err = driftOf(tx, l.id, l.body, h); err != nil {
		return err
	}
	if have.LastSeen.After(next.LastSeen) {
		// This server has heard of the host after the transaction began.
		next.LastSeen, next.InEffect, next.Runs, next.Busy = have.LastSeen, have.InEffect, have.Runs, have.Busy
	}
	l.r.SetHost(next)
	l.dirty = true
	return nil
}
