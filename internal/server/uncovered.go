package server

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/controller"
	"github.com/hotstick/hotstick/internal/decide/planner"
	"github.com/hotstick/hotstick/internal/decide/policy"
	"github.com/hotstick/hotstick/internal/decide/why"
	"github.com/hotstick/hotstick/internal/server/view"
	"github.com/hotstick/hotstick/internal/store"
)

// Bounds of what is said of hosts that a plan leaves open.
const (
	maxGaps    = 50
	maxGapName = 20
)

// maxCoverages bounds of how many plans the answer is kept.
const maxCoverages = 16

// coverages keep, for the plans that were asked about last, where their CVE stays open. It
// takes a look at every host, so each answer stands for a while, as other counts do.
type coverages struct {
	*recent[*counted[api.Uncovered]]
}

func newCoverages() coverages { return coverages{newRecent[*counted[api.Uncovered]](maxCoverages)} }

func (c coverages) of(plan hotstick.PlanID) *counted[api.Uncovered] {
	var found *counted[api.Uncovered]
	c.with(string(plan), func(have **counted[api.Uncovered]) {
		if *have == nil {
			*have = &counted[api.Uncovered]{}
		}
		found = *have
	})
	return found
}

// uncovered asks, for every host that a plan for a CVE does not list, whether it could be
// patched now, and gathers the answers by their cause.
func (s *Server) uncovered(ctx context.Context, in *PlanPath) (*body[api.Uncovered], error) {
	out := api.Uncovered{Gaps: []api.CoverageGap{}}
	err := s.store.View(ctx, func(tx store.Tx) error {
		p, err := controller.Find(tx, in.Plan)
		if err != nil || p.CVE == "" {
			return err
		}
		out, err = s.counts.uncovered.of(p.ID).get(time.Now, func() (api.Uncovered, error) { return s.leavesOpen(tx, p) })
		return err
	})
	return answerWith(out), err
}

// leavesOpen looks at every host that a plan does not list.
func (s *Server) leavesOpen(tx store.Tx, p store.Plan) (api.Uncovered, error) {
	lines, err := tx.Plans().Hosts(p.ID)
	if err != nil {
		return api.Uncovered{}, err
	}
	listed := make(map[hotstick.HostID]bool, len(lines))
	for _, l := range lines {
		listed[l.Listed.Host] = true
	}
	body, err := s.controller.Plan(p)
	if err != nil {
		return api.Uncovered{}, err
	}
	under, err := policyOf(body.Policy)
	if err != nil {
		return api.Uncovered{}, err
	}
	hosts, err := s.covered(tx, p.CVE, under)
	if err != nil {
		return api.Uncovered{}, err
	}
	gaps := gaps{}
	for _, l := range hosts {
		if !listed[l.Host] && l.Reason.Code != hotstick.ReasonAlreadyInEffect {
			gaps.add(l.Host, l.Name, l.Reason)
		}
	}
	out := api.Uncovered{CVE: p.CVE, Policy: body.Policy.Name, PolicyUnknown: view.Reason(under.unknown, why.Place{})}
	out.Hosts, out.Gaps = gaps.list()
	return out, nil
}

// planPolicy is the policy by which hosts are judged that a plan leaves out.
type planPolicy struct {
	// name is one of the server's policies; empty if the plan has none, or unknown says that
	// the server does not have it.
	name    string
	unknown *hotstick.Reason
}

// policyOf finds the policy that shaped a plan among those that the server has. A plan keeps
// only the digest of its policy's text: one that was sent along as a document is not here,
// and one of another version of the server has another text. What such a policy would say of
// a host nobody knows, and another one of the same name is no answer.
func policyOf(ref hotstick.PolicyRef) (planPolicy, error) {
	if ref == (hotstick.PolicyRef{}) {
		return planPolicy{}, nil
	}
	for _, name := range policy.Defaults() {
		set, err := policy.Default(name)
		if err != nil {
			return planPolicy{}, err
		}
		if set.Digest() == ref.Digest {
			return planPolicy{name: name}, nil
		}
	}
	return planPolicy{unknown: &hotstick.Reason{Code: hotstick.ReasonPolicyUnknown, Subject: ref.Name, Detail: "its text is " + ref.Digest.Short()}}, nil
}

// underPolicy is what the policy says of a CVE's patches; nothing where there is none, or it
// makes no ruling.
func (s *Server) underPolicy(tx store.Tx, cve string, patches []hotstick.Patch, under planPolicy, trust hotstick.Trust) (ruling, error) {
	if under.name == "" {
		return ruling{}, nil
	}
	rule, err := s.rulings(tx, api.DraftRequest{CVE: cve, Policy: under.name}, patches, trust)
	if refused(err) {
		return ruling{}, nil
	}
	return rule, err
}

// covered says of every host why nothing would close a CVE there, or that a plan under a
// policy would take it, by their names. Where the policy is not known it says so of the hosts
// that nothing else keeps out. Whether a plan could be made at all does not matter: not who asks, nor
// whether the catalog has a patch, nor whether the policy applies to one.
func (s *Server) covered(tx store.Tx, cve string, under planPolicy) ([]planner.LeftOut, error) {
	trusted := s.catalog.View()
	patches := closing(cve, trusted)
	rule, err := s.underPolicy(tx, cve, patches, under, trusted.Trust)
	if err != nil {
		return nil, err
	}
	in := planner.Request{CVE: cve, Now: tx.Now(), Catalog: trusted.Patches}
	for _, patch := range patches {
		forbidden, err := controller.Forbidden(tx, trusted, patch.Ref)
		if err != nil {
			return nil, err
		}
		in.Candidates = append(in.Candidates, planner.Candidate{Patch: patch, Forbidden: forbidden})
	}
	all := func(store.Host, hotstick.PatchRef) (bool, error) { return true, nil }
	if in.Hosts, err = selectHosts(tx, all, rule, trusted); err != nil {
		return nil, err
	}
	out := make([]planner.LeftOut, len(in.Hosts))
	for i, why := range planner.Cover(in) {
		if why == nil {
			why = cmp.Or(under.unknown, &hotstick.Reason{Code: hotstick.ReasonNotInPlan})
		}
		out[i] = planner.LeftOut{Host: in.Hosts[i].ID, Name: in.Hosts[i].Name, Reason: *why}
	}
	slices.SortFunc(out, func(a, b planner.LeftOut) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Host, b.Host))
	})
	return out, nil
}

// refused reports whether policy and waivers make no ruling, so that there is none to ask.
func refused(err error) bool {
	_, refusal := errors.AsType[*controller.Refusal](err)
	_, problems := errors.AsType[policy.Problems](err)
	return refusal || problems
}

// gaps gathers hosts by the cause for which they stay open.
type gaps map[hotstick.Reason]*api.CoverageGap

func (g gaps) add(host hotstick.HostID, name string, r hotstick.Reason) {
	cause := hotstick.Reason{Code: r.Code, Subject: r.Subject, Detail: r.Detail}
	if g[cause] == nil {
		g[cause] = &api.CoverageGap{Reason: *view.Reason(&cause, why.Place{Host: name}), Some: []api.HostRef{}}
	}
	g[cause].Hosts++
	if len(g[cause].Some) < maxGapName {
		g[cause].Some = append(g[cause].Some, api.HostRef{Host: host, Name: name})
	}
}

// list counts all hosts, and returns the causes with the most of them, always in the same
// order.
func (g gaps) list() (hosts int, list []api.CoverageGap) {
	causes := slices.SortedFunc(maps.Keys(g), func(a, b hotstick.Reason) int {
		return cmp.Or(cmp.Compare(g[b].Hosts, g[a].Hosts), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.Detail, b.Detail))
	})
	list = []api.CoverageGap{}
	for _, cause := range causes {
		hosts += g[cause].Hosts
		if len(list) < maxGaps {
			list = append(list, *g[cause])
		}
	}
	return hosts, list
}
