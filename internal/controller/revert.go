package controller

import (
	"context"
	"errors"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/store"
)

// Revert sends hosts back to the level before. Without hosts it is the whole
// rollout: it is halted, and the level is banned until a clear. With hosts only
// these go back, and the level is not offered to them again without a clear; the
// rollout goes on. The decider spreads the reverts within their budget.
func (c *Controller) Revert(ctx context.Context, plan string, who hotstick.Person, reason string, hosts []hotstick.HostID) (hotstick.PlanID, error) {
	return c.onPlan(ctx, plan, func(w *committing) error {
		why, err := operatorReason(who, reason)
		if err != nil {
			return err
		}
		if len(hosts) > 0 {
			return w.revertHosts(hosts, who, *why)
		}
		return w.revertAll(who, why)
	})
}

// RevertWave sends back every host of one wave that took the patch; those of it
// that wait are passed over. The rollout goes on.
func (c *Controller) RevertWave(ctx context.Context, plan string, who hotstick.Person, reason string, wave int) (hotstick.PlanID, error) {
	return c.onPlan(ctx, plan, func(w *committing) error {
		why, err := ordered(who, reason)
		if err != nil {
			return err
		}
		body, err := c.plans.plan(w.plan)
		if err != nil {
			return err
		}
		if wave < 0 || wave >= len(body.Waves) {
			return refuse(CodeNotFound, "list them with hotstick rollout show PLAN", "cannot find this wave: the plan has %d", len(body.Waves))
		}
		return w.revertWave(wave, body.Waves[wave].Name, who, *why)
	})
}

func (w *committing) revertAll(who hotstick.Person, why *hotstick.Reason) error {
	switch {
	case w.plan.Status == hotstick.Proposed || w.plan.Status == hotstick.Approved:
		return refuse(CodeConflict, "halt it instead", "cannot revert this rollout: it has not been started")
	case w.plan.Reverting:
		return nil
	}
	w.plan.Reverting = true
	if w.plan.Status.Over() {
		w.plan.Reason = why
		if err := w.advance(); err != nil {
			return err
		}
	} else if err := w.become(hotstick.Halted, why, who); err != nil {
		return err
	}
	if err := w.reverting(string(who)); err != nil {
		return err
	}
	return w.banAll(*why, string(who))
}

func (w *committing) revertHosts(hosts []hotstick.HostID, who hotstick.Person, why hotstick.Reason) error {
	var lines []store.PlanHost
	for _, host := range hosts {
		line, err := w.tx.Plans().Host(w.plan.ID, host)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return refuse(CodeNotFound, "", "cannot revert a host that this plan does not list")
		case err != nil:
			return err
		case line.Recall != nil || line.State == hotstick.Reverting || line.State == hotstick.Reverted:
			continue // it is on its way, or there
		case !revertible(line.State):
			return refuse(CodeConflict, "", "cannot revert %s: it is %s", line.Listed.Host, line.State)
		}
		lines = append(lines, line)
	}
	return w.recall(lines, who, why)
}

func (w *committing) revertWave(wave int, name string, who hotstick.Person, why hotstick.Reason) error {
	all, err := w.tx.Plans().Hosts(w.plan.ID)
	if err != nil {
		return err
	}
	var lines []store.PlanHost
	for _, line := range all {
		wanted := revertible(line.State) || line.State == hotstick.Waiting
		if waveOf(line) == wave && line.Recall == nil && wanted {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return nil
	}
	if err := w.recall(lines, who, why); err != nil {
		return err
	}
	e, err := w.event(store.Event{Kind: inventory.WaveReverting, Actor: string(who), State: name, Reason: &why})
	if err != nil {
		return err
	}
	return inventory.Notify(w.tx, inventory.NotifyRevert, e)
}

// waveOf is the wave in which a host starts, which for one that stands in for a
// canary is the canary's.
func waveOf(line store.PlanHost) int {
	if line.Standing {
		return line.Listed.EarliestWave()
	}
	return line.Listed.Wave
}

// revertible reports whether a host in this state has taken the patch, or may
// take it at any moment.
func revertible(s hotstick.HostState) bool {
	return s.HoldsSlot() && s != hotstick.Reverting || s == hotstick.Confirmed
}

// wantBack notes that hosts are to go back.
func (w *committing) wantBack(lines []store.PlanHost, who string, why hotstick.Reason) error {
	if err := w.advance(); err != nil {
		return err
	}
	return w.wanted(lines, who, why)
}

// wanted is wantBack within a decision, which has raised the plan's generation already.
func (w *committing) wanted(lines []store.PlanHost, who string, why hotstick.Reason) error {
	for _, line := range lines {
		line.Recall = &why
		if err := w.tx.Plans().PutHost(line); err != nil {
			return err
		}
		if _, err := w.event(store.Event{Kind: inventory.HostRecalled, Actor: who, Host: line.Listed.Host,
			HostName: line.Listed.Name, Reason: &why}); err != nil {
			return err
		}
	}
	return nil
}

// recall wants hosts back, and marks those that took the level, so that it is not
// offered to them again.
func (w *committing) recall(lines []store.PlanHost, who hotstick.Person, why hotstick.Reason) error {
	if len(lines) == 0 {
		return nil
	}
	if err := w.wantBack(lines, string(who), why); err != nil {
		return err
	}
	for _, line := range lines {
		if line.State == hotstick.Waiting {
			continue
		}
		if err := inventory.Mark(w.tx, line.Listed.Host, line.Listed.PatchIn(w.plan.Patch), why, string(who)); err != nil {
			return err
		}
	}
	return nil
}
