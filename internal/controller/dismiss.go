package controller

import (
	"context"
	"errors"
	"fmt"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/rollout"
	"github.com/hotstick/hotstick/internal/store"
)

// Dismiss lets go of a host whose attempt ended badly: it no longer holds its lane,
// and the plan does not patch it. Its strike stays, the gates go on counting what
// happened, and a lane still needs a confirmed canary. It may be repeated.
func (c *Controller) Dismiss(ctx context.Context, plan string, host hotstick.HostID, who hotstick.Person, reason string) (hotstick.PlanID, error) {
	return c.onPlan(ctx, plan, func(w *committing) error {
		said, err := ordered(who, reason)
		if err != nil {
			return err
		}
		line, err := w.tx.Plans().Host(w.plan.ID, host)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return refuse(CodeNotFound, "list them with hotstick rollout hosts "+w.plan.ID.Short(), "cannot dismiss a host that this plan does not list")
		case err != nil:
			return err
		case rollout.Outcome(line.State, line.Reason) != line.State:
			return nil
		case !w.plan.Status.Active():
			return refuse(CodeConflict, statusHint(w.plan.Status), "cannot dismiss a host: the rollout is %s", w.plan.Status)
		case !rollout.MayDismiss(line.State):
			return refuse(CodeConflict, undismissible(line), "cannot dismiss %s: it is %s", line.Listed.Name, line.State)
		}
		if err := w.advance(); err != nil {
			return err
		}
		// What happened to the host is as old as it was, so its times stay.
		why := rollout.Dismissal(line.State, line.Reason, *said)
		line.State, line.Reason = hotstick.Skipped, &why
		return w.put(line, string(who))
	})
}

// undismissible says what to do with a host that did not end badly.
func undismissible(line store.PlanHost) string {
	plan, host := line.Plan.Short(), line.Listed.Host
	switch line.State {
	case hotstick.Lost:
		return fmt.Sprintf("it may still come back; one that is gone for good is written off: hotstick host write-off %s --reason TEXT", host)
	case hotstick.Waiting, hotstick.Skipped:
		return fmt.Sprintf("keep it out with hotstick host exclude %s --until TIME --reason TEXT", host)
	case hotstick.Confirmed:
		return fmt.Sprintf("send it back with hotstick rollout revert %s --host %s --reason TEXT", plan, host)
	}
	return "wait until its attempt is over"
}
