package cli

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/cli/show"
)

func (a *app) serverRotateCA() *cobra.Command {
	var req api.AuthorityRequest
	var out string
	cmd := &cobra.Command{
		Use:   "rotate-ca --reason TEXT",
		Short: "Change the server's certificate authority, in two steps",
		Long: `The first step makes another authority beside the old one. Both are trusted; hosts
hear of it with their next renewal, signed by the server's online key, and get
certificates of it. A day later, --finish drops the old one. A host that slept
through both finds back within 30 days of its certificate's end.

People's contexts name a file with the authority's certificate. --out writes one
with both: hand it out before the second step.`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := needReason(req.Reason); err != nil {
				return err
			}
			if req.AtOnce && !req.Finish {
				return usage("it belongs to --finish", "cannot use --at-once alone")
			}
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				done, err := c.ChangeAuthority(ctx, req)
				if err != nil {
					return err
				}
				if out != "" {
					if err := os.WriteFile(out, []byte(done.Certificates), 0o644); err != nil {
						return fmt.Errorf("cannot write the certificates: %w", err)
					}
				}
				return a.print(view{value: done, text: func(show.Style) string { return authorityText(done) }})
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&req.Reason, "reason", "", "why, for the audit log")
	flags.BoolVar(&req.Finish, "finish", false, "drop the old authority")
	flags.BoolVar(&req.AtOnce, "at-once", false, "with --finish: do not wait until every host has heard of the next")
	flags.StringVar(&out, "out", "", "write the certificates that clients are to trust to this file")
	return cmd
}

func authorityText(a api.Authority) string {
	text := fmt.Sprintf("The authority is %s.\n", a.Digest)
	if a.Next != "" {
		text += fmt.Sprintf("The next one is %s. Finish after %s: hotstick server rotate-ca --finish --reason TEXT\n", a.Next, a.Ready.UTC().Format(time.RFC3339))
	}
	return text
}
