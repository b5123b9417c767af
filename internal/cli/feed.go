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

func (a *app) feed() *cobra.Command {
	return noun("feed", "Where the server reads advisories: what is known of CVEs in kernels", a.feedAdd(), a.feedList(), a.feedShow(), a.feedRemove())
}

func (a *app) feedAdd() *cobra.Command {
	var req api.FeedRequest
	var every string
	cmd := &cobra.Command{
		Use:   "add NAME LOCATION --reason TEXT",
		Short: "Name a feed of advisories, or say something else of one that is there",
		Long: `LOCATION is an http or https address, or the whole path of a file or directory on the
server: a document or an archive of them (OSV, CSAF, KEV, EPSS), or, with a slash at the
end of the address, a CSAF provider's directory. The server reads it at once and then every
so often. What is said here takes the place of all that was said of NAME before.

--complete is yours to say, and nothing in a document does: that the feed names every CVE
that affects a kernel of that release. A kernel that it leaves out then counts as not
affected. --vendor says of which distributions the feed is the vendor's own word, which
beats every other.`,
		Args: exactly("NAME", "LOCATION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			req.Name, req.Location = args[0], args[1]
			if err := needReason(req.Reason); err != nil {
				return err
			}
			if every != "" {
				period, ok := parseSpan(every)
				if !ok {
					return usage("write a length such as 90m, 12h or 7d", "cannot read %q as --every", every)
				}
				req.PeriodSeconds = int(period / time.Second)
			}
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				f, err := c.PutFeed(ctx, req)
				if err != nil {
					return err
				}
				return a.printFeed(f)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&req.Complete, "complete", nil, "a distribution with its release, such as debian:12, for which it names every CVE; may be repeated")
	flags.StringSliceVar(&req.Vendor, "vendor", nil, "a distribution, such as debian, of which it is the vendor's own word; may be repeated")
	flags.StringVar(&every, "every", "", "how often it is read, such as 1h (default 6h)")
	flags.BoolVar(&req.Disabled, "off", false, "do not read it; what it said stays")
	reasonFlag(cmd, &req.Reason)
	return cmd
}

func (a *app) printFeed(f api.FeedDetail) error {
	return a.print(view{value: f, names: []string{f.Feed.Name}, text: func(st show.Style) string { return show.AdvisoryFeed(f, st) }})
}

func (a *app) printAdvisoryFeeds(list api.FeedList) error {
	return a.print(view{value: list, names: show.AdvisoryFeedNames(list.Feeds),
		table: func(st show.Style) show.Table { return show.AdvisoryFeeds(list.Feeds, st) }})
}

func (a *app) feedList() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the feeds of advisories, and how reading them went",
		Args:    exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				list, err := c.Feeds(ctx)
				if err != nil {
					return err
				}
				return a.printAdvisoryFeeds(list)
			})
		},
	}
}

func (a *app) feedShow() *cobra.Command {
	return &cobra.Command{
		Use:               "show NAME",
		Short:             "Show a feed, and which documents could not be read",
		Args:              exactly("NAME"),
		ValidArgsFunction: a.completeAdvisoryFeeds(),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				f, err := c.Feed(ctx, args[0])
				if err != nil {
					return err
				}
				return a.printFeed(f)
			})
		},
	}
}

func (a *app) feedRemove() *cobra.Command {
	var reason string
	var yes bool
	cmd := &cobra.Command{
		Use:               "remove NAME --reason TEXT",
		Short:             "Take a feed out, with all that it said",
		Args:              exactly("NAME"),
		ValidArgsFunction: a.completeAdvisoryFeeds(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := needReason(reason); err != nil {
				return err
			}
			if err := a.confirm(yes, fmt.Sprintf("Take the feed %s out? What it alone says of CVEs is not known any more.", show.Clean(args[0]))); err != nil {
				return err
			}
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				list, err := c.RemoveFeed(ctx, args[0], api.ActionRequest{Reason: reason})
				if err != nil {
					return err
				}
				return a.printAdvisoryFeeds(list)
			})
		},
	}
	reasonFlag(cmd, &reason)
	yesFlag(cmd, &yes)
	return cmd
}

func (a *app) completeAdvisoryFeeds() completion {
	return a.complete(func(ctx context.Context, c *client.Client, _ string) ([]string, error) {
		list, err := c.Feeds(ctx)
		return show.AdvisoryFeedNames(list.Feeds), err
	})
}
