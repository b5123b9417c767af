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
	"io"
	"regexp"

	"github.com/hotstick/hotstick/bench/frame"
)

func main() {
	var o options
	frame.Proof{Name: "survive", Flags: o.flags, Prove: func(ctx context.Context, dir string, course io.Writer) (frame.Report, error) {
		o.dir, o.course = dir, course
		return prove(ctx, o)
	}}.Main()
}

func (o *options) flags(flags *flag.FlagSet) {
	flags.StringVar(&o.programs, "programs", "bin", "folder of hotstick, hotstick-agent and hotstick-loader")
	flags.StringVar(&o.patches, "patches", "patches", "folder of the live patches' sources")
	o.only = new(regexp.Regexp)
	flags.TextVar(o.only, "only", regexp.MustCompile(""), "run only scenarios whose name this regular expression matches")
	frame.CountVar(flags, &o.repeats, "repeats", 5, "how often each scenario runs, on the two kernel lines in turn")
	flags.StringVar(&o.commit, "commit", "", "run three scenarios that this commit's hash chooses, once each")
	frame.CountVar(flags, &o.width, "width", 2, "how many guests run at once")
}
