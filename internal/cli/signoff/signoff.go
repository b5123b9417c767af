// Package signoff checks, on the signer's own machine, what a plan says before
// it is signed.
//
// The plan and its host list come from the server, which may be owned. What can
// be recomputed is: the host list's Merkle root and every count from the list;
// each lane's artifact, module and driver, and each way back, from the catalog
// that this machine verified itself. What cannot be (names and failure domains
// are only what the server told) is shown as such.
//
// The package is pure.
package signoff

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/statement"
)

// Check recomputes a plan against its host list and the verified catalog. The
// error says what the signer must not sign.
func Check(plan hotstick.Plan, hosts []hotstick.PlanHost, view catalog.View) error {
	if err := plan.Validate(); err != nil {
		return err
	}
	if err := statement.CheckHosts(plan, hosts); err != nil {
		return err
	}
	if plan.Epoch != view.Trust.Epoch {
		return fmt.Errorf("cannot sign a plan of epoch %d: the catalog's root says %d", plan.Epoch, view.Trust.Epoch)
	}
	for _, lane := range plan.Lanes {
		patch, ok := view.Patch(plan.PatchOf(lane))
		switch {
		case !ok:
			return fmt.Errorf("cannot sign a plan for %s: the signed catalog does not have it", plan.PatchOf(lane))
		case plan.CVE != "" && !slices.Contains(patch.CVEs, plan.CVE):
			return fmt.Errorf("cannot sign a plan for %s: the signed catalog does not say that %s closes it", plan.CVE, patch.Ref)
		}
		if err := checkLane(lane, patch, view); err != nil {
			return err
		}
	}
	return nil
}

func checkLane(lane hotstick.Lane, patch hotstick.Patch, view catalog.View) error {
	artifact, ok := patch.Artifact(lane.Build)
	if !ok || artifact.Digest != lane.Artifact || artifact.Module != lane.Module || patch.Driver != lane.Driver {
		return fmt.Errorf("cannot sign: for %s the plan loads %s (%s), which is not what the signed catalog has as %s",
			lane.Build, lane.Module, lane.Artifact.Short(), patch.Ref)
	}
	for _, target := range lane.RevertTo {
		if target.Patch.IsZero() {
			continue
		}
		before, ok := view.Patch(target.Patch)
		if !ok {
			return fmt.Errorf("cannot sign: for %s the plan goes back to %s, which the signed catalog does not have", lane.Build, target.Patch)
		}
		old, ok := before.Artifact(lane.Build)
		if !ok || old.Digest != target.Artifact || old.Module != target.Module {
			return fmt.Errorf("cannot sign: for %s the plan goes back to other bytes than the signed catalog has as %s", lane.Build, target.Patch)
		}
	}
	return nil
}

// ByRecipe lists the levels of a plan, those that it brings and those that it may go back
// to, whose artifacts are recipes.
func ByRecipe(plan hotstick.Plan) []hotstick.PatchRef {
	var refs []hotstick.PatchRef
	for _, lane := range plan.Lanes {
		if !isRecipe(lane) {
			continue
		}
		for _, ref := range append([]hotstick.PatchRef{plan.PatchOf(lane)}, targets(lane)...) {
			if !ref.IsZero() && !slices.Contains(refs, ref) {
				refs = append(refs, ref)
			}
		}
	}
	return refs
}

// otherTransition is what some lane says of its transitions that the plan does not; 0 if
// none does.
func otherTransition(plan hotstick.Plan) int {
	for _, l := range plan.Lanes {
		if limit := plan.TransitionOf(l); limit != plan.TransitionSeconds {
			return limit
		}
	}
	return 0
}

func targets(lane hotstick.Lane) []hotstick.PatchRef {
	var refs []hotstick.PatchRef
	for _, target := range lane.RevertTo {
		refs = append(refs, target.Patch)
	}
	return refs
}

func isRecipe(lane hotstick.Lane) bool {
	class := hotstick.ClassOf(lane.Driver)
	return class == hotstick.TrustPin || class == hotstick.TrustStep
}

// Recipes finds the recipes of a plan among those that the server told, by the digests
// that the plan has: whoever signs vouches for what they say, and must have read it. The
// plan was checked before.
func Recipes(plan hotstick.Plan, told []hotstick.Recipe) (map[hotstick.Digest]hotstick.Recipe, error) {
	found := map[hotstick.Digest]hotstick.Recipe{}
	for _, r := range told {
		if data, err := r.Encode(); err == nil {
			found[hotstick.NewDigest(data)] = r
		}
	}
	wanted := map[hotstick.Digest]hotstick.Recipe{}
	want := func(lane hotstick.Lane, artifact hotstick.Digest, module string) error {
		r, ok := found[artifact]
		if !ok || r.Driver != lane.Driver || r.Build != lane.Build || r.Module != module {
			return fmt.Errorf("cannot sign: what runs on hosts with %s (%s, %s) cannot be shown, because nobody has the bytes of %s", lane.Build, lane.Driver, module, artifact.Short())
		}
		wanted[artifact] = r
		return nil
	}
	for _, lane := range plan.Lanes {
		if !isRecipe(lane) {
			continue
		}
		if err := want(lane, lane.Artifact, lane.Module); err != nil {
			return nil, err
		}
		for _, target := range lane.RevertTo {
			if target.Patch.IsZero() {
				continue
			}
			if err := want(lane, target.Artifact, target.Module); err != nil {
				return nil, err
			}
		}
	}
	return wanted, nil
}

// CheckAsked reports where a draft differs from what its author asked the
// planner for. A plan to continue is asked for by its full digest. Speeds that were not asked for are the planner's to choose; they
// are in the review.
func CheckAsked(plan hotstick.Plan, asked api.DraftRequest) error {
	s := asked.Settings
	switch {
	case plan.CVE != asked.CVE || plan.CVE == "" && plan.Patch.String() != asked.Patch:
		return fmt.Errorf("cannot sign: you asked for %s and the plan is for %s", asked.Patch+asked.CVE, plan.Closes())
	case plan.Author != asked.Author:
		return fmt.Errorf("cannot sign: the plan names %q as its author, not %q", plan.Author, asked.Author)
	case asked.Name != "" && plan.Name != asked.Name:
		return fmt.Errorf("cannot sign: you named it %q and the plan is named %q", asked.Name, plan.Name)
	case s.ProbationSeconds > 0 && plan.ProbationSeconds != s.ProbationSeconds:
		return differs("probation", s.ProbationSeconds, plan.ProbationSeconds)
	case s.TransitionSeconds > 0 && plan.TransitionSeconds != s.TransitionSeconds:
		return differs("transition limit", s.TransitionSeconds, plan.TransitionSeconds)
	case s.TransitionSeconds > 0 && otherTransition(plan) != 0:
		return differs("transition limit of a lane", s.TransitionSeconds, otherTransition(plan))
	case s.LifeSeconds > 0 && plan.NotAfter.Sub(plan.CreatedAt) > time.Duration(s.LifeSeconds)*time.Second:
		return errors.New("cannot sign: the plan lives longer than you asked for")
	}
	if err := checkRule(plan, asked); err != nil {
		return err
	}
	for i, w := range plan.Waves {
		if last := i == len(plan.Waves)-1; s.BakeSeconds > 0 && w.BakeSeconds < s.BakeSeconds && !last {
			return differs(fmt.Sprintf("bake of wave %d", i+1), s.BakeSeconds, w.BakeSeconds)
		}
	}
	return checkBudgets(plan, s.Budgets)
}

// checkRule reports where a plan runs under other rules than its author asked for:
// another policy, another plan to continue, another emergency template.
func checkRule(plan hotstick.Plan, asked api.DraftRequest) error {
	document := hotstick.NewDigest([]byte(asked.PolicyDocument))
	switch {
	case asked.Policy != "" && plan.Policy.Name != asked.Policy:
		return fmt.Errorf("cannot sign: you asked for the policy %s and the plan names %q", asked.Policy, plan.Policy.Name)
	case asked.PolicyDocument != "" && plan.Policy.Digest != document:
		return errors.New("cannot sign: the plan was made under another policy than the document that you sent")
	case asked.Continues == "" && plan.Continues != "":
		return fmt.Errorf("cannot sign: the plan takes over the work of %s, which you did not ask for", plan.Continues.Short())
	case asked.Continues != string(plan.Continues):
		return fmt.Errorf("cannot sign: you asked for a retarget of %s and the plan continues %q", hotstick.PlanID(asked.Continues).Short(), plan.Continues.Short())
	case len(asked.Emergency) == 0 && len(plan.Emergency) > 0:
		return errors.New("cannot sign: the plan runs under an emergency template, which you did not ask for")
	case !sameDocument(asked.Emergency, plan.Emergency):
		return errors.New("cannot sign: the plan runs under another emergency template than the one that you sent")
	}
	return nil
}

// sameDocument compares two JSON documents; white space between values does not
// count.
func sameDocument(a, b json.RawMessage) bool {
	var x, y bytes.Buffer
	if len(a) == 0 || len(b) == 0 {
		return len(a) == len(b)
	}
	return json.Compact(&x, a) == nil && json.Compact(&y, b) == nil && bytes.Equal(x.Bytes(), y.Bytes())
}

func differs(what string, asked, got int) error {
	return fmt.Errorf("cannot sign: you asked for a %s of %d s and the plan says %d s", what, asked, got)
}

func checkBudgets(plan hotstick.Plan, asked map[string]int) error {
	got := map[string]int{}
	for _, b := range plan.Budgets {
		got[b.Domain] = b.Max
	}
	for domain, n := range asked {
		if got[domain] == 0 || got[domain] > n {
			return fmt.Errorf("cannot sign: you asked for at most %d hosts of a %s at once and the plan says %d", n, domain, got[domain])
		}
	}
	return nil
}

// MayApprove reports why a person cannot approve a plan that was inspected.
func MayApprove(review statement.PlanReview, person hotstick.Person, trust hotstick.Trust) error {
	if person == review.Plan.Author && !trust.AuthorMayApprove {
		return fmt.Errorf("cannot approve as %s: the author of a plan never approves it", person)
	}
	for _, a := range review.Approvers {
		if a == person {
			return fmt.Errorf("cannot approve as %s: that signature is there already; two keys of one person count once", person)
		}
	}
	return nil
}
