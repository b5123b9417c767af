// Package hostcmd runs the programs of the host that it runs on, for drivers.
package hostcmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/hotstick/hotstick/internal/driver"
)

// maxOutput bounds what is kept of each of a program's two outputs, in bytes.
const maxOutput = 256 << 10

// environment is all that a program gets: what it says must not depend on who is logged in.
var environment = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin", "LC_ALL=C", "HOME=/root", "TERM=dumb"}

// Host runs programs of this host.
type Host struct {
	// Within bounds each program, for a caller that must go on whatever a vendor's tool
	// does; 0 is no bound but the context's.
	Within time.Duration
}

var _ driver.Commands = Host{}

// Run implements [driver.Commands]. Once the context ends the program and all that it has
// started are killed.
func (h Host) Run(ctx context.Context, argv ...string) (driver.Ran, error) {
	if h.Within > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, h.Within)
		defer cancel()
	}
	path, err := find(argv[0])
	if err != nil {
		return driver.Ran{}, err
	}
	var stdout, stderr capped
	cmd := exec.CommandContext(ctx, path, argv[1:]...)
	cmd.Env, cmd.Dir = environment, "/"
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	err = cmd.Run()
	ran := driver.Ran{Stdout: stdout.kept.String(), Stderr: stderr.kept.String(), Code: cmd.ProcessState.ExitCode()}
	var failed *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return ran, fmt.Errorf("cannot wait for %s any longer: %w", strings.Join(argv, " "), ctx.Err())
	case errors.As(err, &failed) && ran.Code >= 0, err == nil:
		return ran, nil
	}
	return ran, fmt.Errorf("cannot run %s: %w", strings.Join(argv, " "), err)
}

// find looks a program up in the path that programs get.
func find(name string) (string, error) {
	if strings.Contains(name, "/") {
		if _, err := exec.LookPath(name); err != nil {
			return "", fmt.Errorf("%w: %s", driver.ErrNoProgram, name)
		}
		return name, nil
	}
	for dir := range strings.SplitSeq(strings.TrimPrefix(environment[0], "PATH="), ":") {
		if path, err := exec.LookPath(dir + "/" + name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%w: %s", driver.ErrNoProgram, name)
}

// capped keeps the first bytes of what is written to it and takes the rest as well.
type capped struct{ kept bytes.Buffer }

func (c *capped) Write(p []byte) (int, error) {
	if room := maxOutput - c.kept.Len(); room > 0 {
		c.kept.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}
