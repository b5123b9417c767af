package cli

import (
	"context"
	"errors"
	"io/fs"
	"regexp"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/cli/settings"
	"github.com/hotstick/hotstick/internal/cli/show"
	"github.com/hotstick/hotstick/internal/decide/policy"
)

func (a *app) policy() *cobra.Command {
	return noun("policy", "What is eligible, in which order, when, and who must approve",
		a.policyList(), a.policyShow(), a.policyCheck(), a.policyTest(), a.policyExplain())
}

func (a *app) policyList() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the policies that plans can name",
		Long:    "Lists the server's policies; without a server those that come with this program.",
		Args:    exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := a.policies(cmd)
			if err != nil {
				return err
			}
			var names []string
			for _, p := range list.Policies {
				names = append(names, p.Name)
			}
			return a.print(view{value: list, names: names,
				table: func(st show.Style) show.Table { return policyTable(list, st) }})
		},
	}
}

func policyTable(list api.PolicyList, st show.Style) show.Table {
	t := show.Table{Header: []string{"NAME", "SUMMARY"}, Empty: "No policy."}
	if st.Wide {
		t.Header = append(t.Header, "DIGEST")
	}
	for _, p := range list.Policies {
		row := []show.Cell{{Text: show.Clean(p.Name)}, {Text: show.Clean(p.Summary)}}
		if st.Wide {
			row = append(row, show.Cell{Text: show.Clean(string(p.Digest))})
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func (a *app) policyShow() *cobra.Command {
	return &cobra.Command{
		Use:               "show NAME",
		Short:             "Print a policy's documents, to read or to start one of your own from",
		Args:              exactly("NAME"),
		ValidArgsFunction: a.completePolicies,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := a.namedPolicy(cmd, args[0])
			if err != nil {
				return err
			}
			return a.print(view{value: p, names: []string{p.Name},
				text: func(show.Style) string { return show.EscapeLines(p.Document) }})
		},
	}
}

// policies lists the server's policies, or the program's own where no server is
// configured.
func (a *app) policies(cmd *cobra.Command) (api.PolicyList, error) {
	var list api.PolicyList
	err := a.with(cmd, func(ctx context.Context, c *client.Client) (err error) {
		list, err = c.Policies(ctx)
		return err
	})
	if !errors.Is(err, settings.ErrNoServer) {
		return list, err
	}
	for _, name := range policy.Defaults() {
		p, err := defaultPolicy(name)
		if err != nil {
			return list, err
		}
		p.Document = ""
		list.Policies = append(list.Policies, p)
	}
	return list, nil
}

// namedPolicy asks the server for a policy, or takes the program's own where no
// server is configured.
func (a *app) namedPolicy(cmd *cobra.Command, name string) (api.Policy, error) {
	var p api.Policy
	err := a.with(cmd, func(ctx context.Context, c *client.Client) (err error) {
		p, err = c.Policy(ctx, name)
		return err
	})
	if errors.Is(err, settings.ErrNoServer) {
		return defaultPolicy(name)
	}
	return p, err
}

// defaultPolicy is one that comes with the program, as a server would tell it.
func defaultPolicy(name string) (api.Policy, error) {
	text, err := policy.DefaultText(name)
	if err != nil {
		return api.Policy{}, fail(exitNotFound, "hotstick policy list shows what there is", "cannot find the policy %q", name)
	}
	set, err := policy.Parse(text)
	if err != nil {
		return api.Policy{}, err
	}
	return api.Policy{Name: name, Digest: set.Digest(), Summary: set.Summary(name), Document: string(text)}, nil
}

var policyName = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

// policyText reads a file, or takes a policy by its name where there is no such file.
func (a *app) policyText(cmd *cobra.Command, arg string) ([]byte, error) {
	raw, err := readDocument(arg, policy.MaxBytes)
	if errors.Is(err, fs.ErrNotExist) && policyName.MatchString(arg) {
		p, err := a.namedPolicy(cmd, arg)
		return []byte(p.Document), err
	}
	return raw, err
}

// completePolicies offers the server's policies; where none answers, those that come
// with the program, for a server has them too.
func (a *app) completePolicies(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names, _ := a.completePolicyFlag(cmd, nil, prefix)
	if len(names) == 0 {
		names = policy.Defaults()
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completePolicyFiles offers names, and files as the shell itself would.
func (a *app) completePolicyFiles(cmd *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
	names, _ := a.completePolicies(cmd, nil, prefix)
	return names, cobra.ShellCompDirectiveDefault
}
