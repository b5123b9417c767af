package server

import (
	"context"
	"strconv"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/controller"
	"github.com/hotstick/hotstick/internal/server/view"
	"github.com/hotstick/hotstick/internal/store"
)

func (s *Server) nextWave(ctx context.Context, in *actionInput) (*body[api.Rollout], error) {
	return s.act(ctx, in, s.controller.NextWave)
}

type retryInput struct {
	PlanPath
	Body api.RetryRequest
}

func (s *Server) retry(ctx context.Context, in *retryInput) (*body[api.Rollout], error) {
	if in.Body.Failed == (len(in.Body.Hosts) > 0) {
		return nil, &controller.Refusal{Code: controller.CodeInvalid, Text: "cannot tell which hosts to retry",
			Hint: "name hosts, or say failed for every host that failed or was interrupted; an empty list is never all"}
	}
	id, err := s.controller.Retry(ctx, in.Plan, callerOf(ctx).Person, in.Body.Reason, in.Body.Hosts)
	if err != nil {
		return nil, err
	}
	return s.showRollout(ctx, string(id))
}

type dismissInput struct {
	PlanPath
	Body api.DismissRequest
}

func (s *Server) dismiss(ctx context.Context, in *dismissInput) (*body[api.Rollout], error) {
	id, err := s.controller.Dismiss(ctx, in.Plan, in.Body.Host, callerOf(ctx).Person, in.Body.Reason)
	if err != nil {
		return nil, err
	}
	return s.showRollout(ctx, string(id))
}

type excludeInput struct {
	HostPath
	Body api.ExcludeRequest
}

func (s *Server) exclude(ctx context.Context, in *excludeInput) (*body[api.HostDetail], error) {
	return s.onHost(ctx, in.ID, func(id hotstick.HostID) error {
		return s.controller.Exclude(ctx, id, in.Body.Until, callerOf(ctx).Person, in.Body.Reason)
	})
}

type hostActionInput struct {
	HostPath
	Body api.ActionRequest
}

func (s *Server) include(ctx context.Context, in *hostActionInput) (*body[api.HostDetail], error) {
	return s.onHost(ctx, in.ID, func(id hotstick.HostID) error {
		return s.controller.Include(ctx, id, callerOf(ctx).Person, in.Body.Reason)
	})
}

// onHost does something with the host that a person means, and answers with its
// page.
func (s *Server) onHost(ctx context.Context, name string, do func(hotstick.HostID) error) (*body[api.HostDetail], error) {
	var host store.Host
	err := s.store.View(ctx, func(tx store.Tx) error {
		var err error
		host, err = lookupHost(tx, name)
		return err
	})
	if err == nil {
		err = do(host.ID)
	}
	if err != nil {
		return nil, err
	}
	return s.hostDetail(ctx, &HostPath{ID: string(host.ID)})
}

func (s *Server) exclusions(ctx context.Context, _ *empty) (*body[api.ExclusionList], error) {
	var out api.ExclusionList
	err := s.store.View(ctx, func(tx store.Tx) error {
		var err error
		out.Exclusions, err = excludedNow(tx)
		return err
	})
	return answerWith(out), err
}

// excludedNow lists the hosts that operators keep out.
func excludedNow(tx store.Tx) ([]api.Exclusion, error) {
	out := []api.Exclusion{}
	all, err := tx.Hosts().Exclusions()
	if err != nil {
		return nil, err
	}
	for _, e := range all {
		if !e.Until.After(tx.Now()) {
			continue
		}
		host, err := tx.Hosts().Get(e.Host)
		if err != nil {
			return nil, err
		}
		if !host.Revoked {
			out = append(out, view.Exclusion(e, host.Name))
		}
	}
	return out, nil
}

func (s *Server) writeOff(ctx context.Context, in *hostActionInput) (*body[api.WriteOffResult], error) {
	var out api.WriteOffResult
	err := s.store.View(ctx, func(tx store.Tx) error {
		host, err := lookupHost(tx, in.ID)
		if err != nil {
			return err
		}
		out = api.WriteOffResult{Host: host.ID, Name: host.Name}
		out.Freed, err = slotsOf(tx, host.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	return answerWith(out), s.controller.WriteOff(ctx, out.Host, callerOf(ctx).Person, in.Body.Reason)
}

// slotsOf lists the units of disruption budgets that a host holds, newest plan
// first.
func slotsOf(tx store.Tx, host hotstick.HostID) ([]api.SlotUse, error) {
	out := []api.SlotUse{}
	lines, err := tx.Plans().OfHost(host)
	if err != nil {
		return nil, err
	}
	for _, l := range lines {
		held, err := tx.Slots().Held(l.Plan, host)
		if err != nil {
			return nil, err
		}
		if len(held) == 0 {
			continue
		}
		plan, err := tx.Plans().Get(l.Plan)
		if err != nil {
			return nil, err
		}
		for _, h := range held {
			out = append(out, api.SlotUse{Plan: l.Plan, Name: plan.Name, Domain: h.Domain, Value: h.Value})
		}
	}
	return out, nil
}

// freezesOf lists the freezes that hold or are to come.
func freezesOf(tx store.Tx) ([]api.Freeze, error) {
	out := []api.Freeze{}
	all, err := tx.Bans().Freezes()
	if err != nil {
		return nil, err
	}
	for _, f := range all {
		if f.Until.After(tx.Now()) {
			out = append(out, view.Freeze(f, tx.Now()))
		}
	}
	return out, nil
}

func (s *Server) freezes(ctx context.Context, _ *empty) (*body[api.FreezeList], error) {
	var out api.FreezeList
	err := s.store.View(ctx, func(tx store.Tx) error {
		var err error
		out.Freezes, err = freezesOf(tx)
		return err
	})
	return answerWith(out), err
}

type freezeInput struct{ Body api.FreezeRequest }

func (s *Server) freeze(ctx context.Context, in *freezeInput) (*body[api.Freeze], error) {
	from := in.Body.From
	if from.IsZero() {
		from = s.now()
	}
	id, err := s.controller.Freeze(ctx, from, in.Body.Until, callerOf(ctx).Person, in.Body.Reason)
	if err != nil {
		return nil, err
	}
	var out api.Freeze
	err = s.store.View(ctx, func(tx store.Tx) error {
		all, err := tx.Bans().Freezes()
		for _, f := range all {
			if f.ID == id {
				out = view.Freeze(f, tx.Now())
			}
		}
		return err
	})
	return answerWith(out), err
}

type unfreezeInput struct {
	ID   string `path:"id" doc:"A freeze's ID"`
	Body api.ActionRequest
}

func (s *Server) unfreeze(ctx context.Context, in *unfreezeInput) (*body[api.FreezeList], error) {
	id, err := strconv.ParseInt(in.ID, 10, 64)
	if err != nil {
		return nil, &controller.Refusal{Code: controller.CodeNotFound, Text: "cannot find this freeze", Hint: "list them with hotstick freeze list"}
	}
	if err := s.controller.Unfreeze(ctx, id, callerOf(ctx).Person, in.Body.Reason); err != nil {
		return nil, err
	}
	return s.freezes(ctx, &empty{})
}

type clearInput struct{ Body api.ClearRequest }

func (s *Server) clear(ctx context.Context, in *clearInput) (*body[api.ClearResult], error) {
	said, err := s.controller.Clear(ctx, in.Body.Envelope, callerOf(ctx).Person)
	if err != nil {
		return nil, err
	}
	out := api.ClearResult{Patch: said.Patch, Ban: said.Ban, Recall: said.Recall, Hosts: said.Hosts}
	if out.Hosts == nil {
		out.Hosts = []hotstick.HostID{}
	}
	return answerWith(out), nil
}
