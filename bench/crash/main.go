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
// Which points are killed at is a matter of the seed, by default the commit.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/hotstick/hotstick/internal/failpoint"
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
	flags.StringVar(&o.planted, "planted", "", "switch this bug on in the loaders, which must be built with -tags lab,planted")
	flags.StringVar(&o.dir, "dir", "", "keep everything in this new directory; without it nothing is kept")
	format := flags.String("o", "table", "table or json")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if flags.NArg() > 0 || *format != "table" && *format != "json" {
		fmt.Fprintln(stderr, "error: want no arguments, and -o table or -o json")
		return 2
	}
	pattern, err := regexp.Compile(*only)
	if err != nil {
		fmt.Fprintln(stderr, "error: cannot use -only:", err)
		return 2
	}
	o.points = slices.DeleteFunc(failpoint.Points(), func(p failpoint.Point) bool { return !pattern.MatchString(string(p.Name)) })
	if o.seed == "" {
		o.seed = commit()
	}
	if *each > 0 {
		o.kills = *each * len(o.points)
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
	if err != nil || !report.OK {
		return 1
	}
	return 0
}

// commit names what is checked out, so that every commit tries other points.
func commit() string {
	out, err := exec.Command("git", "rev-parse", "HEAD").Output()
	if err != nil {
		return "no commit"
	}
	return strings.TrimSpace(string(out))
}

func inDir(ctx context.Context, o options) (report, error) {
	if o.dir == "" {
		dir, err := os.MkdirTemp("", "hotstick-crash-")
		if err != nil {
			return report{}, err
		}
		defer os.RemoveAll(dir)
		o.dir = dir
	} else if err := os.Mkdir(o.dir, 0o700); err != nil {
		return report{}, err
	}
	var err error
	if o.programs, err = filepath.Abs(o.programs); err != nil {
		return report{}, err
	}
	fmt.Fprintf(o.course, "%d kills at %d points, chosen by %s\n", o.kills, len(o.points), o.seed)
	return prove(ctx, o)
}

// prove does the run and reports it.
func prove(ctx context.Context, o options) (report, error) {
	began := time.Now()
	r, err := newRun(ctx, o)
	if r != nil {
		defer r.close()
	}
	if err != nil {
		return report{}, err
	}
	broken := r.all(ctx)
	out := report{Seed: o.seed, Points: len(o.points), Kills: len(r.kills()), Wanted: o.kills, At: map[failpoint.Name]int{}}
	if broken != nil {
		out.Findings = append(out.Findings, finding{"the run came to no end", broken.Error()})
	}
	out.Findings = append(out.Findings, r.examine(ctx)...)
	for _, t := range r.unreached {
		out.Unreached = append(out.Unreached, fmt.Sprintf("%s in the %s", t.point, t.program))
	}
	out.Rounds = r.rounds
	out.measure(r.kills())
	out.Seconds = time.Since(began).Seconds()
	out.OK = len(out.Findings)+len(out.Unreached) == 0 && out.Kills >= o.kills && out.ResumeP99 <= resumeGoal.Seconds()
	return out, ctx.Err()
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
