package house

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/hotstick/hotstick/internal/demo/host"
)

// Programs are the files of the three binaries.
type Programs struct{ CLI, Agent, Loader string }

// FindPrograms looks for the three binaries in a folder; empty means beside the running
// program.
func FindPrograms(dir string) (Programs, error) {
	if dir == "" {
		self, err := os.Executable()
		if err != nil {
			return Programs{}, fmt.Errorf("cannot find this program's own file: %v", err)
		}
		dir = filepath.Dir(self)
	}
	p := Programs{filepath.Join(dir, "hotstick"), filepath.Join(dir, "hotstick-agent"), filepath.Join(dir, "hotstick-loader")}
	for _, file := range []string{p.CLI, p.Agent, p.Loader} {
		if _, err := os.Stat(file); err != nil {
			return Programs{}, &Problem{Text: fmt.Sprintf("cannot find %s", file), Fix: "build the programs first: make build"}
		}
	}
	return p, nil
}

// FindPatches looks for the folder with the live patches' sources; empty means beside the
// program or in the working directory.
func FindPatches(dir string) (string, error) {
	tried := []string{dir}
	if dir == "" {
		tried = []string{"patches"}
		if self, err := os.Executable(); err == nil {
			tried = append(tried, filepath.Join(filepath.Dir(self), "..", "patches"))
		}
	}
	for _, dir := range tried {
		if _, err := os.Stat(filepath.Join(dir, "common", "unix_ioctl_fixed.h")); err == nil {
			return filepath.Abs(dir)
		}
	}
	return "", &Problem{
		Text: "cannot find the live patches' sources in " + strings.Join(tried, " or "),
		Fix:  "run the demo in a checkout of Hotstick, or name the folder: --patches DIR",
	}
}

// Problem is an error with a hint for the person at the terminal.
type Problem struct{ Text, Fix string }

// Error implements error.
func (p *Problem) Error() string { return p.Text }

// Hint says what to do about it.
func (p *Problem) Hint() string { return p.Fix }

// Result is what a command printed and how it ended.
type Result struct {
	Out, Err string
	Code     int
}

// Say is the command's last words: its error, or its output.
func (r Result) Say() string {
	text := strings.TrimSpace(r.Err)
	if text == "" {
		text = strings.TrimSpace(r.Out)
	}
	return strings.Join(strings.Fields(text), " ")
}

// Hotstick runs the command line as the operator would and shows it. A command
// that ends with another exit code than 0 is no error here: some should.
func (h *House) Hotstick(ctx context.Context, args ...string) (Result, error) {
	h.ran(args)
	cmd := exec.CommandContext(ctx, h.Programs.CLI, args...)
	cmd.Env = h.env()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return Result{}, fmt.Errorf("cannot run hotstick %s: %v", args[0], err)
	}
	return Result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}, nil
}

// Must is Hotstick for commands that have to succeed.
func (h *House) Must(ctx context.Context, args ...string) (Result, error) {
	r, err := h.Hotstick(ctx, args...)
	if err == nil && r.Code != 0 {
		err = fmt.Errorf("hotstick %s ended with exit code %d: %s", h.shown(args), r.Code, r.Say())
	}
	return r, err
}

// env is the command line's environment: its own configuration, nobody else's.
func (h *House) env() []string {
	env := slices.DeleteFunc(os.Environ(), func(kv string) bool {
		return strings.HasPrefix(kv, "HOTSTICK_") || strings.HasPrefix(kv, "XDG_CONFIG_HOME=") || strings.HasPrefix(kv, "XDG_STATE_HOME=")
	})
	return append(env, "XDG_CONFIG_HOME="+filepath.Join(h.Dir, "config"), "XDG_STATE_HOME="+filepath.Join(h.Dir, "state"),
		"HOTSTICK_SERVER=https://"+h.Listen, "NO_COLOR=1")
}

// shown shortens the working directory's path for the screen.
func (h *House) shown(args []string) string {
	words := make([]string, len(args))
	for i, a := range args {
		a = strings.ReplaceAll(a, h.Dir+"/", "")
		if strings.ContainsAny(a, " \"'") {
			a = "'" + a + "'"
		}
		words[i] = a
	}
	return strings.Join(words, " ")
}

// serverProcess is the server as a process of its own, so that it can be killed.
type serverProcess struct {
	cmd  *exec.Cmd
	log  *os.File
	done chan error
}

// StartServer starts the server and waits until it is ready.
func (h *House) StartServer(ctx context.Context) error {
	log, err := os.OpenFile(filepath.Join(h.Dir, "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("cannot open the server's log: %v", err)
	}
	args := []string{"server", "--data", h.DataDir(), "--listen", h.Listen, "--trace", h.ServerTrace()}
	h.ran(args)
	cmd := exec.Command(h.Programs.CLI, args...)
	cmd.Env = slices.Concat(h.env(), []string{"HOTSTICK_POLL_SECONDS=1"}, h.ServerEnv)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("cannot start the server: %v", err)
	}
	p := &serverProcess{cmd: cmd, log: log, done: make(chan error, 1)}
	go func() { p.done <- cmd.Wait() }()
	h.server = p
	return host.Until(ctx, 30*time.Second, "the server to be ready", func(ctx context.Context) (bool, error) {
		select {
		case err := <-p.done:
			p.done <- err // for whoever kills it
			return false, fmt.Errorf("the server ended at once: see %s", log.Name())
		default:
		}
		return h.Client != nil && h.Client.Ready(ctx) == nil, nil
	})
}

// KillServer ends the server as a crash would. Without one it does nothing.
func (h *House) KillServer() {
	p := h.server
	if p == nil {
		return
	}
	h.server = nil
	p.cmd.Process.Kill()
	<-p.done
	p.log.Close()
}

// ran tells of a command.
func (h *House) ran(args []string) {
	if h.Ran != nil {
		h.Ran("hotstick " + h.shown(args))
	}
}

// PickAddress takes the first address that is free, as it is then.
func PickAddress(wishes ...string) (string, error) {
	for _, address := range wishes {
		l, err := net.Listen("tcp", address)
		if err == nil {
			defer l.Close()
			return l.Addr().String(), nil
		}
	}
	return "", &Problem{Text: "cannot listen on " + strings.Join(wishes, " or "), Fix: "name a free port: --listen 127.0.0.1:PORT"}
}
