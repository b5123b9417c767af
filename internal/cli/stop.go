package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/cli/show"
)

func (a *app) stop() *cobra.Command {
	var req api.StopRequest
	var all, yes bool
	cmd := &cobra.Command{
		Use:   "stop --all",
		Short: "Halt every rollout at once and block new ones",
		Long: `Halts every rollout that is not over and blocks new starts until the stop is
lifted. Hosts that have the patch keep it; hosts on probation finish it. Halted
rollouts stay halted: work goes on by a new plan.`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if all == req.Lift {
				return usage("hotstick stop --all halts everything; hotstick stop --lift allows new rollouts again", "cannot tell what to stop")
			}
			if all {
				if err := a.confirm(yes, "Halt every rollout and block new ones?"); err != nil {
					return err
				}
			}
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				result, err := c.Stop(ctx, req)
				if err != nil {
					return err
				}
				return a.print(view{value: result, names: show.RolloutNames(result.Halted),
					text: func(show.Style) string { return stopText(result) }})
			})
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&all, "all", false, "stop everything; required, so that nobody stops by a slip")
	flags.BoolVar(&req.Lift, "lift", false, "allow new rollouts again")
	flags.BoolVarP(&yes, "yes", "y", false, "do not ask")
	flags.StringVar(&req.Reason, "reason", "", "why, for the audit log")
	return cmd
}

func stopText(r api.StopResult) string {
	text := "New starts are allowed again; halted rollouts stay halted.\n"
	if r.StopAll {
		text = "Stopped: nothing starts until hotstick stop --lift.\n"
	}
	for _, h := range r.Halted {
		text += fmt.Sprintf("halted %s  %s  %s\n", h.Plan.Short(), show.Clean(h.Name), show.Clean(h.Patch.String()))
	}
	return text
}
