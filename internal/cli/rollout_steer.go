package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/cli/show"
)

// steering are the steps that operators take on a rollout.
func (a *app) steering() []*cobra.Command {
	return []*cobra.Command{
		a.rolloutStart(),
		a.rolloutAction(action{verb: "hold", short: "Start nothing more until it is resumed", call: (*client.Client).Hold}),
		a.rolloutAction(action{verb: "resume", short: "Let a held rollout go on", call: (*client.Client).Resume}),
		a.rolloutAction(action{verb: "next-wave", short: "Open the next wave that waits for an operator", call: (*client.Client).NextWave,
			question: "Open the next wave of %s?", needsReason: true}),
		a.rolloutRetry(),
		a.rolloutDismiss(),
		a.rolloutAction(action{verb: "halt", short: "Start nothing more, for good", call: (*client.Client).Halt,
			question: "Halt %s for good? Work goes on by a new plan only."}),
		a.rolloutRevert(),
	}
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

// action is a step that an operator takes on a whole rollout.
type action struct {
	verb, short string
	// question is asked on a terminal before a step that has no way back.
	question string
	// needsReason: whoever reads the log later asks why.
	needsReason bool
	call        func(*client.Client, context.Context, string, api.ActionRequest) (api.Rollout, error)
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
			if act.needsReason {
				if err := needReason(req.Reason); err != nil {
					return err
				}
			}
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
	reasonFlag(cmd, &req.Reason)
	if act.question != "" {
		yesFlag(cmd, &yes)
	}
	return cmd
}

func reasonFlag(cmd *cobra.Command, into *string) {
	cmd.Flags().StringVar(into, "reason", "", "why, for the audit log")
}

func yesFlag(cmd *cobra.Command, into *bool) {
	cmd.Flags().BoolVarP(into, "yes", "y", false, "do not ask")
}

func needReason(reason string) error {
	if reason == "" {
		return usage("--reason TEXT is kept in the audit log", "cannot do this without a reason")
	}
	return nil
}

func (a *app) rolloutRetry() *cobra.Command {
	var req api.RetryRequest
	var hosts []string
	var yes bool
	cmd := &cobra.Command{
		Use:   "retry PLAN",
		Short: "Give hosts that failed or were interrupted a new attempt",
		Long: `Lets hosts whose attempt failed or was interrupted wait for a new one: those named
with --host, or with --failed all of them; also those that were interrupted so often
that they were skipped. What was reverted or struck needs a signed clear first:
hotstick clear make.`,
		Args:              exactly("PLAN"),
		ValidArgsFunction: a.completeRollouts(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if req.Failed == (len(hosts) > 0) {
				return usage("--host HOST names one and may be repeated; --failed means all that failed or were interrupted", "cannot tell which hosts to retry")
			}
			if err := needReason(req.Reason); err != nil {
				return err
			}
			whom := fmt.Sprintf("%d hosts", len(hosts))
			if req.Failed {
				whom = "every host that failed or was interrupted"
			}
			if err := a.confirm(yes, fmt.Sprintf("Retry %s on %s?", show.Clean(args[0]), whom)); err != nil {
				return err
			}
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				var err error
				if req.Hosts, err = hostIDs(ctx, c, hosts); err != nil {
					return err
				}
				r, err := c.Retry(ctx, args[0], req)
				if err != nil {
					return err
				}
				return a.printStep(r)
			})
		},
	}
	cmd.Flags().StringSliceVar(&hosts, "host", nil, "this host; may be repeated")
	cmd.Flags().BoolVar(&req.Failed, "failed", false, "every host that failed or was interrupted")
	reasonFlag(cmd, &req.Reason)
	yesFlag(cmd, &yes)
	_ = cmd.RegisterFlagCompletionFunc("host", a.completeHosts())
	return cmd
}

func (a *app) rolloutRevert() *cobra.Command {
	var req api.RevertRequest
	var hosts []string
	var wave int
	var yes bool
	cmd := &cobra.Command{
		Use:   "revert PLAN",
		Short: "Put back the level that was in effect before: everywhere, on a wave, on hosts",
		Long: `Without --wave and --host the rollout is halted for good, every host that took the
patch goes back, and the level is banned until a signed clear. With them only those
hosts go back and the rollout goes on; the level is not offered to them again
without a clear.`,
		Args:              exactly("PLAN"),
		ValidArgsFunction: a.completeRollouts(),
		RunE: func(cmd *cobra.Command, args []string) error {
			given := cmd.Flags().Changed("wave")
			whom := "every host that took it, and halt it for good"
			switch {
			case given && len(hosts) > 0:
				return usage("name a wave or hosts, not both", "cannot tell what to revert")
			case given && wave < 1:
				return usage("waves are counted from 1: hotstick rollout show PLAN", "cannot revert wave %d", wave)
			case given:
				if err := needReason(req.Reason); err != nil {
					return err
				}
				whom = fmt.Sprintf("every host of wave %d that took it", wave)
				index := wave - 1
				req.Wave = &index
			case len(hosts) > 0:
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
	cmd.Flags().StringSliceVar(&hosts, "host", nil, "only this host; may be repeated")
	cmd.Flags().IntVar(&wave, "wave", 0, "only this wave, counted from 1")
	reasonFlag(cmd, &req.Reason)
	yesFlag(cmd, &yes)
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
