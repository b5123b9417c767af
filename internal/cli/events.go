package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/cli/show"
)

func (a *app) events() *cobra.Command {
	return noun("events", "The audit log: who did what, when, and why", a.eventsList())
}

func (a *app) eventsList() *cobra.Command {
	var plan, host string
	var limit int
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List what happened, newest first",
		Args:    exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				list, err := c.Events(ctx, client.EventQuery{Plan: hotstick.PlanID(plan), Host: hotstick.HostID(host), Limit: limit})
				if err != nil {
					return err
				}
				return a.print(view{value: list, names: eventNames(list.Events),
					table: func(st show.Style) show.Table { return show.Events(list.Events, st) }})
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&plan, "plan", "", "only events of this rollout")
	flags.StringVar(&host, "host", "", "only events of this host")
	flags.IntVar(&limit, "limit", 50, "at most so many events")
	_ = cmd.RegisterFlagCompletionFunc("plan", a.completeRollouts())
	_ = cmd.RegisterFlagCompletionFunc("host", a.completeHosts())
	return cmd
}

func eventNames(events []api.Event) []string {
	var names []string
	for _, e := range events {
		names = append(names, e.Kind)
	}
	return names
}
