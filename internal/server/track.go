package server

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/controller"
	"github.com/hotstick/hotstick/internal/decide/rollout"
	"github.com/hotstick/hotstick/internal/server/view"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store"
)

// maxExcluded bounds the exclusions that a rollout's page lists.
const maxExcluded = 100

// onRollout gathers what a rollout's pages rest on, for one plan that a person
// means, and hands it to make.
func (s *Server) onRollout(ctx context.Context, plan string, make func(tx store.Tx, m view.Moment, p store.Plan) error) error {
	return s.store.View(ctx, func(tx store.Tx) error {
		p, err := controller.Find(tx, plan)
		if err != nil {
			return err
		}
		m, err := s.moment(tx)
		if err != nil {
			return err
		}
		return make(tx, m, p)
	})
}

// showRollout makes a rollout's page; every action answers with it.
func (s *Server) showRollout(ctx context.Context, plan string) (*body[api.Rollout], error) {
	var out api.Rollout
	err := s.onRollout(ctx, plan, func(tx store.Tx, m view.Moment, p store.Plan) error {
		track, err := s.track(tx, p)
		if err != nil {
			return err
		}
		if err := s.surroundings(tx, &track); err != nil {
			return err
		}
		out = m.Rollout(track)
		return nil
	})
	return answerWith(out), err
}

// track gathers where a rollout stands, the decider's own words included.
func (s *Server) track(tx store.Tx, p store.Plan) (view.Track, error) {
	t := view.Track{Plan: p}
	var err error
	if t.Body, err = s.controller.Plan(p); err != nil {
		return t, err
	}
	if t.Tally, err = s.tallies.of(tx, p.ID); err != nil {
		return t, err
	}
	var lines []store.PlanHost
	if t.Tally.Hosts <= view.MaxCells {
		if lines, err = tx.Plans().Hosts(p.ID); err != nil {
			return t, err
		}
	}
	t.Members = make([]view.Member, len(lines))
	if len(lines) == 0 {
		t.Asked, err = s.asked(tx, p, t.Tally.States)
		return t, err
	}
	err = s.controller.Ask(tx, p, func(r *rollout.Rollout, now time.Time) {
		t.Asked = askedOf(r, now)
		for i, l := range lines {
			t.Members[i] = member(r, l, now)
		}
	})
	if err != nil {
		return t, err
	}
	return t, withHosts(tx, t.Members)
}

func askedOf(r *rollout.Rollout, now time.Time) view.Asked {
	return view.Asked{Waves: r.Waves(now), Lanes: r.Lanes(now), Domains: r.Domains(now), Stuck: r.Stuck(now)}
}

// asked is what the decider says of a plan. One that is at rest is not kept in
// memory, and opening a large one again for every look at it would keep the
// decider from its work.
func (s *Server) asked(tx store.Tx, p store.Plan, states map[hotstick.HostState]int) (view.Asked, error) {
	resting := p.Status.Over()
	for state := range states {
		resting = resting && !state.HoldsSlot()
	}
	if resting {
		if known, ok := s.tallies.answered(p); ok {
			return known, nil
		}
	}
	var out view.Asked
	err := s.controller.Ask(tx, p, func(r *rollout.Rollout, now time.Time) { out = askedOf(r, now) })
	if err == nil && resting {
		s.tallies.remember(p, out)
	}
	return out, err
}

// member is a line with what the host waits for.
func member(r *rollout.Rollout, l store.PlanHost, now time.Time) view.Member {
	out := view.Member{Line: l}
	if l.State == hotstick.Waiting {
		out.Why = r.Why(l.Listed.Host, now)
	}
	return out
}

func withHosts(tx store.Tx, members []view.Member) error {
	for i := range members {
		var err error
		if members[i].Host, err = tx.Hosts().Get(members[i].Line.Listed.Host); err != nil {
			return err
		}
	}
	return nil
}

// surroundings adds what a page shows beside the track.
func (s *Server) surroundings(tx store.Tx, t *view.Track) error {
	var err error
	if t.Signed, err = s.signatures(t.Plan); err != nil {
		return err
	}
	if t.Excluded, err = s.excludedFrom(tx, t.Plan.ID); err != nil {
		return err
	}
	if t.StandIns, err = s.standIns(tx, t.Plan.ID); err != nil {
		return err
	}
	if t.Chain, err = s.chain(tx, t.Plan, t.Body); err != nil {
		return err
	}
	t.Events, err = tx.Events().List(store.EventFilter{Plan: t.Plan.ID, Limit: timelineSize})
	return err
}

// signatures reads who has signed a plan. Where the trust has changed since, so
// that the author no longer counts, nobody is shown as having signed.
func (s *Server) signatures(p store.Plan) (view.PlanSigned, error) {
	trust := s.catalog.View().Trust
	out := view.PlanSigned{Needed: trust.Approvals, SingleControl: trust.AuthorMayApprove}
	if review, err := statement.InspectPlan(p.Envelope, trust); err == nil {
		out.Needed = review.Needed
	}
	if trust.AuthorMayApprove {
		out.Needed = 0
	}
	signers, err := controller.Signers(p.Envelope, trust)
	if err != nil {
		return out, err
	}
	for _, signer := range signers {
		if signer.Person == "" {
			continue
		}
		role := view.RoleApprover
		if signer.Person == p.Author {
			role = view.RoleAuthor
		}
		out.Approvals = append(out.Approvals, api.Approval{Person: signer.Person, KeyID: signer.KeyID, Role: role})
	}
	return out, nil
}

// excludedFrom lists the plan's hosts that operators keep out.
func (s *Server) excludedFrom(tx store.Tx, plan hotstick.PlanID) ([]api.Exclusion, error) {
	all, err := tx.Hosts().Exclusions()
	if err != nil {
		return nil, err
	}
	var out []api.Exclusion
	for _, e := range all {
		if !e.Until.After(tx.Now()) || len(out) == maxExcluded {
			continue
		}
		line, err := tx.Plans().Host(plan, e.Host)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, view.Exclusion(e, line.Listed.Name))
	}
	return out, nil
}

// standIns lists the hosts that took a canary's place.
func (s *Server) standIns(tx store.Tx, plan hotstick.PlanID) ([]api.StandIn, error) {
	standing, err := s.tallies.standing(tx, plan)
	if err != nil {
		return nil, err
	}
	var out []api.StandIn
	for _, id := range standing {
		line, err := tx.Plans().Host(plan, id)
		if err != nil {
			return nil, err
		}
		if line.Listed.StandIn == nil {
			continue
		}
		in := api.StandIn{Host: id, Name: line.Listed.Name, For: line.Listed.StandIn.For, Wave: line.Listed.StandIn.Wave}
		if canary, err := tx.Plans().Host(plan, in.For); err == nil {
			in.ForName = canary.Listed.Name
		}
		out = append(out, in)
	}
	return out, nil
}

// chain finds the plans before and after a plan. Of several drafts that continue it
// the newest counts.
func (s *Server) chain(tx store.Tx, p store.Plan, body hotstick.Plan) (api.Chain, error) {
	var out api.Chain
	if body.Continues != "" {
		older, err := tx.Plans().Get(body.Continues)
		switch {
		case err == nil:
			out.Continues = link(older)
		case !errors.Is(err, store.ErrNotFound):
			return out, err
		}
	}
	plans, err := tx.Plans().List(false)
	if err != nil {
		return out, err
	}
	for _, newer := range plans {
		if newer.Patch.Name != p.Patch.Name || newer.Patch.Level <= p.Patch.Level {
			continue
		}
		next, err := s.controller.Plan(newer)
		if err != nil {
			return out, err
		}
		if next.Continues == p.ID {
			out.ContinuedBy = link(newer)
			break
		}
	}
	return out, nil
}

func link(p store.Plan) *api.PlanLink {
	return &api.PlanLink{Plan: p.ID, Name: p.Name, Patch: p.Patch, Status: p.Status}
}

type cellsInput struct {
	PlanPath
	Wave   int    `query:"wave" default:"-1" minimum:"-1" doc:"A wave's index, counted from 0"`
	State  string `query:"state" doc:"One state of a host in a plan, such as failed"`
	Build  string `query:"build" doc:"A kernel build ID"`
	Search string `query:"search" doc:"Part of a name or an ID"`
	Limit  int    `query:"limit" minimum:"0" maximum:"1000" doc:"Hosts on a page; 100 if not given"`
	Page   string `query:"page" doc:"Token of the page"`
}

// matches tells which hosts of a plan are asked for.
func (in *cellsInput) matches() func(tallied) bool {
	search := strings.ToLower(in.Search)
	return func(l tallied) bool {
		return (in.Wave < 0 || l.wave == in.Wave) && (in.State == "" || string(l.state) == in.State) &&
			(in.Build == "" || l.build.BuildID == in.Build) &&
			(search == "" || strings.Contains(strings.ToLower(l.name), search) || strings.Contains(string(l.host), search))
	}
}

// rolloutHosts answers with one page of a rollout's hosts.
func (s *Server) rolloutHosts(ctx context.Context, in *cellsInput) (*body[api.CellList], error) {
	if in.State != "" && hotstick.HostState(in.State).Validate() != nil {
		return nil, &controller.Refusal{Code: controller.CodeInvalid, Text: "cannot filter by this state: there is none of that name", Hint: "see the documentation of HostState"}
	}
	from := 0
	if in.Page != "" {
		var err error
		if from, err = strconv.Atoi(in.Page); err != nil || from < 1 {
			return nil, badPage()
		}
	}
	out := api.CellList{Hosts: []api.Cell{}}
	err := s.onRollout(ctx, in.Plan, func(tx store.Tx, m view.Moment, p store.Plan) error {
		ids, next, total, err := s.tallies.page(tx, p.ID, in.matches(), from, pageSize(in.Limit))
		if err != nil {
			return err
		}
		members, err := s.members(tx, p, ids)
		if err != nil {
			return err
		}
		out.Total = total
		for _, one := range members {
			out.Hosts = append(out.Hosts, m.Cell(one))
		}
		if next > 0 {
			out.Next = strconv.Itoa(next)
		}
		return nil
	})
	return answerWith(out), err
}

// members gathers single hosts of a plan.
func (s *Server) members(tx store.Tx, p store.Plan, ids []hotstick.HostID) ([]view.Member, error) {
	lines := make([]store.PlanHost, len(ids))
	for i, id := range ids {
		var err error
		if lines[i], err = tx.Plans().Host(p.ID, id); err != nil {
			return nil, err
		}
	}
	out := make([]view.Member, len(lines))
	if !slices.ContainsFunc(lines, func(l store.PlanHost) bool { return l.State == hotstick.Waiting }) {
		for i, l := range lines {
			out[i] = view.Member{Line: l}
		}
		return out, withHosts(tx, out)
	}
	err := s.controller.Ask(tx, p, func(r *rollout.Rollout, now time.Time) {
		for i, l := range lines {
			out[i] = member(r, l, now)
		}
	})
	if err != nil {
		return nil, err
	}
	return out, withHosts(tx, out)
}

// rolloutWhy answers why a rollout, its waves and its lanes do not move.
func (s *Server) rolloutWhy(ctx context.Context, in *PlanPath) (*body[api.RolloutWhy], error) {
	var out api.RolloutWhy
	err := s.onRollout(ctx, in.Plan, func(tx store.Tx, m view.Moment, p store.Plan) error {
		t := view.Track{Plan: p}
		var err error
		if t.Body, err = s.controller.Plan(p); err != nil {
			return err
		}
		if t.Tally, err = s.tallies.of(tx, p.ID); err != nil {
			return err
		}
		if t.Asked, err = s.asked(tx, p, t.Tally.States); err != nil {
			return err
		}
		out = m.RolloutWhy(t)
		return nil
	})
	return answerWith(out), err
}
