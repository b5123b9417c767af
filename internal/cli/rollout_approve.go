package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/cli/show"
	"github.com/hotstick/hotstick/internal/cli/signoff"
	"github.com/hotstick/hotstick/internal/statement"
)

// maxBundle bounds a bundle file: a plan of a million hosts.
const maxBundle = 1 << 30

func (a *app) rolloutExport() *cobra.Command {
	return &cobra.Command{
		Use:               "export PLAN",
		Short:             "Print the bundle that an approver checks and signs",
		Long:              "Prints the signed plan with its host list and the last plan for the same patch, as JSON. hotstick rollout approve --bundle reads it.",
		Args:              exactly("PLAN"),
		ValidArgsFunction: a.completeRollouts(),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				bundle, err := c.Bundle(ctx, args[0])
				if err != nil {
					return err
				}
				return show.JSON(a.env.Stdout, bundle)
			})
		},
	}
}

func (a *app) rolloutApprove() *cobra.Command {
	var key, file string
	var yes bool
	cmd := &cobra.Command{
		Use:   "approve PLAN --key FILE",
		Short: "Recompute a plan here, review it, and sign exactly that",
		Long: `Fetches the plan's bundle, or reads it from --bundle; checks the author's
signature and the approvals against the catalog's root; recomputes the host
list's root, every count and every artifact; shows the plan and its difference to
the last one; and signs exactly that with the approver's key.`,
		Args:              exactly("PLAN"),
		ValidArgsFunction: a.completeRollouts(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if key == "" {
				return usage("--key FILE is the approver's private key", "cannot approve without a key")
			}
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				return a.approve(ctx, c, args[0], key, file, yes)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&key, "key", "", "the approver's "+keyUsage)
	flags.StringVar(&file, "bundle", "", "read the plan from this file (hotstick rollout export) instead of the server")
	flags.BoolVarP(&yes, "yes", "y", false, "sign without asking")
	return cmd
}

func (a *app) approve(ctx context.Context, c *client.Client, plan, key, file string, yes bool) error {
	signer, err := a.openKey(key)
	if err != nil {
		return err
	}
	bundle, err := readBundle(ctx, c, plan, file)
	if err != nil {
		return err
	}
	view, _, err := a.verified(ctx, c)
	if err != nil {
		return err
	}
	inspected, err := statement.InspectPlan(bundle.Envelope, view.Trust)
	if err != nil {
		return refusePlan(err)
	}
	if inspected.ID != bundle.Plan {
		return refusePlan(fmt.Errorf("cannot approve: the plan's bytes have the digest %s and not %s; it was edited", inspected.ID.Short(), bundle.Plan.Short()))
	}
	if plan != inspected.Plan.Name && !names(inspected.ID, plan) {
		return refusePlan(fmt.Errorf("cannot approve %s: what came is the plan %s, named %q", plan, inspected.ID.Short(), inspected.Plan.Name))
	}
	if err := signoff.Check(inspected.Plan, bundle.Hosts, view); err != nil {
		return refusePlan(err)
	}
	person, err := approver(inspected, view.Trust, signer, key)
	if err != nil {
		return err
	}
	review := show.Review{ID: inspected.ID, Plan: inspected.Plan, Hosts: bundle.Hosts, Previous: bundle.Previous,
		Approvers: inspected.Approvers, Needed: inspected.Needed, SingleControl: inspected.SingleControl()}
	review.Levels = levels(inspected.Plan, view)
	if review.Recipes, err = recipes(ctx, c, inspected.Plan); err != nil {
		return err
	}
	if inspected.Emergency != nil {
		review.Template = inspected.Emergency.Name
	}
	a.showReview(review)
	if err := a.consent(yes, review.Question("Approve", person)); err != nil {
		return err
	}
	envelope, err := statement.AddSignature(bundle.Envelope, signer)
	if err != nil {
		return err
	}
	r, err := c.Approve(ctx, string(inspected.ID), api.ApprovalRequest{Envelope: envelope})
	if err != nil {
		return err
	}
	a.note(nextStep(r))
	return a.printStep(r)
}

// approver is the person whom the key makes sign, if that person may.
func approver(inspected statement.PlanReview, trust hotstick.Trust, signer statement.Signer, key string) (hotstick.Person, error) {
	person, known := statement.PersonOf(trust, signer.Public())
	if !known {
		return "", fail(exitForbidden, "the persons and their keys are in the catalog's root", "cannot sign with %s: the catalog's root binds this key to nobody", key)
	}
	if err := signoff.MayApprove(inspected, person, trust); err != nil {
		return "", fail(exitRefused, whoMay(inspected), "%v", err)
	}
	return person, nil
}

// recipes are what a plan's hosts are told to do where a vendor's system does it. The
// server tells them, and the plan's digests say whether they are the ones.
func recipes(ctx context.Context, c *client.Client, plan hotstick.Plan) (map[hotstick.Digest]hotstick.Recipe, error) {
	var told []hotstick.Recipe
	for _, ref := range signoff.ByRecipe(plan) {
		p, err := c.Patch(ctx, ref)
		if err != nil {
			return nil, err
		}
		told = append(told, p.Recipes...)
	}
	found, err := signoff.Recipes(plan, told)
	if err != nil {
		return nil, refusePlan(err)
	}
	return found, nil
}

// refusePlan is the end of a check that failed: somebody changed something after
// the author signed, or the server and this machine do not agree.
func refusePlan(err error) error {
	return fail(exitRefused, "do not sign it; ask its author for the digest, and find out who changed what", "%v", err)
}

func whoMay(review statement.PlanReview) string {
	if len(review.Candidates) == 0 {
		return ""
	}
	names := ""
	for i, p := range review.Candidates {
		if i > 0 {
			names += ", "
		}
		names += string(p)
	}
	return "these persons may: " + names
}

// readBundle reads what is to be approved from a file or from the server.
func readBundle(ctx context.Context, c *client.Client, plan, path string) (api.Bundle, error) {
	if path == "" {
		return c.Bundle(ctx, plan)
	}
	file, err := os.Open(path)
	if err != nil {
		return api.Bundle{}, fmt.Errorf("cannot read the bundle: %w", err)
	}
	defer file.Close()
	var bundle api.Bundle
	dec := json.NewDecoder(io.LimitReader(file, maxBundle))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&bundle); err != nil {
		return api.Bundle{}, fmt.Errorf("cannot read the bundle %s: %v", path, err)
	}
	if err := bundle.Plan.Validate(); err != nil {
		return api.Bundle{}, err
	}
	return bundle, nil
}

// names reports whether the argument is the digest of the plan or its start.
func names(id hotstick.PlanID, arg string) bool {
	return arg == string(id) || len(arg) >= 4 && len(arg) <= len(id.Hex()) && id.Hex()[:len(arg)] == arg
}
