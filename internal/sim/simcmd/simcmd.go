// Package simcmd is the command of the simulator. It runs seeds on two
// goroutines, each seed on one, and says what was broken, what was reached and how
// fast it went. It ends with 1 if a rule was broken, and with 2 if a run was not
// worth its name because something interesting never happened.
package simcmd

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/hotstick/hotstick/internal/sim/world"
)

// flags are what the command is asked for.
type flags struct {
	seeds, from, events, workers int
	seed                         int64
	live, shrink, planted, trace bool
	evil                         bool
	output, only, strategy       string
}

// Exit codes.
const (
	exitBroken  = 1
	exitInvalid = 2
	exitUsage   = 64
)

// Main runs the command and returns its exit code.
func Main(args []string, out, errs io.Writer) int {
	var f flags
	set := flag.NewFlagSet("sim", flag.ContinueOnError)
	set.SetOutput(errs)
	set.IntVar(&f.seeds, "seeds", 200, "how many seeds to run; every fourth asks for liveness")
	set.IntVar(&f.from, "from", 1, "the first seed")
	set.IntVar(&f.events, "events", 0, fmt.Sprintf("events of a run; 0 means %d, or %d with -evil", world.DefaultEvents, defaultEvilEvents))
	set.IntVar(&f.workers, "workers", min(2, runtime.NumCPU()), "runs at once")
	set.Int64Var(&f.seed, "seed", -1, "run one seed only")
	set.BoolVar(&f.live, "live", false, "with -seed: ask for liveness")
	set.BoolVar(&f.shrink, "shrink", false, "with -seed: make the failing case short")
	set.BoolVar(&f.trace, "trace", false, "with -seed: print the trace")
	set.BoolVar(&f.planted, "planted", false, "find the planted bugs; needs a build with -tags planted")
	set.StringVar(&f.only, "only", "", "with -planted: one bug")
	set.BoolVar(&f.evil, "evil", false, "a thief owns the servers in every run; each seed runs one strategy, in turn")
	set.StringVar(&f.strategy, "strategy", "", "with -evil: one strategy")
	set.StringVar(&f.output, "o", "text", "text or json")
	if err := set.Parse(args); err != nil {
		return exitUsage
	}
	switch {
	case f.output != "text" && f.output != "json" || set.NArg() > 0:
		fmt.Fprintln(errs, "error: cannot use these arguments; see -h")
		return exitUsage
	case f.planted:
		return findPlanted(f, out, errs)
	case f.seed >= 0:
		return runOne(f, out)
	case f.evil:
		return runEvil(f, out)
	}
	return runMany(f, out)
}

// caseOf is the case of a seed in a run of many.
func caseOf(f flags, seed int) world.Case {
	if f.evil {
		return evilCase(f, seed)
	}
	return world.Case{Seed: uint64(seed), Options: world.Options{Events: f.events, Live: seed%4 == 0, Mixed: seed%3 == 1, Touched: seed%5 < 2}}
}

func runOne(f flags, out io.Writer) int {
	c := caseOf(f, int(f.seed))
	c.Options.Live = c.Options.Live || f.live
	if f.trace {
		c.Options.Trace = func(line []byte) { fmt.Fprintf(out, "%s\n", line) }
		world.Run(c)
		return 0
	}
	r := world.Run(c)
	if f.shrink && r.Bad() {
		c, r = world.Shrink(c, 400)
		fmt.Fprintln(out, c)
	}
	if f.output == "json" {
		writeJSON(out, r)
	} else {
		tell(out, r)
		fmt.Fprintf(out, "seed %d: %d events, %.0f s of simulated time, trace %s\n", r.Seed, r.Events, r.Seconds, r.Hash)
	}
	if r.Bad() {
		return exitBroken
	}
	return 0
}

// Summary is what became of many seeds.
type Summary struct {
	Seeds   int     `json:"seeds"`
	Events  int     `json:"events"`
	Seconds float64 `json:"seconds"`
	// SimulatedSeconds is the time that passed in the runs.
	SimulatedSeconds float64  `json:"simulated_seconds"`
	SeedsPerSecond   float64  `json:"seeds_per_second"`
	EventsPerSecond  float64  `json:"events_per_second"`
	Violations       int      `json:"violations"`
	Failing          []uint64 `json:"failing,omitempty"`
	// Known are failing seeds of bugs that are listed with their reason.
	Known []string `json:"known,omitempty"`
	// Looked is how often each rule had something to look at.
	Looked map[string]int `json:"looked"`
	// Sometimes counts what was reached, and Missing what was reached too seldom.
	Sometimes map[string]int `json:"sometimes"`
	Missing   []string       `json:"missing,omitempty"`
}

func runMany(f flags, out io.Writer) int {
	s := Summary{Looked: map[string]int{}, Sometimes: map[string]int{}}
	began := time.Now()
	for r := range runs(f, f.from, f.seeds) {
		s.add(r)
		if r.Bad() && f.output == "text" && len(s.Failing) <= 5 {
			fmt.Fprintf(out, "seed %d:\n", r.Seed)
			tell(out, r)
		}
	}
	s.finish(time.Since(began))
	if f.output == "json" {
		writeJSON(out, s)
	} else {
		s.print(out)
	}
	switch {
	case s.Violations > 0:
		return exitBroken
	case len(s.Missing) > 0:
		return exitInvalid
	}
	return 0
}

// runs runs seeds on several goroutines and hands out their results in order.
func runs(f flags, from, n int) func(yield func(world.Result) bool) {
	return func(yield func(world.Result) bool) {
		results := make([]chan world.Result, n)
		for i := range results {
			results[i] = make(chan world.Result, 1)
		}
		stop, next := make(chan struct{}), make(chan int)
		var running sync.WaitGroup
		// Whoever goes on must not meet runs that still go on.
		defer running.Wait()
		defer close(stop)
		go func() {
			defer close(next)
			for i := range n {
				select {
				case next <- i:
				case <-stop:
					return
				}
			}
		}()
		for range max(1, f.workers) {
			running.Go(func() {
				for i := range next {
					results[i] <- world.Run(caseOf(f, from+i))
				}
			})
		}
		for i := range n {
			if !yield(<-results[i]) {
				return
			}
		}
	}
}

func (s *Summary) add(r world.Result) {
	s.Seeds++
	s.Events += r.Events
	s.SimulatedSeconds += r.Seconds
	for k, v := range r.Sometimes {
		s.Sometimes[k] += v
	}
	for k, v := range r.Report.Looked {
		s.Looked[k] += v
	}
	for _, v := range r.Report.Violations {
		if why, known := world.Known(r.Seed, v); known {
			s.Known = append(s.Known, fmt.Sprintf("seed %d: %s: %s", r.Seed, v.Rule, why))
			continue
		}
		s.Violations++
	}
	if r.Failure != "" {
		s.Violations++
	}
	if r.Bad() {
		s.Failing = append(s.Failing, r.Seed)
	}
}

func (s *Summary) finish(took time.Duration) {
	s.Seconds = took.Seconds()
	s.SeedsPerSecond, s.EventsPerSecond = float64(s.Seeds)/s.Seconds, float64(s.Events)/s.Seconds
	s.Missing = world.Missing(s.Sometimes, s.Looked, s.Seeds)
}

func (s *Summary) print(out io.Writer) {
	fmt.Fprintf(out, "%d seeds, %d events, %.0f s of simulated time, in %.1f s: %.2f seeds/s, %.0f events/s\n",
		s.Seeds, s.Events, s.SimulatedSeconds, s.Seconds, s.SeedsPerSecond, s.EventsPerSecond)
	fmt.Fprintln(out, "\nhow often each rule looked:")
	for _, k := range slices.Sorted(keys(s.Looked)) {
		fmt.Fprintf(out, "  %-5s %d\n", k, s.Looked[k])
	}
	fmt.Fprintln(out, "\nwhat was reached:")
	for _, k := range slices.Sorted(keys(s.Sometimes)) {
		fmt.Fprintf(out, "  %-42s %d\n", k, s.Sometimes[k])
	}
	for _, k := range s.Known {
		fmt.Fprintf(out, "known: %s\n", k)
	}
	for _, m := range s.Missing {
		fmt.Fprintf(out, "invalid: %s\n", m)
	}
	fmt.Fprintf(out, "%d violations, failing seeds %v\n", s.Violations, s.Failing)
}

func keys[K comparable, V any](m map[K]V) func(func(K) bool) {
	return func(yield func(K) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func tell(out io.Writer, r world.Result) {
	for _, v := range r.Report.Violations {
		fmt.Fprintln(out, v)
	}
	if r.Failure != "" {
		fmt.Fprintln(out, "failure:", r.Failure)
	}
}

func writeJSON(out io.Writer, v any) {
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		fmt.Fprintln(os.Stderr, "error: cannot write the result:", err)
	}
}
