package cli

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/cli/show"
)

func (a *app) rolloutHosts() *cobra.Command {
	var q client.CellQuery
	var wave int
	var state string
	cmd := &cobra.Command{
		Use:               "hosts PLAN",
		Short:             "List a rollout's hosts with where each stands and what it waits for",
		Args:              exactly("PLAN"),
		ValidArgsFunction: a.completeRollouts(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if q.State = hotstick.HostState(state); state != "" && q.State.Validate() != nil {
				return usage("such as waiting, confirmed or failed", "cannot list hosts in the state %q: there is none", state)
			}
			if cmd.Flags().Changed("wave") {
				if wave < 1 {
					return usage("waves are counted from 1: hotstick rollout show PLAN", "cannot list wave %d", wave)
				}
				index := wave - 1
				q.Wave = &index
			}
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				list, err := cellPages(ctx, c, args[0], q)
				if err != nil {
					return err
				}
				if list.Total > len(list.Hosts) {
					a.note(fmt.Sprintf("%d of %d hosts; --limit 0 lists all.", len(list.Hosts), list.Total))
				}
				return a.print(view{value: list, names: show.CellNames(list.Hosts),
					table: func(st show.Style) show.Table { return show.Cells(list.Hosts, st) }})
			})
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&wave, "wave", 0, "only this wave, counted from 1")
	flags.StringVar(&state, "state", "", "only hosts in this state, such as failed")
	flags.StringVar(&q.Build, "build", "", "only hosts of this kernel build ID")
	flags.StringVar(&q.Search, "search", "", "only hosts whose name or ID contains this")
	flags.IntVar(&q.Limit, "limit", 100, "at most so many hosts; 0 is all")
	_ = cmd.RegisterFlagCompletionFunc("state", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		var names []string
		for _, s := range hotstick.HostStates() {
			names = append(names, string(s))
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	})
	return cmd
}

// cellPage is how many hosts are asked for at once.
const cellPage = 1000

// cellPages reads as many pages as it takes.
func cellPages(ctx context.Context, c *client.Client, plan string, q client.CellQuery) (api.CellList, error) {
	limit := q.Limit
	var all api.CellList
	for {
		q.Limit = cellPage
		if limit > 0 {
			q.Limit = min(cellPage, limit-len(all.Hosts))
		}
		page, err := c.RolloutHosts(ctx, plan, q)
		if err != nil {
			return all, err
		}
		all.Hosts, all.Total = slices.Concat(all.Hosts, page.Hosts), page.Total
		if q.Page = page.Next; q.Page == "" || limit > 0 && len(all.Hosts) >= limit {
			all.Next = page.Next
			return all, nil
		}
	}
}
