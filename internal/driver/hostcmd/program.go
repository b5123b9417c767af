package hostcmd

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hotstick/hotstick/internal/driver"
)

// program is one that runs. It leads a group of processes of its own.
type program struct {
	cmd            *exec.Cmd
	stdout, stderr capped
	// read is closed once nobody writes to its outputs any more, and exited once it has
	// ended; it is reaped by close, so that nobody else has its number until then.
	read, exited chan struct{}
	pipes        []*os.File
}

func start(path string, args []string) (*program, error) {
	p := &program{cmd: exec.Command(path, args...), read: make(chan struct{}), exited: make(chan struct{})}
	p.cmd.Env, p.cmd.Dir = environment, "/"
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var reading sync.WaitGroup
	for _, out := range []struct {
		from *capped
		to   func(*os.File)
	}{
		{&p.stdout, func(w *os.File) { p.cmd.Stdout = w }},
		{&p.stderr, func(w *os.File) { p.cmd.Stderr = w }},
	} {
		r, w, err := os.Pipe()
		if err != nil {
			p.shut()
			return nil, err
		}
		defer w.Close()
		out.to(w)
		p.pipes = append(p.pipes, r)
		reading.Go(func() { _, _ = io.Copy(out.from, r) })
	}
	if err := p.cmd.Start(); err != nil {
		p.shut()
		return nil, err
	}
	go func() { reading.Wait(); close(p.read) }()
	go func() { defer close(p.exited); watch(p.cmd.Process.Pid) }()
	return p, nil
}

// watch returns when a child has ended, and does not reap it.
func watch(pid int) {
	for {
		if err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil); !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

func (p *program) shut() {
	for _, r := range p.pipes {
		r.Close()
	}
}

// How a program is ended whose time is over.
const (
	// packageGrace is how long a package manager has to end by itself once it was told, and
	// toolGrace any other program.
	packageGrace = 10 * time.Minute
	toolGrace    = time.Minute
	// leftGrace is how long have what it has started and left behind.
	leftGrace = 10 * time.Second
	// lateOutput is how long its outputs are read after it has ended.
	lateOutput = time.Second
)

// managers are the programs that change packages. What one of them has begun it must end:
// a host with half a transaction is worse off than one with a patch too many.
var managers = []string{"apt", "apt-get", "dnf", "dnf5", "dpkg", "microdnf", "rpm", "snap", "transactional-update", "yum", "zypper"}

// grace is what a program gets once its time is over.
type grace struct {
	// begun: what it has begun is left alone until the context's own deadline, whatever
	// else ends the context before.
	begun bool
	term  time.Duration
}

func graceOf(path string) grace {
	if slices.Contains(managers, filepath.Base(path)) {
		return grace{begun: true, term: packageGrace}
	}
	return grace{term: toolGrace}
}

// await waits for the program's end, and reports whether it had to be made to end. When the
// context ends a package manager goes on until the deadline, for nobody who wants a step to
// end earlier wants a transaction cut in half. Then the program alone, and nothing that it
// has started, is told to end (SIGTERM); once its grace is over it is killed with all of it.
func (p *program) await(ctx context.Context, g grace) bool {
	select {
	case <-p.exited:
		return false
	case <-ctx.Done():
	}
	if deadline, has := ctx.Deadline(); has && g.begun && p.ends(time.Until(deadline)) {
		return false
	}
	_ = syscall.Kill(p.cmd.Process.Pid, syscall.SIGTERM)
	if !p.ends(g.term) {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	}
	<-p.exited
	return true
}

// ends reports whether the program ends in time.
func (p *program) ends(in time.Duration) bool { return within(p.exited, in) }

func within(done <-chan struct{}, limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// close takes what the program has said. Of one that was made to end, nothing that it has
// started is left.
func (p *program) close(ended bool) (driver.Ran, error) {
	if ended {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGTERM)
		within(p.read, leftGrace)
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	}
	within(p.read, lateOutput)
	p.shut()
	<-p.read
	err := p.cmd.Wait()
	ran := driver.Ran{Stdout: p.stdout.kept.String(), Stderr: p.stderr.kept.String(), Code: p.cmd.ProcessState.ExitCode()}
	var failed *exec.ExitError
	if errors.As(err, &failed) && ran.Code >= 0 {
		err = nil
	}
	return ran, err
}
