package agentcmd

import (
	"context"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/agent"
	"github.com/hotstick/hotstick/internal/agent/operatorcmd"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/amazon"
	"github.com/hotstick/hotstick/internal/driver/canonical"
	"github.com/hotstick/hotstick/internal/driver/klp"
	"github.com/hotstick/hotstick/internal/driver/kpatch"
	"github.com/hotstick/hotstick/internal/driver/reboot"
	"github.com/hotstick/hotstick/internal/driver/suse"
	"github.com/hotstick/hotstick/internal/loader/link"
	"github.com/hotstick/hotstick/internal/version"
)

const usage = `Usage:
  hotstick-agent join --server URL --token TOKEN --ca DIGEST --root DIGEST [--label KEY=VALUE]…
  hotstick-agent run
  hotstick-agent --version
` + operatorcmd.Usage

// Main runs the program and returns its exit code.
func Main(args []string, stdout, stderr io.Writer) int {
	debug.SetGCPercent(gcPercent)
	runtime.GOMAXPROCS(1) // on a host of a hundred processors each one would cost memory
	debug.SetMemoryLimit(softMemory)
	if len(args) == 1 && (args[0] == "--version" || args[0] == "version") {
		fmt.Fprintln(stdout, version.Version)
		return 0
	}
	if len(args) > 0 && operatorcmd.Knows(args[0]) {
		return operatorcmd.Main(args, os.Stdin, stdout, stderr)
	}
	if len(args) == 0 || args[0] != "join" && args[0] != "run" {
		fmt.Fprint(stderr, usage)
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	return Run(ctx, args, stderr, thisMachine)
}

// defaultConfig need not exist; a file that was named must.
func defaultConfig() string { return "/etc/hotstick/agent.yaml" }

func defaultState() string { return "/var/lib/hotstick/agent" }

// ownFlags adds the flags of this system only, and returns what takes them.
func ownFlags(flags *flag.FlagSet, s *settings) (take func()) {
	socket := flags.String("socket", "", "the loader's socket (default /run/hotstick/loader.sock)")
	return func() { prefer(&s.file.Socket, *socket, "/run/hotstick/loader.sock") }
}

// thisMachine is the machine that this program is on, with the loader that listens on its
// socket.
func thisMachine(at Place) (Platform, error) {
	machine, loader, bell := machineTree(), link.Dial(at.Socket), link.BellPath(at.Socket)
	return Platform{
		Machine: machine, Loader: loader, Bell: func() hotstick.Digest { return link.ReadBell(bell) },
		Observer: &agent.Machine{Root: machine, Drivers: observers(machine), Hostname: at.Hostname, Labels: at.Labels, Withheld: at.Withheld},
		Uptime:   uptime, Rest: resting(), Close: func() { loader.Close() },
	}, nil
}

// observers are the systems that an agent sees by itself: by files that anybody may read.
// Of Canonical's it sees what is in effect; what only root can see, and what a vendor's
// program has to be asked, the loader tells.
func observers(machine fs.FS) []driver.Observer {
	return []driver.Observer{
		klp.NewObserver(machine), amazon.NewObserver(machine), canonical.NewObserver(machine, driver.NoPrograms{}),
		kpatch.NewObserver(machine), suse.NewObserver(machine, time.Now), reboot.New(machine),
	}
}

func uptime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic("cannot read the monotonic clock: " + err.Error()) // no kernel lacks it
	}
	return time.Duration(ts.Nano())
}
