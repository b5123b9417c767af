package winhost

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"

	"golang.org/x/sys/windows/svc"

	"github.com/hotstick/hotstick/internal/agent/agentcmd"
	"github.com/hotstick/hotstick/internal/version"
)

// ServiceName is that of the service.
const ServiceName = "hotstick-agent"

const usage = `Usage:
  hotstick-agent join --server URL --token TOKEN --ca DIGEST --root DIGEST [--once] [--label KEY=VALUE]…
  hotstick-agent run
  hotstick-agent install                make the service
  hotstick-agent uninstall              stop the service and take it away
  hotstick-agent hold-updates           put Windows Update's own scheduling on hold
  hotstick-agent release-updates        give it back as it was
  hotstick-agent uninstall-update KB…   take one update off; most are gone after a reboot only
  hotstick-agent facts                  print what is read of this machine
  hotstick-agent service           what the service manager starts
  hotstick-agent --version
The files of the service are in %ProgramData%\Hotstick.
`

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
)

// Main runs the program and returns its exit code.
func Main(args []string, stdout, stderr io.Writer) int {
	debug.SetGCPercent(25)
	if len(args) == 1 && (args[0] == "--version" || args[0] == "version") {
		fmt.Fprintln(stdout, version.Version)
		return 0
	}
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if args[0] == "uninstall" { // whatever has become of the directory
		return operate(ctx, args, stdout, stderr)
	}
	if err := openHome(agentcmd.Directory()); err != nil {
		fmt.Fprintln(stderr, "hotstick-agent:", err)
		return exitFailed
	}
	switch args[0] {
	case "service":
		return service(args[1:], stderr)
	case "join", "run":
		return agentcmd.Run(ctx, args, stderr, thisMachine)
	case "install", "hold-updates", "release-updates", "uninstall-update", "facts":
		return operate(ctx, args, stdout, stderr)
	}
	fmt.Fprint(stderr, usage)
	return exitUsage
}

// maxLog bounds the service's log in bytes; the one before is kept beside it.
const maxLog = 8 << 20

// service runs the agent as the service manager asks, with further flags of run.
func service(flags []string, stderr io.Writer) int {
	log, err := openLog(filepath.Join(agentcmd.Directory(), "agent.log"))
	if err != nil {
		fmt.Fprintln(stderr, "hotstick-agent: cannot open the log:", err)
		return exitFailed
	}
	defer log.Close()
	if err := svc.Run(ServiceName, &handler{args: append([]string{"run"}, flags...), log: log}); err != nil {
		fmt.Fprintln(stderr, "hotstick-agent: cannot run as a service; is this the service manager?", err)
		return exitFailed
	}
	return 0
}

func openLog(path string) (*os.File, error) {
	if info, err := os.Stat(path); err == nil && info.Size() > maxLog {
		_ = os.Rename(path, path+".old") // then it grows further, which is no reason not to run
	}
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
}

// handler answers the service manager.
type handler struct {
	args []string
	log  io.Writer
}

// Execute implements [svc.Handler]. A stop and a shutdown end the loader in order, so that
// the next boot knows that this one did not end with a crash.
func (h *handler) Execute(_ []string, requests <-chan svc.ChangeRequest, status chan<- svc.Status) (bool, uint32) {
	const accepted = svc.AcceptStop | svc.AcceptShutdown
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	status <- svc.Status{State: svc.StartPending}
	ended := make(chan int, 1)
	go func() { ended <- agentcmd.Run(ctx, h.args, h.log, thisMachine) }()
	status <- svc.Status{State: svc.Running, Accepts: accepted}
	for {
		select {
		case code := <-ended:
			status <- svc.Status{State: svc.StopPending}
			// An end that nobody asked for is a failure, after which the manager starts it again.
			return code != 0, uint32(code)
		case r := <-requests:
			switch r.Cmd {
			case svc.Interrogate:
				status <- r.CurrentStatus
			case svc.Stop, svc.Shutdown:
				status <- svc.Status{State: svc.StopPending, WaitHint: uint32((stopTime + stopTime/2).Milliseconds())}
				cancel()
				<-ended
				return false, 0
			}
		}
	}
}
