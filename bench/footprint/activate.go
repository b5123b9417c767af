package main

import (
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// activated is a program whose sockets are held here, as systemd would hold them: a call
// starts it, and it ends by itself.
type activated struct {
	files [2]*os.File // the agent's socket and the operator's
	argv  []string
	log   *os.File
	quit  chan struct{}
	done  chan struct{}

	mu sync.Mutex // guards what follows
	// starts counts the program's starts, and cpu is what those that have ended used.
	starts int
	cpu    time.Duration
	cmd    *exec.Cmd
}

func activate(agent, operator, log string, argv ...string) (*activated, error) {
	a := &activated{argv: argv, quit: make(chan struct{}), done: make(chan struct{})}
	for i, path := range []string{agent, operator} {
		listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			return nil, err
		}
		listener.SetUnlinkOnClose(false)
		if a.files[i], err = listener.File(); err != nil {
			return nil, err
		}
		if err := listener.Close(); err != nil {
			return nil, err
		}
	}
	var err error
	if a.log, err = os.Create(log); err != nil {
		return nil, err
	}
	go a.run()
	return a, nil
}

// run starts the program whenever somebody calls and it is not there.
func (a *activated) run() {
	defer close(a.done)
	for {
		select {
		case <-a.quit:
			return
		default:
		}
		poll := []unix.PollFd{{Fd: int32(a.files[0].Fd()), Events: unix.POLLIN}, {Fd: int32(a.files[1].Fd()), Events: unix.POLLIN}}
		if n, err := unix.Poll(poll, 100); n <= 0 || err != nil {
			continue
		}
		cmd := exec.Command("/bin/sh", append([]string{"-c", `LISTEN_PID=$$ exec "$@"`, "sh"}, a.argv...)...)
		cmd.Env = append(os.Environ(), "LISTEN_FDS=2", "LISTEN_FDNAMES=agent:operator")
		cmd.ExtraFiles = a.files[:]
		cmd.Stdout, cmd.Stderr = a.log, a.log
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := cmd.Start(); err != nil {
			pauseAfterFailure()
			continue
		}
		a.mu.Lock()
		a.starts, a.cmd = a.starts+1, cmd
		a.mu.Unlock()
		_ = cmd.Wait() // with work done it ends with a code of its own
		a.mu.Lock()
		a.cpu, a.cmd = a.cpu+cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime(), nil
		a.mu.Unlock()
	}
}

func pauseAfterFailure() { time.Sleep(time.Second) }

// used is how often the program was started so far, what it has used, and its process if
// it runs now.
func (a *activated) used() (starts int, cpu time.Duration, pid int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cmd != nil {
		pid = a.cmd.Process.Pid
	}
	return a.starts, a.cpu + threadTime(pid), pid
}

func (a *activated) close() {
	close(a.quit)
	a.mu.Lock()
	if a.cmd != nil {
		_ = a.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	}
	a.mu.Unlock()
	<-a.done
}
