package main

import (
	"context"
	crand "crypto/rand"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/evil"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store"
)

// take takes everything that there is in the server, and letters that were found
// beside it. From now on the strategies answer.
func (t *thief) take(ctx context.Context, h *house, letters []written, seed uint64) error {
	loot, hosts, err := rob(ctx, h, letters)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, host := range hosts {
		v := t.hosts[host.ID]
		if v == nil {
			return fmt.Errorf("cannot find the host %s: it never checked in", host.Name)
		}
		v.name, v.identity, v.build = host.Name, hotstick.NewFingerprint(host.Identity), host.Facts.Kernel.Build
		v.random = rand.New(rand.NewPCG(seed, uint64(i)))
	}
	loot.Seen = t.seen
	t.loot = loot
	return nil
}

// rob reads online key and database.
func rob(ctx context.Context, h *house, letters []written) (*evil.Loot, []store.Host, error) {
	root, _, err := h.newest(ctx)
	if err != nil {
		return nil, nil, err
	}
	spec, _, err := catalog.ReadRoot(root)
	if err != nil {
		return nil, nil, err
	}
	loot := &evil.Loot{Trust: spec.Trust}
	if loot.Online, err = statement.LoadSigner(h.onlineKey()); err != nil {
		return nil, nil, err
	}
	if loot.Own, err = statement.GenerateKey(crand.Reader); err != nil {
		return nil, nil, err
	}
	hosts, err := h.hosts(ctx)
	if err != nil {
		return nil, nil, err
	}
	err = h.server.Store().View(ctx, func(tx store.Tx) error {
		loot.Plans, err = plansIn(tx)
		return err
	})
	for _, w := range letters {
		loot.Plans = append(loot.Plans, evil.Plan{ID: w.id, Body: w.body, Hosts: w.hosts, Envelope: w.raw})
	}
	return loot, hosts, err
}

// plansIn reads all plans of a database, by when they were handed in.
func plansIn(tx store.Tx) ([]evil.Plan, error) {
	stored, err := tx.Plans().List(false)
	if err != nil {
		return nil, err
	}
	var plans []evil.Plan
	for _, p := range slices.Backward(stored) {
		lines, err := tx.Plans().Hosts(p.ID)
		if err != nil {
			return nil, err
		}
		read, err := statement.ParsePlan(p.Envelope)
		if err != nil {
			return nil, err
		}
		found := evil.Plan{ID: p.ID, Body: read.Plan, Envelope: p.Envelope}
		for _, l := range lines {
			found.Hosts = append(found.Hosts, l.Listed)
		}
		plans = append(plans, found)
	}
	return plans, nil
}
