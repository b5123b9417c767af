package kernelpkg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// runner runs a program in a directory and returns what it wrote on stdout.
type runner func(ctx context.Context, dir, program string, args ...string) (string, error)

// command is the runner that really runs programs, with untranslated messages.
func command(ctx context.Context, dir, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if err == nil {
		return stdout.String(), nil
	}
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if errors.Is(err, exec.ErrNotFound) {
		return "", &Problem{
			Text:  fmt.Sprintf("cannot run %s: it is not installed", program),
			Fix:   hintFor(program),
			Cause: err,
		}
	}
	return "", fmt.Errorf("cannot run %s %s: %w%s", program, strings.Join(args, " "), err, lastLines(stderr.String(), 12))
}

// lastLines renders the end of a program's messages, which is where it says why.
func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	if len(lines) == 1 && lines[0] == "" {
		return ""
	}
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return "\n\t" + strings.Join(lines, "\n\t")
}

func hintFor(program string) string {
	switch program {
	case "apt-get", "apt-cache", "dpkg":
		return "kernel builds come from Debian's archive; run on Debian or a derivative"
	case "make", "gcc":
		return "apt-get install gcc make libc6-dev libelf1"
	case "mkfs.ext4":
		return "apt-get install e2fsprogs"
	}
	return "install " + program
}

// Problem is an error that an operator can do something about.
type Problem struct {
	Text  string // what cannot be done and why, without the hint
	Fix   string // what to do
	Cause error  // may be nil
}

// Error returns the text and the hint on one line.
func (p *Problem) Error() string {
	if p.Fix == "" {
		return p.Text
	}
	return p.Text + " (" + p.Fix + ")"
}

// Hint returns what the operator can do.
func (p *Problem) Hint() string { return p.Fix }

// Unwrap returns the cause.
func (p *Problem) Unwrap() error { return p.Cause }
