package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/cli/show"
)

func (a *app) patchCrashes() *cobra.Command {
	return &cobra.Command{
		Use:   "crashes",
		Short: "List the levels that are stopped on a kind of machine that crashed",
		Long: `A level that took a host down starts on no machine with the same kernel build and
model any more, in any rollout, until the approvers sign a clear:

  hotstick clear make PATCH@LEVEL --crashes --key FILE`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				list, err := c.Crashes(ctx)
				if err != nil {
					return err
				}
				return a.print(view{value: list, names: show.CrashNames(list.Crashes),
					table: func(st show.Style) show.Table { return show.Crashes(list.Crashes, st) }})
			})
		},
	}
}

func (a *app) hostDrift() *cobra.Command {
	return &cobra.Command{
		Use:   "drift",
		Short: "List hosts whose kernel is not as expected, and what was done to them",
		Args:  exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				hosts, err := c.AllHosts(ctx, client.HostQuery{State: "drifting"})
				if err != nil {
					return err
				}
				return a.print(view{value: api.HostList{Hosts: hosts, Total: len(hosts)}, names: show.HostNames(hosts),
					table: func(st show.Style) show.Table { return show.Drift(hosts, st) }})
			})
		},
	}
}
