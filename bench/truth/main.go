// Command truth holds what the screens say against what kernels say.
//
// Two guests, one of each kernel line, run the shipped agent and loader. While patches
// are rolled out, taken out and loaded behind everybody's back, foreign patches come and
// go, hosts reboot and crash and agents stop, each kernel's sysfs is read over the
// serial line, which goes through no agent, and beside it the API, the command line, the
// console in Chromium and /metrics.
//
// A claim is a mismatch if at no moment that the screen may still speak of the kernel was
// as it says. A screen may lag by two heartbeats. Of a host that cannot report it may say
// what was true when that began, until the report is older than the staleness limit;
// from then on it has two heartbeats to say stale. All is judged at the end.
//
// It needs the programs in bin/ (make build), a checkout's patches/, Chromium, and the
// console's packages (npm ci in internal/ui/web).
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(command(os.Args[1:], os.Stdout, os.Stderr)) }

func command(args []string, stdout, stderr io.Writer) int {
	o := options{course: stderr}
	flags := flag.NewFlagSet("truth", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.programs, "programs", "bin", "folder of hotstick, hotstick-agent and hotstick-loader")
	flags.StringVar(&o.patches, "patches", "patches", "folder of the live patches' sources")
	flags.StringVar(&o.web, "web", "internal/ui/web", "the console's folder, with its packages")
	flags.StringVar(&o.own, "script", "bench/truth/console.mjs", "the script that drives Chromium")
	flags.IntVar(&o.samples, "samples", 2000, "how many samples to take at least")
	flags.StringVar(&o.dir, "dir", "", "keep everything in this new directory; without it nothing is kept")
	format := flags.String("o", "table", "table or json")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if flags.NArg() > 0 || *format != "table" && *format != "json" || o.samples < 1 {
		fmt.Fprintln(stderr, "error: want no arguments, at least one sample, and -o table or -o json")
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	r, err := inDir(ctx, o)
	if *format == "json" {
		_ = r.json(stdout)
	} else {
		r.table(stdout)
	}
	if err != nil {
		fmt.Fprintln(stderr, "error:", err)
	}
	if err != nil || !r.OK {
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
	dir, err := os.MkdirTemp("", "hotstick-truth-")
	if err != nil {
		return report{}, err
	}
	defer os.RemoveAll(dir)
	o.dir = dir
	return prove(ctx, o)
}
