package dev

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/cli/found"
	"github.com/hotstick/hotstick/internal/cli/signoff"
	"github.com/hotstick/hotstick/internal/sim"
	"github.com/hotstick/hotstick/internal/statement"
)

// publish signs the made-up levels into the catalog, unless they are there.
func (w *world) publish(ctx context.Context) error {
	publisher, err := w.key(found.PublisherKey)
	if err != nil {
		return err
	}
	for _, l := range w.levels {
		root, err := w.client.CatalogFile(ctx, "root.json")
		if err != nil {
			return err
		}
		targets, err := w.client.CatalogFile(ctx, "targets.json")
		if err != nil {
			return err
		}
		next, err := catalog.Publish(catalog.Publication{
			Root: root, Targets: targets, Patch: l.Patch, Now: time.Now(), Expires: found.End(time.Now(), found.TargetsLife),
			Read:  func(a hotstick.Artifact) ([]byte, error) { return l.Modules[a.Digest], nil },
			Check: func(hotstick.Patch, hotstick.Artifact, []byte) error { return nil },
		}, publisher)
		if errors.Is(err, catalog.ErrPublished) {
			continue
		}
		if err != nil {
			return err
		}
		for digest, data := range l.Modules {
			if err := w.client.UploadArtifact(ctx, digest, data); err != nil {
				return err
			}
		}
		if _, err := w.client.Publish(ctx, api.PublishRequest{Targets: next}); err != nil {
			return err
		}
	}
	return nil
}

// launch plans a level for every host, has it approved, and starts it.
func (w *world) launch(ctx context.Context, level sim.Level) (api.Rollout, error) {
	cve := level.Patch.CVEs[len(level.Patch.CVEs)-1]
	asked := api.DraftRequest{Name: "close " + cve, Patch: level.Patch.Ref.String(), Selector: "true", Author: author,
		Settings: api.PlanSettings{ProbationSeconds: probation, TransitionSeconds: 30, BakeSeconds: bake,
			Budgets: map[string]int{hotstick.FleetDomain: max(1, w.options.Hosts/8), "rack": 2}}}
	draft, err := w.client.Draft(ctx, asked)
	if err != nil {
		return api.Rollout{}, err
	}
	var plan hotstick.Plan
	if err := json.Unmarshal(draft.Payload, &plan); err != nil {
		return api.Rollout{}, fmt.Errorf("cannot read the draft: %v", err)
	}
	if err := signoff.CheckAsked(plan, asked); err != nil {
		return api.Rollout{}, err
	}
	key, err := w.key(author)
	if err != nil {
		return api.Rollout{}, err
	}
	envelope, err := statement.Sign(statement.KindPlan, plan, key)
	if err != nil {
		return api.Rollout{}, err
	}
	r, err := w.client.Submit(ctx, api.SubmitRequest{Envelope: envelope, Hosts: draft.Hosts})
	if err != nil {
		return r, err
	}
	for _, name := range approvers {
		if envelope, err = w.approve(ctx, r.Plan, envelope, name); err != nil {
			return r, err
		}
	}
	return w.client.Start(ctx, string(r.Plan))
}

func (w *world) approve(ctx context.Context, plan hotstick.PlanID, envelope []byte, name string) ([]byte, error) {
	key, err := w.key(name)
	if err != nil {
		return nil, err
	}
	signed, err := statement.AddSignature(envelope, key)
	if err != nil {
		return nil, err
	}
	_, err = w.client.Approve(ctx, string(plan), api.ApprovalRequest{Envelope: signed})
	return signed, err
}

// untilKnown waits until the server has the facts of every host.
func (w *world) untilKnown(ctx context.Context) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		overview, err := w.client.Overview(ctx)
		if err != nil {
			return err
		}
		known := 0
		for _, b := range overview.Coverage {
			known += b.Hosts
		}
		if known >= w.options.Hosts {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
