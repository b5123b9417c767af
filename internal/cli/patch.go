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

func (a *app) patch() *cobra.Command {
	return noun("patch", "The catalog of signed patches", a.patchList(), a.patchShow(), a.patchPublish(), a.patchBan(), a.patchCrashes())
}

func (a *app) patchList() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the catalog",
		Args:    exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				catalog, err := c.Catalog(ctx)
				if err != nil {
					return err
				}
				if catalog.Warning != "" {
					a.note("warning: " + show.Escape(catalog.Warning))
				}
				return a.print(view{value: catalog, names: show.PatchNames(catalog.Patches),
					table: func(st show.Style) show.Table { return show.Patches(catalog, st) }})
			})
		},
	}
}

func (a *app) patchShow() *cobra.Command {
	return &cobra.Command{
		Use:               "show PATCH@LEVEL",
		Short:             "Show one level: what it closes, where it fits, who signed it",
		Args:              exactly("PATCH@LEVEL"),
		ValidArgsFunction: a.completePatches(),
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, err := patchRef(args[0])
			if err != nil {
				return err
			}
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				p, err := c.Patch(ctx, ref)
				if err != nil {
					return err
				}
				return a.print(view{value: p, names: []string{p.Ref.String()},
					text: func(st show.Style) string { return show.Patch(p, st) }})
			})
		},
	}
}

func (a *app) patchBan() *cobra.Command {
	var reason string
	var yes bool
	cmd := &cobra.Command{
		Use:               "ban PATCH@LEVEL --reason TEXT",
		Short:             "Forbid a level fleet-wide; only a signed clear lifts it",
		Args:              exactly("PATCH@LEVEL"),
		ValidArgsFunction: a.completePatches(),
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, err := patchRef(args[0])
			if err != nil {
				return err
			}
			if reason == "" {
				return usage("--reason TEXT is kept in the audit log", "cannot ban %s without a reason", ref)
			}
			if err := a.confirm(yes, fmt.Sprintf("Ban %s fleet-wide? Only a signed clear lifts it.", ref)); err != nil {
				return err
			}
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				ban, err := c.Ban(ctx, ref, api.BanRequest{Reason: reason})
				if err != nil {
					return err
				}
				a.note("Hosts that run it keep it until a rollout reverts it: hotstick rollout revert PLAN")
				return a.print(view{value: ban, names: []string{ref.String()},
					text: func(show.Style) string { return "banned " + ref.String() + "\n" }})
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit log")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

func patchRef(arg string) (hotstick.PatchRef, error) {
	ref, err := hotstick.ParsePatchRef(arg)
	if err != nil {
		return ref, usage("hotstick patch list shows what there is", "%v", err)
	}
	return ref, nil
}

func (a *app) completePatches() completion {
	return a.complete(func(ctx context.Context, c *client.Client, _ string) ([]string, error) {
		catalog, err := c.Catalog(ctx)
		return show.PatchNames(catalog.Patches), err
	})
}
