package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/cli/show"
	"github.com/hotstick/hotstick/internal/identity"
	"github.com/hotstick/hotstick/internal/server"
)

// tokenFlags are what token add was asked for.
type tokenFlags struct{ data, person, role string }

// apiToken is the answer of token add, the only time that the token is shown.
type apiToken struct {
	Token  string          `json:"token"`
	Person hotstick.Person `json:"person"`
	Role   string          `json:"role"`
}

func (a *app) token() *cobra.Command {
	var f tokenFlags
	add := &cobra.Command{
		Use:   "add --person NAME --role ROLE",
		Short: "Make a token with which a person or a program uses the API",
		Long: `Makes an API token straight in the server's data directory, on the server's
machine; the server may be running. The token is shown once: only its digest is
kept. Put it into a context, or into HOTSTICK_TOKEN.

Roles: viewer reads; operator also plans, starts, stops, reverts and bans; admin
also makes join tokens and publishes.`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.addToken(cmd.Context(), f) },
	}
	flags := add.Flags()
	flags.StringVar(&f.data, "data", "", "the server's data directory (default /var/lib/hotstick for root, else under XDG_DATA_HOME)")
	flags.StringVar(&f.person, "person", "", "whom the token speaks for")
	flags.StringVar(&f.role, "role", identity.Viewer, strings.Join(identity.Roles(), ", "))
	_ = add.RegisterFlagCompletionFunc("role", cobra.FixedCompletions(identity.Roles(), cobra.ShellCompDirectiveNoFileComp))
	return noun("token", "API tokens, made on the server's machine", add)
}

func (a *app) addToken(ctx context.Context, f tokenFlags) error {
	switch {
	case !personPattern.MatchString(f.person):
		return usage("--person NAME, in lower-case letters, digits, dots and dashes", "cannot make a token for %q", f.person)
	case !slices.Contains(identity.Roles(), f.role):
		return usage("choose one of "+strings.Join(identity.Roles(), ", "), "cannot use %q as a role", f.role)
	}
	data, err := a.dataDir(f.data)
	if err != nil {
		return err
	}
	secret, err := server.AddAPIToken(ctx, data, f.role, hotstick.Person(f.person))
	if err != nil {
		return err
	}
	a.note(fmt.Sprintf("A token for %s as %s; it is shown this once:", f.person, f.role))
	return a.print(view{value: apiToken{Token: secret, Person: hotstick.Person(f.person), Role: f.role}, names: []string{secret},
		text: func(show.Style) string { return secret + "\n" }})
}
