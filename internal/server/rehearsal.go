package server

import (
	"context"
	"fmt"
	"time"

	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/controller"
	"github.com/hotstick/hotstick/internal/decide/rehearse"
	"github.com/hotstick/hotstick/internal/server/view"
	"github.com/hotstick/hotstick/internal/store"
)

// Bounds of a rehearsal on the server, which has other things to do. There is one
// at a time.
const (
	rehearsalRuns    = 20
	maxRehearsalRuns = 200
	maxRehearsed     = 20_000
	rehearsalTime    = 30 * time.Second
)

type rehearsalInput struct {
	PlanPath
	Body api.RehearsalRequest
}

func (s *Server) rehearsal(ctx context.Context, in *rehearsalInput) (*body[api.Rehearsal], error) {
	scenarios, err := scenariosNamed(in.Body.Scenarios)
	if err != nil {
		return nil, err
	}
	if in.Body.Runs < 0 || in.Body.Runs > maxRehearsalRuns {
		return nil, &controller.Refusal{Code: controller.CodeInvalid, Text: fmt.Sprintf("cannot rehearse with %d runs: want 1 to %d", in.Body.Runs, maxRehearsalRuns), Hint: onYourMachine}
	}
	req := rehearse.Request{Start: s.now().UTC().Truncate(time.Second), Scenarios: scenarios, Runs: in.Body.Runs, Seed: in.Body.Seed, Model: rehearse.DefaultModel()}
	if req.Runs == 0 {
		req.Runs = rehearsalRuns
	}
	if err := s.rehearsed(ctx, in.Plan, &req); err != nil {
		return nil, err
	}
	if !s.rehearsing.TryLock() {
		return nil, &controller.Refusal{Code: controller.CodeConflict, Text: "cannot rehearse now: another rehearsal is under way", Hint: "try again in a moment, or rehearse " + onYourMachine}
	}
	defer s.rehearsing.Unlock()
	ends := time.Now().Add(rehearsalTime)
	late := false
	req.Progress = func(int, int) bool {
		late = time.Now().After(ends)
		return !late && ctx.Err() == nil
	}
	result, err := rehearse.Run(req)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case late:
		return nil, &controller.Refusal{Code: controller.CodeRefused, Text: fmt.Sprintf("cannot rehearse this plan in %s", rehearsalTime), Hint: "ask for fewer runs or scenarios, or rehearse " + onYourMachine}
	case err != nil:
		return nil, &controller.Refusal{Code: controller.CodeRefused, Text: err.Error()}
	}
	return answerWith(view.Rehearsal(result)), nil
}

// onYourMachine is where rehearsals have no bounds.
const onYourMachine = "on your own machine: hotstick rollout rehearse PLAN"

// rehearsed reads the plan that is to be played.
func (s *Server) rehearsed(ctx context.Context, plan string, req *rehearse.Request) error {
	return s.store.View(ctx, func(tx store.Tx) error {
		p, err := controller.Find(tx, plan)
		if err != nil {
			return err
		}
		req.ID = p.ID
		if req.Plan, err = s.controller.Plan(p); err != nil {
			return err
		}
		if req.Plan.HostCount > maxRehearsed {
			return &controller.Refusal{Code: controller.CodeRefused, Text: fmt.Sprintf("cannot rehearse a plan of %d hosts here: the limit is %d", req.Plan.HostCount, maxRehearsed), Hint: "rehearse " + onYourMachine}
		}
		lines, err := tx.Plans().Hosts(p.ID)
		for _, l := range lines {
			// Who joined late is not in the plan's list.
			if !l.Late {
				req.Hosts = append(req.Hosts, l.Listed)
			}
		}
		return err
	})
}

func scenariosNamed(names []string) ([]rehearse.Scenario, error) {
	var out []rehearse.Scenario
	for _, name := range names {
		found, known := rehearse.ScenarioNamed(name)
		if !known || len(out) == len(rehearse.Scenarios()) {
			return nil, &controller.Refusal{Code: controller.CodeInvalid, Text: "cannot rehearse this scenario: there is none of that name", Hint: "leave scenarios out for all of them"}
		}
		out = append(out, found)
	}
	return out, nil
}
