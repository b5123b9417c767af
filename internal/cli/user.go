package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/cli/show"
	"github.com/hotstick/hotstick/internal/identity"
)

const rolesHelp = `Roles, of which somebody may have several:
  viewer     reads everything but the audit log's raw leaves
  operator   also plans, starts, stops and reverts rollouts, and bans
  approver   also hands in signatures: approvals, clears
  publisher  also hands in artifacts and signed catalog metadata
  auditor    also reads and exports the audit log, and sees who may do what
  admin      may do all of it, makes accounts and join tokens, rotates the CA`

func (a *app) user() *cobra.Command {
	return noun("user", "Accounts: who may sign in, and with which roles",
		a.userAdd(), a.userList(), a.userSetDisabled("disable", "End a person's sessions and tokens at once", (*client.Client).Disable),
		a.userSetDisabled("enable", "Let a person in again; sessions from before stay over", (*client.Client).Enable), a.userPasswd(), a.userRoles())
}

func (a *app) userAdd() *cobra.Command {
	var roles []string
	var file string
	var none bool
	cmd := &cobra.Command{
		Use:   "add NAME --role ROLE",
		Short: "Make an account",
		Long: `Makes an account for a person, who then signs in to the console with name and
password. The password is asked for, or read from --password-file; it is never an
argument, for those are seen by everybody on the machine.

The name may be that of a person in the catalog's root. An account gives nobody a
signature: plans and clears are signed with keys, whoever hands them in.

` + rolesHelp,
		Args: exactly("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkUser(args[0], roles); err != nil {
				return err
			}
			req := api.AccountRequest{Person: hotstick.Person(args[0]), Roles: roles}
			if none && file != "" {
				return usage("leave out --password-file or --no-password", "cannot make an account with a password and without")
			}
			if !none {
				var err error
				if req.Password, err = a.newPassword(file, args[0]); err != nil {
					return err
				}
			}
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				account, err := c.MakeAccount(ctx, req)
				return a.printAccounts(err, account)
			})
		},
	}
	rolesFlag(cmd, &roles)
	passwordFlag(cmd, &file)
	cmd.Flags().BoolVar(&none, "no-password", false, "the person signs in with tokens only")
	return cmd
}

func (a *app) userList() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List accounts",
		Args:    exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				list, err := c.Accounts(ctx)
				if err != nil {
					return err
				}
				return a.print(view{value: list, names: show.AccountNames(list.Accounts),
					table: func(st show.Style) show.Table { return show.Accounts(list.Accounts, st) }})
			})
		},
	}
}

func (a *app) userSetDisabled(verb, short string, do func(*client.Client, context.Context, hotstick.Person, api.ActionRequest) (api.Account, error)) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:               verb + " NAME --reason TEXT",
		Short:             short,
		Args:              exactly("NAME"),
		ValidArgsFunction: a.complete(users),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := needReason(reason); err != nil {
				return err
			}
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				account, err := do(c, ctx, hotstick.Person(args[0]), api.ActionRequest{Reason: reason})
				return a.printAccounts(err, account)
			})
		},
	}
	reasonFlag(cmd, &reason)
	return cmd
}

func (a *app) userRoles() *cobra.Command {
	var roles []string
	var reason string
	cmd := &cobra.Command{
		Use:               "roles NAME --role ROLE --reason TEXT",
		Short:             "Give a person these roles in place of the old ones",
		Long:              "Gives a person these roles in place of the old ones. They bind every token and\nevery session of the person at once.\n\n" + rolesHelp,
		Args:              exactly("NAME"),
		ValidArgsFunction: a.complete(users),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkUser(args[0], roles); err != nil {
				return err
			}
			if err := needReason(reason); err != nil {
				return err
			}
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				account, err := c.SetRoles(ctx, hotstick.Person(args[0]), api.RolesRequest{Roles: roles, Reason: reason})
				return a.printAccounts(err, account)
			})
		},
	}
	rolesFlag(cmd, &roles)
	reasonFlag(cmd, &reason)
	return cmd
}

func (a *app) userPasswd() *cobra.Command {
	var file, current string
	cmd := &cobra.Command{
		Use:   "passwd [NAME]",
		Short: "Set your own password, or as an admin that of NAME",
		Long: `Sets a password, and ends the sessions and API tokens from before. Without NAME
it is your own, and the current one is asked for too.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return exactly("NAME")(cmd, args)
		},
		ValidArgsFunction: a.complete(users),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				account, err := a.setPassword(ctx, c, args, file, current)
				return a.printAccounts(err, account)
			})
		},
	}
	passwordFlag(cmd, &file)
	cmd.Flags().StringVar(&current, "current-file", "", "read the current password from this file instead of asking for it")
	return cmd
}

func (a *app) setPassword(ctx context.Context, c *client.Client, args []string, file, current string) (api.Account, error) {
	if len(args) > 0 {
		password, err := a.newPassword(file, args[0])
		if err != nil {
			return api.Account{}, err
		}
		return c.SetPassword(ctx, hotstick.Person(args[0]), api.PasswordRequest{New: password})
	}
	who, err := c.Session(ctx)
	if err != nil {
		return api.Account{}, err
	}
	old, err := a.readPassword(current, "current password of "+string(who.Person))
	if err != nil {
		return api.Account{}, err
	}
	password, err := a.newPassword(file, string(who.Person))
	if err != nil {
		return api.Account{}, err
	}
	return c.SetOwnPassword(ctx, api.OwnPasswordRequest{Current: old, New: password})
}

// users completes names of accounts.
func users(ctx context.Context, c *client.Client, _ string) ([]string, error) {
	list, err := c.Accounts(ctx)
	return show.AccountNames(list.Accounts), err
}

// printAccounts shows what an account is after a change, unless there is an error.
func (a *app) printAccounts(err error, account api.Account) error {
	if err != nil {
		return err
	}
	return a.print(view{value: account, names: []string{string(account.Person)},
		table: func(st show.Style) show.Table { return show.Accounts([]api.Account{account}, st) }})
}

func checkUser(name string, roles []string) error {
	if err := identity.CheckPerson(hotstick.Person(name)); err != nil {
		return usage("use lower-case letters, digits, dots and dashes", "cannot use %q as a person", name)
	}
	if err := identity.CheckRoles(roles); err != nil {
		return usage("--role, of "+strings.Join(identity.Roles(), ", "), "%v", err)
	}
	return nil
}

func rolesFlag(cmd *cobra.Command, into *[]string) {
	cmd.Flags().StringSliceVar(into, "role", nil, strings.Join(identity.Roles(), ", ")+"; may be repeated")
	_ = cmd.RegisterFlagCompletionFunc("role", cobra.FixedCompletions(identity.Roles(), cobra.ShellCompDirectiveNoFileComp))
}

func passwordFlag(cmd *cobra.Command, into *string) {
	cmd.Flags().StringVar(into, "password-file", "", "read the new password from this file instead of asking for it")
}

// newPassword asks for a password that is being chosen, twice where a person types.
func (a *app) newPassword(file, name string) (string, error) {
	first, err := a.readPassword(file, "new password of "+name)
	if err != nil {
		return "", err
	}
	if err := identity.CheckPassword(hotstick.Person(name), first); err != nil {
		return "", usage("several words are easier to remember than signs", "%v", err)
	}
	if file != "" {
		return first, nil
	}
	again, err := a.readPassword("", "the same again")
	if err == nil && again != first {
		err = usage("", "cannot use the password: you typed two different ones")
	}
	return first, err
}

// readPassword reads a password from a file, of which the end of the last line does
// not count, or from the terminal.
func (a *app) readPassword(file, what string) (string, error) {
	if file != "" {
		raw, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("cannot read the password: %w", err)
		}
		return string(bytes.TrimRight(raw, "\r\n")), nil
	}
	typed, err := a.typed(what, "name a file that holds it: see --help")
	return string(typed), err
}
