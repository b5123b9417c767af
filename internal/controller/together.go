package controller

import (
	"context"
	"fmt"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/wire"
)

// Take stores one check-in as [inventory.Take] does, and traces what it changed.
// A host that crashed together with others of its failure domain is judged
// interrupted.
func (c *Controller) Take(ctx context.Context, req wire.SyncRequest, silentAfter time.Duration) (inventory.Taken, error) {
	taken, quiet := c.quiet.take(&req, silentAfter)
	if quiet {
		return taken, nil
	}
	if _, err := c.save(ctx, req.Host); err != nil {
		return taken, err
	}
	err := c.Update(ctx, func(tx store.Tx) error {
		var err error
		taken, err = inventory.TakeJudged(tx, req, silentAfter, inventory.Judges{Modules: c.index(),
			Together: func(line store.PlanHost, heard time.Time) *hotstick.Reason { return c.together(line, heard, tx.Now()) }})
		return err
	})
	if err == nil && c.quiet != nil {
		c.quiet.begin(&req, taken, c.heard(taken.Host))
	}
	return taken, err
}

const (
	// apart is how long a host that was heard of last before another one went down
	// must be silent to count as down as well. It is beyond the pace of idle hosts.
	apart = 2 * time.Minute
	// manyDown is how many other hosts of a domain must have gone down; more than half
	// of them must have, too.
	manyDown = 2
)

// together says with whom a host that was last heard of at a time went down: others
// of one of its domains. Only hosts on which nothing of ours was under way count: the
// others may have been taken down by the patch.
func (c *Controller) together(line store.PlanHost, heard, now time.Time) *hotstick.Reason {
	c.picture.mu.Lock()
	defer c.picture.mu.Unlock()
	l := c.picture.lives[line.Plan]
	if l == nil {
		return nil
	}
	c.hear()
	for _, b := range l.body.Budgets {
		// Hosts without the label share no domain that could fail.
		value := line.Listed.Domains[b.Domain]
		if value == "" {
			continue
		}
		if n := c.wentDown(l, l.domains[b.Domain][value], line.Listed.Host, heard, now); n > 0 {
			return &hotstick.Reason{Code: hotstick.ReasonPowerCut, Subject: b.Domain + "=" + value, Detail: fmt.Sprintf("with %d others", n)}
		}
	}
	return nil
}

// wentDown counts the other hosts of a domain that went down; 0 if they were too few
// to speak of the domain.
func (c *Controller) wentDown(l *live, hosts []hotstick.HostID, but hotstick.HostID, heard, now time.Time) int {
	others, down := 0, 0
	for _, id := range hosts {
		h, _ := l.r.Host(id)
		k := c.picture.hosts[id]
		if id == but || k == nil || h.State.HoldsSlot() || k.seen.Before(heard.Add(-apart)) {
			continue // among them those that were down before
		}
		others++
		booted := k.booted.After(heard)
		silent := !k.seen.After(heard.Add(apart)) && now.Sub(k.seen) >= apart
		if booted || silent {
			down++
		}
	}
	if down < manyDown || 2*down <= others {
		return 0
	}
	return down
}
