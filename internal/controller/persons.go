package controller

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/store"
)

// maxReason bounds the reason that a person gives, in bytes.
const maxReason = 500

// Find returns the plan that a person means: its digest, a unique prefix of its
// hexadecimal digits of at least four, or a name that only one plan has.
func Find(tx store.Tx, plan string) (store.Plan, error) {
	if id := hotstick.PlanID(plan); id.Validate() == nil {
		p, err := tx.Plans().Get(id)
		if errors.Is(err, store.ErrNotFound) {
			return p, refuse(CodeNotFound, "list them with hotstick rollout list", "cannot find this plan")
		}
		return p, err
	}
	plans, err := tx.Plans().List(false)
	if err != nil {
		return store.Plan{}, err
	}
	var found []store.Plan
	for _, p := range plans {
		byPrefix := len(plan) >= 4 && strings.HasPrefix(p.ID.Hex(), plan)
		if p.Name == plan || byPrefix {
			found = append(found, p)
		}
	}
	switch len(found) {
	case 0:
		return store.Plan{}, refuse(CodeNotFound, "list them with hotstick rollout list", "cannot find this plan")
	case 1:
		return found[0], nil
	}
	return store.Plan{}, refuse(CodeAmbiguous, "use more digits of its digest", "cannot tell which plan: %d share this name or prefix", len(found))
}

// operatorReason is a person's own words as a reason.
func operatorReason(who hotstick.Person, text string) (*hotstick.Reason, error) {
	text = strings.TrimSpace(text)
	if len(text) > maxReason {
		return nil, refuse(CodeInvalid, "", "cannot take a reason of more than %d bytes", maxReason)
	}
	return &hotstick.Reason{Code: hotstick.ReasonOperator, Subject: string(who), Detail: text}, nil
}

// onPlan runs fn on a plan in a transaction; where the plan was changed
// meanwhile it is read again.
func (c *Controller) onPlan(ctx context.Context, plan string, fn func(w *committing) error) (hotstick.PlanID, error) {
	var id hotstick.PlanID
	var err error
	for range decideTries {
		err = c.store.Update(ctx, func(tx store.Tx) error {
			p, err := Find(tx, plan)
			if err != nil {
				return err
			}
			id = p.ID
			return fn(&committing{tx: tx, plan: p, now: tx.Now()})
		})
		if !errors.Is(err, store.ErrConflict) {
			break
		}
	}
	return id, err
}

// become advances the plan to a status, if that step exists, with its event.
func (w *committing) become(status hotstick.PlanStatus, why *hotstick.Reason, who hotstick.Person) error {
	if !w.plan.Status.CanBecome(status) {
		return refuse(CodeConflict, statusHint(w.plan.Status), "cannot make this rollout %s: it is %s", status, w.plan.Status)
	}
	w.plan.Status, w.plan.Reason = status, why
	if status.Over() {
		w.plan.Ended = &w.now
	}
	if err := w.tx.Plans().Advance(w.plan); err != nil {
		return err
	}
	w.plan.Generation++
	return w.status(string(who))
}

func statusHint(s hotstick.PlanStatus) string {
	switch s {
	case hotstick.Proposed:
		return "it waits for approvals: hotstick rollout approve PLAN --key FILE"
	case hotstick.Approved:
		return "start it first: hotstick rollout start PLAN"
	case hotstick.Halted, hotstick.Completed, hotstick.Expired:
		return "a plan that is over never starts again; make a new one with hotstick rollout plan"
	}
	return ""
}

// Hold stops promoting and starting until the rollout is resumed.
func (c *Controller) Hold(ctx context.Context, plan string, who hotstick.Person, reason string) (hotstick.PlanID, error) {
	return c.toStatus(ctx, plan, hotstick.Held, who, reason)
}

// Resume lets a held rollout go on.
func (c *Controller) Resume(ctx context.Context, plan string, who hotstick.Person, reason string) (hotstick.PlanID, error) {
	return c.onPlan(ctx, plan, func(w *committing) error {
		if w.plan.Status == hotstick.Running {
			return nil
		}
		if w.plan.Status != hotstick.Held {
			return refuse(CodeConflict, statusHint(w.plan.Status), "cannot resume this rollout: it is %s, not held", w.plan.Status)
		}
		if err := c.mayStart(w); err != nil {
			return err
		}
		why, err := operatorReason(who, reason)
		if err != nil {
			return err
		}
		return w.become(hotstick.Running, why, who)
	})
}

// Halt ends a rollout's starts for good.
func (c *Controller) Halt(ctx context.Context, plan string, who hotstick.Person, reason string) (hotstick.PlanID, error) {
	return c.toStatus(ctx, plan, hotstick.Halted, who, reason)
}

func (c *Controller) toStatus(ctx context.Context, plan string, status hotstick.PlanStatus, who hotstick.Person, reason string) (hotstick.PlanID, error) {
	return c.onPlan(ctx, plan, func(w *committing) error {
		if w.plan.Status == status {
			return nil
		}
		why, err := operatorReason(who, reason)
		if err != nil {
			return err
		}
		return w.become(status, why, who)
	})
}

// Revert sends hosts back to the level before: all that took the patch, after
// which the rollout is halted, or only those listed.
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

func (w *committing) revertAll(who hotstick.Person, why *hotstick.Reason) error {
	switch {
	case w.plan.Status == hotstick.Proposed || w.plan.Status == hotstick.Approved:
		return refuse(CodeConflict, "halt it instead", "cannot revert this rollout: it has not been started")
	case w.plan.Reverting:
		return nil
	}
	w.plan.Reverting = true
	if !w.plan.Status.Over() {
		if err := w.become(hotstick.Halted, why, who); err != nil {
			return err
		}
		return w.reverting(string(who))
	}
	w.plan.Reason = why
	if err := w.tx.Plans().Advance(w.plan); err != nil {
		return err
	}
	w.plan.Generation++
	return w.reverting(string(who))
}

// revertShare mirrors the decider's budget for reverts: a quarter of the plan.
const revertShare = 4

// revertHosts orders single hosts back. They must fit the reverts' budget, for
// nothing spreads them over time.
func (w *committing) revertHosts(hosts []hotstick.HostID, who hotstick.Person, why hotstick.Reason) error {
	lines, err := w.tx.Plans().Hosts(w.plan.ID)
	if err != nil {
		return err
	}
	if room := max(1, len(lines)/revertShare); len(hosts) > room {
		return refuse(CodeRefused, "revert fewer at once, or the whole rollout, which the server spreads over time",
			"cannot revert %d hosts at once: the budget is %d", len(hosts), room)
	}
	if err := w.tx.Plans().Advance(w.plan); err != nil {
		return err
	}
	w.plan.Generation++
	ordered := hotstick.Reason{Code: hotstick.ReasonRevertOrdered, Subject: why.Subject, Detail: why.Detail}
	for _, host := range hosts {
		line, err := w.tx.Plans().Host(w.plan.ID, host)
		if errors.Is(err, store.ErrNotFound) {
			return refuse(CodeNotFound, "", "cannot revert a host that this plan does not list")
		}
		if err != nil {
			return err
		}
		if line.State == hotstick.Reverting {
			continue
		}
		if !line.State.CanBecome(hotstick.Reverting) || line.State == hotstick.Admitted {
			return refuse(CodeConflict, "", "cannot revert %s: it is %s", line.Listed.Host, line.State)
		}
		line.State, line.Reason, line.Updated, line.Ended = hotstick.Reverting, &ordered, w.now, nil
		if err := w.put(line, string(who)); err != nil {
			return err
		}
	}
	return nil
}

// Ban forbids a patch level fleet-wide.
func (c *Controller) Ban(ctx context.Context, patch hotstick.PatchRef, who hotstick.Person, reason string) error {
	if strings.TrimSpace(reason) == "" {
		return refuse(CodeInvalid, "say why, for whoever must lift it", "cannot ban a patch without a reason")
	}
	if _, ok := c.catalog.View().Patch(patch); !ok {
		return refuse(CodeNotFound, "list them with hotstick patch list", "cannot find this patch in the catalog")
	}
	why, err := operatorReason(who, reason)
	if err != nil {
		return err
	}
	return c.store.Update(ctx, func(tx store.Tx) error {
		return c.ban(tx, patch, *why, string(who), "")
	})
}

// StopAll halts every plan that is not over and blocks new starts, all in one
// transaction. It returns the plans that it halted.
func (c *Controller) StopAll(ctx context.Context, who hotstick.Person, reason string) ([]hotstick.PlanID, error) {
	why, err := operatorReason(who, reason)
	if err != nil {
		return nil, err
	}
	stop := hotstick.Reason{Code: hotstick.ReasonStopAll, Subject: string(who), Detail: why.Detail}
	for range decideTries {
		var halted []hotstick.PlanID
		err = c.store.Update(ctx, func(tx store.Tx) error {
			halted, err = haltEverything(tx, who, stop)
			return err
		})
		if !errors.Is(err, store.ErrConflict) {
			return halted, err
		}
	}
	return nil, err
}

func haltEverything(tx store.Tx, who hotstick.Person, stop hotstick.Reason) ([]hotstick.PlanID, error) {
	if err := tx.Bans().SetStopAll(true); err != nil {
		return nil, err
	}
	e, err := tx.Events().Append(store.Event{Kind: inventory.FleetStopped, Actor: string(who), Reason: &stop})
	if err != nil {
		return nil, err
	}
	if err := inventory.Notify(tx, inventory.NotifyStop, e); err != nil {
		return nil, err
	}
	plans, err := tx.Plans().List(true)
	if err != nil {
		return nil, err
	}
	var halted []hotstick.PlanID
	for _, p := range plans {
		w := &committing{tx: tx, plan: p, now: tx.Now()}
		if err := w.become(hotstick.Halted, &stop, who); err != nil {
			return nil, fmt.Errorf("cannot halt plan %s: %w", p.ID.Short(), err)
		}
		halted = append(halted, p.ID)
	}
	return halted, nil
}

// Lift allows new starts again. Halted plans stay halted.
func (c *Controller) Lift(ctx context.Context, who hotstick.Person, reason string) error {
	why, err := operatorReason(who, reason)
	if err != nil {
		return err
	}
	return c.store.Update(ctx, func(tx store.Tx) error {
		stopped, err := tx.Bans().StopAll()
		if err != nil || !stopped {
			return err
		}
		if err := tx.Bans().SetStopAll(false); err != nil {
			return err
		}
		_, err = tx.Events().Append(store.Event{Kind: inventory.FleetLifted, Actor: string(who), Reason: why})
		return err
	})
}
