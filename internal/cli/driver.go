package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/cli/show"
)

func (a *app) driver() *cobra.Command {
	return noun("driver", "The live-patch systems of the fleet", a.driverList(), a.driverShow(), a.driverCVEs(), a.driverFeeds(), a.driverOffer())
}

func (a *app) driverList() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "Count the hosts by the live-patch systems that they can use",
		Args:    exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				list, err := c.Drivers(ctx)
				if err != nil {
					return err
				}
				return a.print(view{value: list, names: show.DriverNames(list),
					table: func(st show.Style) show.Table { return show.Drivers(list, st) }})
			})
		},
	}
}

func (a *app) driverShow() *cobra.Command {
	return &cobra.Command{
		Use:   "show DRIVER",
		Short: "Show what one system can do here, its versions, and why hosts cannot use it",
		Args:  exactly("DRIVER"),
		ValidArgsFunction: a.complete(func(ctx context.Context, c *client.Client, _ string) ([]string, error) {
			list, err := c.Drivers(ctx)
			return show.DriverNames(list), err
		}),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				list, err := c.Drivers(ctx)
				if err != nil {
					return err
				}
				for _, d := range list.Drivers {
					if d.Driver == args[0] {
						return a.print(view{value: d, names: show.DriverNames(api.DriverList{Drivers: []api.Driver{d}}),
							text: func(st show.Style) string { return show.Driver(d, st) }})
					}
				}
				return fail(exitNotFound, "hotstick driver list shows those that hosts tell of", "cannot find a host that tells of the driver %q", args[0])
			})
		},
	}
}
