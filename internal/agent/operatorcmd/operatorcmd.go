// Package operatorcmd is what a person on the host does with hotstick-agent: it looks at
// the host, and asks its loader for what only a person there may, over the loader's
// socket for root. None of it needs the server, nor an agent that runs.
package operatorcmd

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/loader/operate"
)

// Exit codes.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitRefused     = 3
	exitUnreachable = 4
)

// Usage lists the commands.
const Usage = `  hotstick-agent status|doctor|journal [-o json]
  hotstick-agent revert [--reason TEXT] [--yes]
  hotstick-agent hold|unhold [--reason TEXT]
  hotstick-agent adopt [--yes]
  hotstick-agent release [--forget] [--yes]
  hotstick-agent completion bash|zsh|fish
`

// command is one of the commands.
type command struct {
	name string
	run  func(context.Context, *session) error
	// asks: it takes --yes. tells: it takes --reason. forgets: it takes --forget.
	asks, tells, forgets bool
}

// commands is the closed table.
var commands = []command{
	{name: "status", run: status},
	{name: "doctor", run: doctor},
	{name: "journal", run: showJournal},
	{name: "revert", run: revert, asks: true, tells: true},
	{name: "hold", run: hold, tells: true},
	{name: "unhold", run: unhold, tells: true},
	{name: "adopt", run: adopt, asks: true},
	{name: "release", run: release, asks: true, forgets: true},
}

// session is one command while it runs.
type session struct {
	in  io.Reader
	out io.Writer
	err io.Writer
	// json: the answer is for programs.
	json bool
	// socket is the loader's for root, and state the agent's directory.
	socket, state string
	reason        string
	yes, forget   bool
	// root is the host's root directory.
	root fs.FS
	now  func() time.Time
	// systemctl runs systemctl with these arguments and returns what it printed.
	systemctl func(ctx context.Context, args ...string) (string, error)
	// wait is how long the end of a revert is waited for.
	wait time.Duration
}

// refused is the error of a loader that did not do it.
type refused struct {
	reason  hotstick.Reason
	unknown []string
}

// Error implements error.
func (r *refused) Error() string {
	text, _ := r.reason.Code.Meaning()
	for _, more := range []string{r.reason.Subject, r.reason.Detail} {
		if more != "" {
			text += " (" + clean(more) + ")"
		}
	}
	for _, u := range r.unknown {
		text += "\n  " + clean(u)
	}
	return "cannot do that: " + text
}

// errIll tells that what was looked at is not as it should be; that was said already.
var errIll = errors.New("not all is well")

// Knows reports whether the command is one of this package's.
func Knows(name string) bool {
	for _, c := range commands {
		if c.name == name {
			return true
		}
	}
	return name == "completion"
}

// Main runs a command and returns its exit code.
func Main(args []string, in io.Reader, stdout, stderr io.Writer) int {
	s := &session{in: in, out: stdout, err: stderr, root: os.DirFS("/"), now: time.Now, wait: 2 * time.Minute,
		systemctl: func(ctx context.Context, args ...string) (string, error) {
			out, err := exec.CommandContext(ctx, "systemctl", args...).CombinedOutput()
			return strings.TrimSpace(string(out)), err
		}}
	return s.main(args)
}

func (s *session) main(args []string) int {
	if args[0] == "completion" {
		return s.completion(args[1:])
	}
	for _, c := range commands {
		if c.name != args[0] {
			continue
		}
		if err := s.parse(c, args[1:]); errors.Is(err, flag.ErrHelp) {
			return 0
		} else if err != nil {
			fmt.Fprintln(s.err, "hotstick-agent:", err)
			return exitUsage
		}
		return s.code(c.run(context.Background(), s))
	}
	return exitUsage
}

func (s *session) parse(c command, args []string) error {
	flags := flag.NewFlagSet("hotstick-agent "+c.name, flag.ContinueOnError)
	flags.SetOutput(s.err)
	output := flags.String("o", "", "json, or empty for people")
	flags.StringVar(&s.socket, "operator-socket", "/run/hotstick/operator.sock", "the loader's socket for root")
	flags.StringVar(&s.state, "state", "/var/lib/hotstick/agent", "the agent's directory")
	if c.asks {
		flags.BoolVar(&s.yes, "yes", false, "do not ask")
	}
	if c.forgets {
		flags.BoolVar(&s.forget, "forget", false, "end a release that cannot be done; nothing is given back")
	}
	if c.tells {
		flags.StringVar(&s.reason, "reason", "", "why, for the journal and the server")
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("cannot use the argument %q", flags.Arg(0))
	}
	if *output != "" && *output != "json" {
		return fmt.Errorf("cannot print %q: it is json or nothing", *output)
	}
	s.json = *output == "json"
	return nil
}

// code turns the end of a command into an exit code, and says what went wrong.
func (s *session) code(err error) int {
	var no *refused
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errIll):
		return exitFailed
	}
	if s.json {
		s.print(map[string]string{"error": err.Error()})
	}
	fmt.Fprintln(s.err, "hotstick-agent:", err)
	switch {
	case errors.As(err, &no):
		return exitRefused
	case errors.Is(err, operate.ErrUnreachable):
		if !errors.Is(err, fs.ErrPermission) {
			return exitUnreachable
		}
		fmt.Fprintln(s.err, "only root may ask the loader: try sudo")
		return exitUnreachable
	}
	return exitFailed
}

// print writes a value as JSON.
func (s *session) print(v any) {
	enc := json.NewEncoder(s.out)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		fmt.Fprintln(s.err, "hotstick-agent:", err)
	}
}

// ask calls the loader; a refusal is an error.
func (s *session) ask(ctx context.Context, req operate.Request) (operate.Answer, error) {
	answer, err := operate.Call(ctx, s.socket, req)
	if err == nil && answer.Refused != nil {
		err = &refused{*answer.Refused, answer.Unknown}
	}
	return answer, err
}

// sure asks the person, unless that was said before.
func (s *session) sure(question string) error {
	if s.yes {
		return nil
	}
	fmt.Fprintf(s.err, "%s [y/N] ", question)
	var word string
	if _, err := fmt.Fscanln(s.in, &word); err != nil || word != "y" && word != "yes" {
		return errors.New("cannot go on without a yes: nothing was done")
	}
	return nil
}

// done says what was done.
func (s *session) done(answer operate.Answer) error {
	if s.json {
		s.print(answer)
		return nil
	}
	fmt.Fprintln(s.out, clean(answer.Done))
	return nil
}

// clean keeps opaque text from steering a terminal.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '?'
		}
		return r
	}, s)
}
