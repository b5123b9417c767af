package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/cli/show"
	"github.com/hotstick/hotstick/internal/statement"
)

func (a *app) downgrade() *cobra.Command {
	return noun("downgrade", "Signed permissions to load an older level", a.downgradeMake(), a.downgradeSign(), a.downgradeSubmit(), a.downgradeList())
}

// downgradeFlags are what downgrade make was asked for.
type downgradeFlags struct {
	signing
	from          int
	hosts, builds []string
	why, life     string
}

func (a *app) downgradeMake() *cobra.Command {
	var f downgradeFlags
	cmd := &cobra.Command{
		Use:   "make PATCH@LEVEL --from LEVEL --key FILE",
		Short: "Write and sign a downgrade; others sign it with downgrade sign",
		Long: `A downgrade allows an older level on hosts that have confirmed a newer one. It starts
nothing: a plan does, which is signed as every plan. It holds once as many persons have
signed it as the catalog asks for:

  hotstick downgrade make unix-ioctl@1 --from 2 --host web-1 --why "2 is slow" --key ada.pem --out down.json
  hotstick downgrade sign down.json --key bob.pem
  hotstick downgrade submit down.json
  hotstick rollout plan unix-ioctl@1 --key ada.pem --select 'host.name == "web-1"'

A revert to the level before needs none: the plan's own signatures permit that.`,
		Args:              exactly("PATCH@LEVEL"),
		ValidArgsFunction: a.completePatches(),
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, err := patchRef(args[0])
			if err != nil {
				return err
			}
			life, ok := parseSpan(f.life)
			if !ok {
				return usage("give a length such as 12h or 7d", "cannot use %q for --life", f.life)
			}
			if len(f.hosts) == 0 && len(f.builds) == 0 {
				return usage("--host HOST or --build BUILD-ID says where; an empty list is never all", "cannot make a downgrade for no host")
			}
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				return a.makeDowngrade(ctx, c, ref, life, f)
			})
		},
	}
	f.flags(cmd)
	f.outFlag(cmd)
	cmd.Flags().IntVar(&f.from, "from", 0, "the newest level that the hosts may have confirmed")
	cmd.Flags().StringSliceVar(&f.hosts, "host", nil, "allow it on this host; may be repeated")
	cmd.Flags().StringSliceVar(&f.builds, "build", nil, "allow it on every host of this kernel build ID; may be repeated")
	cmd.Flags().StringVar(&f.why, "why", "", "why; everybody who signs reads it")
	cmd.Flags().StringVar(&f.life, "life", "7d", "how long hosts may start under it")
	_ = cmd.RegisterFlagCompletionFunc("host", a.completeHosts())
	return cmd
}

func (a *app) makeDowngrade(ctx context.Context, c *client.Client, ref hotstick.PatchRef, life time.Duration, f downgradeFlags) error {
	signer, person, _, err := a.signer(ctx, c, f.key)
	if err != nil {
		return err
	}
	now := a.env.Now().UTC().Truncate(time.Second)
	said := statement.Downgrade{Patch: ref, From: f.from, Hosts: []hotstick.HostID{}, Builds: []hotstick.KernelBuild{}, Why: f.why, IssuedAt: now, NotAfter: now.Add(life)}
	hosts, err := hostIDs(ctx, c, f.hosts)
	if err != nil {
		return err
	}
	said.Hosts = append(said.Hosts, hosts...)
	if len(f.builds) > 0 {
		found, err := c.Patch(ctx, ref)
		if err != nil {
			return err
		}
		if said.Builds, err = buildsOf(found.Patch, f.builds); err != nil {
			return err
		}
	}
	if err := said.Validate(); err != nil {
		return usage("see hotstick downgrade make --help", "%v", err)
	}
	return a.sign(f.signing, person, downgradeText(said), func() ([]byte, error) { return statement.Sign(statement.KindDowngrade, said, signer) })
}

// buildsOf finds kernel builds among those of a patch by their IDs or beginnings of
// these.
func buildsOf(p hotstick.Patch, ids []string) ([]hotstick.KernelBuild, error) {
	var out []hotstick.KernelBuild
	for _, id := range ids {
		var found []hotstick.KernelBuild
		for _, artifact := range p.Artifacts {
			if strings.HasPrefix(artifact.Build.BuildID, id) {
				found = append(found, artifact.Build)
			}
		}
		if len(found) != 1 || len(id) < 8 {
			return nil, usage("hotstick patch show "+p.Ref.String()+" lists the kernel builds; give at least 8 digits",
				"cannot tell which kernel build %q is: %d of %s fit", id, len(found), p.Ref)
		}
		out = append(out, found[0])
	}
	return out, nil
}

// downgradeText is what a person reads before signing.
func downgradeText(d statement.Downgrade) string {
	var b strings.Builder
	fmt.Fprintf(&b, "This downgrade allows %s where no level above %d was confirmed, until %s:\n", show.Clean(d.Patch.String()), d.From, d.NotAfter.UTC().Format(time.RFC3339))
	for _, h := range d.Hosts {
		fmt.Fprintf(&b, "  on host %s\n", show.Clean(string(h)))
	}
	for _, k := range d.Builds {
		fmt.Fprintf(&b, "  on every host with %s\n", show.Clean(k.String()))
	}
	fmt.Fprintf(&b, "  because: %s", show.Clean(d.Why))
	return b.String()
}

func (a *app) downgradeSign() *cobra.Command {
	return countersign(a, "a downgrade", readDowngrade, func(said statement.Downgrade, _ hotstick.Trust) string { return downgradeText(said) })
}

func readDowngrade(file string) ([]byte, statement.Downgrade, error) {
	raw, read, err := readSigned(file, "downgrade", statement.ParseDowngrade)
	return raw, read.Downgrade, err
}

func (a *app) downgradeSubmit() *cobra.Command {
	return &cobra.Command{
		Use:   "submit FILE",
		Short: "Hand a downgrade in that enough persons have signed",
		Args:  exactly("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			raw, _, err := readDowngrade(args[0])
			if err != nil {
				return err
			}
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				d, err := c.Downgrade(ctx, api.StatementRequest{Envelope: raw})
				if err != nil {
					return err
				}
				a.note("It starts nothing; a plan does: hotstick rollout plan " + d.Patch.String())
				return a.print(view{value: d, names: []string{d.Patch.String()}, text: func(show.Style) string {
					return fmt.Sprintf("%s is allowed on %s until %s\n", show.Clean(d.Patch.String()), places(d), d.NotAfter.UTC().Format(time.RFC3339))
				}})
			})
		},
	}
}

// places counts where a downgrade holds.
func places(d api.Downgrade) string {
	var parts []string
	if n := len(d.Hosts); n > 0 {
		parts = append(parts, fmt.Sprintf("%d host(s)", n))
	}
	if n := len(d.Builds); n > 0 {
		parts = append(parts, fmt.Sprintf("every host of %d kernel build(s)", n))
	}
	return strings.Join(parts, " and ")
}

func (a *app) downgradeList() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the downgrades that hold",
		Args:  exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				list, err := c.Downgrades(ctx)
				if err != nil {
					return err
				}
				return a.print(downgradeTable(list))
			})
		},
	}
}

func downgradeTable(list api.DowngradeList) view {
	v := view{value: list}
	t := show.Table{Header: []string{"LEVEL", "FROM", "WHERE", "UNTIL", "WHY"}, Empty: "no downgrade holds"}
	for _, d := range list.Downgrades {
		v.names = append(v.names, d.Patch.String())
		t.Rows = append(t.Rows, cells(d.Patch.String(), fmt.Sprint(d.From), places(d), d.NotAfter.UTC().Format(time.RFC3339), d.Why))
	}
	v.table = func(show.Style) show.Table { return t }
	return v
}
