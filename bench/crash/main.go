// Command crash kills real programs at their failpoints and looks whether anything was
// repeated, skipped or lost.
//
// The programs are lab builds (go build -tags lab): one server on SQLite and three hosts,
// each with its agent and its loader, whose kernels are simulated by this process and so
// outlive them. Levels are rolled out, taken back, banned, halted and recalled; hosts
// join, restart and go down; backups are made. Every program is armed at one point, dies
// there as of kill -9, is started again at once, armed at another, and so on. What was
// acknowledged must be there at the end, the audit log must verify, each attempt must have
// loaded once, every report must have arrived, and the rules that the simulator checks
// must hold for the traces of all programs.
//
// Several such houses run beside each other, since most of a house's time is spent
// waiting. When the time for a run is over nothing is killed any more, what was begun
// comes to its end, and the run counts if it made enough kills: a slow machine makes fewer,
// and breaks no rule.
//
// Which points are killed at is a matter of the seed, by default the commit.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/hotstick/hotstick/internal/failpoint"
	"github.com/hotstick/hotstick/internal/turn"
)

func main() { os.Exit(command(os.Args[1:], os.Stdout, os.Stderr)) }

func command(args []string, stdout, stderr io.Writer) int {
	o := options{course: stderr}
	flags := flag.NewFlagSet("crash", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.programs, "programs", "bin/lab", "folder of the lab builds")
	flags.IntVar(&o.kills, "kills", 200, "how many kills")
	each := flags.Int("each", 0, "as many kills at each point, instead")
	only := flags.String("only", "", "only points whose name this regular expression matches")
	flags.StringVar(&o.seed, "seed", "", "seed of the choice; empty: the commit")
	flags.StringVar(&o.planted, "planted", "", "switch this bug on in the loaders, which must be built with -tags lab,planted; the run is good if it is found")
	flags.StringVar(&o.dir, "dir", "", "keep everything in this new directory; without it only what was found wrong is kept")
	flags.IntVar(&o.houses, "houses", 3, "so many servers, each with its hosts, beside each other")
	flags.DurationVar(&o.within, "within", 0, "kill no more after this time; 0: until all is done")
	flags.IntVar(&o.least, "least", 0, "how many kills must be made; 0: all")
	format := flags.String("o", "table", "table or json")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if flags.NArg() > 0 || o.houses < 1 || *format != "table" && *format != "json" {
		fmt.Fprintln(stderr, "error: want no arguments, a house or more, and -o table or -o json")
		return 2
	}
	pattern, err := regexp.Compile(*only)
	if err != nil {
		fmt.Fprintln(stderr, "error: cannot use -only:", err)
		return 2
	}
	o.points = slices.DeleteFunc(within(failpoint.Points()), func(p failpoint.Point) bool { return !pattern.MatchString(string(p.Name)) })
	if o.seed == "" {
		o.seed = turn.Commit()
	}
	if *each > 0 {
		o.kills = *each * len(o.points)
	}
	if o.least == 0 {
		o.least = o.kills
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	report, err := inDir(ctx, o)
	if err != nil {
		fmt.Fprintln(stderr, "error:", err)
		return 1
	}
	if *format == "json" {
		err = json.NewEncoder(stdout).Encode(report)
	} else {
		report.table(stdout)
	}
	switch {
	case err != nil:
		return 1
	case o.planted != "":
		return planted(o.planted, report, stderr)
	case !report.OK:
		return 1
	}
	return 0
}

// planted says whether a planted bug was found: some rule was broken, which is more than
// that the run came to no end.
func planted(bug string, r report, stderr io.Writer) int {
	if !slices.ContainsFunc(r.Findings, func(f finding) bool { return !f.stuck }) {
		fmt.Fprintf(stderr, "error: the planted bug %s was not found\n", bug)
		return 1
	}
	fmt.Fprintf(stderr, "the planted bug %s was found\n", bug)
	return 0
}

// inDir runs the proof in the directory that was named, or in one that goes again if
// nothing was found.
func inDir(ctx context.Context, o options) (r report, err error) {
	if o.dir == "" {
		if o.dir, err = os.MkdirTemp("", "hotstick-crash-"); err != nil {
			return report{}, err
		}
		defer func() {
			if len(r.Findings) == 0 || o.planted != "" {
				err = errors.Join(err, os.RemoveAll(o.dir))
				return
			}
			fmt.Fprintf(o.course, "ledgers, logs and traces of every house are in %s\n", o.dir)
		}()
	} else if err := os.Mkdir(o.dir, 0o700); err != nil {
		return report{}, err
	}
	if o.programs, err = filepath.Abs(o.programs); err != nil {
		return report{}, err
	}
	fmt.Fprintf(o.course, "%d kills at %d points, chosen by %s\n", o.kills, len(o.points), o.seed)
	return prove(ctx, o)
}

// prove lets every house do its part, and reports all of them as one.
func prove(ctx context.Context, o options) (report, error) {
	out := report{Seed: o.seed, Points: len(o.points), Wanted: o.kills, Least: o.least, At: map[failpoint.Name]int{}, Rounds: map[scenario]int{}}
	began := time.Now()
	parts := deal(choose(o.points, o.kills, o.seed), o.houses)
	runs, errs := make([]*run, len(parts)), make([]error, len(parts))
	findings := make([][]finding, len(parts))
	var all sync.WaitGroup
	for i, part := range parts {
		all.Go(func() { runs[i], findings[i], errs[i] = live(ctx, o, i+1, part) })
	}
	all.Wait()
	if err := errors.Join(append(errs, ctx.Err())...); err != nil {
		return out, err
	}
	for i, r := range runs {
		out.take(r, findings[i])
	}
	out.judge()
	out.Seconds = time.Since(began).Seconds()
	return out, nil
}

// live is the life of one house.
func live(ctx context.Context, o options, number int, part plan) (*run, []finding, error) {
	o.dir = filepath.Join(o.dir, strconv.Itoa(number))
	if err := os.Mkdir(o.dir, 0o700); err != nil {
		return nil, nil, err
	}
	r, err := newRun(ctx, o, number, part)
	if r != nil {
		defer r.close()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("house %d: %w", number, err)
	}
	var found []finding
	if broken := r.all(ctx); broken != nil {
		found = append(found, finding{What: "the run came to no end", Text: broken.Error(), stuck: true})
	}
	return r, append(found, r.examine(ctx)...), nil
}

// close ends every program and every kernel.
func (r *run) close() {
	for _, p := range r.processes {
		if p.done != nil {
			_ = p.end(syscall.SIGKILL) // what was wrong with it was said
		}
	}
	for _, m := range r.machines {
		_ = m.server.Close() // nobody is there any more
	}
	_ = os.RemoveAll(r.sockets) // left over at worst
}
