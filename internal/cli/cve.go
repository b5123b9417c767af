package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/cli/show"
)

func (a *app) cve() *cobra.Command {
	return noun("cve", "Which running kernels are open to which CVE, and what closes it", a.cveList(), a.cveShow())
}

func (a *app) cveList() *cobra.Command {
	var q client.CVEQuery
	var all bool
	var host string
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the CVEs that are open on any host, the most urgent first",
		Long: `Whether a host is open to a CVE is judged by the kernel that it booted and by what is
patched in its memory. Exposed and unknown count as open. The priority is the most urgent
one that the CVE has on any host.`,
		Example: `  hotstick cve list
  hotstick cve list --priority act --search nftables
  hotstick cve list --all -o csv
  hotstick cve list --host web-1`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case all && q.State != "":
				return usage("leave one of them out", "cannot use --all and --state together")
			case !all && q.State == "":
				q.State = "open"
			}
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				if host != "" {
					return a.hostCVEs(ctx, c, host, q)
				}
				var list api.CVEList
				err := pages(q, func(q client.CVEQuery) (string, error) {
					page, err := c.CVEs(ctx, q)
					page.CVEs = append(list.CVEs, page.CVEs...)
					list = page
					return page.Next, err
				})
				if err != nil {
					return err
				}
				a.cut(len(list.CVEs), list.Total, "CVEs")
				return a.print(view{value: list, names: show.CVENames(list.CVEs), table: func(st show.Style) show.Table { return show.CVEs(list, st) }})
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&q.Search, "search", "", "only CVEs of whose name, title or patches all these words are part")
	flags.StringVar(&q.Priority, "priority", "", "only CVEs of this priority: act, attend, track* or track")
	flags.StringVar(&q.State, "state", "", "only CVEs with which a host stands so, such as exposed or fixed_by_boot (default open)")
	flags.StringVar(&host, "host", "", "how this host stands with them")
	flags.BoolVar(&all, "all", false, "those too that are open on no host")
	flags.IntVar(&q.Limit, "limit", 0, "at most so many; 0 is all")
	_ = cmd.RegisterFlagCompletionFunc("host", a.completeHosts())
	_ = cmd.RegisterFlagCompletionFunc("priority", cobra.FixedCompletions([]string{"act", "attend", "track*", "track"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("state", cobra.FixedCompletions(states(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func states() []string {
	names := []string{"open"}
	for _, s := range hotstick.ExposureStates() {
		names = append(names, string(s))
	}
	return names
}

// cut says that a list is not whole.
func (a *app) cut(listed, total int, what string) {
	if total > listed {
		a.note(fmt.Sprintf("%d of %d %s; --limit 0 lists all.", listed, total, what))
	}
}

// pages reads one page if a limit is set, and every page otherwise. read says where the next
// one begins.
func pages(q client.CVEQuery, read func(client.CVEQuery) (next string, err error)) error {
	for single := q.Limit > 0; ; {
		next, err := read(q)
		if err != nil || single || next == "" {
			return err
		}
		q.Page = next
	}
}

// hostCVEs lists how one host stands with CVEs.
func (a *app) hostCVEs(ctx context.Context, c *client.Client, host string, q client.CVEQuery) error {
	var list api.HostCVEList
	err := pages(q, func(q client.CVEQuery) (string, error) {
		page, err := c.HostCVEs(ctx, host, q)
		page.CVEs = append(list.CVEs, page.CVEs...)
		list = page
		return page.Next, err
	})
	if err != nil {
		return err
	}
	a.cut(len(list.CVEs), list.Total, "CVEs")
	var names []string
	for _, e := range list.CVEs {
		names = append(names, e.CVE)
	}
	return a.print(view{value: list, names: names, table: func(st show.Style) show.Table { return show.HostCVEs(list, st) }})
}

func (a *app) cveShow() *cobra.Command {
	var q client.CVEQuery
	var hosts bool
	cmd := &cobra.Command{
		Use:               "show CVE",
		Short:             "Show a CVE: which kernels are open to it, and what sources say",
		Args:              exactly("CVE"),
		ValidArgsFunction: a.completeCVEs(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !hosts && (q.State != "" || q.Limit != 0) {
				return usage("add --hosts", "cannot use --state or --limit without --hosts")
			}
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				if hosts {
					return a.cveHosts(ctx, c, args[0], q)
				}
				return a.printCVE(ctx, c, args[0])
			})
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&hosts, "hosts", false, "list the hosts, and where each stands")
	flags.StringVar(&q.State, "state", "", "only hosts that stand so, such as exposed; or open")
	flags.IntVar(&q.Limit, "limit", 0, "at most so many hosts; 0 is all")
	_ = cmd.RegisterFlagCompletionFunc("state", cobra.FixedCompletions(states(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (a *app) printCVE(ctx context.Context, c *client.Client, cve string) error {
	d, err := c.CVE(ctx, cve)
	if err != nil {
		return err
	}
	return a.print(view{value: d, names: []string{d.CVE.CVE}, text: func(st show.Style) string { return show.CVE(d, st) }})
}

func (a *app) cveHosts(ctx context.Context, c *client.Client, cve string, q client.CVEQuery) error {
	var list api.CVEHostList
	err := pages(q, func(q client.CVEQuery) (string, error) {
		page, err := c.CVEHosts(ctx, cve, q)
		page.Hosts = append(list.Hosts, page.Hosts...)
		list = page
		return page.Next, err
	})
	if err != nil {
		return err
	}
	a.cut(len(list.Hosts), list.Total, "hosts")
	return a.print(view{value: list, names: show.CVEHostNames(list), table: func(st show.Style) show.Table { return show.CVEHosts(list, st) }})
}

// whyCVE answers for a CVE, or for one host's exposure to it.
func (a *app) whyCVE(ctx context.Context, c *client.Client, args []string) error {
	if len(args) == 1 {
		return a.printCVE(ctx, c, args[0])
	}
	e, err := c.Exposure(ctx, args[1], args[0])
	if err != nil {
		return err
	}
	return a.print(view{value: e, names: []string{string(e.Host.Host)}, text: func(st show.Style) string { return show.Exposure(e, st) }})
}

// isCVE reports whether an argument can only mean a CVE.
func isCVE(arg string) bool { return hotstick.ValidateCVE(strings.ToUpper(arg)) == nil }

func (a *app) completeCVEs() completion {
	return a.complete(func(ctx context.Context, c *client.Client, prefix string) ([]string, error) {
		page, err := c.CVEs(ctx, client.CVEQuery{Search: prefix, Limit: 100})
		return show.CVENames(page.CVEs), err
	})
}
