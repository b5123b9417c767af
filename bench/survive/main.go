// Command survive lets bad patches and a bad world loose on real kernels and asks, from
// outside, whether the hosts survived.
//
// Each trial has a server process with keys of its own and a guest with the shipped
// agent and loader on a disk that outlives a crash. A real plan is signed, approved and
// started, then something goes wrong. What became of it is read from the kernel's own
// log, from sysfs over the serial line, from the loader's trace and ledger, and from the
// server: at most one reboot, no second load, out of effect by the deadline, never
// force, a host that still works, and a ledger and a server that say why.
//
// It needs the programs in bin/ (make build) and a checkout's patches/.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"syscall"
)

func main() { os.Exit(command(os.Args[1:], os.Stdout, os.Stderr)) }

func command(args []string, stdout, stderr io.Writer) int {
	o := options{course: stderr}
	flags := flag.NewFlagSet("survive", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.programs, "programs", "bin", "folder of hotstick, hotstick-agent and hotstick-loader")
	flags.StringVar(&o.patches, "patches", "patches", "folder of the live patches' sources")
	only := flags.String("only", "", "run only scenarios whose name this regular expression matches")
	flags.IntVar(&o.repeats, "repeats", 5, "how often each scenario runs, on the two kernel lines in turn")
	flags.StringVar(&o.commit, "commit", "", "run three scenarios that this commit's hash chooses, once each")
	flags.IntVar(&o.width, "width", 2, "how many guests run at once")
	flags.StringVar(&o.dir, "dir", "", "keep everything in this new directory; without it nothing is kept")
	format := flags.String("o", "table", "table or json")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if flags.NArg() > 0 || *format != "table" && *format != "json" || o.repeats < 1 || o.width < 1 {
		fmt.Fprintln(stderr, "error: want no arguments, at least one repeat and one guest, and -o table or -o json")
		return 2
	}
	var err error
	if o.only, err = regexp.Compile(*only); err != nil {
		fmt.Fprintln(stderr, "error: cannot use -only:", err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	report, err := inDir(ctx, o)
	if err != nil {
		fmt.Fprintln(stderr, "error:", err)
		return 1
	}
	if *format == "json" {
		err = report.json(stdout)
	} else {
		report.table(stdout)
	}
	if err != nil || !report.OK {
		return 1
	}
	return 0
}

// inDir runs the proof in the directory that was named, or in one that goes again.
func inDir(ctx context.Context, o options) (report, error) {
	if o.dir != "" {
		if err := os.Mkdir(o.dir, 0o700); err != nil {
			return report{}, err
		}
		return prove(ctx, o)
	}
	dir, err := os.MkdirTemp("", "hotstick-survive-")
	if err != nil {
		return report{}, err
	}
	defer os.RemoveAll(dir)
	o.dir = dir
	return prove(ctx, o)
}
