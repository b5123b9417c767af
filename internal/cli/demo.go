package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick/internal/demo"
)

func (a *app) demo() *cobra.Command {
	var o demo.Options
	var exit bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run the main job on real kernels in four guests, and check every claim",
		Long: `Fetches two kernel builds, builds live patches for them, boots four guests under
QEMU and rolls out a good, a bad and a killing patch. Every claim is a check with
its evidence. Everything then keeps running until Ctrl-C, unless --exit is given.

Exit code 0 only if every check held. -o json prints the report as one document;
the course then goes to standard error.`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Stay = !exit
			return a.runDemo(cmd.Context(), o)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&exit, "exit", false, "end after the last step")
	flags.StringVar(&o.Dir, "dir", "", "keep everything that the run makes in this directory")
	flags.StringVar(&o.Cache, "cache", "", "where kernels are kept (default the user's cache directory)")
	flags.StringVar(&o.Patches, "patches", "", "the folder of live patch sources (default beside this program)")
	flags.StringVar(&o.Listen, "listen", "", "the server's address (default 127.0.0.1:8443, or any free port)")
	return cmd
}

func (a *app) runDemo(ctx context.Context, o demo.Options) error {
	o.Out = a.env.Stdout
	if a.structured() {
		o.Out = a.env.Stderr
	} else {
		o.Tint = a.style().Color
	}
	report, err := demo.Run(ctx, o)
	if err != nil {
		return err
	}
	if a.structured() {
		if err := a.print(view{value: report}); err != nil {
			return err
		}
	}
	if !report.OK {
		return fail(exitFailed, "the checks that did not hold are listed above, with what was seen instead", "cannot call the demo a success: %d checks did not hold", len(report.Failed()))
	}
	return nil
}
