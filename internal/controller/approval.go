package controller

import (
	"context"
	"errors"
	"slices"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store"
)

// Submit takes a plan that its author signed. Everything that the plan says is
// checked against what the server knows: signature, host list, every host's
// identity and kernel build, every artifact. Submitting it again changes nothing.
func (c *Controller) Submit(ctx context.Context, raw []byte, hosts []hotstick.PlanHost, who hotstick.Person) (hotstick.PlanID, error) {
	view := c.catalog.View()
	review, err := statement.InspectPlan(raw, view.Trust)
	if err != nil {
		return "", c.explainSignature(err)
	}
	if err := checkPlan(review.Plan, view); err != nil {
		return "", err
	}
	if review.Ignored > 0 {
		return "", refuse(CodeSignature, "hand in the plan with its author's signature only", "cannot take this plan: %d of its signatures are wrong or by somebody unknown", review.Ignored)
	}
	if err := statement.CheckHosts(review.Plan, hosts); err != nil {
		return "", refuse(CodeInvalid, "hand in the host list exactly as it was drafted", "cannot take this plan: %v", err)
	}
	plan := store.Plan{ID: review.ID, Name: review.Plan.Name, Patch: review.Plan.Patch, CVE: review.Plan.CVE, Envelope: raw,
		Status: hotstick.Proposed, Author: review.Plan.Author}
	err = c.Update(ctx, func(tx store.Tx) error {
		return c.propose(tx, plan, review, hosts, who)
	})
	if errors.Is(err, store.ErrTaken) {
		err = nil
	}
	return review.ID, err
}

func (c *Controller) propose(tx store.Tx, plan store.Plan, review statement.PlanReview, hosts []hotstick.PlanHost, who hotstick.Person) error {
	if _, err := tx.Plans().Get(plan.ID); !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if !tx.Now().Before(review.Plan.NotAfter) {
		return refuse(CodePlanExpired, "draft and sign a new one", "cannot take this plan: its life is over")
	}
	for _, patch := range review.Plan.Patches() {
		if err := c.checkForbidden(tx, patch, "take this plan"); err != nil {
			return err
		}
	}
	if err := c.checkContinues(tx, review.Plan, hosts); err != nil {
		return err
	}
	lines := make([]store.PlanHost, len(hosts))
	for i, listed := range hosts {
		if err := checkListed(tx, listed); err != nil {
			return err
		}
		lines[i] = store.PlanHost{Plan: plan.ID, Index: i, Listed: listed, State: hotstick.Waiting, Updated: tx.Now(),
			Reason: &hotstick.Reason{Code: hotstick.ReasonNotApproved}}
	}
	plan.Created = tx.Now()
	if err := tx.Plans().Create(plan, lines); err != nil {
		return err
	}
	e, err := tx.Events().Append(store.Event{Kind: inventory.PlanProposed, Actor: string(who), Plan: plan.ID,
		Patch: plan.Patch, State: string(plan.Status), Evidence: forCVE(plan)})
	if err != nil {
		return err
	}
	if !review.Approved() {
		return inventory.Notify(tx, inventory.NotifyApproval, e)
	}
	w := &committing{c: c, tx: tx, plan: plan, now: tx.Now()}
	return w.approve(plan.Author)
}

// checkPlan compares a plan with the catalog.
func checkPlan(plan hotstick.Plan, view catalog.View) error {
	if plan.Epoch != view.Trust.Epoch {
		return refuse(CodeRefused, "draft it anew", "cannot take this plan: it is of epoch %d and the catalog of epoch %d", plan.Epoch, view.Trust.Epoch)
	}
	for _, lane := range plan.Lanes {
		ref := plan.PatchOf(lane)
		patch, ok := view.Patch(ref)
		if !ok {
			return refuse(CodeNotFound, "publish it first", "cannot take this plan: the catalog has no %s", ref)
		}
		if plan.CVE != "" && !slices.Contains(patch.CVEs, plan.CVE) {
			return refuse(CodeRefused, "draft it anew", "cannot take this plan: %s does not close %s", ref, plan.CVE)
		}
		a, ok := patch.Artifact(lane.Build)
		if !ok {
			return refuse(CodeRefused, "publish an artifact for this kernel build, or leave its hosts out",
				"cannot take this plan: %s has no artifact for %s", ref, lane.Build)
		}
		if a.Digest != lane.Artifact || a.Module != lane.Module || patch.Driver != lane.Driver {
			return refuse(CodeRefused, "draft it anew", "cannot take this plan: its artifact for %s is not the one in the catalog", lane.Build)
		}
		for _, target := range lane.RevertTo {
			if err := checkTarget(lane, target, view); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkTarget(lane hotstick.Lane, target hotstick.RevertTarget, view catalog.View) error {
	if target.Patch.IsZero() {
		return nil
	}
	patch, _ := view.Patch(target.Patch)
	a, ok := patch.Artifact(lane.Build)
	if !ok || a.Digest != target.Artifact || a.Module != target.Module {
		return refuse(CodeRefused, "draft it anew", "cannot take this plan: the level to go back to on %s is not the one in the catalog", lane.Build)
	}
	return nil
}

// checkListed compares a listed host with what the server knows of it.
func checkListed(tx store.Tx, listed hotstick.PlanHost) error {
	h, err := tx.Hosts().Get(listed.Host)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && h.Revoked:
		return refuse(CodeNotFound, "draft it anew", "cannot take this plan: host %s is not known here", listed.Host)
	case err != nil:
		return err
	case hotstick.NewFingerprint(h.Identity) != listed.Identity:
		return refuse(CodeRefused, "draft it anew", "cannot take this plan: it lists another identity for host %s", listed.Host)
	case h.Facts == nil || h.Facts.Kernel.Build != listed.Build:
		return refuse(CodeRefused, "draft it anew", "cannot take this plan: host %s runs another kernel build than it lists", listed.Host)
	}
	return nil
}

// Approve takes a plan's envelope with more signatures. Once enough persons
// besides the author have signed, the plan is approved.
func (c *Controller) Approve(ctx context.Context, plan string, raw []byte, who hotstick.Person) (hotstick.PlanID, error) {
	offered, err := statement.ParsePlan(raw)
	if err != nil {
		return "", refuse(CodeInvalid, "fetch the bundle again and sign that", "cannot read the approval: it is not a signed plan")
	}
	return c.onPlan(ctx, plan, func(w *committing) error {
		if offered.ID != w.plan.ID {
			return refuse(CodePlanEdited, "an edited plan is another plan: submit it and let it be approved anew",
				"cannot approve: the signed bytes are not those of this plan")
		}
		return c.addSignatures(w, raw, who)
	})
}

func (c *Controller) addSignatures(w *committing, raw []byte, who hotstick.Person) error {
	if w.plan.Status != hotstick.Proposed {
		return refuse(CodeConflict, "", "cannot approve this rollout: it is %s", w.plan.Status)
	}
	trust := c.catalog.View().Trust
	merged, err := merge(w.plan.Envelope, raw)
	if err != nil {
		return refuse(CodeInvalid, "fetch the bundle again and sign that", "cannot read the approval")
	}
	before, err := statement.InspectPlan(w.plan.Envelope, trust)
	if err != nil {
		return c.explainSignature(err)
	}
	after, err := statement.InspectPlan(merged, trust)
	if err != nil {
		return c.explainSignature(err)
	}
	if !w.now.Before(after.Plan.NotAfter) {
		return refuse(CodePlanExpired, "draft and sign a new one", "cannot approve this plan: its life is over")
	}
	added := slices.DeleteFunc(slices.Clone(after.Approvers), func(p hotstick.Person) bool { return slices.Contains(before.Approvers, p) })
	if len(added) == 0 || after.Ignored > before.Ignored {
		return explainApproval(w.plan, merged, before, trust)
	}
	w.plan.Envelope = merged
	if err := w.tx.Plans().Advance(w.plan); err != nil {
		return err
	}
	w.plan.Generation++
	for _, person := range added {
		if _, err := w.event(store.Event{Kind: inventory.PlanSigned, Actor: string(person)}); err != nil {
			return err
		}
	}
	if !after.Approved() {
		return nil
	}
	return w.approve(who)
}

// approve makes a plan approved that enough persons have signed.
func (w *committing) approve(who hotstick.Person) error {
	w.plan.Approved = &w.now
	return w.become(hotstick.Approved, nil, who)
}

// explainApproval says in words why an approval adds nothing.
func explainApproval(plan store.Plan, merged []byte, before statement.PlanReview, trust hotstick.Trust) error {
	old, err := Signers(plan.Envelope, trust)
	if err != nil {
		return err
	}
	all, err := Signers(merged, trust)
	if err != nil {
		return err
	}
	if len(all) == len(old) {
		if before.SingleControl() {
			return refuse(CodeConflict, "", "cannot approve: this plan needs no more signatures")
		}
		if len(before.Approvers) == 0 {
			return refuse(CodeApproverIsAuthor, "another person signs it with hotstick rollout approve PLAN --key FILE",
				"cannot approve: only its author %s has signed this plan, and the author is never an approver", plan.Author)
		}
		return refuse(CodeConflict, "another person must sign it", "cannot approve: this signature is on the plan already")
	}
	newest := all[len(all)-1]
	switch {
	case newest.Person == "":
		return refuse(CodeUnknownPerson, "sign with a key that the catalog's root lists for a person",
			"cannot approve: the signature is by a key that nobody is known by")
	case newest.Person == plan.Author:
		return refuse(CodeApproverIsAuthor, "another person signs it with hotstick rollout approve PLAN --key FILE",
			"cannot approve: %s is the plan's author, and the author is never an approver", newest.Person)
	case slices.Contains(before.Approvers, newest.Person):
		return refuse(CodeConflict, "another person must sign it; two keys of one person count once",
			"cannot approve: %s has approved this plan already", newest.Person)
	}
	return refuse(CodeSignature, "fetch the bundle again and sign that", "cannot approve: the signature of %s is wrong", newest.Person)
}

// explainSignature turns a refusal of the statement package into words for
// people.
func (c *Controller) explainSignature(err error) error {
	reason := statement.ReasonOf(err)
	code, hint := CodeSignature, ""
	switch reason.Code {
	case hotstick.ReasonPlanExpired:
		code, hint = CodePlanExpired, "draft and sign a new one"
	case hotstick.ReasonNotApproved:
		code, hint = CodeConflict, "another person signs it with hotstick rollout approve PLAN --key FILE"
	case hotstick.ReasonSignature:
		hint = "sign with a key that the catalog's root lists for the author"
	}
	return refuse(code, hint, "%s", reason.Detail)
}

// mayStart checks what must hold whenever a plan starts or goes on.
func (c *Controller) mayStart(w *committing) error {
	view := c.catalog.View()
	patches, err := c.patchesOf(w.plan)
	if err != nil {
		return err
	}
	for _, patch := range patches {
		if view.ExpiredFor(patch, w.now) {
			return refuse(CodeRefused, "renew the catalog's signatures with its offline keys", "cannot start anything: the catalog's signatures have expired")
		}
	}
	if _, _, err := statement.OpenPlan(w.plan.Envelope, view.Trust, w.now); err != nil {
		return c.explainSignature(err)
	}
	stopped, err := w.tx.Bans().StopAll()
	if err != nil {
		return err
	}
	if stopped {
		return refuse(CodeStopped, "allow new starts again: hotstick stop --lift", "cannot start anything: everything was stopped")
	}
	unreconciled, err := inventory.Unreconciled(w.tx)
	if err != nil {
		return err
	}
	if unreconciled {
		return refuse(CodeUnreconciled, "hotstick server reconcile --reason TEXT", "cannot start anything: the server's database is an older one than hosts have seen")
	}
	for _, patch := range patches {
		// While one of several patches is left, the others' lanes are stopped and not the plan.
		if err = c.checkForbidden(w.tx, patch, "start this rollout"); err == nil {
			break
		}
	}
	return err
}

// patchesOf are all patches of a plan.
func (c *Controller) patchesOf(plan store.Plan) ([]hotstick.PatchRef, error) {
	if plan.CVE == "" {
		return []hotstick.PatchRef{plan.Patch}, nil
	}
	body, err := c.plans.plan(plan)
	return body.Patches(), err
}

// Start announces an approved plan to its hosts and lets its first wave begin.
func (c *Controller) Start(ctx context.Context, plan string, who hotstick.Person, reason string) (hotstick.PlanID, error) {
	return c.onPlan(ctx, plan, func(w *committing) error {
		if w.plan.Status == hotstick.Running {
			return nil
		}
		if w.plan.Status != hotstick.Approved {
			return refuse(CodeConflict, statusHint(w.plan.Status), "cannot start this rollout: it is %s, not approved", w.plan.Status)
		}
		if err := c.mayStart(w); err != nil {
			return err
		}
		w.plan.Started = &w.now
		var why *hotstick.Reason
		if reason != "" {
			var err error
			if why, err = operatorReason(who, reason); err != nil {
				return err
			}
		}
		if err := w.supersede(who); err != nil {
			return err
		}
		return w.become(hotstick.Running, why, who)
	})
}
