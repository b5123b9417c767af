package server

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/controller"
	"github.com/hotstick/hotstick/internal/decide/compat"
	"github.com/hotstick/hotstick/internal/decide/planner"
	"github.com/hotstick/hotstick/internal/decide/policy"
	"github.com/hotstick/hotstick/internal/decide/rollout"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store"
)

// drafted is a draft and what it continues.
type drafted struct {
	planner.Draft
	continues *api.PlanLink
}

// makeDraft asks the planner for a plan. Nothing is stored: a draft becomes a
// plan when its author has signed it.
func (s *Server) makeDraft(ctx context.Context, req api.DraftRequest) (drafted, error) {
	trusted := s.catalog.View()
	if err := checkAuthor(req.Author, trusted.Trust); err != nil {
		return drafted{}, err
	}
	patches, err := aimed(req, trusted)
	if err != nil {
		return drafted{}, err
	}
	in := planner.Request{Name: req.Name, CVE: req.CVE, Author: req.Author, Epoch: trusted.Trust.Epoch,
		Catalog: trusted.Patches, Root: statement.HostsRoot}
	var out drafted
	err = s.store.View(ctx, func(tx store.Tx) error {
		in.Now = tx.Now()
		rule, err := s.rulings(tx, req, patches, trusted.Trust)
		if err != nil {
			return err
		}
		in.Shape = rule.shape
		for _, patch := range patches {
			forbidden, err := controller.Forbidden(tx, trusted, patch.Ref)
			if err != nil {
				return err
			}
			if req.CVE == "" {
				in.Patch, in.Forbidden = patch, forbidden
			} else {
				in.Candidates = append(in.Candidates, planner.Candidate{Patch: patch, Forbidden: forbidden})
			}
		}
		pick, err := s.picked(tx, req, &in, &out)
		if err != nil {
			return err
		}
		in.Hosts, err = selectHosts(tx, pick, rule, trusted)
		return err
	})
	if err != nil {
		return drafted{}, err
	}
	if out.Draft, err = planner.Build(in); err != nil {
		return drafted{}, unplannable(err)
	}
	return out, underTemplate(&out.Plan, req.Emergency)
}

// aimed are the patches that a draft is about: the one that is named, or all that close
// the CVE.
func aimed(req api.DraftRequest, trusted catalog.View) ([]hotstick.Patch, error) {
	switch {
	case req.CVE != "" && req.Patch != "":
		return nil, &controller.Refusal{Code: controller.CodeInvalid, Text: "cannot plan for a patch and a CVE at once", Hint: "name one of them"}
	case req.CVE != "" && hotstick.ValidateCVE(req.CVE) != nil:
		return nil, &controller.Refusal{Code: controller.CodeInvalid, Text: "cannot read the CVE's name", Hint: "write CVE-YEAR-NUMBER, such as CVE-2026-52928"}
	case req.CVE != "":
		all := closing(req.CVE, trusted)
		if len(all) == 0 {
			return nil, &controller.Refusal{Code: controller.CodeNotFound, Text: "cannot find a patch in the catalog that closes this CVE", Hint: "list them with hotstick patch list"}
		}
		return all, nil
	}
	ref, err := hotstick.ParsePatchRef(req.Patch)
	if err != nil {
		return nil, &controller.Refusal{Code: controller.CodeInvalid, Text: "cannot read the patch's name", Hint: "write NAME@LEVEL, such as unix-ioctl@1"}
	}
	patch, ok := trusted.Patch(ref)
	if !ok {
		return nil, &controller.Refusal{Code: controller.CodeNotFound, Text: "cannot find this patch in the catalog", Hint: "list them with hotstick patch list"}
	}
	return []hotstick.Patch{patch}, nil
}

// closing are the patches of the catalog that close a CVE.
func closing(cve string, trusted catalog.View) []hotstick.Patch {
	var all []hotstick.Patch
	for _, p := range trusted.Patches {
		if slices.Contains(p.CVEs, cve) {
			all = append(all, p)
		}
	}
	return all
}

// unplannable is why no plan was made: what is no refusal of the planner names what
// in the request is wrong.
func unplannable(err error) error {
	if _, ok := errors.AsType[*planner.Refusal](err); ok {
		return err
	}
	return &controller.Refusal{Code: controller.CodeRefused, Text: err.Error(), Hint: "change what was asked for, or the policy"}
}

// underTemplate puts a plan under an emergency template, if it keeps within it.
func underTemplate(plan *hotstick.Plan, template []byte) error {
	if len(template) == 0 {
		return nil
	}
	plan.Emergency = template
	read, err := statement.ParseTemplate(template)
	if err == nil {
		err = read.Template.Permits(*plan)
	}
	if err != nil {
		return &controller.Refusal{Code: controller.CodeRefused, Text: statement.ReasonOf(err).Detail, Hint: "ask for no more than the template allows, or plan without it"}
	}
	return nil
}

// picked tells which hosts a draft is about: those that the selector matches, or,
// for a retarget, those of the plan that is continued.
func (s *Server) picked(tx store.Tx, req api.DraftRequest, in *planner.Request, out *drafted) (func(store.Host, hotstick.PatchRef) (bool, error), error) {
	if req.Continues == "" {
		selector, err := policy.CompileSelector(req.Selector)
		return func(h store.Host, level hotstick.PatchRef) (bool, error) {
			return selector.Matches(policy.NewHost(h.ID, h.Name, h.Facts, level))
		}, err
	}
	if req.Selector != "" {
		return nil, &controller.Refusal{Code: controller.CodeInvalid, Text: "cannot select hosts for a retarget", Hint: "it takes over the hosts of the plan that it continues"}
	}
	older, err := controller.Find(tx, req.Continues)
	if err != nil {
		return nil, err
	}
	if older.Status == hotstick.Proposed || older.Status == hotstick.Approved {
		return nil, &controller.Refusal{Code: controller.CodeConflict, Text: "cannot continue a plan that was never started", Hint: "halt it, and make a new plan with hotstick rollout plan"}
	}
	c, err := s.controller.Continuation(tx, older)
	if err != nil {
		return nil, err
	}
	in.Continues = &planner.Continued{ID: c.ID, Plan: c.Plan, Passed: c.Passed, Hosts: make([]planner.ContinuedHost, len(c.Lines))}
	listed := make(map[hotstick.HostID]bool, len(c.Lines))
	for i, l := range c.Lines {
		in.Continues.Hosts[i] = planner.ContinuedHost{Listed: l.Listed, State: rollout.Outcome(l.State, l.Reason)}
		listed[l.Listed.Host] = true
	}
	out.continues = link(older)
	return func(h store.Host, _ hotstick.PatchRef) (bool, error) { return listed[h.ID], nil }, nil
}

func checkAuthor(author hotstick.Person, trust hotstick.Trust) error {
	known := slices.ContainsFunc(trust.Persons, func(p hotstick.TrustedPerson) bool { return p.Person == author })
	if known {
		return nil
	}
	return &controller.Refusal{Code: controller.CodeUnknownPerson, Text: "cannot draft a plan for this author: the catalog's root lists no such person",
		Hint: "use the name that the root metadata gives you"}
}

// selectHosts lists the hosts that are picked, with what the policy and operators
// say of each.
func selectHosts(tx store.Tx, picks func(store.Host, hotstick.PatchRef) (bool, error), rule ruling, trusted catalog.View) ([]planner.Host, error) {
	hosts, _, err := tx.Hosts().List(store.HostFilter{})
	if err != nil {
		return nil, err
	}
	excluded, err := excludedFor(tx, rule.shape.Life)
	if err != nil {
		return nil, err
	}
	downgrades, err := controller.Downgrades(tx, trusted.Trust)
	if err != nil {
		return nil, err
	}
	modules := inventory.NewModules(trusted.Patches)
	var picked []planner.Host
	for _, h := range hosts {
		// How old the report is does not matter: the level goes into the plan as one
		// to go back to, and the loader looks at it again.
		level := inventory.Read(h, modules, tx.Now(), tx.Now().Sub(h.LastSeen)).Level
		wanted, err := picks(h, level)
		if err != nil {
			return nil, err
		}
		if !wanted {
			continue
		}
		host := planner.Host{ID: h.ID, Name: h.Name, Identity: hotstick.NewFingerprint(h.Identity),
			Compat: compat.Host{Facts: h.Facts, Patches: h.Patches, InEffect: level, Strikes: h.Loader.Strikes, Reverted: h.Reverted}}
		rule.judgeHost(&host, policy.NewHost(h.ID, h.Name, h.Facts, level))
		if why, out := excluded[h.ID]; out {
			host.Verdict.Reason = why
		}
		if h.Lineage.Cloned != nil {
			// Neither of the two machines would be granted a start.
			host.Verdict.Reason = &hotstick.Reason{Code: hotstick.ReasonCloned}
		}
		if h.Facts != nil {
			host.Labels = h.Facts.Labels
			host.Compat.Downgrade = len(rule.others) == 0 && slices.ContainsFunc(downgrades, func(d controller.HeldDowngrade) bool {
				return d.Covers(rule.patch, h.ID, h.Facts.Kernel.Build, level.Level)
			})
		}
		picked = append(picked, host)
	}
	return picked, nil
}

// excludedFor are the hosts that operators keep out for as long as a plan would live.
// One that is to come back earlier is listed and caught up.
func excludedFor(tx store.Tx, life time.Duration) (map[hotstick.HostID]*hotstick.Reason, error) {
	all, err := tx.Hosts().Exclusions()
	out := map[hotstick.HostID]*hotstick.Reason{}
	for _, e := range all {
		if !e.Until.Before(tx.Now().Add(life)) {
			out[e.Host] = &hotstick.Reason{Code: hotstick.ReasonExcluded, Subject: string(e.By), Detail: e.Reason, Until: &e.Until}
		}
	}
	return out, err
}
