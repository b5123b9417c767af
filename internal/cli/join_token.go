package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/cli/show"
)

func (a *app) joinToken() *cobra.Command {
	return noun("join-token", "Join tokens that may still be used; 'host add' makes one", a.joinTokenList(), a.joinTokenRevoke())
}

func (a *app) joinTokenList() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the join tokens that may still be used",
		Args:    exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				list, err := c.JoinTokens(ctx)
				if err != nil {
					return err
				}
				return a.printJoinTokens(list)
			})
		},
	}
}

func (a *app) printJoinTokens(list api.JoinTokenList) error {
	return a.print(view{value: list, names: show.JoinTokenNames(list.Tokens),
		table: func(st show.Style) show.Table { return show.JoinTokens(list.Tokens, st) }})
}

func (a *app) joinTokenRevoke() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "revoke ID --reason TEXT",
		Short: "Take a join token back; hosts that joined with it stay",
		Args:  exactly("ID"),
		ValidArgsFunction: a.complete(func(ctx context.Context, c *client.Client, _ string) ([]string, error) {
			list, err := c.JoinTokens(ctx)
			return show.JoinTokenNames(list.Tokens), err
		}),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := needReason(reason); err != nil {
				return err
			}
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				list, err := c.RevokeJoinToken(ctx, args[0], api.ActionRequest{Reason: reason})
				if err != nil {
					return err
				}
				return a.printJoinTokens(list)
			})
		},
	}
	reasonFlag(cmd, &reason)
	return cmd
}

// group reads the labels of --group.
func group(labels []string) (map[string]string, error) {
	out := map[string]string{}
	for _, text := range labels {
		label, value, ok := strings.Cut(text, "=")
		if _, twice := out[label]; !ok || twice {
			return nil, usage("write --group KEY=VALUE, each key once", "cannot use %q as a label", text)
		}
		out[label] = value
	}
	return out, nil
}
