package cli

import (
	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick/internal/cli/settings"
	"github.com/hotstick/hotstick/internal/cli/show"
)

func (a *app) contexts() *cobra.Command {
	return noun("context", "The servers that this program knows", a.contextList(), a.contextUse())
}

// contextLine is a context without its token.
type contextLine struct {
	Name    string `json:"name"`
	Server  string `json:"server"`
	CA      string `json:"ca,omitempty"`
	Current bool   `json:"current"`
}

func (a *app) contextList() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the contexts of the configuration file",
		Args:    exactly(),
		RunE: func(*cobra.Command, []string) error {
			file, _, err := a.configuration()
			if err != nil {
				return err
			}
			lines := []contextLine{}
			var names []string
			for _, c := range file.Contexts {
				lines = append(lines, contextLine{Name: c.Name, Server: c.Server, CA: c.CA, Current: c.Name == file.Current})
				names = append(names, c.Name)
			}
			return a.print(view{value: lines, names: names,
				table: func(show.Style) show.Table { return contextTable(lines) }})
		},
	}
}

func contextTable(lines []contextLine) show.Table {
	t := show.Table{Header: []string{"CURRENT", "NAME", "SERVER", "CA"}, Empty: "No context yet: hotstick init"}
	for _, l := range lines {
		mark := ""
		if l.Current {
			mark = "*"
		}
		t.Rows = append(t.Rows, []show.Cell{{Text: mark}, {Text: show.Clean(l.Name)}, {Text: show.Clean(l.Server)}, {Text: show.Clean(l.CA)}})
	}
	return t
}

func (a *app) contextUse() *cobra.Command {
	return &cobra.Command{
		Use:               "use NAME",
		Short:             "Choose the context that is used from now on",
		Args:              exactly("NAME"),
		ValidArgsFunction: a.completeContexts,
		RunE: func(_ *cobra.Command, args []string) error {
			file, path, err := a.configuration()
			if err != nil {
				return err
			}
			if _, ok := file.Get(args[0]); !ok {
				return fail(exitNotFound, "hotstick context list shows what there is", "cannot find the context %q", args[0])
			}
			file.Current = args[0]
			return settings.Save(path, file)
		},
	}
}

// configuration reads the whole configuration file.
func (a *app) configuration() (settings.File, string, error) {
	path, err := settings.Path(a.env.Getenv)
	if err != nil {
		return settings.File{}, "", err
	}
	file, err := settings.Load(path)
	return file, path, err
}

func (a *app) completeContexts(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	file, _, err := a.configuration()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, c := range file.Contexts {
		names = append(names, c.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
