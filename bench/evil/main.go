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
	"io"
	"regexp"

	"github.com/hotstick/hotstick/bench/frame"
)

func main() {
	var o options
	frame.Proof{Name: "evil", Flags: o.flags, Prove: func(ctx context.Context, dir string, course io.Writer) (frame.Report, error) {
		o.dir, o.course = dir, course
		return prove(ctx, o)
	}}.Main()
}

func (o *options) flags(flags *flag.FlagSet) {
	flags.StringVar(&o.programs, "programs", "bin", "folder of hotstick-agent and hotstick-loader")
	flags.StringVar(&o.patches, "patches", "patches", "folder of the live patches' sources")
	o.only = new(regexp.Regexp)
	flags.TextVar(o.only, "only", regexp.MustCompile(""), "run only strategies whose name this regular expression matches")
	flags.Uint64Var(&o.seed, "seed", 1, "seed of the thief's dice")
}
