package cli

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick/internal/cli/show"
	"github.com/hotstick/hotstick/internal/sim/checker"
)

func (a *app) trace() *cobra.Command {
	return noun("trace", "What servers, agents and loaders did, as JSON lines (--trace)", a.traceCheck())
}

func (a *app) traceCheck() *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE",
		Short: "Hold a trace against the safety rules; exit code 1 if one is broken",
		Long: `Reads a trace that hotstick server --trace, or the simulator, wrote, and checks the
rules of safety on every event, as the simulator does. A rule that had nothing to
look at in this trace is counted as such: it was not proved.`,
		Args: exactly("FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			file, err := os.Open(args[0])
			if err != nil {
				return fmt.Errorf("cannot read the trace: %w", err)
			}
			defer file.Close()
			report, err := checker.Run(file)
			if err != nil {
				return fail(exitFailed, "hotstick server --trace FILE writes one", "%v", err)
			}
			err = a.print(view{value: report, text: func(st show.Style) string { return traceText(report, st) }})
			if err == nil && len(report.Violations) > 0 {
				err = &failure{code: exitFailed}
			}
			return err
		},
	}
}

func traceText(r checker.Report, st show.Style) string {
	looked := 0
	for _, n := range r.Looked {
		if n > 0 {
			looked++
		}
	}
	text := fmt.Sprintf("%d events, %d of %d rules had something to look at, %d broken\n", r.Events, looked, len(checker.Rules()), len(r.Violations))
	for _, v := range r.Violations {
		text += fmt.Sprintf("%s: %s (event %d)\n", st.Bold(show.Clean(v.Rule)), show.Escape(v.Text), v.At+1)
	}
	return text
}
