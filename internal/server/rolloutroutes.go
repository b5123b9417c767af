package server

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/controller"
	"github.com/hotstick/hotstick/internal/decide/rollout"
	"github.com/hotstick/hotstick/internal/decide/why"
	"github.com/hotstick/hotstick/internal/server/view"
	"github.com/hotstick/hotstick/internal/store"
)

// summaries makes the list of all rollouts, newest first.
func (s *Server) summaries(tx store.Tx) ([]api.RolloutSummary, error) {
	plans, err := tx.Plans().List(false)
	if err != nil {
		return nil, err
	}
	out := make([]api.RolloutSummary, len(plans))
	for i, p := range plans {
		if out[i], err = s.summary(tx, p); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s *Server) summary(tx store.Tx, p store.Plan) (api.RolloutSummary, error) {
	states, err := s.tallies.states(tx, p.ID)
	return view.Summary(p, states), err
}

func (s *Server) rollouts(ctx context.Context, _ *empty) (*body[api.RolloutList], error) {
	var out api.RolloutList
	err := s.store.View(ctx, func(tx store.Tx) error {
		var err error
		out.Rollouts, err = s.summaries(tx)
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

// waiting tells what waiting hosts wait for now, as the decider says.
type waiting struct {
	s  *Server
	tx store.Tx
}

func (s *Server) waiting(tx store.Tx) *waiting { return &waiting{s: s, tx: tx} }

// fill puts into a host's waiting lines what they wait for now.
func (w *waiting) fill(m view.Moment, lines []store.PlanHost) ([]store.PlanHost, error) {
	for i, l := range lines {
		p := m.Plans[l.Plan]
		if l.State != hotstick.Waiting || p.Status.Over() {
			continue
		}
		err := w.s.controller.Ask(w.tx, p, func(r *rollout.Rollout, now time.Time) {
			if wait := r.Why(l.Listed.Host, now); wait != nil {
				lines[i].Reason = wait
			}
		})
		if err != nil {
			return nil, err
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
		if old.ID == p.ID || old.Patch.Name != p.Patch.Name || old.CVE != p.CVE || old.Created.After(p.Created) {
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
	who, b := callerOf(ctx).Person, in.Body
	var id hotstick.PlanID
	var err error
	switch {
	case b.Wave != nil && len(b.Hosts) > 0:
		return nil, &controller.Refusal{Code: controller.CodeInvalid, Text: "cannot tell what to revert", Hint: "name a wave or hosts, not both"}
	case b.Wave != nil:
		id, err = s.controller.RevertWave(ctx, in.Plan, who, b.Reason, *b.Wave)
	default:
		id, err = s.controller.Revert(ctx, in.Plan, who, b.Reason, b.Hosts)
	}
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
			line, err := s.summary(tx, p)
			if err != nil {
				return err
			}
			out.Halted = append(out.Halted, line)
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
	out := api.Draft{Payload: payload, Hosts: draft.Hosts, Continues: draft.continues}
	for _, l := range draft.LeftOut {
		out.LeftOut = append(out.LeftOut, api.LeftOut{Host: l.Host, Name: l.Name, Reason: *view.Reason(&l.Reason, why.Place{Host: l.Name, Patch: draft.Plan.Patch})})
	}
	return answerWith(out), nil
}
