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
	"github.com/hotstick/hotstick/internal/identity"
	"github.com/hotstick/hotstick/internal/server"
)

// tokenFlags are what token add was asked for.
type tokenFlags struct {
	data, person, life string
	roles, only        []string
	readOnly, forever  bool
}

func (a *app) token() *cobra.Command {
	return noun("token", "API tokens, with which persons and programs use the API", a.tokenAdd(), a.tokenList(), a.tokenRevoke())
}

func (a *app) tokenAdd() *cobra.Command {
	var f tokenFlags
	cmd := &cobra.Command{
		Use:   "add",
		Short: "Make a token with no more rights than your own",
		Long: `Makes an API token. It is shown once: only its digest is kept. Put it into a
context, or into HOTSTICK_TOKEN. It has your roles unless you name fewer, ends after
90 days unless you say otherwise, and may be limited to reading or to single rights:
` + rightsHelp() + `.

With --data it is made straight in the server's data directory, on the server's
machine, without an end: for whoever lost the last admin's token. With --role admin
the person's account is enabled and has that role afterwards.

Made with a token that ends, it ends no later, and it is taken back with that one.

` + rolesHelp,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			if f.data != "" {
				return a.tokenOnMachine(cmd.Context(), f)
			}
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				made, err := c.MakeToken(ctx, f.request())
				if err != nil {
					return err
				}
				return a.printToken(made)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.data, "data", "", "make it in this data directory, without asking the server; needs --person")
	flags.StringVar(&f.person, "person", "", "whom the token speaks for, if not for you; only an admin may")
	rolesFlag(cmd, &f.roles)
	flags.BoolVar(&f.readOnly, "read-only", false, "limit it to what changes nothing")
	flags.StringSliceVar(&f.only, "only", nil, "limit it to this right; may be repeated")
	flags.StringVar(&f.life, "life", "", "how long it may be used, such as 12h or 30d, at most 365d (default 90d)")
	flags.BoolVar(&f.forever, "no-expiry", false, "make it without an end; only an admin may")
	return cmd
}

// rightsHelp lists the rights.
func rightsHelp() string {
	var out []string
	for _, r := range identity.Rights() {
		out = append(out, string(r))
	}
	return strings.Join(out, ", ")
}

func (f tokenFlags) check() error {
	if f.person != "" || f.data != "" {
		if err := identity.CheckPerson(hotstick.Person(f.person)); err != nil {
			return usage("--person NAME, in lower-case letters, digits, dots and dashes", "cannot make a token for %q", f.person)
		}
	}
	if len(f.roles) > 0 {
		if err := identity.CheckRoles(f.roles); err != nil {
			return usage("choose of "+strings.Join(identity.Roles(), ", "), "%v", err)
		}
	}
	if err := identity.CheckOnly(f.only); err != nil {
		return usage("choose of "+rightsHelp(), "%v", err)
	}
	limited := f.readOnly || len(f.only) > 0
	switch {
	case f.forever && f.life != "":
		return usage("leave out --life or --no-expiry", "cannot make a token that ends and does not")
	case f.readOnly && len(f.only) > 0:
		return usage("leave out --read-only or --only", "cannot limit a token in two ways")
	case f.data != "" && (limited || f.forever || f.life != ""):
		return usage("ask the server for such a token: leave out --data", "cannot limit a token that is made in the data directory")
	}
	if f.data != "" && len(f.roles) > 1 {
		return usage("give it one; more come with an account: hotstick user add", "cannot make a token of several roles in the data directory")
	}
	if life, ok := parseSpan(f.life); f.life != "" && (!ok || life%time.Second != 0) {
		return usage("write a length such as 12h, 7d or 2w", "cannot use %q as a token's life", f.life)
	}
	return nil
}

func (f tokenFlags) request() api.TokenRequest {
	req := api.TokenRequest{Person: hotstick.Person(f.person), Roles: f.roles, Only: f.only, NoExpiry: f.forever}
	if life, ok := parseSpan(f.life); ok {
		req.TTLSeconds = int(life / time.Second)
	}
	if f.readOnly {
		for _, r := range identity.ReadingRights() {
			req.Only = append(req.Only, string(r))
		}
	}
	return req
}

func (a *app) tokenOnMachine(ctx context.Context, f tokenFlags) error {
	data, err := a.dataDir(f.data)
	if err != nil {
		return err
	}
	role := identity.Viewer
	if len(f.roles) > 0 {
		role = f.roles[0]
	}
	secret, err := server.AddAPIToken(ctx, data, role, hotstick.Person(f.person))
	if err != nil {
		return err
	}
	return a.printToken(api.Token{Token: secret, TokenState: api.TokenState{ID: identity.DigestSecret(secret).Short(),
		Person: hotstick.Person(f.person), Roles: []string{role}, Made: a.env.Now().UTC()}})
}

func (a *app) printToken(made api.Token) error {
	ends := "without an end"
	if made.Expires != nil {
		ends = "until " + made.Expires.UTC().Format(time.RFC3339)
	}
	a.note(fmt.Sprintf("A token for %s as %s, %s; it is shown this once:", made.Person, strings.Join(made.Roles, " and "), ends))
	return a.print(view{value: made, names: []string{made.Token},
		text: func(show.Style) string { return made.Token + "\n" }})
}

func (a *app) tokenList() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the tokens that may be used: yours, or all for an auditor or admin",
		Args:    exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				list, err := c.Tokens(ctx)
				if err != nil {
					return err
				}
				return a.printTokens(list)
			})
		},
	}
}

func (a *app) printTokens(list api.TokenList) error {
	return a.print(view{value: list, names: show.TokenNames(list.Tokens),
		table: func(st show.Style) show.Table { return show.Tokens(list.Tokens, st) }})
}

func (a *app) tokenRevoke() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "revoke ID --reason TEXT",
		Short: "Take a token back, with whatever was signed in with it",
		Args:  exactly("ID"),
		ValidArgsFunction: a.complete(func(ctx context.Context, c *client.Client, _ string) ([]string, error) {
			list, err := c.Tokens(ctx)
			return show.TokenNames(list.Tokens), err
		}),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := needReason(reason); err != nil {
				return err
			}
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				list, err := c.RevokeToken(ctx, args[0], api.ActionRequest{Reason: reason})
				if err != nil {
					return err
				}
				return a.printTokens(list)
			})
		},
	}
	reasonFlag(cmd, &reason)
	return cmd
}
