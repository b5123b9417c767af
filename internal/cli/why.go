package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/cli/show"
)

func (a *app) why() *cobra.Command {
	return &cobra.Command{
		Use:   "why HOST | ROLLOUT [WAVE | LANE] | CVE [HOST]",
		Short: "Say why something does not move, what it waits for, what would change that",
		Long: `HOST and ROLLOUT are names, IDs or the start of a digest; a host comes first where
both have the name. WAVE is a wave's number or name; LANE is the start of a kernel
build ID, or a kernel release. With a CVE and a HOST it says where the host stands with
the CVE, by whose word, and how urgent that is.`,
		Example: `  hotstick why web-1
  hotstick why "close CVE"
  hotstick why "close CVE" 3
  hotstick why "close CVE" 6.1.0-47-amd64
  hotstick why CVE-2026-52928 web-1`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeWhy(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOrTwo(cmd, args); err != nil {
				return err
			}
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				if isCVE(args[0]) {
					return a.whyCVE(ctx, c, args)
				}
				if len(args) == 2 {
					return a.whyRollout(ctx, c, args)
				}
				w, err := c.Why(ctx, args[0])
				if err == nil {
					return a.print(view{value: w, names: show.HostNames([]api.Host{w.Host}),
						text: func(st show.Style) string { return show.Why(w, st) }})
				}
				if !notFound(err) {
					return err
				}
				err = a.whyRollout(ctx, c, args)
				if notFound(err) {
					return fail(exitNotFound, "list them with hotstick host list and hotstick rollout list", "cannot find a host or a rollout %q", args[0])
				}
				return err
			})
		},
	}
}

func oneOrTwo(cmd *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return usage("usage: "+cmd.UseLine(), "cannot go on without HOST, ROLLOUT or CVE")
	case 1, 2:
		return nil
	}
	return usage("usage: "+cmd.UseLine(), "cannot use %q: it is one argument too many", args[2])
}

func notFound(err error) bool {
	var problem *client.Error
	return errors.As(err, &problem) && problem.Status == http.StatusNotFound
}

// whyRollout answers for a rollout, or for the wave or lane of it that is named.
func (a *app) whyRollout(ctx context.Context, c *client.Client, args []string) error {
	w, err := c.WhyRollout(ctx, args[0])
	if err != nil {
		return err
	}
	name := []string{w.Plan.Short()}
	if len(args) == 1 {
		return a.print(view{value: w, names: name, text: func(st show.Style) string { return show.RolloutWhy(w, st) }})
	}
	found := parts(w, args[1])
	switch len(found) {
	case 0:
		return fail(exitNotFound, "hotstick why "+w.Plan.Short()+" lists its waves and lanes", "cannot find a wave or a lane %q in this rollout", args[1])
	case 1:
		return a.print(view{value: found[0], names: name, text: func(st show.Style) string { return show.Standing(found[0], st) }})
	}
	return usage("use a wave's number, or more of a build ID", "cannot tell which is meant: %d waves and lanes are called %q", len(found), args[1])
}

// parts are the waves and lanes that an argument means: a wave's number comes
// before anything's name.
func parts(w api.RolloutWhy, arg string) []api.Standing {
	if n, err := strconv.Atoi(arg); err == nil && n >= 1 && n <= len(w.Waves) {
		return w.Waves[n-1 : n]
	}
	means := func(s api.Standing) bool {
		return s.Name == arg || slices.ContainsFunc(strings.Fields(s.Name), func(f string) bool { return f == arg })
	}
	var out []api.Standing
	for _, s := range slices.Concat(w.Waves, w.Lanes) {
		if means(s) || s.Build != "" && len(arg) >= 4 && strings.HasPrefix(s.Build, arg) {
			out = append(out, s)
		}
	}
	return out
}

// completeWhy offers hosts and rollouts, and then the rollout's waves.
func (a *app) completeWhy() completion {
	first := a.complete(func(ctx context.Context, c *client.Client, prefix string) ([]string, error) {
		page, err := c.Hosts(ctx, client.HostQuery{Search: prefix, Limit: 100})
		if err != nil {
			return nil, err
		}
		list, err := c.Rollouts(ctx)
		return append(show.HostNames(page.Hosts), rolloutArguments(list.Rollouts)...), err
	})
	return func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 1 && isCVE(args[0]) {
			return a.completeHosts()(cmd, nil, prefix)
		}
		if len(args) != 1 {
			if strings.HasPrefix(strings.ToUpper(prefix), "CVE-") {
				return a.completeCVEs()(cmd, args, prefix)
			}
			return first(cmd, args, prefix)
		}
		return a.complete(func(ctx context.Context, c *client.Client, _ string) ([]string, error) {
			w, err := c.WhyRollout(ctx, args[0])
			var out []string
			for i, s := range w.Waves {
				out = append(out, fmt.Sprintf("%d\t%s", i+1, show.Clean(s.Name)))
			}
			return out, err
		})(cmd, nil, prefix)
	}
}
