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
	"github.com/hotstick/hotstick/internal/decide/policy"
	"github.com/hotstick/hotstick/internal/statement"
)

func (a *app) waiver() *cobra.Command {
	return noun("waiver", "Signed exceptions to a policy that end", a.waiverMake(), a.waiverSign(), a.waiverSubmit(), a.waiverList())
}

// waiverFlags are what waiver make was asked for.
type waiverFlags struct {
	signing
	policy, document, hosts, why, life string

	rules    []string
	leaveOut bool
}

func (a *app) waiverMake() *cobra.Command {
	var f waiverFlags
	cmd := &cobra.Command{
		Use:   "make NAME --policy POLICY --key FILE",
		Short: "Write and sign a waiver; others sign it with waiver sign",
		Long: `A waiver excepts hosts from a policy until it ends: with --rule they need not keep
that rule, with --leave-out they are not touched. It holds once as many persons have
signed it as the catalog asks for. A younger one of the same name replaces it.

  hotstick waiver make build-farm --policy shop --rule ours --hosts 'host.labels.role == "build"' \\
      --why "it moves in December" --life 30d --key ada.pem --out waiver.json
  hotstick waiver sign waiver.json --key bob.pem
  hotstick waiver submit waiver.json`,
		Args: exactly("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			said, err := a.newWaiver(cmd, args[0], f)
			if err != nil {
				return err
			}
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				signer, person, _, err := a.signer(ctx, c, f.key)
				if err != nil {
					return err
				}
				return a.sign(f.signing, person, waiverText(said), func() ([]byte, error) { return statement.Sign(statement.KindWaiver, said, signer) })
			})
		},
	}
	f.flags(cmd)
	f.outFlag(cmd)
	cmd.Flags().StringVar(&f.policy, "policy", "", "the policy's name")
	cmd.Flags().StringVar(&f.document, "document", "", "hold for the policy in this file only, as it is now")
	cmd.Flags().StringVar(&f.hosts, "hosts", "", "an expression that is true for the hosts, such as host.labels.role == \"build\"")
	cmd.Flags().StringSliceVar(&f.rules, "rule", nil, "a rule that they need not keep; may be repeated")
	cmd.Flags().BoolVar(&f.leaveOut, "leave-out", false, "leave the hosts alone")
	cmd.Flags().StringVar(&f.why, "why", "", "why; everybody who signs and everybody who waits reads it")
	cmd.Flags().StringVar(&f.life, "life", "30d", "when it ends, from now")
	return cmd
}

// newWaiver is the waiver that the flags ask for, if a policy could judge by it.
func (a *app) newWaiver(cmd *cobra.Command, name string, f waiverFlags) (statement.Waiver, error) {
	life, ok := parseSpan(f.life)
	if !ok {
		return statement.Waiver{}, usage("give a length such as 12h or 7d", "cannot use %q for --life", f.life)
	}
	now := a.env.Now().UTC().Truncate(time.Second)
	w := statement.Waiver{Name: name, Policy: f.policy, Rules: append([]string{}, f.rules...), LeaveOut: f.leaveOut, Hosts: f.hosts, Why: f.why,
		IssuedAt: now, NotAfter: now.Add(life)}
	if err := w.Validate(); err != nil {
		return w, usage("see hotstick waiver make --help", "%v", err)
	}
	if _, err := policy.CompileSelector(w.Hosts); err != nil {
		return w, usage("the fields of a host are listed in docs/reference/policy.md", "%v", err)
	}
	if f.document == "" {
		return w, nil
	}
	raw, err := a.policyText(cmd, f.document)
	if err != nil {
		return w, err
	}
	set, err := policy.Parse(raw)
	if err != nil {
		return w, problemsFailure(f.document, err, a.style())
	}
	w.Text = set.Digest()
	compiled, err := set.Compile(w.Policy, now, policyWaiver(w, nil))
	if err != nil {
		return w, problemsFailure(f.document, err, a.style())
	}
	for _, note := range compiled.Notes() {
		if strings.Contains(note.Message, "the waiver "+w.Name) {
			return w, usage("the rules stand under eligible", "cannot make this waiver: %s", note.Message)
		}
	}
	return w, nil
}

// policyWaiver shows a waiver to a policy.
func policyWaiver(w statement.Waiver, by []hotstick.Person) policy.Waiver {
	return policy.Waiver{Name: w.Name, Policy: w.Policy, Text: w.Text, Rules: w.Rules, LeaveOut: w.LeaveOut, Hosts: w.Hosts, Why: w.Why, By: by, Until: w.NotAfter}
}

// waiverText is what a person reads before signing.
func waiverText(w statement.Waiver) string {
	var b strings.Builder
	what := "are left out by"
	if !w.LeaveOut {
		what = "need not keep " + show.Clean(strings.Join(w.Rules, ", ")) + " of"
	}
	fmt.Fprintf(&b, "Waiver %s, until %s: hosts with\n  %s\n%s policy %s", show.Clean(w.Name), w.NotAfter.UTC().Format(time.RFC3339), show.Clean(w.Hosts),
		what, show.Clean(w.Policy))
	if w.Text != "" {
		fmt.Fprintf(&b, " in the text %s", w.Text.Short())
	}
	fmt.Fprintf(&b, "\n  because: %s", show.Clean(w.Why))
	return b.String()
}

func (a *app) waiverSign() *cobra.Command {
	return countersign(a, "a waiver", readWaiver, func(said statement.Waiver, _ hotstick.Trust) string { return waiverText(said) })
}

func readWaiver(file string) ([]byte, statement.Waiver, error) {
	raw, read, err := readSigned(file, "waiver", statement.ParseWaiver)
	return raw, read.Waiver, err
}

func (a *app) waiverSubmit() *cobra.Command {
	return &cobra.Command{
		Use:   "submit FILE",
		Short: "Hand a waiver in that enough persons have signed",
		Args:  exactly("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			raw, _, err := readWaiver(args[0])
			if err != nil {
				return err
			}
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				w, err := c.Waiver(ctx, api.StatementRequest{Envelope: raw})
				if err != nil {
					return err
				}
				a.note("Plans that are drafted from now on are judged by it.")
				return a.print(view{value: w, names: []string{w.Name}, text: func(show.Style) string {
					return fmt.Sprintf("waiver %s (%s) %s until %s\n", show.Clean(w.Name), show.Clean(persons(w.By)), w.Standing, w.NotAfter.UTC().Format(time.RFC3339))
				}})
			})
		},
	}
}

func (a *app) waiverList() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the waivers that were handed in",
		Args:  exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				list, err := c.Waivers(ctx)
				if err != nil {
					return err
				}
				return a.print(waiverTable(list))
			})
		},
	}
}

func waiverTable(list api.WaiverList) view {
	v := view{value: list}
	t := show.Table{Header: []string{"NAME", "POLICY", "EXCEPTS FROM", "UNTIL", "STANDING", "BY", "WHY"}, Empty: "no waiver was handed in"}
	for _, w := range list.Waivers {
		what := "left out"
		if !w.LeaveOut {
			what = strings.Join(w.Rules, ", ")
		}
		v.names = append(v.names, w.Name)
		t.Rows = append(t.Rows, cells(w.Name, w.Policy, what, w.NotAfter.UTC().Format(time.RFC3339), w.Standing, persons(w.By), w.Why))
	}
	v.table = func(show.Style) show.Table { return t }
	return v
}

// persons are names, as people read them.
func persons(list []hotstick.Person) string {
	var names []string
	for _, p := range list {
		names = append(names, string(p))
	}
	return strings.Join(slices.Compact(names), ", ")
}
