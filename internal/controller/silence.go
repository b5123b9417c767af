package controller

import (
	"container/heap"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/gate"
	"github.com/hotstick/hotstick/internal/decide/rollout"
	"github.com/hotstick/hotstick/internal/store"
)

// A mere sign of life is passed on to the rollouts after these parts of the limits
// that it matters for: 30 seconds of the 5 minutes after which a host counts as
// silent, or less if the plan's gates ask for fresher readings.
const (
	partOfSilence = 10
	partOfFresh   = 4
)

// lagOf is how much later than its last check-in a rollout may learn that a host
// is alive.
func lagOf(body hotstick.Plan, limits rollout.Limits) time.Duration {
	fresh := body.Gate.FreshSeconds
	if fresh == 0 {
		fresh = gate.DefaultFreshSeconds
	}
	return min(limits.SilentAfter/partOfSilence, time.Duration(fresh)*time.Second/partOfFresh)
}

// maxHeard bounds the signs of life that wait to be taken in. It is far above what
// comes between two decisions; beyond it everything is read from the store again.
const maxHeard = 1 << 18

// feed is the way of check-ins to the loop, past the store. It may lose anything.
type feed struct {
	mu       sync.Mutex
	heard    []heard
	at       map[hotstick.HostID]int
	overflow bool
}

// heard is a host's newest check-in as this server took it.
type heard struct {
	id     hotstick.HostID
	seen   time.Time
	effect hotstick.PatchRef
	// runs is what its loader takes for the level in effect.
	runs hotstick.PatchRef
	// busy: its loader has an attempt open.
	busy bool
}

// heard is what a host's newest check-in says to the loop.
func (c *Controller) heard(h store.Host) heard {
	return heard{id: h.ID, seen: h.LastSeen, effect: c.inEffect(h), runs: h.Loader.InEffect, busy: h.Loader.Busy}
}

func newFeed() *feed { return &feed{at: map[hotstick.HostID]int{}} }

func (f *feed) add(h heard) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i, waits := f.at[h.id]
	switch {
	case waits && f.heard[i].seen.Before(h.seen):
		f.heard[i] = h
	case !waits && len(f.heard) >= maxHeard:
		f.overflow = true
	case !waits:
		f.at[h.id] = len(f.heard)
		f.heard = append(f.heard, h)
	}
}

// take returns what was heard since it was last asked, in order.
func (f *feed) take() []heard {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := f.heard
	f.heard = nil
	clear(f.at)
	return all
}

// lost reports, once, whether anything was lost.
func (f *feed) lost() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	was := f.overflow
	f.overflow = false
	return was
}

// hear passes on what the feed has. It reads nothing from the store.
func (c *Controller) hear() {
	lives := c.picture.plans()
	for _, s := range c.feed.take() {
		k := c.picture.hosts[s.id]
		if k == nil || !k.seen.Before(s.seen) {
			continue
		}
		was := *k
		k.seen = s.seen
		if k.down {
			k.down = false
			c.picture.silence.push(k)
		}
		wanted := func(l *live) bool { return s.seen.Sub(was.told) >= l.lag || l.wants(s) }
		if !was.down && !slices.ContainsFunc(lives, wanted) {
			continue
		}
		c.tell(lives, k, &s, was.down)
	}
}

// wants reports whether a sign of life is more than that to a plan.
func (l *live) wants(s heard) bool {
	h, listed := l.r.Host(s.id)
	return listed && (h.InEffect != s.effect || h.Runs != s.runs || h.Busy != s.busy || h.State.HoldsSlot())
}

// tell passes on when a host was last heard of, and what it said if that is known.
func (c *Controller) tell(lives []*live, k *known, said *heard, back bool) {
	k.told = k.seen
	for _, l := range lives {
		h, listed := l.r.Host(k.id)
		if !listed {
			if back {
				l.r.SetOutsider(rollout.Outsider{Host: k.id}, false)
				l.dirty = true
			}
			continue
		}
		news := back || h.State == hotstick.Admitted
		h.LastSeen = k.seen
		if said != nil {
			news = news || h.InEffect != said.effect || h.Runs != said.runs || h.Busy != said.busy
			h.InEffect, h.Runs, h.Busy = said.effect, said.runs, said.busy
		}
		l.r.SetHost(h)
		l.dirty = l.dirty || news || l.stale
	}
}

// heardOf notes when a host was last heard of, by the store.
func (c *Controller) heardOf(h store.Host, now time.Time) {
	m := c.picture
	k := m.hosts[h.ID]
	switch {
	case h.Revoked:
		if k != nil {
			k.down = true // it never wakes again, and its place in the heap is dropped
			delete(m.hosts, h.ID)
		}
		return
	case k == nil:
		k = &known{id: h.ID}
		m.hosts[h.ID] = k
		k.down = true
	}
	k.ill = illSince(h)
	if h.LastSeen.After(k.seen) {
		k.seen, k.told = h.LastSeen, h.LastSeen
	}
	if k.down && now.Sub(k.seen) < c.limitsAt(now).SilentAfter {
		k.down = false
		m.silence.push(k)
	}
}

// fallSilent looks at the hosts of which this server has not heard for too long.
// The store knows better if they talk to another one.
func (c *Controller) fallSilent(tx store.Tx, silentAfter time.Duration) error {
	m := c.picture
	for len(m.silence) > 0 && !tx.Now().Before(m.silence[0].at.Add(silentAfter)) {
		k := m.silence[0].host
		if m.hosts[k.id] == k && k.seen.After(m.silence[0].at) {
			c.tell(m.plans(), k, nil, false)
			m.silence[0].at = k.told
			heap.Fix(&m.silence, 0)
			continue
		}
		heap.Pop(&m.silence)
		if m.hosts[k.id] != k {
			continue
		}
		h, err := tx.Hosts().Get(k.id)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		k.down = true
		c.heardOf(h, tx.Now())
		for _, l := range m.plans() {
			if err := c.syncLine(tx, l, h); err != nil {
				return err
			}
		}
	}
	return nil
}

// syncOutsider tells a rollout whether a host that it does not list is down in one
// of its domains.
func (c *Controller) syncOutsider(l *live, h store.Host) {
	o, down := c.outsider(l.body, l.domains, h)
	l.r.SetOutsider(o, down)
	l.dirty = true
}

// outsider is a host as one that a plan does not list; it reports whether it is
// down and shares a domain with the plan's hosts.
func (c *Controller) outsider(body hotstick.Plan, in domains, h store.Host) (rollout.Outsider, bool) {
	o := rollout.Outsider{Host: h.ID, Since: h.LastSeen}
	k := c.picture.hosts[h.ID]
	if k == nil || !k.down || h.Revoked || h.Facts == nil {
		return o, false
	}
	shares := false
	o.Domains = map[string]string{}
	for _, b := range body.Budgets {
		if b.Domain == hotstick.FleetDomain {
			continue
		}
		value, has := h.Facts.Labels[b.Domain]
		if has {
			o.Domains[b.Domain] = value
		}
		shares = shares || len(in[b.Domain][value]) > 0
	}
	return o, shares
}

// silenceHeap orders hosts by when they were last heard of, as far as the rollouts
// were told: a host that was heard of since is put back when its turn comes.
type silenceHeap []silent

type silent struct {
	at   time.Time
	host *known
}

func (h *silenceHeap) push(k *known) { heap.Push(h, silent{at: k.seen, host: k}) }

// Len, Less, Swap, Push and Pop implement heap.Interface.
func (h silenceHeap) Len() int { return len(h) }

// Less breaks ties by ID, so that the order never depends on how it was built.
func (h silenceHeap) Less(i, j int) bool {
	if !h[i].at.Equal(h[j].at) {
		return h[i].at.Before(h[j].at)
	}
	return h[i].host.id < h[j].host.id
}

// Swap implements heap.Interface.
func (h silenceHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *silenceHeap) Push(x any) { *h = append(*h, x.(silent)) }

// Pop implements heap.Interface.
func (h *silenceHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	old[len(old)-1] = silent{}
	*h = old[:len(old)-1]
	return x
}
