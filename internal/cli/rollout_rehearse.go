package cli

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/cli/show"
	"github.com/hotstick/hotstick/internal/decide/rehearse"
	page "github.com/hotstick/hotstick/internal/server/view"
	"github.com/hotstick/hotstick/internal/statement"
)

// rehearseFlags are what rollout rehearse was asked for.
type rehearseFlags struct {
	scenarios []string
	seeds     int
	seed      uint64
	start     string
}

func (a *app) rolloutRehearse() *cobra.Command {
	var f rehearseFlags
	cmd := &cobra.Command{
		Use:   "rehearse PLAN|FILE",
		Short: "Play a plan on simulated copies of its hosts, before it is started",
		Long: `Runs the real decider over the plan's own hosts with a made-up clock, and says for
a good patch, killers of four kinds and a zone that is cut off: how long the rollout
takes, how wide it reaches, how many hosts crash, and where each gate would have
stopped it. Nothing is started and no host is asked.

PLAN is a rollout's name or the start of its digest; a FILE is what hotstick rollout
export printed. The same --seed gives the same answer.`,
		Example: `  hotstick rollout rehearse unix-ioctl
  hotstick rollout rehearse unix-ioctl --scenario killer,10%-killer --seeds 1000 -o json`,
		Args:              exactly("PLAN|FILE"),
		ValidArgsFunction: a.completeRollouts(),
		RunE: func(cmd *cobra.Command, args []string) error {
			request, err := f.request(a.env.Now())
			if err != nil {
				return err
			}
			bundle, err := a.rehearsed(cmd, args[0])
			if err != nil {
				return err
			}
			return a.rehearse(cmd.Context(), bundle, request)
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&f.scenarios, "scenario", nil, "play only these: "+strings.Join(scenarioNames(), ", "))
	flags.IntVar(&f.seeds, "seeds", 20, "how often each scenario is played, each time with other chances")
	flags.Uint64Var(&f.seed, "seed", 1, "where the chances come from")
	flags.StringVar(&f.start, "start", "", "when the plan would be started, as RFC 3339; windows count from then; empty is now")
	_ = cmd.RegisterFlagCompletionFunc("scenario", cobra.FixedCompletions(scenarioNames(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func scenarioNames() []string {
	var names []string
	for _, s := range rehearse.Scenarios() {
		names = append(names, s.Name)
	}
	return names
}

// request turns the flags into all of a request but the plan.
func (f rehearseFlags) request(now time.Time) (rehearse.Request, error) {
	r := rehearse.Request{Start: now.UTC().Truncate(time.Second), Runs: f.seeds, Seed: f.seed, Model: rehearse.DefaultModel()}
	if f.seeds < 1 || f.seeds > rehearse.MaxRuns {
		return r, usage(fmt.Sprintf("give 1 to %d", rehearse.MaxRuns), "cannot rehearse with %d seeds", f.seeds)
	}
	for _, name := range f.scenarios {
		s, known := rehearse.ScenarioNamed(name)
		if !known {
			return r, usage("choose of "+strings.Join(scenarioNames(), ", "), "cannot rehearse the scenario %q", name)
		}
		r.Scenarios = append(r.Scenarios, s)
	}
	if f.start != "" {
		start, err := time.Parse(time.RFC3339, f.start)
		if err != nil {
			return r, usage("write it as 2026-11-21T22:00:00Z", "cannot read %q as a time", f.start)
		}
		r.Start = start.UTC()
	}
	return r, nil
}

// rehearsed is the bundle of a plan, from a file of that name or from the server.
func (a *app) rehearsed(cmd *cobra.Command, arg string) (api.Bundle, error) {
	if info, err := os.Stat(arg); err == nil && !info.IsDir() {
		return readBundle(cmd.Context(), nil, arg, arg)
	}
	var bundle api.Bundle
	err := a.with(cmd, func(ctx context.Context, c *client.Client) error {
		var err error
		bundle, err = c.Bundle(ctx, arg)
		return err
	})
	return bundle, err
}

// rehearse plays the bundle's plan. Its signatures are not looked at: a rehearsal
// starts nothing, and a draft may be rehearsed before anybody approves it.
func (a *app) rehearse(ctx context.Context, bundle api.Bundle, request rehearse.Request) error {
	parsed, err := statement.ParsePlan(bundle.Envelope)
	if err != nil {
		return err
	}
	if err := statement.CheckHosts(parsed.Plan, bundle.Hosts); err != nil {
		return fail(exitRefused, "the bundle was edited; ask its author for the digest", "%v", err)
	}
	request.Plan, request.ID, request.Hosts = parsed.Plan, parsed.ID, bundle.Hosts
	request.Progress = a.rehearsalProgress(ctx)
	result, err := rehearse.Run(request)
	if err != nil {
		return err
	}
	return a.print(view{value: page.Rehearsal(result), names: []string{result.Plan.Short()},
		text: func(st show.Style) string { return rehearsalText(result, st) }})
}

// rehearsalProgress tells how far it is, on a terminal in place and else not at
// all, and ends it where the person has enough.
func (a *app) rehearsalProgress(ctx context.Context) func(done, of int) bool {
	_, _, terminal := a.env.Size()
	return func(done, of int) bool {
		switch {
		case !terminal || a.quiet:
		case done < of:
			_, _ = fmt.Fprintf(a.env.Stderr, "\rrehearsing: run %d of %d", done, of)
		default:
			_, _ = fmt.Fprint(a.env.Stderr, "\r\x1b[K")
		}
		return ctx.Err() == nil
	}
}

// rehearsalText is the result for people: a line a scenario, a line a place where
// rollouts were stopped, and what it all means.
func rehearsalText(r rehearse.Result, st show.Style) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d hosts, %d lanes, %d waves; %d runs of each scenario, seed %d, from %s\n\n", st.Bold(show.Clean(r.Name)),
		r.Hosts, r.Lanes, r.Waves, r.Runs, r.Seed, r.Start.Format(time.RFC3339))
	played := show.Table{Header: []string{"SCENARIO", "COMPLETED", "HALTED", "HELD", "TOOK", "P95", "CRASHED", "P99", "MOST", "WIDEST"}}
	stops := show.Table{Header: []string{"SCENARIO", "STOPPED IN", "RUNS", "AFTER", "WITH THE PATCH", "CRASHED", "BECAUSE"}}
	for _, o := range r.Scenarios {
		played.Rows = append(played.Rows, cells(o.Scenario.Name, o.Ends.Completed, o.Ends.Halted, o.Ends.Held, howLong(o.Seconds.Median), howLong(o.Seconds.P95),
			fmt.Sprintf("%.4g", o.Crashed.Mean), o.Crashed.P99, o.Crashed.Max, widest(o.Blast)))
		for _, s := range o.Stops {
			stops.Rows = append(stops.Rows, cells(o.Scenario.Name, fmt.Sprintf("%s (%s)", s.Name, s.End), s.Runs,
				howLong(s.Seconds.Median), s.Patched.Median, s.Crashed.Median, because(s.Code, s.Cause)))
		}
	}
	_ = played.Write(&b, st)
	if len(stops.Rows) > 0 {
		b.WriteString("\n")
		_ = stops.Write(&b, st)
	}
	m := r.Model
	fmt.Fprintf(&b, "\nHosts check in within %d s, move their tasks in %d ms, boot in %d s; %d of a million go down by themselves;\n%d %% of the crashes leave a trace. Widest is the most hosts of one domain disturbed at once.\n\n%s\n",
		m.CheckInSeconds, m.TransitionMillis, m.RebootSeconds, m.BackgroundPPM, m.TracePPM/10_000, r.Verdict())
	return b.String()
}

func cells(values ...any) []show.Cell {
	var row []show.Cell
	for _, v := range values {
		row = append(row, show.Cell{Text: show.Clean(fmt.Sprint(v))})
	}
	return row
}

func howLong(seconds float64) string { return show.Age(time.Duration(seconds) * time.Second) }

func because(code, cause hotstick.ReasonCode) string {
	if cause == "" {
		return string(code)
	}
	return string(code) + ": " + string(cause)
}

// widest lists the most hosts of one domain that were disturbed at once, for each
// kind of domain.
func widest(blast []rehearse.Blast) string {
	var out []string
	for _, b := range blast {
		out = append(out, fmt.Sprintf("%s %d of %d", b.Domain, b.Hosts, b.Of))
	}
	return strings.Join(out, ", ")
}
