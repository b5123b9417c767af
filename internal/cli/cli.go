// Package cli is the hotstick command: noun first, as in "hotstick rollout
// watch".
//
// # Conventions
//
//   - Data goes to standard output, messages to standard error. -o chooses table,
//     wide, json, yaml or name; JSON is the API's own and stable.
//   - Errors are two lines: "error: cannot …" and "hint: …". Exit codes: 0 done,
//     1 failed, 2 usage, 3 changes pending (--dry-run), 4 not authorised, 5 not
//     found, 6 refused by policy or waiting for approval, 7 timed out, 8 server
//     unreachable, 130 interrupted.
//   - What hosts and other people wrote is printed with control characters
//     escaped (see the package show).
//   - NO_COLOR and TERM=dumb switch colours off; so does a standard output that
//     is no terminal.
//
// # Shape
//
// There is one file for each noun. A command fetches with package client, then
// hands the values to package show, which makes the text. What a person signs is
// recomputed here from the host list, never taken from the server.
package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"
)

// Env is everything a command may see of the process it runs in.
type Env struct {
	Args   []string
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	Getenv func(string) string
	Now    func() time.Time
	// Size is the terminal that standard output is, in characters; ok is false
	// where it is none.
	Size func() (width, height int, ok bool)
	// Interactive tells whether somebody can answer a question.
	Interactive bool
	// Secret reads a line that the terminal does not show; nil where there is none.
	Secret func() ([]byte, error)
}

// Main runs the command of this process and returns its exit code.
func Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return Run(ctx, Env{
		Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Getenv: os.Getenv,
		Now:    time.Now,
		Size: func() (int, int, bool) {
			w, h, err := term.GetSize(int(os.Stdout.Fd()))
			return w, h, err == nil && os.Getenv("TERM") != "dumb"
		},
		Interactive: term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stderr.Fd())),
		Secret:      func() ([]byte, error) { return term.ReadPassword(int(os.Stdin.Fd())) },
	})
}

// Run runs one command and returns its exit code. An ending context interrupts it.
func Run(ctx context.Context, env Env) int {
	a := &app{env: env}
	root := a.root()
	root.SetArgs(env.Args)
	root.SetIn(env.Stdin)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = context.Canceled // whatever it was wrapped in, the person ended it
	}
	f := explain(err)
	f.print(env.Stderr)
	return f.code
}

// app is one run of the command: its environment and its global flags.
type app struct {
	env     Env
	output  string
	context string
	quiet   bool
	bare    bool
}

// note tells a person something that is not data.
func (a *app) note(lines ...string) {
	if !a.quiet {
		_, _ = io.WriteString(a.env.Stderr, strings.Join(lines, "\n")+"\n")
	}
}
