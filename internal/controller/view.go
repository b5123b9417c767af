package controller

import (
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/rollout"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/store"
)

// View gathers everything that a decision on the plan rests on, as the
// transaction sees it.
func (c *Controller) View(tx store.Tx, plan store.Plan) (rollout.View, error) {
	body, err := c.plans.plan(plan)
	if err != nil {
		return rollout.View{}, err
	}
	v := rollout.View{Plan: body, ID: plan.ID, Frame: rollout.Frame{Status: plan.Status, Reason: plan.Reason,
		Reverting: plan.Reverting, Started: plan.Started, Limits: c.limitsAt(tx.Now())}}
	if v.StopAll, err = tx.Bans().StopAll(); err != nil {
		return v, err
	}
	if v.Banned, err = banned(tx, plan.Patch); err != nil {
		return v, err
	}
	slots, err := tx.Slots().List()
	if err != nil {
		return v, err
	}
	elsewhere := map[hotstick.HostID]bool{}
	for _, s := range slots {
		v.Slots = append(v.Slots, rollout.Slot{Domain: s.Domain, Value: s.Value, Index: s.Index, Plan: s.Plan, Host: s.Host})
		if s.Plan != plan.ID {
			elsewhere[s.Host] = true
		}
	}
	lines, err := tx.Plans().Hosts(plan.ID)
	if err != nil {
		return v, err
	}
	modules := inventory.NewModules(c.catalog.View().Patches)
	v.Hosts = make([]rollout.Host, len(lines))
	for i, line := range lines {
		h, err := tx.Hosts().Get(line.Listed.Host)
		if err != nil {
			return v, err
		}
		v.Hosts[i] = viewHost(line, h, modules, tx.Now())
		v.Hosts[i].Elsewhere = elsewhere[h.ID]
		v.Hosts[i].Struck = slices.Contains(h.Loader.Strikes, plan.Patch)
	}
	return v, nil
}

func viewHost(line store.PlanHost, h store.Host, modules inventory.Modules, now time.Time) rollout.Host {
	return rollout.Host{
		Listed: line.Listed, State: line.State, Attempt: line.Attempt, Reason: line.Reason,
		Evidence: line.Evidence, Updated: line.Updated, Granted: line.Granted,
		Timing: line.Timing,
		Posture: rollout.Posture{
			LastSeen:  h.LastSeen,
			Announced: slices.Contains(h.Loader.Plans, line.Plan),
			// Age does not matter here: the decider has LastSeen for that.
			InEffect: inventory.Read(h, modules, now, now.Sub(h.LastSeen)).Level,
		},
	}
}

// limitsAt returns the limits for a decision at now: until the grace after a
// start is over, the time that the server was away does not count as silence.
func (c *Controller) limitsAt(now time.Time) rollout.Limits {
	c.mu.Lock()
	defer c.mu.Unlock()
	limits := c.limits
	if now.Before(c.graceEnd) {
		limits.SilentAfter += c.away
	}
	return limits
}
