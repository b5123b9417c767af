package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/cli/show"
)

func (a *app) freeze() *cobra.Command {
	return noun("freeze", "Times in which nothing starts anywhere; reverts go on", a.freezeAdd(), a.freezeList(), a.freezeRemove())
}

func (a *app) freezeAdd() *cobra.Command {
	var from, until, reason string
	cmd := &cobra.Command{
		Use:   "add --until TIME --reason TEXT",
		Short: "Let nothing start from one time until another",
		Long: `Rollouts wait while a freeze holds; reverts go on. TIME is a time such as
2026-12-24T18:00Z or 2026-12-24 (UTC), or a length such as 12h or 7d: from now for
--from, from the beginning for --until.`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			req, err := freezeRequest(from, until, reason, a.env.Now())
			if err != nil {
				return err
			}
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				f, err := c.Freeze(ctx, req)
				if err != nil {
					return err
				}
				return a.print(view{value: f, names: []string{f.ID}, text: func(show.Style) string {
					return fmt.Sprintf("freeze %s from %s until %s\n", show.Clean(f.ID), f.From.UTC().Format(time.RFC3339), f.Until.UTC().Format(time.RFC3339))
				}})
			})
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "when it begins: a time, or a length from now; now if it is not given")
	cmd.Flags().StringVar(&until, "until", "", "when it ends: a time, or a length from its beginning")
	reasonFlag(cmd, &reason)
	return cmd
}

func freezeRequest(from, until, reason string, now time.Time) (api.FreezeRequest, error) {
	req := api.FreezeRequest{Reason: reason}
	if err := needReason(reason); err != nil {
		return req, err
	}
	begin := now
	var err error
	if from != "" {
		if begin, err = parseWhen("from", from, now); err != nil {
			return req, err
		}
		req.From = begin
	}
	if until == "" {
		return req, usage("--until TIME|LENGTH ends it, such as --until 7d", "cannot freeze changes for ever")
	}
	req.Until, err = parseWhen("until", until, begin)
	return req, err
}

func (a *app) freezeList() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the freezes that hold or are to come",
		Args:    exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				list, err := c.Freezes(ctx)
				if err != nil {
					return err
				}
				return a.printFreezes(list)
			})
		},
	}
}

func (a *app) printFreezes(list api.FreezeList) error {
	return a.print(view{value: list, names: show.FreezeNames(list.Freezes),
		table: func(st show.Style) show.Table { return show.Freezes(list.Freezes, st) }})
}

func (a *app) freezeRemove() *cobra.Command {
	var reason string
	var yes bool
	cmd := &cobra.Command{
		Use:               "remove ID --reason TEXT",
		Short:             "Take a freeze back",
		Args:              exactly("ID"),
		ValidArgsFunction: a.completeFreezes(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := needReason(reason); err != nil {
				return err
			}
			if err := a.confirm(yes, fmt.Sprintf("Take freeze %s back? What waits for it starts at once.", show.Clean(args[0]))); err != nil {
				return err
			}
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				list, err := c.Unfreeze(ctx, args[0], api.ActionRequest{Reason: reason})
				if err != nil {
					return err
				}
				return a.printFreezes(list)
			})
		},
	}
	reasonFlag(cmd, &reason)
	yesFlag(cmd, &yes)
	return cmd
}

func (a *app) completeFreezes() completion {
	return a.complete(func(ctx context.Context, c *client.Client, _ string) ([]string, error) {
		list, err := c.Freezes(ctx)
		return show.FreezeNames(list.Freezes), err
	})
}
