package server

import (
	"context"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/controller"
	"github.com/hotstick/hotstick/internal/decide/policy"
	"github.com/hotstick/hotstick/internal/decide/why"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store"
)

// statementInput is a signed statement that somebody hands in.
type statementInput struct{ Body api.StatementRequest }

func (s *Server) downgrade(ctx context.Context, in *statementInput) (*body[api.Downgrade], error) {
	said, err := s.controller.Downgrade(ctx, in.Body.Envelope, callerOf(ctx).Person)
	if err != nil {
		return nil, err
	}
	id, err := statement.IDOf(in.Body.Envelope)
	return answerWith(downgradeShown(controller.HeldDowngrade{Downgrade: said, ID: id})), err
}

func downgradeShown(d controller.HeldDowngrade) api.Downgrade {
	return api.Downgrade{ID: d.ID, Patch: d.Patch, From: d.From, Hosts: append([]hotstick.HostID{}, d.Hosts...),
		Builds: append([]hotstick.KernelBuild{}, d.Builds...), Why: d.Why, IssuedAt: d.IssuedAt, NotAfter: d.NotAfter}
}

func (s *Server) downgrades(ctx context.Context, _ *empty) (*body[api.DowngradeList], error) {
	out := api.DowngradeList{Downgrades: []api.Downgrade{}}
	err := s.store.View(ctx, func(tx store.Tx) error {
		all, err := controller.Downgrades(tx, s.catalog.View().Trust)
		for _, d := range all {
			out.Downgrades = append(out.Downgrades, downgradeShown(d))
		}
		return err
	})
	return answerWith(out), err
}

func (s *Server) waiver(ctx context.Context, in *statementInput) (*body[api.Waiver], error) {
	if _, err := s.controller.Waiver(ctx, in.Body.Envelope, callerOf(ctx).Person); err != nil {
		return nil, err
	}
	id, err := statement.IDOf(in.Body.Envelope)
	if err != nil {
		return nil, err
	}
	all, err := s.heldWaivers(ctx)
	for _, w := range all.Waivers {
		if w.ID == id {
			return answerWith(w), nil
		}
	}
	return nil, err
}

func (s *Server) waivers(ctx context.Context, _ *empty) (*body[api.WaiverList], error) {
	out, err := s.heldWaivers(ctx)
	return answerWith(out), err
}

func (s *Server) heldWaivers(ctx context.Context) (api.WaiverList, error) {
	out := api.WaiverList{Waivers: []api.Waiver{}}
	err := s.store.View(ctx, func(tx store.Tx) error {
		all, err := controller.Waivers(tx, s.catalog.View().Trust)
		for _, w := range all {
			out.Waivers = append(out.Waivers, waiverShown(w))
		}
		return err
	})
	return out, err
}

func waiverShown(w controller.HeldWaiver) api.Waiver {
	return api.Waiver{ID: w.ID, Name: w.Name, Policy: w.Policy, Text: w.Text, Rules: append([]string{}, w.Rules...), LeaveOut: w.LeaveOut,
		Hosts: w.Hosts, Why: w.Why, By: append([]hotstick.Person{}, w.By...), IssuedAt: w.IssuedAt, NotAfter: w.NotAfter, Standing: string(w.Standing)}
}

// exceptions says by whose waivers a host is let in or kept out.
func (s *Server) exceptions(tx store.Tx, h store.Host, level hotstick.PatchRef) ([]string, error) {
	waivers, err := controller.PolicyWaivers(tx, s.catalog.View().Trust)
	var lines []string
	for _, w := range waivers {
		selector, err := policy.CompileSelector(w.Hosts)
		if err != nil {
			return nil, err
		}
		// What cannot be judged of a host leaves it out of every plan, which says so.
		if meant, err := selector.Matches(policy.NewHost(h.ID, h.Name, h.Facts, level)); meant && err == nil {
			lines = append(lines, why.Excepted(why.Waiver{Name: w.Name, Policy: w.Policy, Rules: w.Rules, LeaveOut: w.LeaveOut, Why: w.Why, By: w.By, Until: w.Until}))
		}
	}
	return lines, err
}

func (s *Server) evidence(ctx context.Context, in *statementInput) (*body[api.EvidenceResult], error) {
	ref, err := s.controller.Evidence(ctx, in.Body.Envelope, callerOf(ctx).Person)
	if err != nil {
		return nil, err
	}
	return answerWith(api.EvidenceResult{Patch: ref}), nil
}

func evidenceShown(all []controller.HeldEvidence) []api.Evidence {
	var out []api.Evidence
	for _, e := range all {
		out = append(out, api.Evidence{ID: e.ID, Kind: e.Word, Build: e.Build, By: e.By, Passed: e.Passed, At: e.At})
	}
	return out
}
