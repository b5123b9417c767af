package cli

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick/internal/cli/dev"
	"github.com/hotstick/hotstick/internal/cli/show"
)

// devFlags are what hotstick dev was asked for.
type devFlags struct {
	data, listen string
	hosts        int
	seed         uint64
	bad, verbose bool
	exitAfter    time.Duration
}

func (a *app) dev() *cobra.Command {
	var f devFlags
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Start server, console and simulated hosts, a rollout already moving",
		Long: `The two-minute start for developers: a real server with its console, and hosts
that are real agents and loaders over simulated kernels, in one process. Nothing
is patched. The state is in memory and gone at the end, unless --data keeps it.`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runDev(cmd.Context(), f) },
	}
	flags := cmd.Flags()
	flags.IntVar(&f.hosts, "hosts", 200, "how many simulated hosts, 1 to 2000")
	flags.BoolVar(&f.bad, "bad", false, "roll out a level that makes one kernel build's hosts ill, to see a halt")
	flags.StringVar(&f.listen, "listen", "", "the address to listen on (default 127.0.0.1:8443, or any free port)")
	flags.StringVar(&f.data, "data", "", "keep everything in this directory and go on with what is there")
	flags.Uint64Var(&f.seed, "seed", 1, "makes names, kernel builds and labels")
	flags.DurationVar(&f.exitAfter, "exit-after", 0, "end after this long instead of at Ctrl-C")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "log what server and hosts do")
	return cmd
}

func (a *app) runDev(ctx context.Context, f devFlags) error {
	if f.hosts < 1 || f.hosts > 2000 {
		return usage("choose 1 to 2000", "cannot simulate %d hosts", f.hosts)
	}
	if f.exitAfter > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.exitAfter)
		defer cancel()
	}
	o := dev.Options{Dir: f.data, Keep: f.data != "", Listen: f.listen, Hosts: f.hosts, Seed: f.seed, Bad: f.bad,
		Progress: func(format string, args ...any) { a.note(fmt.Sprintf(format, args...)) }}
	if f.data == "" {
		dir, err := scratch()
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		o.Dir = dir
	}
	if f.verbose {
		o.Log = a.log(true)
	} else {
		o.Log = slog.New(slog.NewTextHandler(a.env.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	}
	return dev.Run(ctx, o, func(r dev.Ready) {
		_ = a.print(view{value: r, names: []string{r.URL}, text: func(show.Style) string { return devText(r) }})
	})
}

// scratch makes a directory that is gone afterwards, in memory where there is such
// a place: two hundred hosts sync two hundred small disks.
func scratch() (string, error) {
	const pattern = "hotstick-dev-"
	if dir, err := os.MkdirTemp("/dev/shm", pattern); err == nil {
		return dir, nil
	}
	dir, err := os.MkdirTemp("", pattern)
	if err != nil {
		return "", fmt.Errorf("cannot make a directory for the simulated fleet: %w", err)
	}
	return dir, nil
}

func devText(r dev.Ready) string {
	return fmt.Sprintf(`
Console  %s/
Token    %s

In another terminal:
  export HOTSTICK_CONFIG=%s
  hotstick rollout watch %s
  hotstick why %s
  hotstick rollout plan unix-ioctl@2 --select 'host.labels.role == "db"' --key %s/ada.pem --dry-run

Ctrl-C ends it.
`, r.URL, r.Token, r.Config, r.Plan, show.Clean(r.Host), r.Keys)
}
