package probe

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// Command is a probe that runs a command: exit status 0 is healthy.
type Command struct {
	// Argv is the program and its arguments; no shell is involved.
	Argv []string
}

// Ask implements [Asker]. The command's whole process group is killed when its time is
// over.
func (c Command) Ask(ctx context.Context, _ bool) Answer {
	begun := time.Now()
	out, err := run(ctx, c.Argv)
	var exit *exec.ExitError
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return Answer{Detail: strings.TrimSpace(noAnswer(begun) + " " + out)}
	case errors.As(err, &exit) && out == "":
		return Answer{Detail: exit.Error()}
	case errors.As(err, &exit):
		return Answer{Detail: out}
	case errors.Is(err, exec.ErrWaitDelay):
		// It ended well and in time; only its output stayed open, by a child that it left
		// or because this host has much else to do.
	case err != nil:
		return Answer{Detail: "cannot run the probe: " + err.Error()}
	}
	return Answer{Healthy: true, Detail: out}
}

// noAnswer says that what was asked at begun did not answer in time.
func noAnswer(begun time.Time) string {
	return fmt.Sprintf("no answer within %s", time.Since(begun).Truncate(time.Second/10))
}

// run runs a command and returns the start of what it wrote.
func run(ctx context.Context, argv []string) (string, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	asGroup(cmd)
	cmd.WaitDelay = late / 2
	out := &capped{}
	cmd.Stdout, cmd.Stderr = out, out
	err := cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) {
		_ = cmd.Cancel() // whoever is left of its group
	}
	return out.text(), err
}

// capped keeps the first bytes that are written to it and passes over the rest.
// It must have no method of io.ReaderFrom: io.Copy would take a faster way around the
// limit.
type capped struct{ kept []byte }

// Write implements io.Writer.
func (c *capped) Write(p []byte) (int, error) {
	room := max(0, maxOutput-len(c.kept))
	c.kept = append(c.kept, p[:min(room, len(p))]...)
	return len(p), nil
}

// text is what was kept, fit for JSON; it is no longer than that.
func (c *capped) text() string { return strings.ToValidUTF8(strings.TrimSpace(string(c.kept)), "?") }
