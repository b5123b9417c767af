// Command powercut takes the power away from server, agent and loader while they write
// to an ext4 disk that loses what was not synced, and holds what is on the disk
// afterwards against what had been acknowledged.
//
// All three run in one guest, on a disk whose writes and flushes the kernel logs
// (dm-log-writes). Whatever is acknowledged, by the server's API, by its command line, by
// the loader to a person on the host, or by the kernel that has a live patch in it, is
// marked in that log at once. From the log comes what the disk may have held at any
// moment: what was flushed, and any part of the rest. The guest's kernel mends the file
// system of each such disk, and the programs' own code then opens every file: database,
// catalogs, ledger, kept modules, identity. All that had been acknowledged must be there,
// and nothing may be half there.
//
// Then guests are killed for real while they work, their disk is made of the log in the
// same way, and they boot from it: server and loader must start on it by themselves, the
// audit log must continue, and a level whose attempt was cut off must have its strike and
// stay out.
//
// It needs the programs in bin/ (make build), a checkout's patches/, QEMU and e2fsprogs.
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
	"syscall"

	"github.com/hotstick/hotstick/internal/turn"
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == insideArg {
		fmt.Fprintln(os.Stderr, "error:", inside(os.Args[2]))
		os.Exit(1)
	}
	os.Exit(command(os.Args[1:], os.Stdout, os.Stderr))
}

func command(args []string, stdout, stderr io.Writer) int {
	o := options{course: stderr}
	flags := flag.NewFlagSet("powercut", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.programs, "programs", "bin", "folder of hotstick, hotstick-agent and hotstick-loader")
	flags.StringVar(&o.patches, "patches", "patches", "folder of the live patches' sources")
	flags.IntVar(&o.points, "points", 100, "at how many points of the log of writes the power goes")
	flags.IntVar(&o.cuts, "cuts", 5, "how many times a running guest is killed")
	flags.IntVar(&o.only, "point", 0, "look at this one point only, by its number")
	flags.StringVar(&o.replay, "replay", "", "look at the points of the run that this directory was kept of, with that run's seed and number of points")
	flags.StringVar(&o.seed, "seed", "", "what chooses the points and the losses; by default the commit")
	flags.StringVar(&o.bug, "planted", "", "switch this bug on in the loader, which must have been built with the tags lab and planted; the run has to find it")
	flags.StringVar(&o.dir, "dir", "", "keep everything in this new directory; without it nothing is kept")
	format := flags.String("o", "table", "table or json")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if flags.NArg() > 0 || *format != "table" && *format != "json" || o.points < 0 || o.cuts < 0 || o.only < 0 || o.only > o.points {
		fmt.Fprintln(stderr, "error: want no arguments, no negative numbers, one of the points, and -o table or -o json")
		return 2
	}
	if o.seed == "" {
		o.seed = turn.Commit()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	report, err := inDir(ctx, o)
	if *format == "json" {
		err = errors.Join(err, json.NewEncoder(stdout).Encode(report))
	} else {
		report.table(stdout)
	}
	if err != nil {
		fmt.Fprintln(stderr, "error:", err)
		return 1
	}
	if !report.OK {
		return 1
	}
	return 0
}

// inDir runs the proof in the directory that was named, or in one that goes again if
// nothing was found: the log of writes in it repeats what was.
func inDir(ctx context.Context, o options) (r report, err error) {
	if o.dir == "" {
		if o.dir, err = os.MkdirTemp("", "hotstick-powercut-"); err != nil {
			return report{}, err
		}
		defer func() {
			if len(r.Findings) == 0 || o.bug != "" || o.replay != "" {
				err = errors.Join(err, os.RemoveAll(o.dir))
				return
			}
			fmt.Fprintf(o.course, "to look at a point again: powercut -replay %s -points %d -seed %s -point N\n", o.dir, o.points, o.seed)
		}()
	} else if err := os.Mkdir(o.dir, 0o700); err != nil {
		return report{}, err
	}
	if o.dir, err = filepath.Abs(o.dir); err != nil {
		return report{}, err
	}
	fmt.Fprintf(o.course, "%d points and %d cuts, chosen by %s\n", o.points, o.cuts, o.seed)
	return prove(ctx, o)
}
