// Command evil lets a server cheat four real guests and asks their kernels whether it
// came of anything.
//
// The four guests run two kernel builds, the shipped agent and the shipped loader as
// two processes. Their owner leads an honest life first: levels are rolled out by
// signed plans, others are halted, banned, recalled or expire. Then a thief takes the
// server with the online key, the certificate authority and the database, and every
// strategy of package evil is tried on every guest. The oracle is the kernel: its
// console, /sys/kernel/livepatch and /proc/modules, read over the serial line. It must
// stay as it is, and each strategy must have been seen and refused by a host. At the
// end the owner takes the server back and one plan works on all four guests, so they
// could have loaded something all the time.
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
	flags := flag.NewFlagSet("evil", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.programs, "programs", "bin", "folder of hotstick-agent and hotstick-loader")
	flags.StringVar(&o.patches, "patches", "patches", "folder of the live patches' sources")
	only := flags.String("only", "", "run only strategies whose name this regular expression matches")
	flags.Uint64Var(&o.seed, "seed", 1, "seed of the thief's dice")
	flags.StringVar(&o.dir, "dir", "", "keep everything in this new directory; without it nothing is kept")
	format := flags.String("o", "table", "table or json")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if flags.NArg() > 0 || *format != "table" && *format != "json" {
		fmt.Fprintln(stderr, "error: want no arguments, and -o table or -o json")
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
	if *format == "json" {
		err = report.json(stdout)
	} else {
		report.table(stdout)
	}
	if err != nil {
		fmt.Fprintln(stderr, "error:", err)
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
	dir, err := os.MkdirTemp("", "hotstick-evil-")
	if err != nil {
		return report{}, err
	}
	defer os.RemoveAll(dir)
	o.dir = dir
	return prove(ctx, o)
}
