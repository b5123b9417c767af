package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

const about = `Hotstick live-patches running Linux kernels across a fleet, and never moves a
patch to the next host without evidence.

Start here:
  hotstick dev                       server, console and 200 simulated hosts
  hotstick init && hotstick server   a server of your own
  hotstick host add                  the one line that joins a host to it

Environment: HOTSTICK_CONTEXT chooses a context of the configuration file, which is
$XDG_CONFIG_HOME/hotstick/config.yaml or HOTSTICK_CONFIG; HOTSTICK_SERVER,
HOTSTICK_TOKEN, HOTSTICK_CA and HOTSTICK_ROOT win over it. NO_COLOR is heeded.`

// root builds the command tree.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "hotstick",
		Short:         "Live-patch running kernels across a fleet, with evidence at every step",
		Long:          about,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          unknownCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(*cobra.Command, []string) error {
			return a.checkOutput()
		},
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage(fmt.Sprintf("see %s --help", cmd.CommandPath()), "cannot use the flags: %v", err)
	})
	root.SuggestionsMinimumDistance = 2
	a.outputFlags(root)
	groups(root)
	root.AddCommand(
		inGroup("fleet", a.host()), inGroup("fleet", a.driver()), inGroup("fleet", a.joinToken()), inGroup("fleet", a.patch()), inGroup("fleet", a.rollout()),
		inGroup("fleet", a.stop()), inGroup("fleet", a.freeze()), inGroup("fleet", a.clear()), inGroup("fleet", a.downgrade()), inGroup("fleet", a.template()),
		inGroup("fleet", a.cve()), inGroup("fleet", a.feed()), inGroup("fleet", a.policy()), inGroup("fleet", a.waiver()), inGroup("fleet", a.evidence()),
		inGroup("fleet", a.why()), inGroup("fleet", a.audit()), inGroup("fleet", a.catalog()),
		inGroup("server", a.initCommand()), inGroup("server", a.server()), inGroup("server", a.key()), inGroup("server", a.user()), inGroup("server", a.token()),
		inGroup("server", a.demo()), inGroup("server", a.dev()), inGroup("server", a.trace()),
		inGroup("self", a.contexts()), inGroup("self", a.version()),
	)
	root.SetHelpCommand(inGroup("self", help()))
	root.SetCompletionCommandGroupID("self")
	return root
}

// help is cobra's, but for what it does with a topic that there is not.
func help() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Explain a command",
		RunE: func(cmd *cobra.Command, args []string) error {
			found, rest, err := cmd.Root().Find(args)
			if err != nil {
				return err
			}
			if len(rest) > 0 {
				return unknownCommand(found, rest)
			}
			return found.Help()
		},
	}
}

func groups(root *cobra.Command) {
	root.AddGroup(
		&cobra.Group{ID: "fleet", Title: "The fleet:"},
		&cobra.Group{ID: "server", Title: "A server:"},
		&cobra.Group{ID: "self", Title: "This program:"},
	)
}

func inGroup(id string, cmd *cobra.Command) *cobra.Command {
	cmd.GroupID = id
	return cmd
}

// noun makes a command that only gathers its verbs.
func noun(use, short string, verbs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(verbs...)
	return cmd
}

// unknownCommand refuses what is no command, with the nearest one that is.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := fmt.Sprintf("see %s --help", cmd.CommandPath())
	if cmd.SuggestionsMinimumDistance <= 0 {
		cmd.SuggestionsMinimumDistance = 2
	}
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = fmt.Sprintf("did you mean %s %s?", cmd.CommandPath(), near[0])
	}
	return usage(hint, "cannot find the command %q of %s", args[0], cmd.CommandPath())
}

// exactly wants these arguments, by name.
func exactly(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		hint := "usage: " + cmd.UseLine()
		if len(args) < len(names) {
			return usage(hint, "cannot go on without %s", names[len(args)])
		}
		return usage(hint, "cannot use %q: it is one argument too many", args[len(names)])
	}
}
