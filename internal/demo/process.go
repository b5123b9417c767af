package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/hotstick/hotstick/internal/demo/host"
)

// programs are the three binaries the demo runs.
type programs struct{ cli, agent, loader string }

// findPrograms looks for the agent and the loader beside the running program.
func findPrograms(dir string) (programs, error) {
	if dir == "" {
		self, err := os.Executable()
		if err != nil {
			return programs{}, fmt.Errorf("cannot find this program's own file: %v", err)
		}
		dir = filepath.Dir(self)
	}
	p := programs{filepath.Join(dir, "hotstick"), filepath.Join(dir, "hotstick-agent"), filepath.Join(dir, "hotstick-loader")}
	for _, file := range []string{p.cli, p.agent, p.loader} {
		if _, err := os.Stat(file); err != nil {
			return programs{}, &Problem{Text: fmt.Sprintf("cannot find %s", file), Fix: "build the programs first: make build"}
		}
	}
	return p, nil
}

// Problem is an error with a hint for the person at the terminal.
type Problem struct{ Text, Fix string }

// Error implements error.
func (p *Problem) Error() string { return p.Text }

// Hint says what to do about it.
func (p *Problem) Hint() string { return p.Fix }

// result is what a command printed and how it ended.
type result struct {
	out, err string
	code     int
}

// say is the command's last words: its error, or its output.
func (r result) say() string {
	text := strings.TrimSpace(r.err)
	if text == "" {
		text = strings.TrimSpace(r.out)
	}
	return strings.Join(strings.Fields(text), " ")
}

// hotstick runs the command line as the operator would and shows it. A command
// that ends with another exit code than 0 is no error here: some should.
func (d *demo) hotstick(ctx context.Context, args ...string) (result, error) {
	d.rec.ran("hotstick " + d.shown(args))
	cmd := exec.CommandContext(ctx, d.programs.cli, args...)
	cmd.Env = d.env()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return result{}, fmt.Errorf("cannot run hotstick %s: %v", args[0], err)
	}
	return result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}, nil
}

// must is hotstick for commands that have to succeed.
func (d *demo) must(ctx context.Context, args ...string) (result, error) {
	r, err := d.hotstick(ctx, args...)
	if err == nil && r.code != 0 {
		err = fmt.Errorf("hotstick %s ended with exit code %d: %s", d.shown(args), r.code, r.say())
	}
	return r, err
}

// env is the command line's environment: its own configuration, nobody else's.
func (d *demo) env() []string {
	env := slices.DeleteFunc(os.Environ(), func(kv string) bool {
		return strings.HasPrefix(kv, "HOTSTICK_") || strings.HasPrefix(kv, "XDG_CONFIG_HOME=") || strings.HasPrefix(kv, "XDG_STATE_HOME=")
	})
	return append(env, "XDG_CONFIG_HOME="+filepath.Join(d.dir, "config"), "XDG_STATE_HOME="+filepath.Join(d.dir, "state"),
		"HOTSTICK_SERVER=https://"+d.listen, "NO_COLOR=1")
}

// shown shortens the working directory's path for the screen.
func (d *demo) shown(args []string) string {
	words := make([]string, len(args))
	for i, a := range args {
		a = strings.ReplaceAll(a, d.dir+"/", "")
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

// startServer starts the server and waits until it is ready.
func (d *demo) startServer(ctx context.Context) error {
	log, err := os.OpenFile(filepath.Join(d.dir, "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("cannot open the server's log: %v", err)
	}
	args := []string{"server", "--data", d.dataDir(), "--listen", d.listen, "--trace", d.serverTrace()}
	d.rec.ran("hotstick " + d.shown(args))
	cmd := exec.Command(d.programs.cli, args...)
	cmd.Env = append(d.env(), "HOTSTICK_POLL_SECONDS=1",
		"HOTSTICK_WEBHOOK_URL="+d.pager.URL, "HOTSTICK_WEBHOOK_SECRET="+webhookSecret)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("cannot start the server: %v", err)
	}
	p := &serverProcess{cmd: cmd, log: log, done: make(chan error, 1)}
	go func() { p.done <- cmd.Wait() }()
	d.server = p
	return d.until(ctx, 30*time.Second, "the server to be ready", func(ctx context.Context) (bool, error) {
		select {
		case <-p.done:
			return false, fmt.Errorf("the server ended at once: see %s", log.Name())
		default:
		}
		return d.client != nil && d.client.Ready(ctx) == nil, nil
	})
}

// kill ends the server as a crash would.
func (p *serverProcess) kill() {
	if p == nil {
		return
	}
	p.cmd.Process.Kill()
	<-p.done
	p.done <- nil
	p.log.Close()
}

// until asks cond four times a second until it holds, fails, or limit is over.
func (d *demo) until(ctx context.Context, limit time.Duration, what string, cond func(context.Context) (bool, error)) error {
	return host.Until(ctx, limit, what, cond)
}
