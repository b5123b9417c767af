package statement

import (
	"slices"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/planted"
)

// UnverifiedPlan is a plan whose signatures nobody has checked.
type UnverifiedPlan struct {
	Plan hotstick.Plan
	ID   hotstick.PlanID
}

// ParsePlan reads a plan without checking any signature.
func ParsePlan(raw []byte) (UnverifiedPlan, error) {
	e, plan, err := open[hotstick.Plan](raw, KindPlan)
	if err != nil {
		return UnverifiedPlan{}, err
	}
	return UnverifiedPlan{Plan: plan, ID: hotstick.NewDigest(e.payload)}, nil
}

// PlanReview says who has validly signed a plan and who is still missing. The
// author's signature was checked; the plan's life and epoch were not.
type PlanReview struct {
	Plan hotstick.Plan
	ID   hotstick.PlanID
	// Approvers are the persons besides the author who have validly signed, sorted.
	Approvers []hotstick.Person
	// Needed is how many of them the plan needs; 0 under single control, and 1 under
	// an emergency template, unless the plan itself asks for more.
	Needed int
	// Emergency is the template that the plan runs under, signed by enough persons;
	// nil for ordinary plans. Its life was not checked.
	Emergency *Template
	// Candidates are the persons who could still approve, sorted.
	Candidates []hotstick.Person
	// Ignored counts signatures that are wrong, by nobody we know, or by another
	// key of somebody who counts already.
	Ignored int
}

// Missing is how many approvals are still missing.
func (r PlanReview) Missing() int { return max(0, r.Needed-len(r.Approvers)) }

// Approved reports whether enough persons have signed.
func (r PlanReview) Approved() bool { return r.Missing() == 0 }

// SingleControl reports whether the author alone suffices.
func (r PlanReview) SingleControl() bool { return r.Needed == 0 }

// InspectPlan checks the author's signature and counts the approvals, so that a
// plan can be shown while it waits for approvers. Only [OpenPlan] makes a plan
// that may be acted on.
func InspectPlan(raw []byte, trust hotstick.Trust) (PlanReview, error) {
	e, plan, err := open[hotstick.Plan](raw, KindPlan)
	if err != nil {
		return PlanReview{}, err
	}
	if err := usable(trust); err != nil {
		return PlanReview{}, err
	}
	r := PlanReview{Plan: plan, ID: hotstick.NewDigest(e.payload), Needed: trust.Approvals}
	if trust.AuthorMayApprove {
		r.Needed = 0
	}
	if len(plan.Emergency) > 0 {
		t, err := openTemplate(plan.Emergency, trust)
		if err != nil {
			return PlanReview{}, err
		}
		r.Emergency, r.Needed = &t, min(r.Needed, 1)
	}
	r.Needed = max(r.Needed, plan.Approvals)
	signed := personsOf(e, trust)
	if !slices.Contains(signed, plan.Author) {
		return PlanReview{}, refuse(hotstick.ReasonSignature, "cannot take the plan: its author %q has not validly signed it", plan.Author)
	}
	r.Ignored = len(e.dsse.Signatures) - len(signed)
	if planted.Bug("signatures-count") {
		r.Needed -= r.Ignored
	}
	for _, p := range trust.Persons {
		switch {
		case p.Person == plan.Author && !planted.Bug("author-approves"):
		case slices.Contains(signed, p.Person):
			r.Approvers = append(r.Approvers, p.Person)
		default:
			r.Candidates = append(r.Candidates, p.Person)
		}
	}
	slices.Sort(r.Approvers)
	slices.Sort(r.Candidates)
	return r, nil
}

// OpenPlan verifies a plan completely: its author and enough other persons have
// signed exactly these bytes, its life is not over at now, and its epoch is the
// trust's. For a plan under an emergency template one other person is enough, if
// at least m signed the template, its life is not over either, and the plan keeps
// within it. The errors are *Error with reasons signature, not_approved,
// plan_expired, stale_epoch or catalog_unknown (an epoch that the trust does not
// know yet, or no trust at all).
func OpenPlan(raw []byte, trust hotstick.Trust, now time.Time) (hotstick.Plan, hotstick.PlanID, error) {
	r, err := InspectPlan(raw, trust)
	if err != nil {
		return hotstick.Plan{}, "", err
	}
	if err := checkEpoch(KindPlan, r.Plan.Epoch, trust); err != nil {
		return hotstick.Plan{}, "", err
	}
	if !now.Before(r.Plan.NotAfter) && !planted.Bug("plan-never-expires") {
		err := refuse(hotstick.ReasonPlanExpired, "cannot take the plan: its life ended at %s", r.Plan.NotAfter.Format(time.RFC3339))
		return hotstick.Plan{}, "", err
	}
	if t := r.Emergency; t != nil {
		err := t.checkLife(now)
		if err == nil && r.Plan.NotAfter.Sub(now) > t.life() {
			// The plan's word for when it was made is not enough.
			err = refuse(hotstick.ReasonPlanExpired, "cannot take the plan: it must end within %d seconds, as its emergency template says", t.LifeSeconds)
		}
		if err != nil {
			return hotstick.Plan{}, "", err
		}
	}
	if !r.Approved() {
		err := refuse(hotstick.ReasonNotApproved, "cannot take the plan: %d of %d approvals; %s could approve",
			len(r.Approvers), r.Needed, names(r.Candidates))
		return hotstick.Plan{}, "", err
	}
	return r.Plan, r.ID, nil
}

func names(persons []hotstick.Person) string {
	if len(persons) == 0 {
		return "nobody else"
	}
	s := make([]string, len(persons))
	for i, p := range persons {
		s[i] = string(p)
	}
	return strings.Join(s, ", ")
}
