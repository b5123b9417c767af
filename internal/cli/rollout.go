package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/cli/show"
)

func (a *app) rollout() *cobra.Command {
	return noun("rollout", "Plans: signed, approved, moving wave by wave",
		a.rolloutPlan(), a.rolloutExport(), a.rolloutApprove(),
		a.rolloutList(), a.rolloutShow(), a.rolloutStart(), a.rolloutWatch(),
		a.rolloutAction(action{verb: "hold", short: "Start nothing more until it is resumed", call: (*client.Client).Hold}),
		a.rolloutAction(action{verb: "resume", short: "Let a held rollout go on", call: (*client.Client).Resume}),
		a.rolloutAction(action{verb: "halt", short: "Start nothing more, for good", call: (*client.Client).Halt,
			question: "Halt %s for good? Work goes on by a new plan only."}),
		a.rolloutRevert(),
	)
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

func (a *app) rolloutStart() *cobra.Command {
	var wait bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:               "start PLAN",
		Short:             "Announce an approved plan and let its first wave begin",
		Args:              exactly("PLAN"),
		ValidArgsFunction: a.completeRollouts(),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				r, err := c.Start(ctx, args[0])
				if err != nil {
					return err
				}
				if wait {
					return a.watch(ctx, c, string(r.Plan), timeout)
				}
				a.note("Follow it: hotstick rollout watch " + r.Plan.Short())
				return a.printStep(r)
			})
		},
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "watch it until it is over")
	cmd.Flags().DurationVar(&timeout, "timeout", 0, "with --wait: give up after this long (exit code 7); 0 waits for ever")
	return cmd
}

// action is a step that an operator takes on a rollout.
type action struct {
	verb, short string
	// question is asked on a terminal before a step that has no way back.
	question string
	call     func(*client.Client, context.Context, string, api.ActionRequest) (api.Rollout, error)
}

func (a *app) rolloutAction(act action) *cobra.Command {
	var req api.ActionRequest
	var yes bool
	cmd := &cobra.Command{
		Use:               act.verb + " PLAN",
		Short:             act.short,
		Args:              exactly("PLAN"),
		ValidArgsFunction: a.completeRollouts(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if act.question != "" {
				if err := a.confirm(yes, fmt.Sprintf(act.question, show.Clean(args[0]))); err != nil {
					return err
				}
			}
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				r, err := act.call(c, ctx, args[0], req)
				if err != nil {
					return err
				}
				return a.printStep(r)
			})
		},
	}
	cmd.Flags().StringVar(&req.Reason, "reason", "", "why, for the audit log")
	if act.question != "" {
		cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	}
	return cmd
}

func (a *app) rolloutRevert() *cobra.Command {
	var req api.RevertRequest
	var hosts []string
	var yes bool
	cmd := &cobra.Command{
		Use:               "revert PLAN",
		Short:             "Halt it and put back the level that was in effect before",
		Args:              exactly("PLAN"),
		ValidArgsFunction: a.completeRollouts(),
		RunE: func(cmd *cobra.Command, args []string) error {
			whom := "every host that took it"
			if len(hosts) > 0 {
				whom = fmt.Sprintf("%d hosts", len(hosts))
			}
			if err := a.confirm(yes, fmt.Sprintf("Revert %s on %s?", show.Clean(args[0]), whom)); err != nil {
				return err
			}
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				var err error
				if req.Hosts, err = hostIDs(ctx, c, hosts); err != nil {
					return err
				}
				r, err := c.Revert(ctx, args[0], req)
				if err != nil {
					return err
				}
				return a.printStep(r)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&req.Reason, "reason", "", "why, for the audit log")
	flags.StringSliceVar(&hosts, "host", nil, "only this host; may be repeated")
	flags.BoolVarP(&yes, "yes", "y", false, "do not ask")
	_ = cmd.RegisterFlagCompletionFunc("host", a.completeHosts())
	return cmd
}

// hostIDs turns what a person calls hosts into their IDs.
func hostIDs(ctx context.Context, c *client.Client, names []string) ([]hotstick.HostID, error) {
	var ids []hotstick.HostID
	for _, name := range names {
		d, err := c.Host(ctx, name)
		if err != nil {
			return nil, err
		}
		ids = append(ids, d.Host.ID)
	}
	return ids, nil
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
