package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/cli/show"
)

func (a *app) rolloutDismiss() *cobra.Command {
	var req api.DismissRequest
	var yes bool
	cmd := &cobra.Command{
		Use:   "dismiss PLAN HOST",
		Short: "Let go of a host that ended badly, so that it no longer holds its lane",
		Long: `For a host that was quarantined, went back or failed, once somebody has looked at
it. It no longer holds its lane; its strike stays, and this plan does not patch it.
A stand-in may take its place. The lane still needs a confirmed canary, and what
happened still counts: a second crash of the same kind fails the rollout.`,
		Args:              exactly("PLAN", "HOST"),
		ValidArgsFunction: a.completeDismiss(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := needReason(req.Reason); err != nil {
				return err
			}
			if err := a.confirm(yes, fmt.Sprintf("Dismiss %s from %s?", show.Clean(args[1]), show.Clean(args[0]))); err != nil {
				return err
			}
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				var err error
				if req.Host, err = planHost(ctx, c, args[0], args[1]); err != nil {
					return err
				}
				r, err := c.Dismiss(ctx, args[0], req)
				if err != nil {
					return err
				}
				return a.printStep(r)
			})
		},
	}
	reasonFlag(cmd, &req.Reason)
	yesFlag(cmd, &yes)
	return cmd
}

// planHost finds a host of a plan by its name or ID, also one that was written off.
func planHost(ctx context.Context, c *client.Client, plan, name string) (hotstick.HostID, error) {
	var found []hotstick.HostID
	for q := (client.CellQuery{Search: name, Limit: 1000}); ; {
		page, err := c.RolloutHosts(ctx, plan, q)
		if err != nil {
			return "", err
		}
		for _, h := range page.Hosts {
			if h.Name == name || string(h.Host) == name {
				found = append(found, h.Host)
			}
		}
		if q.Page = page.Next; q.Page == "" {
			break
		}
	}
	switch len(found) {
	case 0:
		return "", fail(exitNotFound, "list them with hotstick rollout hosts PLAN", "cannot find a host %q in this rollout", name)
	case 1:
		return found[0], nil
	}
	return "", usage("use the host's ID", "cannot tell which host: %d have this name", len(found))
}

// completeDismiss offers rollouts, and then the rollout's hosts that ended badly.
func (a *app) completeDismiss() completion {
	return func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		if len(args) != 1 {
			return a.completeRollouts()(cmd, args, prefix)
		}
		return a.complete(func(ctx context.Context, c *client.Client, _ string) ([]string, error) {
			var out []string
			for _, state := range []hotstick.HostState{hotstick.Quarantined, hotstick.Reverted, hotstick.Failed, hotstick.Interrupted} {
				page, err := c.RolloutHosts(ctx, args[0], client.CellQuery{State: state, Search: prefix, Limit: 100})
				if err != nil {
					return nil, err
				}
				for _, h := range page.Hosts {
					out = append(out, fmt.Sprintf("%s\t%s", show.Clean(h.Name), state))
				}
			}
			return out, nil
		})(cmd, nil, prefix)
	}
}
