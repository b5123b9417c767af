package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/cli/show"
)

func (a *app) rollout() *cobra.Command {
	verbs := []*cobra.Command{
		a.rolloutPlan(), a.rolloutRehearse(), a.rolloutRetarget(), a.rolloutExport(), a.rolloutApprove(),
		a.rolloutList(), a.rolloutShow(), a.rolloutHosts(), a.rolloutWatch(),
	}
	return noun("rollout", "Plans: signed, approved, moving wave by wave", append(verbs, a.steering()...)...)
}

func (a *app) rolloutList() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List rollouts, newest first",
		Args:    exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				list, err := c.Rollouts(ctx)
				if err != nil {
					return err
				}
				return a.print(view{value: list, names: show.RolloutNames(list.Rollouts),
					table: func(st show.Style) show.Table { return show.Rollouts(list.Rollouts, st) }})
			})
		},
	}
}

func (a *app) rolloutShow() *cobra.Command {
	return &cobra.Command{
		Use:               "show PLAN",
		Short:             "Show one rollout: is it safe to go on, who is where",
		Long:              "PLAN is a rollout's name if it is unique, or the start of its digest.",
		Args:              exactly("PLAN"),
		ValidArgsFunction: a.completeRollouts(),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				r, err := c.Rollout(ctx, args[0])
				if err != nil {
					return err
				}
				return a.printRollout(r)
			})
		},
	}
}

func (a *app) printRollout(r api.Rollout) error {
	return a.print(view{value: r, names: show.RolloutNames([]api.RolloutSummary{r.RolloutSummary}),
		text: func(st show.Style) string { return show.Rollout(r, st) }})
}

// printStep says in a line where the rollout stands after a step.
func (a *app) printStep(r api.Rollout) error {
	return a.print(view{value: r, names: show.RolloutNames([]api.RolloutSummary{r.RolloutSummary}),
		text: func(show.Style) string {
			return fmt.Sprintf("%s  %s  %s\n", r.Plan.Short(), show.Clean(r.Name), show.Progress(r))
		}})
}

func (a *app) completeRollouts() completion {
	return a.complete(func(ctx context.Context, c *client.Client, _ string) ([]string, error) {
		list, err := c.Rollouts(ctx)
		if err != nil {
			return nil, err
		}
		return rolloutArguments(list.Rollouts), nil
	})
}

// rolloutArguments are the names that are unique and need no quotes, and the
// starts of the digests, each with what it is.
func rolloutArguments(list []api.RolloutSummary) []string {
	count := map[string]int{}
	for _, r := range list {
		count[r.Name]++
	}
	var out []string
	for _, r := range list {
		name := r.Plan.Short()
		if count[r.Name] == 1 && show.Clean(r.Name) == r.Name && !strings.ContainsAny(r.Name, " \t'\"$\\*?") {
			name = r.Name
		}
		out = append(out, fmt.Sprintf("%s\t%s, %s", name, r.Patch, r.Status))
	}
	return out
}
