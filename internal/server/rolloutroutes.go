package server

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/controller"
	"github.com/hotstick/hotstick/internal/decide/rollout"
	"github.com/hotstick/hotstick/internal/server/view"
	"github.com/hotstick/hotstick/internal/store"
)

// summaries makes the list of all rollouts, newest first.
func summaries(tx store.Tx) ([]api.RolloutSummary, error) {
	plans, err := tx.Plans().List(false)
	if err != nil {
		return nil, err
	}
	out := make([]api.RolloutSummary, len(plans))
	for i, p := range plans {
		lines, err := tx.Plans().Hosts(p.ID)
		if err != nil {
			return nil, err
		}
		out[i] = view.Summary(p, lines)
	}
	return out, nil
}

func (s *Server) rollouts(ctx context.Context, _ *empty) (*body[api.RolloutList], error) {
	var out api.RolloutList
	err := s.store.View(ctx, func(tx store.Tx) error {
		var err error
		out.Rollouts, err = summaries(tx)
		return err
	})
	return answerWith(out), err
}

// PlanPath is the plan in a route's path. It is exported because huma passes over
// embedded fields that are not.
type PlanPath struct {
	Plan string `path:"plan" doc:"A plan's digest, a unique prefix of its digits, or its unique name"`
}

func (s *Server) rollout(ctx context.Context, in *PlanPath) (*body[api.Rollout], error) {
	return s.showRollout(ctx, in.Plan)
}

// showRollout makes a rollout's page; every action answers with it.
func (s *Server) showRollout(ctx context.Context, plan string) (*body[api.Rollout], error) {
	var out api.Rollout
	err := s.store.View(ctx, func(tx store.Tx) error {
		p, err := controller.Find(tx, plan)
		if err != nil {
			return err
		}
		m, err := s.moment(tx)
		if err != nil {
			return err
		}
		track, err := s.track(tx, p)
		if err != nil {
			return err
		}
		out = m.Rollout(track)
		return nil
	})
	return answerWith(out), err
}

// track gathers what a rollout's page rests on, the decider's own view included:
// the page shows the very verdicts and waits that the loop acts on.
func (s *Server) track(tx store.Tx, p store.Plan) (view.Track, error) {
	t := view.Track{Plan: p, Hosts: map[hotstick.HostID]store.Host{}}
	var err error
	if t.View, err = s.controller.View(tx, p); err != nil {
		return t, err
	}
	asked := rollout.Open(t.View)
	t.Why = func(id hotstick.HostID) *hotstick.Reason { return asked.Why(id, tx.Now()) }
	t.Decision = rollout.Next(t.View, tx.Now())
	// Next works on the view; the page shows what is stored.
	if t.View, err = s.controller.View(tx, p); err != nil {
		return t, err
	}
	if t.Lines, err = tx.Plans().Hosts(p.ID); err != nil {
		return t, err
	}
	for _, l := range t.Lines {
		if t.Hosts[l.Listed.Host], err = tx.Hosts().Get(l.Listed.Host); err != nil {
			return t, err
		}
	}
	if t.Events, err = tx.Events().List(store.EventFilter{Plan: p.ID, Limit: timelineSize}); err != nil {
		return t, err
	}
	return t, s.approvals(p, &t)
}

// approvals reads who has signed a plan. Where the trust has changed since, so
// that the author no longer counts, nobody is shown as having signed.
func (s *Server) approvals(p store.Plan, t *view.Track) error {
	trust := s.catalog.View().Trust
	t.Needed, t.SingleControl = trust.Approvals, trust.AuthorMayApprove
	if trust.AuthorMayApprove {
		t.Needed = 0
	}
	signers, err := controller.Signers(p.Envelope, trust)
	if err != nil {
		return err
	}
	for _, signer := range signers {
		if signer.Person == "" {
			continue
		}
		role := view.RoleApprover
		if signer.Person == p.Author {
			role = view.RoleAuthor
		}
		t.Approvals = append(t.Approvals, api.Approval{Person: signer.Person, KeyID: signer.KeyID, Role: role})
	}
	return nil
}

// waiting tells what waiting hosts wait for now, as the decider says. One plan is
// looked at once, however many of its hosts are asked for.
type waiting struct {
	s     *Server
	tx    store.Tx
	plans map[hotstick.PlanID]*rollout.Rollout
}

func (s *Server) waiting(tx store.Tx) *waiting {
	return &waiting{s: s, tx: tx, plans: map[hotstick.PlanID]*rollout.Rollout{}}
}

// fill puts into a host's waiting lines what they wait for now.
func (w *waiting) fill(m view.Moment, lines []store.PlanHost) ([]store.PlanHost, error) {
	for i, l := range lines {
		p := m.Plans[l.Plan]
		if l.State != hotstick.Waiting || p.Status.Over() {
			continue
		}
		opened, known := w.plans[p.ID]
		if !known {
			v, err := w.s.controller.View(w.tx, p)
			if err != nil {
				return nil, err
			}
			opened = rollout.Open(v)
			w.plans[p.ID] = opened
		}
		if wait := opened.Why(l.Listed.Host, w.tx.Now()); wait != nil {
			lines[i].Reason = wait
		}
	}
	return lines, nil
}

// lines returns a host's lines in plans, newest plan first, with what they wait
// for.
func (w *waiting) lines(m view.Moment, host hotstick.HostID) ([]store.PlanHost, error) {
	lines, err := w.tx.Plans().OfHost(host)
	if err != nil {
		return nil, err
	}
	return w.fill(m, lines)
}

func (s *Server) bundle(ctx context.Context, in *PlanPath) (*body[api.Bundle], error) {
	var out api.Bundle
	err := s.store.View(ctx, func(tx store.Tx) error {
		p, err := controller.Find(tx, in.Plan)
		if err != nil {
			return err
		}
		lines, err := tx.Plans().Hosts(p.ID)
		if err != nil {
			return err
		}
		out = api.Bundle{Plan: p.ID, Envelope: json.RawMessage(p.Envelope)}
		for _, l := range lines {
			out.Hosts = append(out.Hosts, l.Listed)
		}
		out.Previous, err = s.previous(tx, p)
		return err
	})
	return answerWith(out), err
}

// previous is the newest older plan for the same patch name, for the difference.
func (s *Server) previous(tx store.Tx, p store.Plan) (*hotstick.Plan, error) {
	plans, err := tx.Plans().List(false)
	if err != nil {
		return nil, err
	}
	for _, old := range plans {
		if old.ID == p.ID || old.Patch.Name != p.Patch.Name || old.Created.After(p.Created) {
			continue
		}
		plan, err := s.controller.Plan(old)
		return &plan, err
	}
	return nil, nil
}

type submitInput struct{ Body api.SubmitRequest }

func (s *Server) submit(ctx context.Context, in *submitInput) (*body[api.Rollout], error) {
	id, err := s.controller.Submit(ctx, in.Body.Envelope, in.Body.Hosts, callerOf(ctx).Person)
	if err != nil {
		return nil, err
	}
	return s.showRollout(ctx, string(id))
}

type approveInput struct {
	PlanPath
	Body api.ApprovalRequest
}

func (s *Server) approve(ctx context.Context, in *approveInput) (*body[api.Rollout], error) {
	id, err := s.controller.Approve(ctx, in.Plan, in.Body.Envelope, callerOf(ctx).Person)
	if err != nil {
		return nil, err
	}
	return s.showRollout(ctx, string(id))
}

type actionInput struct {
	PlanPath
	Body api.ActionRequest
}

// act runs an action that takes a reason, and answers with the rollout.
func (s *Server) act(ctx context.Context, in *actionInput, do func(context.Context, string, hotstick.Person, string) (hotstick.PlanID, error)) (*body[api.Rollout], error) {
	id, err := do(ctx, in.Plan, callerOf(ctx).Person, in.Body.Reason)
	if err != nil {
		return nil, err
	}
	return s.showRollout(ctx, string(id))
}

func (s *Server) start(ctx context.Context, in *actionInput) (*body[api.Rollout], error) {
	return s.act(ctx, in, s.controller.Start)
}

func (s *Server) hold(ctx context.Context, in *actionInput) (*body[api.Rollout], error) {
	return s.act(ctx, in, s.controller.Hold)
}

func (s *Server) resume(ctx context.Context, in *actionInput) (*body[api.Rollout], error) {
	return s.act(ctx, in, s.controller.Resume)
}

func (s *Server) halt(ctx context.Context, in *actionInput) (*body[api.Rollout], error) {
	return s.act(ctx, in, s.controller.Halt)
}

type revertInput struct {
	PlanPath
	Body api.RevertRequest
}

func (s *Server) revert(ctx context.Context, in *revertInput) (*body[api.Rollout], error) {
	id, err := s.controller.Revert(ctx, in.Plan, callerOf(ctx).Person, in.Body.Reason, in.Body.Hosts)
	if err != nil {
		return nil, err
	}
	return s.showRollout(ctx, string(id))
}

type stopInput struct{ Body api.StopRequest }

func (s *Server) stop(ctx context.Context, in *stopInput) (*body[api.StopResult], error) {
	out := api.StopResult{Halted: []api.RolloutSummary{}, StopAll: !in.Body.Lift}
	who := callerOf(ctx).Person
	if in.Body.Lift {
		return answerWith(out), s.controller.Lift(ctx, who, in.Body.Reason)
	}
	halted, err := s.controller.StopAll(ctx, who, in.Body.Reason)
	if err != nil {
		return nil, err
	}
	err = s.store.View(ctx, func(tx store.Tx) error {
		for _, id := range halted {
			p, err := tx.Plans().Get(id)
			if err != nil {
				return err
			}
			lines, err := tx.Plans().Hosts(id)
			if err != nil {
				return err
			}
			out.Halted = append(out.Halted, view.Summary(p, lines))
		}
		return nil
	})
	return answerWith(out), err
}

type draftInput struct{ Body api.DraftRequest }

func (s *Server) draft(ctx context.Context, in *draftInput) (*body[api.Draft], error) {
	draft, err := s.makeDraft(ctx, in.Body)
	if err != nil {
		return nil, err
	}
	payload, err := json.Marshal(draft.Plan)
	if err != nil {
		return nil, fmt.Errorf("cannot encode the draft: %v", err)
	}
	out := api.Draft{Payload: payload, Hosts: draft.Hosts}
	for _, l := range draft.LeftOut {
		out.LeftOut = append(out.LeftOut, api.LeftOut{Host: l.Host, Name: l.Name, Reason: *view.Reason(&l.Reason)})
	}
	return answerWith(out), nil
}
