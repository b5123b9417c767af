package cli

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick/internal/demo"
	"github.com/hotstick/hotstick/internal/demo/house"
	"github.com/hotstick/hotstick/internal/demo/mixed"
)

func (a *app) demo() *cobra.Command {
	var o house.Options
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
	cmd.AddCommand(a.demoMixed())
	demoFlags(cmd, &o, &exit)
	return cmd
}

func (a *app) demoMixed() *cobra.Command {
	var o house.Options
	var exit bool
	cmd := &cobra.Command{
		Use:   "mixed",
		Short: "Close one CVE on a mixed fleet, each host by its own system, and check every claim",
		Long: `Boots eight guests that play Debian, RHEL, SLES, Ubuntu, AlmaLinux with KernelCare
and Oracle Linux, and one Windows agent under Wine. One plan closes one CVE on all of
them, each by its own live-patch system; one host has to reboot, and one is not covered
and says why. Kernels and live patches are real. The vendors' systems are rigs, which do
what the vendors' documentation says, and Wine is no Windows.

Exit code 0 only if every check held. -o json prints the report as one document;
the course then goes to standard error.`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Stay = !exit
			o.Out, o.Tint = a.course()
			report, err := mixed.Run(cmd.Context(), o)
			if err != nil {
				return err
			}
			return a.demonstrated(report, report.OK, len(report.Failed()))
		},
	}
	demoFlags(cmd, &o, &exit)
	return cmd
}

// demoFlags are what every demonstration may be told.
func demoFlags(cmd *cobra.Command, o *house.Options, exit *bool) {
	flags := cmd.Flags()
	flags.BoolVar(exit, "exit", false, "end after the last step")
	flags.StringVar(&o.Dir, "dir", "", "keep everything that the run makes in this directory")
	flags.StringVar(&o.Cache, "cache", "", "where kernels are kept (default the user's cache directory)")
	flags.StringVar(&o.Patches, "patches", "", "the folder of live patch sources (default beside this program)")
	flags.StringVar(&o.Listen, "listen", "", "the server's address (default 127.0.0.1:8443, or any free port)")
}

// course is where a demonstration tells its course, and whether in colour.
func (a *app) course() (io.Writer, bool) {
	if a.structured() {
		return a.env.Stderr, false
	}
	return a.env.Stdout, a.style().Color
}

// demonstrated prints the report of a demonstration where a document is asked for.
func (a *app) demonstrated(report any, ok bool, failed int) error {
	if a.structured() {
		if err := a.print(view{value: report}); err != nil {
			return err
		}
	}
	if !ok {
		return fail(exitFailed, "the checks that did not hold are listed above, with what was seen instead", "cannot call the demo a success: %d checks did not hold", failed)
	}
	return nil
}

func (a *app) runDemo(ctx context.Context, o house.Options) error {
	o.Out, o.Tint = a.course()
	report, err := demo.Run(ctx, o)
	if err != nil {
		return err
	}
	return a.demonstrated(report, report.OK, len(report.Failed()))
}
