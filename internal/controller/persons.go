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

// ordered is the reason of an action that needs one.
func ordered(who hotstick.Person, text string) (*hotstick.Reason, error) {
	switch {
	case who == "":
		return nil, refuse(CodeInvalid, "sign in as a person", "cannot do this for nobody: it is logged with a name")
	case strings.TrimSpace(text) == "":
		return nil, refuse(CodeInvalid, "say why, for whoever reads the log", "cannot do this without a reason")
	}
	return operatorReason(who, text)
}

// onPlan runs fn on a plan in a transaction; where the plan was changed
// meanwhile it is read again.
func (c *Controller) onPlan(ctx context.Context, plan string, fn func(w *committing) error) (hotstick.PlanID, error) {
	var id hotstick.PlanID
	var err error
	for range decideTries {
		err = c.Update(ctx, func(tx store.Tx) error {
			p, err := Find(tx, plan)
			if err != nil {
				return err
			}
			id = p.ID
			return fn(&committing{c: c, tx: tx, plan: p, now: tx.Now()})
		})
		if !errors.Is(err, store.ErrConflict) {
			break
		}
	}
	return id, err
}

// become advances the plan to a status, if that step exists, with its event.
func (w *committing) become(status hotstick.PlanStatus, why *hotstick.Reason, who hotstick.Person) error {
	stands, err := w.c.stands(w.plan)
	switch {
	case err != nil:
		return err
	case !w.plan.Status.CanBecome(status) || w.plan.Status == hotstick.Completed && !stands:
		hint := statusHint(w.plan.Status)
		if stands {
			hint = "it may still put back what somebody took away; to end that: hotstick rollout halt PLAN"
		}
		return refuse(CodeConflict, hint, "cannot make this rollout %s: it is %s", status, w.plan.Status)
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

// stands reports whether the plan is completed and its signatures let it run again, to put
// back what somebody else took away.
func (c *Controller) stands(plan store.Plan) (bool, error) {
	if plan.Status != hotstick.Completed {
		return false, nil
	}
	body, err := c.plans.plan(plan)
	return err == nil && body.Reapply > 0, err
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

// Halt ends a rollout's starts for good: also those of one that is completed and may put its
// level back.
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
	return c.Update(ctx, func(tx store.Tx) error {
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
		err = c.Update(ctx, func(tx store.Tx) error {
			halted, err = c.haltEverything(tx, who, stop)
			return err
		})
		if !errors.Is(err, store.ErrConflict) {
			return halted, err
		}
	}
	return nil, err
}

func (c *Controller) haltEverything(tx store.Tx, who hotstick.Person, stop hotstick.Reason) ([]hotstick.PlanID, error) {
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
		w := &committing{c: c, tx: tx, plan: p, now: tx.Now()}
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
	return c.Update(ctx, func(tx store.Tx) error {
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
