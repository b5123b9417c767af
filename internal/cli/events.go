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
				q, err := eventQuery(ctx, c, plan, host)
				if err != nil {
					return err
				}
				q.Limit = limit
				list, err := c.Events(ctx, q)
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

// eventQuery turns what a person calls a rollout or a host into the IDs that the
// log knows.
func eventQuery(ctx context.Context, c *client.Client, plan, host string) (client.EventQuery, error) {
	var q client.EventQuery
	if plan != "" {
		r, err := c.Rollout(ctx, plan)
		if err != nil {
			return q, err
		}
		q.Plan = r.Plan
	}
	if host != "" {
		q.Host = hotstick.HostID(host)
		if q.Host.Validate() != nil {
			d, err := c.Host(ctx, host)
			if err != nil {
				return q, err
			}
			q.Host = d.Host.ID
		}
	}
	return q, nil
}

func eventNames(events []api.Event) []string {
	var names []string
	for _, e := range events {
		names = append(names, e.Kind)
	}
	return names
}
