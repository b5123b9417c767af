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

func (a *app) host() *cobra.Command {
	return noun("host", "The machines of the fleet", a.hostAdd(), a.hostList(), a.hostDrift(), a.hostShow(),
		a.hostExclude(), a.hostInclude(), a.hostUnclone(), a.hostWriteOff())
}

func (a *app) hostAdd() *cobra.Command {
	var ttl time.Duration
	var labels []string
	var hosts int
	cmd := &cobra.Command{
		Use:   "add",
		Short: "Print the one line that joins a new host",
		Long: `Makes a join token and prints the line to run on the new host. The token works
once, or for --hosts hosts, and ends after --ttl. With --group only hosts with these
labels can use it; the line gives a host the labels, and it must keep them.`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				if ttl%time.Second != 0 || ttl < 0 {
					return usage("give whole seconds, such as 30m", "cannot use %s as a token's life", ttl)
				}
				group, err := group(labels)
				if err != nil {
					return err
				}
				token, err := c.MakeJoinToken(ctx, api.JoinTokenRequest{TTLSeconds: int(ttl / time.Second), Group: group, Hosts: hosts})
				if err != nil {
					return err
				}
				where := "the new host, once,"
				if token.Hosts > 1 {
					where = fmt.Sprintf("at most %d new hosts", token.Hosts)
				}
				a.note(fmt.Sprintf("Run this on %s before %s:", where, token.Expires.UTC().Format(time.RFC3339)))
				return a.print(view{value: token, names: []string{token.Token},
					text: func(show.Style) string { return show.EscapeLines(token.Command) + "\n" }})
			})
		},
	}
	cmd.Flags().StringArrayVar(&labels, "group", nil, "a label that the host must have and keep, such as site=a; may be repeated")
	cmd.Flags().IntVar(&hosts, "hosts", 1, "for how many hosts the token is")
	cmd.Flags().DurationVar(&ttl, "ttl", time.Hour, "how long the token may be used, 1m to 168h")
	return cmd
}

func (a *app) hostList() *cobra.Command {
	var q client.HostQuery
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List hosts with the level in effect",
		Args:    exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				hosts, total, err := hostPages(ctx, c, q)
				if err != nil {
					return err
				}
				if total > len(hosts) {
					a.note(fmt.Sprintf("%d of %d hosts; --limit 0 lists all.", len(hosts), total))
				}
				return a.print(view{
					value: api.HostList{Hosts: hosts, Total: total}, names: show.HostNames(hosts),
					table: func(st show.Style) show.Table { return show.Hosts(hosts, st) },
				})
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&q.Search, "search", "", "only hosts whose name, ID or kernel release contains this")
	flags.StringVar(&q.State, "state", "", "only hosts in this state, such as quarantined or stale; or drifting, stalled or held")
	flags.StringVar(&q.Build, "build", "", "only hosts of this kernel build ID")
	flags.IntVar(&q.Limit, "limit", 0, "at most so many hosts; 0 is all")
	return cmd
}

// hostPages reads one page if a limit is set, and every page otherwise.
func hostPages(ctx context.Context, c *client.Client, q client.HostQuery) ([]api.Host, int, error) {
	if q.Limit > 0 {
		page, err := c.Hosts(ctx, q)
		return page.Hosts, page.Total, err
	}
	hosts, err := c.AllHosts(ctx, q)
	return hosts, len(hosts), err
}

func (a *app) hostShow() *cobra.Command {
	return &cobra.Command{
		Use:               "show HOST",
		Short:             "Show everything known of one host",
		Args:              exactly("HOST"),
		ValidArgsFunction: a.completeHosts(),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				d, err := c.Host(ctx, args[0])
				if err != nil {
					return err
				}
				return a.print(view{value: d, names: show.HostNames([]api.Host{d.Host}),
					text: func(st show.Style) string { return show.Host(d, st) }})
			})
		},
	}
}

func (a *app) completeHosts() completion {
	return a.complete(func(ctx context.Context, c *client.Client, prefix string) ([]string, error) {
		page, err := c.Hosts(ctx, client.HostQuery{Search: prefix, Limit: 100})
		return show.HostNames(page.Hosts), err
	})
}
