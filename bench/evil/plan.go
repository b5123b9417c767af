package main

import (
	"context"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store"
)

// outline is what the author of a plan wants. Every plan may go back to every lower
// level, so that nothing but what a strategy attacks stands in its way.
type outline struct {
	name  string
	level int
	// waves are the names of each wave's hosts, delays those in seconds.
	waves  [][]string
	delays []int
	life   time.Duration
	late   *hotstick.LateRule
	// opens is the only window of all hosts; nil means that they keep to none.
	opens *hotstick.Interval
}

// written is a plan with its signatures and its list.
type written struct {
	id    hotstick.PlanID
	body  hotstick.Plan
	hosts []hotstick.PlanHost
	raw   []byte
}

// write writes a plan and lets its author sign it.
func (h *house) write(ctx context.Context, o outline) (written, error) {
	epoch, err := h.epoch(ctx)
	if err != nil {
		return written{}, err
	}
	now := time.Now().UTC().Truncate(time.Second)
	body := hotstick.Plan{Schema: hotstick.PlanSchema, Name: o.name, Patch: ref(o.level), Author: author, Epoch: epoch,
		CreatedAt: now, NotAfter: now.Add(o.life), Budgets: []hotstick.Budget{{Domain: hotstick.FleetDomain, Max: 4}},
		ProbationSeconds: 1, TransitionSeconds: 30, Late: o.late}
	for _, k := range h.kernels {
		body.Lanes = append(body.Lanes, h.lane(o.level, buildOf(k)))
	}
	calendar := ""
	if o.opens != nil {
		calendar = "nights"
		body.Calendars = []hotstick.Calendar{{Name: calendar, Opens: []hotstick.Interval{*o.opens}}}
	}
	w := written{}
	for i, names := range o.waves {
		body.Waves = append(body.Waves, hotstick.Wave{Name: "wave", Hosts: len(names), DelaySeconds: o.delays[i]})
		listed, err := h.listed(ctx, names, i)
		if err != nil {
			return written{}, err
		}
		for _, host := range listed {
			host.Calendar = calendar
			w.hosts = append(w.hosts, host)
		}
	}
	body.HostCount = len(w.hosts)
	if body.HostsRoot, err = statement.HostsRoot(w.hosts); err != nil {
		return written{}, err
	}
	w.body = body
	if w.raw, err = statement.Sign(statement.KindPlan, body, h.keys[author]); err != nil {
		return written{}, err
	}
	w.id, err = statement.IDOf(w.raw)
	return w, err
}

func (h *house) lane(level int, build hotstick.KernelBuild) hotstick.Lane {
	a := h.modules.artifact(level, build)
	lane := hotstick.Lane{Build: build, Driver: "klp", Artifact: a.Digest, Module: a.Module, RevertTo: []hotstick.RevertTarget{{}}}
	for lower := olderLevel; lower < level; lower++ {
		a := h.modules.artifact(lower, build)
		lane.RevertTo = append(lane.RevertTo, hotstick.RevertTarget{Patch: ref(lower), Artifact: a.Digest, Module: a.Module})
	}
	return lane
}

// listed looks hosts up in the server's database, as the planner does.
func (h *house) listed(ctx context.Context, names []string, wave int) ([]hotstick.PlanHost, error) {
	hosts, err := h.hosts(ctx)
	if err != nil {
		return nil, err
	}
	var listed []hotstick.PlanHost
	for _, host := range hosts {
		if slices.Contains(names, host.Name) {
			listed = append(listed, hotstick.PlanHost{Host: host.ID, Name: host.Name, Identity: hotstick.NewFingerprint(host.Identity),
				Build: host.Facts.Kernel.Build, Wave: wave})
		}
	}
	return listed, nil
}

// hosts are all of the server's database, by name.
func (h *house) hosts(ctx context.Context) ([]store.Host, error) {
	var hosts []store.Host
	err := h.server.Store().View(ctx, func(tx store.Tx) error {
		var err error
		hosts, _, err = tx.Hosts().List(store.HostFilter{})
		return err
	})
	return hosts, err
}

// submit hands a plan in.
func (h *house) submit(ctx context.Context, w written) error {
	_, err := h.client.Submit(ctx, api.SubmitRequest{Envelope: w.raw, Hosts: w.hosts})
	return err
}

// approve lets all approvers sign, on paper only.
func (h *house) approve(w written) (written, error) {
	var err error
	for _, person := range approvers {
		if w.raw, err = statement.AddSignature(w.raw, h.keys[person]); err != nil {
			return w, err
		}
	}
	return w, nil
}

// approved writes a plan, hands it in and has it approved.
func (h *house) approved(ctx context.Context, o outline) (written, error) {
	w, err := h.write(ctx, o)
	if err != nil {
		return w, err
	}
	if err := h.submit(ctx, w); err != nil {
		return w, err
	}
	for _, person := range approvers {
		if w.raw, err = statement.AddSignature(w.raw, h.keys[person]); err != nil {
			return w, err
		}
		if _, err := h.client.Approve(ctx, string(w.id), api.ApprovalRequest{Envelope: w.raw}); err != nil {
			return w, err
		}
	}
	return w, nil
}

// started does the same and starts the plan.
func (h *house) started(ctx context.Context, o outline) (written, error) {
	w, err := h.approved(ctx, o)
	if err != nil {
		return w, err
	}
	_, err = h.client.Start(ctx, string(w.id))
	return w, err
}

// confirmed reports whether the named hosts have confirmed a plan's level.
func (h *house) confirmed(w written, names ...string) func(context.Context) (bool, error) {
	return func(ctx context.Context) (bool, error) {
		r, err := h.client.Rollout(ctx, string(w.id))
		if err != nil {
			return false, err
		}
		n := 0
		for _, wave := range r.Waves {
			for _, cell := range wave.Hosts {
				if slices.Contains(names, cell.Name) && cell.State == hotstick.Confirmed {
					n++
				}
			}
		}
		return n == len(names), nil
	}
}
