package exposures

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/exposure"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/store"
)

// How much is read at once.
const (
	documentPage = 256
	hostPage     = 1000
)

// documents gives each document that changed since the last time. A document carries what its
// feed was complete for when it was read; it counts as far as the feed is called so by now.
func (l *Loop) documents(ctx context.Context, take func(store.SaidAnew)) error {
	for more := true; more; {
		var page []store.SaidAnew
		err := l.store.View(ctx, func(tx store.Tx) (err error) {
			page, err = tx.Advisories().Since(l.change, documentPage)
			return err
		})
		if err != nil {
			return err
		}
		for _, d := range page {
			complete := both(d.Document.Complete, l.basis.complete[d.Document.Feed])
			for i := range d.Advisories {
				d.Advisories[i].Source.Complete = complete
			}
			take(d)
			l.change = d.Change
		}
		more = len(page) == documentPage
	}
	return nil
}

// both returns what is in each of two lists, in the order of the first.
func both(a, b []string) (common []string) {
	for _, name := range a {
		if slices.Contains(b, name) {
			common = append(common, name)
		}
	}
	return common
}

// away is how long the server was away before it started; until an end it is taken off every
// host's silence.
type away struct {
	known bool
	time  time.Duration
	until time.Time
}

// begin learns it from when any host was last heard of.
func (a *away) begin(now, newest time.Time, silentAfter time.Duration) {
	a.known = true
	if !newest.IsZero() {
		a.time, a.until = max(0, now.Sub(newest)), now.Add(silentAfter)
	}
}

func (a *away) of(now time.Time) time.Duration {
	if now.Before(a.until) {
		return a.time
	}
	return 0
}

// class judges what of a host decides its exposure; false if it has sent no facts yet.
func (l *Loop) class(h store.Host, now time.Time) (exposure.Class, bool) {
	if h.Facts == nil || h.LastSeen.IsZero() {
		return exposure.Class{}, false
	}
	facts := *h.Facts
	facts.Livepatch.Patches = h.Patches // as its truth source showed them last
	fresh := now.Sub(h.LastSeen) <= l.silent+l.away.of(now)
	return l.judges.Classify(facts, fresh), true
}

// look looks at every host, and returns those that are of another class than before, and
// those that are not there any more.
func (l *Loop) look(ctx context.Context) (changed []exposure.Host, gone []hotstick.HostID, err error) {
	began := l.now()
	// What happens from here on is followed, whether it is seen already or not.
	err = l.store.View(ctx, func(tx store.Tx) (err error) {
		l.event, err = inventory.Next(tx)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	seen := make(map[hotstick.HostID]bool, len(l.hosts))
	err = l.eachHost(ctx, func(h store.Host) {
		class, known := l.class(h, began)
		if !known {
			return
		}
		seen[h.ID] = true
		l.sites.settle(h.ID, h.Facts.Labels)
		if old, there := l.hosts[h.ID]; !there || old != class {
			l.hosts[h.ID] = class
			changed = append(changed, exposure.Host{ID: h.ID, Class: class})
		}
	})
	if err != nil {
		return nil, nil, err
	}
	for id := range l.hosts {
		if !seen[id] {
			delete(l.hosts, id)
			l.sites.settle(id, nil)
			gone = append(gone, id)
		}
	}
	l.scan = began.Add(max(scanEvery, scanShare*l.now().Sub(began)))
	return changed, gone, nil
}

func (l *Loop) eachHost(ctx context.Context, take func(store.Host)) error {
	for after, more := "", true; more; {
		err := l.store.View(ctx, func(tx store.Tx) error {
			page, _, err := tx.Hosts().List(store.HostFilter{After: after, Limit: hostPage})
			for _, h := range page {
				take(h)
				after = h.Cursor()
			}
			more = len(page) == hostPage
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// newest is when any host was last heard of.
func newest(tx store.Tx) (at time.Time, err error) {
	for after, more := "", true; more; {
		page, _, err := tx.Hosts().List(store.HostFilter{After: after, Limit: hostPage})
		if err != nil {
			return at, err
		}
		for _, h := range page {
			if after = h.Cursor(); h.LastSeen.After(at) {
				at = h.LastSeen
			}
		}
		more = len(page) == hostPage
	}
	return at, nil
}

// follow looks at the hosts that the audit log tells of since the last time.
func (l *Loop) follow(ctx context.Context) (changed []exposure.Host, gone []hotstick.HostID, err error) {
	err = l.store.View(ctx, func(tx store.Tx) error {
		events, err := inventory.Since(tx, l.event)
		if err != nil {
			return err
		}
		seen := map[hotstick.HostID]bool{}
		for _, e := range events {
			l.event = e.Seq + 1
			if e.Host == "" || seen[e.Host] {
				continue
			}
			seen[e.Host] = true
			h, err := tx.Hosts().Get(e.Host)
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			class, known := l.class(h, l.now())
			old, there := l.hosts[h.ID]
			if h.Revoked || !known {
				if there {
					delete(l.hosts, h.ID)
					l.sites.settle(h.ID, nil)
					gone = append(gone, h.ID)
				}
				continue
			}
			l.sites.settle(h.ID, h.Facts.Labels)
			if !there || old != class {
				l.hosts[h.ID] = class
				changed = append(changed, exposure.Host{ID: h.ID, Class: class})
			}
		}
		return nil
	})
	return changed, gone, err
}
