// Command truth holds what the screens say against what kernels say.
//
// Two guests, one of each kernel line, run the shipped agent and loader. While patches
// are rolled out, taken out and loaded behind everybody's back, foreign patches come and
// go, hosts reboot, crash and kexec and agents stop, each kernel's sysfs is read over the
// serial line, which goes through no agent, and beside it, all at once, the API, the command
// line, the console in Chromium and /metrics. A sample is one host at one such moment.
//
// A claim is a mismatch if at no moment that the screen may still speak of the kernel was
// as it says. A screen may lag by two heartbeats. Of a host that cannot report it may say
// what was true when that began, until the report is older than the staleness limit;
// from then on it has two heartbeats to say stale. All is judged at the end; what may have
// passed unseen between two looks at a kernel is not.
//
// It needs the programs in bin/ (make build), a checkout's patches/, Chromium, and the
// console's packages (npm ci in internal/ui/web).
package main

import (
	"context"
	"flag"
	"io"

	"github.com/hotstick/hotstick/bench/frame"
)

func main() {
	var o options
	frame.Proof{Name: "truth", Flags: o.flags, Prove: func(ctx context.Context, dir string, course io.Writer) (frame.Report, error) {
		o.dir, o.course = dir, course
		return prove(ctx, o)
	}}.Main()
}

func (o *options) flags(flags *flag.FlagSet) {
	flags.StringVar(&o.programs, "programs", "bin", "folder of hotstick, hotstick-agent and hotstick-loader")
	flags.StringVar(&o.patches, "patches", "patches", "folder of the live patches' sources")
	flags.StringVar(&o.web, "web", "internal/ui/web", "the console's folder, with its packages")
	flags.StringVar(&o.own, "script", "bench/truth/console.mjs", "the script that drives Chromium")
	frame.CountVar(flags, &o.samples, "samples", 2000, "how many samples to take at least")
}
