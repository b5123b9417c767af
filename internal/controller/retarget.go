package controller

import (
	"errors"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/rollout"
	"github.com/hotstick/hotstick/internal/store"
)

// checkContinues compares a plan with the older one whose work it takes over.
func (c *Controller) checkContinues(tx store.Tx, plan hotstick.Plan, hosts []hotstick.PlanHost) error {
	if plan.Continues == "" {
		return nil
	}
	older, err := tx.Plans().Get(plan.Continues)
	if errors.Is(err, store.ErrNotFound) {
		return refuse(CodeNotFound, "draft it anew", "cannot take this plan: the plan that it continues is not known here")
	}
	if err != nil {
		return err
	}
	body, err := c.plans.plan(older)
	switch {
	case err != nil:
		return err
	case older.Patch.Name != plan.Patch.Name || older.Patch.Level >= plan.Patch.Level:
		return refuse(CodeRefused, "a plan continues one for an older level of the same patch",
			"cannot take this plan: %s does not continue %s", plan.Patch, older.Patch)
	case body.Epoch != plan.Epoch:
		return refuse(CodeRefused, "draft it without continuing the older one",
			"cannot take this plan: the plan that it continues is of epoch %d, not %d", body.Epoch, plan.Epoch)
	case older.Reverting:
		return refuse(CodeRefused, "draft it without continuing the older one",
			"cannot take this plan: the plan that it continues is being reverted")
	}
	return c.checkProven(tx, plan, hosts, older)
}

// checkProven refuses credit that nobody earned: who is in a wave that is called
// proven must come from a wave of the older plan that was.
func (c *Controller) checkProven(tx store.Tx, plan hotstick.Plan, hosts []hotstick.PlanHost, older store.Plan) error {
	before, err := c.Continuation(tx, older)
	if err != nil {
		return err
	}
	proven := map[hotstick.HostID]bool{}
	for _, line := range before.Lines {
		wave := line.Listed.Wave
		proven[line.Listed.Host] = before.Passed[wave] || before.Plan.Waves[wave].Proven
	}
	for _, h := range hosts {
		if plan.Waves[h.Wave].Proven && !proven[h.Host] {
			return refuse(CodeRefused, "draft it anew: what the older plan had proven has changed",
				"cannot take this plan: it calls wave %s proven, but %s comes from none that is", plan.Waves[h.Wave].Name, h.Host)
		}
	}
	return nil
}

// supersede halts the plan that this one continues, in the transaction in which
// this one starts. That reverts nothing: hosts on probation confirm or revert by
// themselves, and this plan leaves them alone until then, for the older one holds
// their slots.
func (w *committing) supersede(who hotstick.Person) error {
	body, err := w.c.plans.plan(w.plan)
	if err != nil || body.Continues == "" {
		return err
	}
	older, err := w.tx.Plans().Get(body.Continues)
	if err != nil {
		return err
	}
	if older.Reverting {
		return refuse(CodeRefused, "draft a plan that does not continue it",
			"cannot start this rollout: the plan that it continues is being reverted")
	}
	if stands, err := w.c.stands(older); err != nil || older.Status.Over() && !stands {
		return err
	}
	o := &committing{c: w.c, tx: w.tx, plan: older, now: w.now}
	return o.become(hotstick.Halted, &hotstick.Reason{Code: hotstick.ReasonSuperseded, Subject: w.plan.Patch.String()}, who)
}

// Continuation is what a plan that continues another one takes over from it.
type Continuation struct {
	ID     hotstick.PlanID
	Status hotstick.PlanStatus
	Plan   hotstick.Plan
	// Lines are the older plan's hosts by index, late ones too, and where each stands.
	Lines []store.PlanHost
	// Passed says of each wave of the older plan whether its gate lets the next one go
	// on now.
	Passed []bool
}

// Continuation gathers what a retarget of the plan is drafted from.
func (c *Controller) Continuation(tx store.Tx, plan store.Plan) (Continuation, error) {
	body, err := c.plans.plan(plan)
	if err != nil {
		return Continuation{}, err
	}
	out := Continuation{ID: plan.ID, Status: plan.Status, Plan: body, Passed: make([]bool, len(body.Waves))}
	if out.Lines, err = tx.Plans().Hosts(plan.ID); err != nil {
		return out, err
	}
	err = c.Ask(tx, plan, func(r *rollout.Rollout, now time.Time) {
		for i, wave := range r.Waves(now) {
			out.Passed[i] = wave.Gate.Opens()
		}
	})
	return out, err
}
