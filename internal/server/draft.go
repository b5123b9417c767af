package server

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/controller"
	"github.com/hotstick/hotstick/internal/decide/compat"
	"github.com/hotstick/hotstick/internal/decide/planner"
	"github.com/hotstick/hotstick/internal/decide/policy"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store"
)

// makeDraft asks the planner for a plan. Nothing is stored: a draft becomes a
// plan when its author has signed it.
func (s *Server) makeDraft(ctx context.Context, req api.DraftRequest) (planner.Draft, error) {
	trusted := s.catalog.View()
	if err := checkAuthor(req.Author, trusted.Trust); err != nil {
		return planner.Draft{}, err
	}
	ref, err := hotstick.ParsePatchRef(req.Patch)
	if err != nil {
		return planner.Draft{}, &controller.Refusal{Code: controller.CodeInvalid, Text: "cannot read the patch's name", Hint: "write NAME@LEVEL, such as unix-ioctl@1"}
	}
	patch, ok := trusted.Patch(ref)
	if !ok {
		return planner.Draft{}, &controller.Refusal{Code: controller.CodeNotFound, Text: "cannot find this patch in the catalog", Hint: "list them with hotstick patch list"}
	}
	shape, err := planShape(req.Settings)
	if err != nil {
		return planner.Draft{}, err
	}
	selector, err := inventory.CompileSelector(req.Selector)
	if err != nil {
		return planner.Draft{}, err
	}
	in := planner.Request{Name: req.Name, Patch: patch, Author: req.Author, Epoch: trusted.Trust.Epoch,
		Catalog: trusted.Patches, Shape: shape, Root: statement.HostsRoot}
	err = s.store.View(ctx, func(tx store.Tx) error {
		in.Now = tx.Now()
		bans, err := tx.Bans().List()
		if err != nil {
			return err
		}
		in.Banned = func(ref hotstick.PatchRef) bool {
			return slices.ContainsFunc(bans, func(b store.Ban) bool { return b.Patch == ref })
		}
		in.Hosts, err = selectHosts(tx, selector, trusted)
		return err
	})
	if err != nil {
		return planner.Draft{}, err
	}
	return planner.Build(in)
}

func checkAuthor(author hotstick.Person, trust hotstick.Trust) error {
	known := slices.ContainsFunc(trust.Persons, func(p hotstick.TrustedPerson) bool { return p.Person == author })
	if known {
		return nil
	}
	return &controller.Refusal{Code: controller.CodeUnknownPerson, Text: "cannot draft a plan for this author: the catalog's root lists no such person",
		Hint: "use the name that the root metadata gives you"}
}

// selectHosts asks the selector about every host.
func selectHosts(tx store.Tx, selector inventory.Selector, trusted catalog.View) ([]planner.Host, error) {
	hosts, _, err := tx.Hosts().List(store.HostFilter{})
	if err != nil {
		return nil, err
	}
	modules := inventory.NewModules(trusted.Patches)
	var picked []planner.Host
	for _, h := range hosts {
		// How old the report is does not matter: the level goes into the plan as one
		// to go back to, and the loader looks at it again.
		level := inventory.Read(h, modules, tx.Now(), tx.Now().Sub(h.LastSeen)).Level
		matches, err := selector.Matches(inventory.NewSubject(h, level))
		if err != nil {
			return nil, err
		}
		if !matches {
			continue
		}
		host := planner.Host{ID: h.ID, Name: h.Name, Identity: hotstick.NewFingerprint(h.Identity),
			Compat: compat.Host{Facts: h.Facts, Patches: h.Patches, InEffect: level, Strikes: h.Loader.Strikes}}
		if h.Facts != nil {
			host.Labels = h.Facts.Labels
		}
		picked = append(picked, host)
	}
	return picked, nil
}

// planShape checks the speeds that a person asks for. One bake is that of every
// wave.
func planShape(in api.PlanSettings) (policy.Shape, error) {
	var out policy.Shape
	for _, f := range []struct {
		name string
		from int
		to   *time.Duration
	}{
		{"probation_seconds", in.ProbationSeconds, &out.Probation},
		{"transition_seconds", in.TransitionSeconds, &out.Transition},
		{"bake_seconds", in.BakeSeconds, &out.Waves.Bake},
		{"delay_seconds", in.DelaySeconds, &out.Waves.Delay},
		{"life_seconds", in.LifeSeconds, &out.Life},
	} {
		if f.from < 0 || f.from > maxPlanSeconds {
			return out, &controller.Refusal{Code: controller.CodeInvalid, Text: fmt.Sprintf("cannot use settings.%s: want 0 to %d", f.name, maxPlanSeconds)}
		}
		*f.to = time.Duration(f.from) * time.Second
	}
	out.Waves.FirstBake, out.Waves.CanaryBake = out.Waves.Bake, out.Waves.Bake
	for _, kind := range slices.Sorted(maps.Keys(in.Budgets)) {
		limit := in.Budgets[kind]
		if kind == "" || len(kind) > 63 || limit < 1 || limit > hotstick.MaxPlanHosts {
			return out, &controller.Refusal{Code: controller.CodeInvalid, Text: "cannot use settings.budgets: a budget is at least one host of a kind of failure domain", Hint: "write rack=1, where rack is a label of hosts"}
		}
		out.Budgets = append(out.Budgets, hotstick.Budget{Domain: kind, Max: limit})
	}
	return out, nil
}

// maxPlanSeconds bounds every time span of a plan: a year.
const maxPlanSeconds = 366 * 24 * 3600
