package server

import (
	"sync"
	"time"

	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/server/view"
	"github.com/hotstick/hotstick/internal/store"
)

// Pace of counting a whole fleet.
const (
	// countedAnew is how long a count may take and still be made for everybody who
	// asks.
	countedAnew = 10 * time.Millisecond
	// countShare bounds the part of one core that counting takes, however many ask: a
	// count stands for so many times as long as it took.
	countShare = 20
)

// counted is a count over every host. Reading a large fleet costs a second or so, and
// consoles, scrapers and scripts ask for it over and over; so it is shared, and stands
// for a while. It is for numbers only: what a page says of one host is never kept.
type counted[T any] struct {
	mu    sync.Mutex
	value T
	until time.Time
}

// get returns the count that stands, or makes a new one; whoever comes meanwhile waits
// for it.
func (c *counted[T]) get(now func() time.Time, count func() (T, error)) (T, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	begin := now()
	if begin.Before(c.until) {
		return c.value, nil
	}
	value, err := count()
	if err != nil {
		return value, err
	}
	end := now()
	c.value, c.until = value, end
	if took := end.Sub(begin); took > countedAnew {
		c.until = end.Add(countShare * took)
	}
	return value, nil
}

// counts are the counts over every host.
type counts struct {
	fleet   counted[view.Census]
	shown   counted[map[string]int]
	drivers counted[[]api.Driver]
	// uncovered has one count a plan.
	uncovered coverages
}

// census counts the fleet for the overview.
func (s *Server) census(tx store.Tx, m view.Moment) (view.Census, error) {
	return s.counts.fleet.get(time.Now, func() (view.Census, error) {
		hosts, _, err := tx.Hosts().List(store.HostFilter{})
		return m.Census(hosts), err
	})
}

// states counts hosts by what the screens show them as.
func (s *Server) states(tx store.Tx, m view.Moment) (map[string]int, error) {
	return s.counts.shown.get(time.Now, func() (map[string]int, error) {
		hosts, _, err := tx.Hosts().List(store.HostFilter{})
		if err != nil {
			return nil, err
		}
		states := map[string]int{}
		for _, h := range hosts {
			lines, err := tx.Plans().OfHost(h.ID)
			if err != nil {
				return nil, err
			}
			states[m.Host(h, lines).State]++
		}
		return states, nil
	})
}
