package server

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/controller"
	"github.com/hotstick/hotstick/internal/decide/planner"
	"github.com/hotstick/hotstick/internal/decide/policy"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store"
)

// ruling is what a draft is shaped and judged by.
type ruling struct {
	patch hotstick.PatchRef
	shape policy.Shape
	judge *policy.Judge
	// others judge for each candidate, in a draft for a CVE.
	others []opinion
}

// opinion is what the policy says of hosts for one candidate: its judge, or why it has
// nothing for the candidate anywhere.
type opinion struct {
	judge *policy.Judge
	none  *hotstick.Reason
}

// rulings is the ruling over a draft's patches. A plan has one shape, so of the patches
// that close a CVE only those are planned that are under the policy of the most of them, or
// of the first where as many are under another. For the others hosts are left out.
func (s *Server) rulings(tx store.Tx, req api.DraftRequest, patches []hotstick.Patch, trust hotstick.Trust) (ruling, error) {
	if req.CVE == "" {
		out, why, err := s.ruling(tx, req, patches[0], trust)
		if why != nil {
			err = &controller.Refusal{Code: controller.CodeRefused, Text: "cannot plan this patch: no policy of the document applies to it", Hint: seeApplies}
		}
		return out, err
	}
	all, count := make([]ruling, len(patches)), map[hotstick.PolicyRef]int{}
	opinions := make([]opinion, len(patches))
	for i, patch := range patches {
		next, why, err := s.ruling(tx, req, patch, trust)
		if err != nil {
			return ruling{}, err
		}
		if all[i], opinions[i] = next, (opinion{next.judge, why}); why == nil {
			count[next.shape.Policy]++
		}
	}
	best := -1
	for i := range all {
		if opinions[i].none == nil && (best < 0 || count[all[i].shape.Policy] > count[all[best].shape.Policy]) {
			best = i
		}
	}
	if best < 0 {
		return ruling{}, &controller.Refusal{Code: controller.CodeRefused, Text: "cannot plan for this CVE: no policy of the document applies to any patch that closes it", Hint: seeApplies}
	}
	for i := range all {
		if has := all[i].shape.Policy; opinions[i].none == nil && has != all[best].shape.Policy {
			opinions[i] = opinion{none: &hotstick.Reason{Code: hotstick.ReasonNotEligible, Subject: has.Name,
				Detail: fmt.Sprintf("this policy applies to %s, and the plan is under %s: plan for that patch alone", patches[i].Ref, all[best].shape.Policy.Name)}}
		}
	}
	out := all[best]
	out.others = opinions
	return out, nil
}

// seeApplies is what to do where no policy applies.
const seeApplies = "see its applies sections with hotstick policy explain"

// judgeHost writes down what the policy says of a host, which is nothing where there is
// none.
func (r ruling) judgeHost(h *planner.Host, about policy.Host) {
	if len(r.others) == 0 && r.judge != nil {
		h.Verdict = r.judge.Judge(about)
	}
	for _, o := range r.others {
		if o.none != nil {
			h.Verdicts = append(h.Verdicts, policy.Verdict{Reason: o.none})
			continue
		}
		h.Verdicts = append(h.Verdicts, o.judge.Judge(about))
	}
}

// ruling lays the settings that a person asks for over the policy. Where nobody
// names a policy it is the standard one; an emergency template stands in for the
// policy's speeds, and nobody is faster than it says. Waivers that hold now except from
// it. The reason says that no policy applies to the patch.
func (s *Server) ruling(tx store.Tx, req api.DraftRequest, patch hotstick.Patch, trust hotstick.Trust) (ruling, *hotstick.Reason, error) {
	now := tx.Now()
	set, err := policySet(req)
	if err != nil {
		return ruling{}, nil, err
	}
	evidence, err := controller.PatchEvidence(tx, trust, patch)
	if err != nil {
		return ruling{}, nil, err
	}
	about := policy.NewPatch(patch)
	about.Evidence = controller.Proven(evidence, patch)
	name, ok := set.Names()[0], true
	if req.PolicyDocument != "" {
		name, ok = set.Choose(about, now)
	}
	if !ok {
		return ruling{}, &hotstick.Reason{Code: hotstick.ReasonNotEligible, Subject: "applies", Detail: "no policy of the document applies to " + patch.Ref.String()}, nil
	}
	waivers, err := controller.PolicyWaivers(tx, trust)
	if err != nil {
		return ruling{}, nil, err
	}
	chosen, err := set.Compile(name, now, waivers...)
	if err != nil {
		return ruling{}, nil, err
	}
	out := ruling{patch: patch.Ref, shape: chosen.Shape(), judge: chosen.For(about, now)}
	if len(req.Emergency) > 0 {
		t, err := statement.OpenTemplate(req.Emergency, trust, now)
		if err != nil {
			return ruling{}, nil, &controller.Refusal{Code: controller.CodeSignature, Text: statement.ReasonOf(err).Detail,
				Hint: "as many persons as the catalog asks for sign it: hotstick template sign FILE --key FILE"}
		}
		hasten(&out.shape, t, now)
	}
	err = overlay(&out.shape, req.Settings)
	return out, nil, err
}

// policySet reads the policy that a person named or sent along.
func policySet(req api.DraftRequest) (*policy.Set, error) {
	name := req.Policy
	switch {
	case name != "" && req.PolicyDocument != "":
		return nil, &controller.Refusal{Code: controller.CodeInvalid, Text: "cannot use two policies for one plan", Hint: "name one of the server's, or send a document along"}
	case req.PolicyDocument != "":
		return policy.Parse([]byte(req.PolicyDocument))
	case name == "" && len(req.Emergency) > 0:
		name = emergencyPolicy
	case name == "":
		name = policy.Standard
	}
	if !slices.Contains(policy.Defaults(), name) {
		return nil, &controller.Refusal{Code: controller.CodeNotFound, Text: "cannot find this policy", Hint: "the server knows " + strings.Join(policy.Defaults(), ", ") + "; any other is sent along as a document"}
	}
	return policy.Default(name)
}

// emergencyPolicy judges hosts where an emergency template is used and nobody names
// a policy.
const emergencyPolicy = "emergency"

// hasten takes an emergency template's speeds for the policy's.
func hasten(s *policy.Shape, t statement.Template, now time.Time) {
	second := func(n int) time.Duration { return time.Duration(n) * time.Second }
	s.Probation, s.Life = second(t.ProbationSeconds), min(second(t.LifeSeconds), t.NotAfter.Sub(now).Truncate(time.Second))
	s.Waves.FirstBake, s.Waves.CanaryBake, s.Waves.Bake = second(t.BakeSeconds), second(t.BakeSeconds), second(t.BakeSeconds)
	s.Waves.Delay, s.Waves.RingDelay, s.Waves.Manual = second(t.DelaySeconds), nil, false
	s.Gate, s.Budgets, s.Approvals = t.Gate, slices.Clone(t.Budgets), 0
}

// overlay lays the speeds that a person asks for over a policy's shape. One bake is
// that of every wave.
func overlay(out *policy.Shape, in api.PlanSettings) error {
	for _, f := range []struct {
		name string
		from int
		to   []*time.Duration
	}{
		{"probation_seconds", in.ProbationSeconds, []*time.Duration{&out.Probation}},
		{"transition_seconds", in.TransitionSeconds, []*time.Duration{&out.Transition}},
		{"bake_seconds", in.BakeSeconds, []*time.Duration{&out.Waves.FirstBake, &out.Waves.CanaryBake, &out.Waves.Bake}},
		{"delay_seconds", in.DelaySeconds, []*time.Duration{&out.Waves.Delay}},
		{"life_seconds", in.LifeSeconds, []*time.Duration{&out.Life}},
	} {
		if f.from < 0 || f.from > maxPlanSeconds {
			return &controller.Refusal{Code: controller.CodeInvalid, Text: fmt.Sprintf("cannot use settings.%s: want 0 to %d", f.name, maxPlanSeconds)}
		}
		for _, to := range f.to {
			if f.from > 0 {
				*to = time.Duration(f.from) * time.Second
			}
		}
	}
	if in.TransitionSeconds > 0 { // whoever asks for it means every driver
		out.TransitionBy = map[string]time.Duration{}
		for _, driver := range hotstick.Drivers() {
			out.TransitionBy[driver] = out.Transition
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(in.Budgets)) {
		limit := in.Budgets[kind]
		if kind == "" || len(kind) > 63 || limit < 1 || limit > hotstick.MaxPlanHosts {
			return &controller.Refusal{Code: controller.CodeInvalid, Text: "cannot use settings.budgets: a budget is at least one host of a kind of failure domain", Hint: "write rack=1, where rack is a label of hosts"}
		}
		i := slices.IndexFunc(out.Budgets, func(b hotstick.Budget) bool { return b.Domain == kind })
		if i < 0 {
			out.Budgets = append(out.Budgets, hotstick.Budget{Domain: kind, Max: limit})
			continue
		}
		// What makes it a quorum domain stays.
		out.Budgets[i].Max, out.Budgets[i].Percent = limit, 0
	}
	return nil
}

// maxPlanSeconds bounds every time span of a plan: a year.
const maxPlanSeconds = 366 * 24 * 3600
