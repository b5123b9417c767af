package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/cli/show"
)

func (a *app) hostExclude() *cobra.Command {
	var until, reason string
	cmd := &cobra.Command{
		Use:   "exclude HOST --until TIME --reason TEXT",
		Short: "Keep a host out of rollouts until a time; it counts as a gap",
		Long: `Nothing starts on the host until then; what it runs stays, and what it is in the
middle of comes to its end. TIME is a time such as 2026-11-30T18:00Z or 2026-11-30
(UTC), or a length such as 12h or 7d.`,
		Args:              exactly("HOST"),
		ValidArgsFunction: a.completeHosts(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if until == "" {
				return usage("--until TIME|LENGTH ends it by itself, such as --until 7d", "cannot exclude a host for ever")
			}
			end, err := parseWhen("until", until, a.env.Now())
			if err == nil {
				err = needReason(reason)
			}
			if err != nil {
				return err
			}
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				d, err := c.Exclude(ctx, args[0], api.ExcludeRequest{Until: end, Reason: reason})
				if err != nil {
					return err
				}
				return a.print(view{value: d, names: show.HostNames([]api.Host{d.Host}), text: func(show.Style) string {
					return fmt.Sprintf("excluded %s until %s\n", show.Clean(d.Host.Name), end.Format(time.RFC3339))
				}})
			})
		},
	}
	cmd.Flags().StringVar(&until, "until", "", "when the exclusion ends by itself: a time, or a length from now")
	reasonFlag(cmd, &reason)
	return cmd
}

func (a *app) hostInclude() *cobra.Command {
	return a.hostEnd("include HOST --reason TEXT", "End a host's exclusion", "", "included", (*client.Client).Include)
}

func (a *app) hostUnclone() *cobra.Command {
	return a.hostEnd("unclone HOST --reason TEXT", "End the quarantine of a host whose identity two machines used",
		`A host is cloned while two machines use its identity, as two do that were made from
one disk. First join one of them anew on itself:

  hotstick-agent join --new-identity --once ... (as 'hotstick host add' says)
  hotstick-loader --new-identity --root ...     (while its loader is stopped)

or switch it off. Then end the quarantine. If both still use the identity, they are
found out again.`, "ended the quarantine of", (*client.Client).Unclone)
}

// hostEnd makes a command that ends what keeps a host out; did says what it did, as
// the host's name follows it.
func (a *app) hostEnd(use, short, long, did string,
	end func(*client.Client, context.Context, string, api.ActionRequest) (api.HostDetail, error)) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: use, Short: short, Long: long,
		Args:              exactly("HOST"),
		ValidArgsFunction: a.completeHosts(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := needReason(reason); err != nil {
				return err
			}
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				d, err := end(c, ctx, args[0], api.ActionRequest{Reason: reason})
				if err != nil {
					return err
				}
				return a.print(view{value: d, names: show.HostNames([]api.Host{d.Host}),
					text: func(show.Style) string { return did + " " + show.Clean(d.Host.Name) + "\n" }})
			})
		},
	}
	reasonFlag(cmd, &reason)
	return cmd
}

func (a *app) hostWriteOff() *cobra.Command {
	var reason string
	var yes bool
	cmd := &cobra.Command{
		Use:   "write-off HOST --reason TEXT",
		Short: "Give a host up for good: end its identity, free its slots",
		Long: `For a host that is lost and does not come back. Its identity is ended for good (a
machine that comes back joins as a new host), its slots are free, and every
rollout passes it over.`,
		Args:              exactly("HOST"),
		ValidArgsFunction: a.completeHosts(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := needReason(reason); err != nil {
				return err
			}
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				d, err := c.Host(ctx, args[0])
				if err != nil {
					return err
				}
				question := fmt.Sprintf("Write off %s for good? It was last seen %s and holds %s.", show.Clean(d.Host.Name),
					seenAt(d.Host.LastSeen), holds(d.Slots))
				if err := a.confirm(yes, question); err != nil {
					return err
				}
				result, err := c.WriteOff(ctx, string(d.Host.ID), api.ActionRequest{Reason: reason})
				if err != nil {
					return err
				}
				return a.print(view{value: result, names: []string{string(result.Host)}, text: func(show.Style) string {
					return fmt.Sprintf("wrote off %s, which held %s\n", show.Clean(result.Name), holds(result.Freed))
				}})
			})
		},
	}
	reasonFlag(cmd, &reason)
	yesFlag(cmd, &yes)
	return cmd
}

func seenAt(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return "at " + t.UTC().Format(time.RFC3339)
}

// holds says which units of disruption budgets a host holds.
func holds(slots []api.SlotUse) string {
	if len(slots) == 0 {
		return "no slot"
	}
	var out []string
	for _, s := range slots {
		out = append(out, fmt.Sprintf("a slot of %s %s for %s", show.Clean(s.Domain), show.Clean(s.Value), show.Clean(s.Name)))
	}
	return strings.Join(out, ", ")
}
