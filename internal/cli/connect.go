package cli

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/cli/settings"
	"github.com/hotstick/hotstick/internal/version"
)

// completionTime bounds what pressing the tabulator may cost.
const completionTime = 2 * time.Second

// settings reads the configuration file and chooses the context.
func (a *app) settings() (settings.Context, error) {
	path, err := settings.Path(a.env.Getenv)
	if err != nil {
		return settings.Context{}, err
	}
	file, err := settings.Load(path)
	if err != nil {
		return settings.Context{}, err
	}
	return file.Resolve(a.context, a.env.Getenv)
}

// connect makes the client for the chosen context. It does not call the server.
func (a *app) connect() (*client.Client, error) {
	c, err := a.settings()
	if err != nil {
		return nil, err
	}
	options := client.Options{Server: c.Server, Token: c.Token, UserAgent: "hotstick/" + version.Version}
	if c.CA != "" {
		if options.Authority, err = os.ReadFile(c.CA); err != nil {
			return nil, fmt.Errorf("cannot read the server's authority: %w", err)
		}
	}
	return client.New(options)
}

// completion is what cobra wants for dynamic completion.
type completion func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective)

// complete offers the names that list gives, for the first argument only. A
// server that does not answer in time offers nothing: a shell is no place for
// error messages.
func (a *app) complete(list func(ctx context.Context, c *client.Client, prefix string) ([]string, error)) completion {
	return func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		c, err := a.connect()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer c.Close()
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
		defer cancel()
		names, err := list(ctx, c, prefix)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// with runs fn with a client of the chosen server.
func (a *app) with(cmd *cobra.Command, fn func(context.Context, *client.Client) error) error {
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	return fn(cmd.Context(), c)
}
