package agent

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/hotstick/hotstick"
)

// Probe is one health check of the host.
type Probe interface {
	// Name is shown to people and groups readings.
	Name() string
	// Ask returns whether the host is healthy, and what the probe saw. It must
	// return soon after the context ends; then the host counts as unhealthy.
	Ask(ctx context.Context) (healthy bool, detail string)
}

// Paces of probes.
const (
	probeBusy = time.Second
	probeIdle = time.Minute
	// maxOutput bounds what is kept of a command's output, in bytes.
	maxOutput = 4 << 10
)

// Command is a probe that runs a command: exit status 0 is healthy.
type Command struct {
	// Label is the probe's name.
	Label string
	// Argv is the program and its arguments; no shell is involved.
	Argv    []string
	Timeout time.Duration
}

// Name implements [Probe].
func (c Command) Name() string { return c.Label }

// Ask implements [Probe]. The command's whole process group is killed when its
// time is over.
func (c Command) Ask(ctx context.Context) (bool, string) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.Argv[0], c.Argv[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	out := &capped{}
	cmd.Stdout, cmd.Stderr = out, out
	err := cmd.Run()
	detail := strings.ToValidUTF8(strings.TrimSpace(string(out.kept)), "?")
	var exit *exec.ExitError
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return false, strings.TrimSpace(fmt.Sprintf("no answer within %s %s", c.Timeout, detail))
	case errors.As(err, &exit) && detail == "":
		return false, exit.Error()
	case errors.As(err, &exit):
		return false, detail
	case err != nil:
		return false, "cannot run the probe: " + err.Error()
	}
	return true, detail
}

// capped keeps the first bytes that are written to it and passes over the rest.
// It must have no method but Write: io.Copy would take a faster way around the
// limit.
type capped struct{ kept []byte }

// Write implements io.Writer.
func (c *capped) Write(p []byte) (int, error) {
	room := max(0, maxOutput-len(c.kept))
	c.kept = append(c.kept, p[:min(room, len(p))]...)
	return len(p), nil
}

// pace tells a probe's loop how often to ask.
type pace struct{ wanted chan time.Duration }

func newPace() *pace { return &pace{wanted: make(chan time.Duration, 1)} }

// set replaces what was set before, if it was not taken yet.
func (p *pace) set(every time.Duration) {
	select {
	case <-p.wanted:
	default:
	}
	p.wanted <- every
}

// runProbe asks a probe at its pace until the context ends. When it is to be
// asked more often it is asked at once.
func runProbe(ctx context.Context, probe Probe, pace *pace, answers chan<- hotstick.Reading) {
	every := probeIdle
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case wanted := <-pace.wanted:
			sooner := wanted < every
			every = wanted
			if !sooner {
				continue
			}
		case <-timer.C:
		}
		healthy, detail := probe.Ask(ctx)
		if ctx.Err() != nil {
			return
		}
		reading := hotstick.Reading{Probe: probe.Name(), Healthy: healthy, Detail: detail, At: time.Now().UTC().Truncate(time.Second)}
		select {
		case answers <- reading:
		case <-ctx.Done():
			return
		}
		timer.Reset(every)
	}
}
