package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick/internal/server"
	"github.com/hotstick/hotstick/internal/trace"
)

// serverFlags are what hotstick server was asked for.
type serverFlags struct {
	data, listen, url string
	trace             string
	names             []string
	verbose           bool
}

func (a *app) server() *cobra.Command {
	var f serverFlags
	cmd := &cobra.Command{
		Use:   "server",
		Short: "Run the server: console, operator API and hosts on one port",
		Long: `Serves console, operator API and hosts from a data directory that hotstick init
made, until it is interrupted. What server.yaml in that directory says, these
flags override; HOTSTICK_WEBHOOK_URL and HOTSTICK_WEBHOOK_SECRET name where holds,
halts, reverts and strikes are told, HOTSTICK_ALERTMANAGER_URL where alerts are
pushed.

The log goes to standard error, as JSON unless that is a terminal.`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.serve(cmd.Context(), f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.data, "data", "", "the data directory (default /var/lib/hotstick for root, else under XDG_DATA_HOME)")
	flags.StringVar(&f.listen, "listen", "", "the address to listen on (default "+server.DefaultListen+")")
	flags.StringVar(&f.url, "url", "", "how hosts and people reach the server, if not by --listen")
	flags.StringSliceVar(&f.names, "name", nil, "another host name or address for the server's certificate; may be repeated")
	flags.StringVar(&f.trace, "trace", "", "append what the server commits to this file, for hotstick trace check")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "log more")
	cmd.AddCommand(a.serverBackup(), a.serverRestore(), a.serverReconcile(), a.serverRotateCA(), a.serverAdoptRoot())
	return cmd
}

func (a *app) serve(ctx context.Context, f serverFlags) error {
	o, err := a.serverOptions(f)
	if err != nil {
		return err
	}
	closed := func() error { return nil }
	if f.trace != "" {
		w, err := trace.Append(f.trace)
		if err != nil {
			return err
		}
		o.Trace, closed = w, w.Close
	}
	s, err := server.New(ctx, o)
	if err != nil {
		return errors.Join(err, closed())
	}
	a.note(fmt.Sprintf("Console: %s/  (the admin's token is in %s)", s.URL(), filepath.Join(o.Dir, tokenFile)))
	return errors.Join(s.Run(ctx), closed())
}

// serverOptions lays flags over the environment over server.yaml.
func (a *app) serverOptions(f serverFlags) (server.Options, error) {
	var err error
	if f.data == "" {
		if f.data, err = defaultData(a.env.Getenv); err != nil {
			return server.Options{}, err
		}
	}
	config, err := loadServerConfig(f.data)
	if err != nil {
		return server.Options{}, err
	}
	if err := config.overlay(a.env.Getenv); err != nil {
		return server.Options{}, err
	}
	if f.listen != "" {
		config.Listen = f.listen
	}
	if f.url != "" {
		config.URL = f.url
	}
	config.Names = append(config.Names, f.names...)
	o, err := config.options(f.data)
	o.Log = a.log(f.verbose)
	return o, err
}

// log is a service's log: for people on a terminal, for programs elsewhere.
func (a *app) log(verbose bool) *slog.Logger {
	options := &slog.HandlerOptions{Level: slog.LevelInfo}
	if verbose {
		options.Level = slog.LevelDebug
	}
	if a.env.Interactive {
		return slog.New(slog.NewTextHandler(a.env.Stderr, options))
	}
	return slog.New(slog.NewJSONHandler(a.env.Stderr, options))
}
