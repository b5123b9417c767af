package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/cli/show"
	"github.com/hotstick/hotstick/internal/statement"
)

func (a *app) clear() *cobra.Command {
	return noun("clear", "Signed statements that lift a ban, recalls, strikes and what was reverted", a.clearMake(), a.clearSign(), a.clearApply())
}

// clearFlags are what clear make was asked for.
type clearFlags struct {
	signing
	hosts []string
	ban   bool
	// recall lifts recalls.
	recall bool
	// crashes lifts the stops on kinds of machines.
	crashes bool
	life    string
}

func (a *app) clearMake() *cobra.Command {
	var f clearFlags
	cmd := &cobra.Command{
		Use:   "make PATCH@LEVEL --key FILE",
		Short: "Write and sign a clear; others sign it with clear sign",
		Long: `A clear says that a level may be used again: --ban lifts its ban, --recall the recalls
that its publishers signed up to now, --host the strikes of a host, and allows the level
again where it was reverted. --crashes lets it start again on the kinds of machines that
crashed with it (hotstick patch crashes); so does every clear that names no host. It holds once as many persons have signed it as the catalog
asks for:

  hotstick clear make unix-ioctl@2 --ban --host web-1 --key ada.pem --out clear.json
  hotstick clear sign clear.json --key bob.pem
  hotstick clear apply clear.json`,
		Args:              exactly("PATCH@LEVEL"),
		ValidArgsFunction: a.completePatches(),
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, err := patchRef(args[0])
			if err != nil {
				return err
			}
			switch {
			case !f.ban && !f.recall && !f.crashes && len(f.hosts) == 0:
				return usage("--ban lifts the ban, --recall the recalls, --crashes the stops after crashes, --host HOST a host's strikes; an empty list is never all", "cannot make a clear that lifts nothing")
			case f.crashes && len(f.hosts) > 0:
				return usage("make two clears", "cannot lift the stops after crashes in a clear of single hosts")
			}
			life, ok := parseSpan(f.life)
			if !ok {
				return usage("give a length such as 12h or 7d", "cannot use %q for --life", f.life)
			}
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				return a.makeClear(ctx, c, ref, life, f)
			})
		},
	}
	f.flags(cmd)
	f.outFlag(cmd)
	cmd.Flags().StringSliceVar(&f.hosts, "host", nil, "lift this host's strikes; may be repeated")
	cmd.Flags().BoolVar(&f.ban, "ban", false, "lift the ban")
	cmd.Flags().BoolVar(&f.recall, "recall", false, "lift the recalls that were signed up to now")
	cmd.Flags().BoolVar(&f.crashes, "crashes", false, "lift the stops on kinds of machines that crashed with it")
	cmd.Flags().StringVar(&f.life, "life", "7d", "how long it may be handed in and reach hosts")
	_ = cmd.RegisterFlagCompletionFunc("host", a.completeHosts())
	return cmd
}

func (a *app) makeClear(ctx context.Context, c *client.Client, ref hotstick.PatchRef, life time.Duration, f clearFlags) error {
	signer, person, _, err := a.signer(ctx, c, f.key)
	if err != nil {
		return err
	}
	hosts, err := hostIDs(ctx, c, f.hosts)
	if err != nil {
		return err
	}
	now := a.env.Now().UTC().Truncate(time.Second)
	said := statement.Clear{Patch: ref, Hosts: hosts, Ban: f.ban, Recall: f.recall, IssuedAt: now, NotAfter: now.Add(life)}
	if said.Hosts == nil {
		said.Hosts = []hotstick.HostID{}
	}
	return a.sign(f.signing, person, clearText(said, f.hosts), func() ([]byte, error) { return statement.Sign(statement.KindClear, said, signer) })
}

// clearText is what a person reads before signing. Names are known only to
// whoever asked for the hosts by name.
func clearText(said statement.Clear, names []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "This clear allows %s again, until %s:\n", show.Clean(said.Patch.String()), said.NotAfter.UTC().Format(time.RFC3339))
	if said.Ban {
		b.WriteString("  its ban is lifted, fleet-wide\n")
	}
	if said.Recall {
		fmt.Fprintf(&b, "  its recalls up to %s are lifted, fleet-wide\n", said.IssuedAt.UTC().Format(time.RFC3339))
	}
	if len(said.Hosts) == 0 {
		b.WriteString("  it may start again on the kinds of machines that crashed with it\n")
	}
	for i, h := range said.Hosts {
		name := ""
		if i < len(names) && names[i] != string(h) {
			name = " (" + show.Clean(names[i]) + ")"
		}
		fmt.Fprintf(&b, "  host %s%s may take it again after a strike or a revert\n", show.Clean(string(h)), name)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func (a *app) clearSign() *cobra.Command {
	return countersign(a, "a clear", readClear, func(said statement.Clear, _ hotstick.Trust) string { return clearText(said, nil) })
}

func readClear(file string) ([]byte, statement.Clear, error) {
	raw, read, err := readSigned(file, "clear", statement.ParseClear)
	return raw, read.Clear, err
}

func (a *app) clearApply() *cobra.Command {
	return &cobra.Command{
		Use:   "apply FILE",
		Short: "Hand a clear in that enough persons have signed",
		Args:  exactly("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			raw, said, err := readClear(args[0])
			if err != nil {
				return err
			}
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				result, err := c.Clear(ctx, api.ClearRequest{Envelope: raw})
				if err != nil {
					return err
				}
				a.note("Hosts hold to a strike until they have the clear; a new plan takes them on: hotstick rollout plan " + said.Patch.String())
				return a.print(view{value: result, names: []string{result.Patch.String()}, text: func(show.Style) string { return cleared(result) }})
			})
		},
	}
}

func cleared(r api.ClearResult) string {
	parts := []string{}
	if r.Ban {
		parts = append(parts, "its ban is lifted")
	}
	if r.Recall {
		parts = append(parts, "its recalls are lifted")
	}
	if len(r.Hosts) == 0 {
		parts = append(parts, "its stops after crashes are lifted")
	}
	if n := len(r.Hosts); n > 0 {
		parts = append(parts, fmt.Sprintf("allowed again on %d hosts", n))
	}
	return fmt.Sprintf("cleared %s: %s\n", show.Clean(r.Patch.String()), strings.Join(slices.Clip(parts), ", "))
}
