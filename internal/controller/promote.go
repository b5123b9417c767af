package controller

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/rollout"
	"github.com/hotstick/hotstick/internal/decide/why"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/store"
)

// NextWave opens the next wave that waits for an operator. It never replaces a
// gate or a bake: where these are not there yet it is refused.
func (c *Controller) NextWave(ctx context.Context, plan string, who hotstick.Person, reason string) (hotstick.PlanID, error) {
	return c.onPlan(ctx, plan, func(w *committing) error {
		said, err := ordered(who, reason)
		if err != nil {
			return err
		}
		if !w.plan.Status.Active() {
			return refuse(CodeConflict, statusHint(w.plan.Status), "cannot open a wave: the rollout is %s", w.plan.Status)
		}
		body, err := c.plans.plan(w.plan)
		if err != nil {
			return err
		}
		next := w.plan.Promoted
		for next < len(body.Waves) && !body.Waves[next].Manual {
			next++
		}
		if next == len(body.Waves) {
			return refuse(CodeConflict, "", "cannot open a wave: none is left that waits for an operator")
		}
		var closed *hotstick.Reason
		if err := c.Ask(w.tx, w.plan, func(r *rollout.Rollout, now time.Time) {
			if waves := r.Waves(now); next < len(waves) {
				closed = waves[next].Closed
			}
		}); err != nil {
			return err
		}
		if closed != nil && closed.Code != hotstick.ReasonNeedsPromotion {
			return refuse(CodeConflict, "wait for it: an operator's word never replaces a gate or a bake",
				"cannot open wave %s yet: %s", body.Waves[next].Name, why.Text(*closed))
		}
		w.plan.Promoted = next + 1
		if err := w.advance(); err != nil {
			return err
		}
		_, err = w.event(store.Event{Kind: inventory.PlanPromoted, Actor: string(who), State: body.Waves[next].Name, Reason: said})
		return err
	})
}

// Retry lets hosts whose attempt failed or was interrupted wait for a new one:
// those named, or all of them, and also those that were interrupted so often that they
// were passed over. What was reverted, quarantined or struck needs a
// clear first, and a way back that failed needs hands.
func (c *Controller) Retry(ctx context.Context, plan string, who hotstick.Person, reason string, hosts []hotstick.HostID) (hotstick.PlanID, error) {
	return c.onPlan(ctx, plan, func(w *committing) error {
		said, err := ordered(who, reason)
		if err != nil {
			return err
		}
		if !w.plan.Status.Active() {
			return refuse(CodeConflict, statusHint(w.plan.Status), "cannot retry anything: the rollout is %s", w.plan.Status)
		}
		lines, err := w.tx.Plans().Hosts(w.plan.ID)
		if err != nil {
			return err
		}
		again, err := w.retriable(lines, hosts)
		if err != nil || len(again) == 0 {
			return err
		}
		return w.retry(again, who, said)
	})
}

// retriable picks the lines to try again. A host that is named and cannot be is a
// refusal; one that waits already, or is under way, needs nothing.
func (w *committing) retriable(lines []store.PlanHost, hosts []hotstick.HostID) ([]store.PlanHost, error) {
	var again []store.PlanHost
	found := 0
	for _, line := range lines {
		named := slices.Contains(hosts, line.Listed.Host)
		if len(hosts) > 0 && !named {
			continue
		}
		found++
		if state := line.State; state == hotstick.Waiting || state == hotstick.Admitted {
			continue
		}
		h, err := w.tx.Hosts().Get(line.Listed.Host)
		if err != nil {
			return nil, err
		}
		no := unretriable(line, h, line.Listed.PatchIn(w.plan.Patch))
		switch {
		case no == nil:
			again = append(again, line)
		case named:
			return nil, no
		}
	}
	if found < len(hosts) {
		return nil, refuse(CodeNotFound, "", "cannot retry a host that this plan does not list")
	}
	return again, nil
}

// unretriable says why a host cannot make a new attempt, or nil.
func unretriable(line store.PlanHost, h store.Host, patch hotstick.PatchRef) error {
	name := line.Listed.Name
	clearHint := "it needs a clear that enough persons signed, and then a new plan"
	switch {
	case h.Revoked:
		return refuse(CodeConflict, "", "cannot retry %s: it was written off", name)
	case slices.Contains(h.Loader.Strikes, patch):
		return refuse(CodeRefused, clearHint, "cannot retry %s: it holds a strike against %s", name, patch)
	case slices.Contains(h.Reverted, patch), line.State == hotstick.Reverted, line.State == hotstick.Quarantined:
		return refuse(CodeRefused, clearHint, "cannot retry %s: %s was taken back out of it", name, patch)
	case line.State == hotstick.Failed && line.Reason != nil && line.Reason.Code == hotstick.ReasonRevertFailed:
		return refuse(CodeRefused, "look at the host: its kernel is in doubt", "cannot retry %s: its way back failed", name)
	case line.State != hotstick.Failed && line.State != hotstick.Interrupted && !rollout.Spent(line.State, line.Reason, line.Attempt):
		return refuse(CodeConflict, "", "cannot retry %s: it is %s", name, line.State)
	}
	return nil
}

func (w *committing) retry(lines []store.PlanHost, who hotstick.Person, said *hotstick.Reason) error {
	if err := w.advance(); err != nil {
		return err
	}
	for _, line := range lines {
		change := rollout.Change{Host: line.Listed.Host, State: hotstick.Waiting, Reason: *said}
		if err := w.change(change, string(who)); err != nil {
			return err
		}
	}
	_, err := w.event(store.Event{Kind: inventory.PlanRetried, Actor: string(who), State: strconv.Itoa(len(lines)), Reason: said})
	return err
}
