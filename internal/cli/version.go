package cli

import (
	"context"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/cli/show"
	"github.com/hotstick/hotstick/internal/version"
	"github.com/hotstick/hotstick/internal/wire"
)

// versions is the answer of hotstick version.
type versions struct {
	Client api.Version  `json:"client"`
	Server *api.Version `json:"server,omitempty"`
}

func (a *app) version() *cobra.Command {
	var clientOnly bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Say which build this is, and which the server is",
		Args:  exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := versions{Client: api.Version{Version: version.Version, Revision: version.Revision(), GoVersion: runtime.Version(), Protocol: wire.Protocol}}
			if !clientOnly {
				v.Server = a.serverVersion(cmd.Context())
			}
			return a.print(view{value: v, names: []string{v.Client.Version},
				text: func(show.Style) string { return versionText(v) }})
		},
	}
	cmd.Flags().BoolVar(&clientOnly, "client", false, "do not ask the server")
	return cmd
}

// serverVersion asks the server, if there is one. Which build this program is
// should be told also where no server answers.
func (a *app) serverVersion(ctx context.Context) *api.Version {
	c, err := a.connect()
	if err != nil {
		return nil
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, completionTime)
	defer cancel()
	v, err := c.Version(ctx)
	if err != nil {
		a.note("note: " + show.Escape(err.Error()))
		return nil
	}
	return &v
}

func versionText(v versions) string {
	line := func(who string, v api.Version) string {
		return fmt.Sprintf("%s  %s  revision %s  %s  protocol %d\n", who, show.Clean(v.Version), show.Clean(orUnknown(v.Revision)), show.Clean(v.GoVersion), v.Protocol)
	}
	text := line("client", v.Client)
	if v.Server != nil {
		text += line("server", *v.Server)
	}
	return text
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}
