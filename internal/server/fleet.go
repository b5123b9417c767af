package server

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/controller"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/server/view"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/version"
	"github.com/hotstick/hotstick/internal/wire"
)

// Page sizes.
const (
	defaultPage  = 100
	maxPage      = 1000
	overviewLog  = 30
	timelineSize = 200
)

func (s *Server) version(context.Context, *empty) (*body[api.Version], error) {
	return answerWith(api.Version{Version: version.Version, Revision: version.Revision(), GoVersion: goVersion(), Protocol: wire.Protocol}), nil
}

// moment gathers what every screen rests on.
func (s *Server) moment(tx store.Tx) (view.Moment, error) {
	plans, err := tx.Plans().List(false)
	if err != nil {
		return view.Moment{}, err
	}
	freezes, err := freezesOf(tx)
	if err != nil {
		return view.Moment{}, err
	}
	m := view.NewMoment(tx.Now(), s.options.Limits.StaleAfter, s.catalog.View(), plans, freezes)
	m.Recalls, err = controller.Recalls(tx, m.Trusted)
	return m, err
}

func (s *Server) overview(ctx context.Context, _ *empty) (*body[api.Overview], error) {
	var out api.Overview
	err := s.store.View(ctx, func(tx store.Tx) error {
		m, err := s.moment(tx)
		if err != nil {
			return err
		}
		var f view.Fleet
		if f.Census, err = s.census(tx, m); err != nil {
			return err
		}
		if f.Rollouts, err = s.openRollouts(tx); err != nil {
			return err
		}
		if f.Bans, err = tx.Bans().List(); err != nil {
			return err
		}
		if f.StopAll, err = tx.Bans().StopAll(); err != nil {
			return err
		}
		if f.Unreconciled, err = inventory.Unreconciled(tx); err != nil {
			return err
		}
		if f.Events, err = tx.Events().List(store.EventFilter{Limit: overviewLog}); err != nil {
			return err
		}
		out = m.Overview(f)
		out.Freezes = m.Freezes
		stops, err := tx.Bans().CrashStops(hotstick.PatchRef{})
		if err != nil {
			return err
		}
		out.Crashes = view.CrashStops(stops)
		kept, err := excludedNow(tx)
		out.Excluded = len(kept)
		return err
	})
	return answerWith(out), err
}

// openRollouts summarises plans that are not over, and those that are still
// sending hosts back.
func (s *Server) openRollouts(tx store.Tx) ([]api.RolloutSummary, error) {
	all, err := s.summaries(tx)
	if err != nil {
		return nil, err
	}
	open := []api.RolloutSummary{}
	for _, r := range all {
		if !r.Status.Over() || r.Reverting {
			open = append(open, r)
		}
	}
	return open, nil
}

type hostsInput struct {
	Search string `query:"search" doc:"Part of a name, an ID or a release"`
	State  string `query:"state" doc:"One state of a host, such as applied or stale; or drifting, stalled or held"`
	Build  string `query:"build" doc:"A kernel build ID"`
	Limit  int    `query:"limit" minimum:"0" maximum:"1000" doc:"Hosts on a page; 100 if not given"`
	Page   string `query:"page" doc:"Token of the page"`
}

func (s *Server) hosts(ctx context.Context, in *hostsInput) (*body[api.HostList], error) {
	if !view.KnownState(in.State) {
		return nil, newProblem(http.StatusUnprocessableEntity, controller.CodeInvalid, "cannot filter by this state: there is none of that name", "see the documentation of Host.state")
	}
	after, err := decodePage(in.Page)
	if err != nil {
		return nil, err
	}
	out := api.HostList{Hosts: []api.Host{}}
	err = s.store.View(ctx, func(tx store.Tx) error {
		m, err := s.moment(tx)
		if err != nil {
			return err
		}
		filter := store.HostFilter{Search: in.Search, Build: in.Build, After: after, Limit: pageSize(in.Limit)}
		waits := s.waiting(tx)
		if in.State != "" {
			return filtered(waits, m, filter, in.State, &out)
		}
		hosts, total, err := tx.Hosts().List(filter)
		if err != nil {
			return err
		}
		out.Total = total
		for _, h := range hosts {
			lines, err := waits.lines(m, h.ID)
			if err != nil {
				return err
			}
			out.Hosts = append(out.Hosts, view.Listed(m.Host(h, lines)))
		}
		if len(hosts) == filter.Limit {
			out.Next = encodePage(hosts[len(hosts)-1].Cursor())
		}
		return nil
	})
	return answerWith(out), err
}

// filtered lists hosts in one state. The state is made of a host's records and
// the time, so every host that matches otherwise is looked at.
func filtered(waits *waiting, m view.Moment, f store.HostFilter, state string, out *api.HostList) error {
	after, limit := f.After, f.Limit
	f.After, f.Limit = "", 0
	hosts, _, err := waits.tx.Hosts().List(f)
	if err != nil {
		return err
	}
	skipping := after != ""
	for _, h := range hosts {
		lines, err := waits.lines(m, h.ID)
		if err != nil {
			return err
		}
		line := m.Host(h, lines)
		if view.Matches(line, state) {
			out.Total++
			switch {
			case skipping:
			case len(out.Hosts) < limit:
				out.Hosts = append(out.Hosts, view.Listed(line))
				if len(out.Hosts) == limit {
					out.Next = encodePage(h.Cursor())
				}
			}
		}
		if h.Cursor() == after {
			skipping = false
		}
	}
	if out.Total == len(out.Hosts) {
		out.Next = ""
	}
	return nil
}

// HostPath is the host in a route's path; it is exported for the same reason as
// [PlanPath].
type HostPath struct {
	ID string `path:"id" doc:"Host ID or unique name"`
}

// findHost returns the host that a person means and its lines in plans.
func findHost(tx store.Tx, name string) (store.Host, []store.PlanHost, error) {
	host, err := lookupHost(tx, name)
	if err != nil {
		return host, nil, err
	}
	lines, err := tx.Plans().OfHost(host.ID)
	return host, lines, err
}

func lookupHost(tx store.Tx, name string) (store.Host, error) {
	if id := hotstick.HostID(name); id.Validate() == nil {
		return tx.Hosts().Get(id)
	}
	hosts, _, err := tx.Hosts().List(store.HostFilter{Search: name})
	if err != nil {
		return store.Host{}, err
	}
	var found []store.Host
	for _, h := range hosts {
		if h.Name == name {
			found = append(found, h)
		}
	}
	switch len(found) {
	case 0:
		return store.Host{}, newProblem(http.StatusNotFound, controller.CodeNotFound, "cannot find this host", "list them with hotstick host list")
	case 1:
		return found[0], nil
	}
	return store.Host{}, newProblem(http.StatusConflict, controller.CodeAmbiguous, fmt.Sprintf("cannot tell which host: %d have this name", len(found)), "use the host's ID")
}

func (s *Server) hostDetail(ctx context.Context, in *HostPath) (*body[api.HostDetail], error) {
	var out api.HostDetail
	err := s.store.View(ctx, func(tx store.Tx) error {
		m, err := s.moment(tx)
		if err != nil {
			return err
		}
		h, lines, err := findHost(tx, in.ID)
		if err != nil {
			return err
		}
		events, err := tx.Events().List(store.EventFilter{Host: h.ID, Limit: timelineSize})
		if err != nil {
			return err
		}
		if lines, err = s.waiting(tx).fill(m, lines); err != nil {
			return err
		}
		out = m.HostDetail(h, lines, events)
		if out.Slots, err = slotsOf(tx, h.ID); err != nil {
			return err
		}
		e, err := tx.Hosts().Exclusion(h.ID)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return nil
		case err == nil && e.Until.After(tx.Now()):
			kept := view.Exclusion(e, h.Name)
			out.Excluded = &kept
		}
		return err
	})
	return answerWith(out), err
}

func (s *Server) why(ctx context.Context, in *HostPath) (*body[api.Why], error) {
	var out api.Why
	err := s.store.View(ctx, func(tx store.Tx) error {
		m, err := s.moment(tx)
		if err != nil {
			return err
		}
		h, lines, err := findHost(tx, in.ID)
		if err != nil {
			return err
		}
		if lines, err = s.waiting(tx).fill(m, lines); err != nil {
			return err
		}
		out = m.Why(h, lines)
		exceptions, err := s.exceptions(tx, h, out.Host.InEffect)
		out.Lines = append(out.Lines, exceptions...)
		return err
	})
	return answerWith(out), err
}

type eventsInput struct {
	EventMatch
	Plan  string `query:"plan" doc:"A plan's digest, unique prefix or unique name"`
	Host  string `query:"host" doc:"A host's ID or unique name"`
	Limit int    `query:"limit" minimum:"0" maximum:"1000"`
	Page  string `query:"page" doc:"Token of the page"`
}

func (s *Server) events(ctx context.Context, in *eventsInput) (*body[api.EventList], error) {
	before, err := decodeSeq(in.Page)
	if err != nil {
		return nil, err
	}
	out := api.EventList{}
	err = s.store.View(ctx, func(tx store.Tx) error {
		filter := store.EventFilter{Before: before, Limit: pageSize(in.Limit)}
		if in.Plan != "" {
			plan, err := controller.Find(tx, in.Plan)
			if err != nil {
				return err
			}
			filter.Plan = plan.ID
		}
		if in.Host != "" {
			host, err := lookupHost(tx, in.Host)
			if err != nil {
				return err
			}
			filter.Host = host.ID
		}
		events, next, err := scanEvents(tx, filter, in.EventMatch)
		if err != nil {
			return err
		}
		out.Events = view.Events(events)
		if next > 0 {
			out.Next = strconv.FormatInt(next, 10)
		}
		return nil
	})
	return answerWith(out), err
}

func pageSize(limit int) int {
	if limit <= 0 {
		return defaultPage
	}
	return min(limit, maxPage)
}

func encodePage(cursor string) string { return base64.RawURLEncoding.EncodeToString([]byte(cursor)) }

func decodePage(page string) (string, error) {
	cursor, err := base64.RawURLEncoding.DecodeString(page)
	if err != nil || len(cursor) > 4<<10 {
		return "", badPage()
	}
	return string(cursor), nil
}

func decodeSeq(page string) (int64, error) {
	if page == "" {
		return 0, nil
	}
	seq, err := strconv.ParseInt(page, 10, 64)
	if err != nil || seq < 1 {
		return 0, badPage()
	}
	return seq, nil
}

func badPage() *problem {
	return newProblem(http.StatusUnprocessableEntity, controller.CodeInvalid, "cannot use this page token", "take it from the answer before, as it is")
}
