package controller

import (
	"errors"
	"slices"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/rollout"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/store"
)

// findLate looks for hosts that enrolled after the plan was made, when the plan is
// taken up. Hosts that come or change later are found by their events.
func (c *Controller) findLate(tx store.Tx, l *live) error {
	if l.body.Late == nil {
		return nil
	}
	for id := range c.picture.hosts {
		if _, listed := l.r.Host(id); listed {
			continue
		}
		h, err := tx.Hosts().Get(id)
		if err != nil {
			return err
		}
		if h.Enrolled.After(l.body.CreatedAt) && c.joins(l.body, h) {
			l.joining = append(l.joining, id)
		}
	}
	slices.Sort(l.joining)
	return nil
}

func (c *Controller) joins(body hotstick.Plan, h store.Host) bool {
	return !h.Revoked && h.Facts != nil && rollout.Joins(body, h.Facts.Kernel.Build, h.Facts.Labels)
}

// admitLate appends the hosts that may join to the plan's list, while it may still
// start any.
func (c *Controller) admitLate(tx store.Tx, l *live, plan store.Plan) error {
	joining := l.joining
	l.joining = nil
	if !plan.Status.Active() || !tx.Now().Before(l.body.NotAfter) {
		return nil
	}
	for _, id := range joining {
		h, err := tx.Hosts().Get(id)
		if err != nil {
			return err
		}
		if !c.joins(l.body, h) {
			continue
		}
		if err := c.join(tx, l, plan, h); err != nil && !errors.Is(err, store.ErrTaken) {
			return err
		}
	}
	return nil
}

func (c *Controller) join(tx store.Tx, l *live, plan store.Plan, h store.Host) error {
	last := len(l.body.Waves) - 1
	line, err := tx.Plans().AddLate(store.PlanHost{Plan: plan.ID, State: hotstick.Waiting, Updated: tx.Now(),
		Reason: &hotstick.Reason{Code: hotstick.ReasonWaveNotOpen, Subject: l.body.Waves[last].Name},
		Listed: hotstick.PlanHost{Host: h.ID, Name: h.Name, Identity: hotstick.NewFingerprint(h.Identity), Build: h.Build(),
			Wave: last, Domains: lateDomains(l.body, h), Calendar: l.body.Late.Calendar}})
	if err != nil {
		return err
	}
	_, err = tx.Events().Append(store.Event{Kind: inventory.HostJoined, Actor: actor, Plan: plan.ID, Patch: plan.Patch,
		Host: h.ID, HostName: h.Name, Generation: plan.Generation})
	if err != nil {
		return err
	}
	l.r.SetOutsider(rollout.Outsider{Host: h.ID}, false)
	for kind, values := range l.domains {
		value := line.Listed.Domains[kind]
		values[value] = append(values[value], h.ID)
	}
	return c.syncLine(tx, l, h)
}

// lateDomains are the failure domains of a host by its labels, for the kinds that
// the plan has budgets for.
func lateDomains(body hotstick.Plan, h store.Host) map[string]string {
	domains := map[string]string{}
	for _, b := range body.Budgets {
		if value, ok := h.Facts.Labels[b.Domain]; ok && b.Domain != hotstick.FleetDomain {
			domains[b.Domain] = value
		}
	}
	return domains
}
