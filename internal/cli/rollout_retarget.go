package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/statement"
)

func (a *app) rolloutRetarget() *cobra.Command {
	var f planFlags
	var to string
	cmd := &cobra.Command{
		Use:   "retarget PLAN --to PATCH@LEVEL --key FILE",
		Short: "Plan a newer level for a rollout's hosts, keeping what it has proved",
		Long: `Drafts a plan for a newer level of the same patch that continues another plan, shows
it, signs it with the author's key and hands it in; others approve it like any
plan. Only the staged canaries take the new level first. Waves that the older plan
had proved keep their credit, its delays count on, hosts that were not patched go
straight to the new level, and patched ones stay protected until then. Starting it
halts the older plan.`,
		Example:           `  hotstick rollout retarget "close CVE" --to unix-ioctl@2 --key ada.pem`,
		Args:              exactly("PLAN"),
		ValidArgsFunction: a.completeRollouts(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if to == "" {
				return usage("--to PATCH@LEVEL is a newer level of the same patch", "cannot retarget without a level")
			}
			request, err := f.request(to, cmd.Flags().Changed)
			if err != nil {
				return err
			}
			request.Continues = args[0]
			return a.with(cmd, func(ctx context.Context, c *client.Client) error { return a.plan(ctx, c, request, f) })
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "the newer level")
	f.flags(cmd)
	_ = cmd.RegisterFlagCompletionFunc("policy", a.completePolicyFlag)
	_ = cmd.RegisterFlagCompletionFunc("to", a.completePatches())
	return cmd
}

// olderPlan is the digest of the plan that is to be continued, by what its author
// signed and not by what the server says.
func olderPlan(ctx context.Context, c *client.Client, plan string, view catalog.View) (string, error) {
	bundle, err := c.Bundle(ctx, plan)
	if err != nil {
		return "", err
	}
	older, err := statement.InspectPlan(bundle.Envelope, view.Trust)
	if err != nil {
		return "", refusePlan(err)
	}
	if plan != older.Plan.Name && !names(older.ID, plan) {
		return "", refusePlan(fmt.Errorf("cannot continue %s: what came is the plan %s, named %q", plan, older.ID.Short(), older.Plan.Name))
	}
	return string(older.ID), nil
}
