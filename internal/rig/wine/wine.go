package wine

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
)

// Server2025 is the registry of a Windows Server 2025 that was booted with the baseline of
// April 2025 and takes hotpatches, as regedit exports it. It is written by hand.
//
//go:embed server-2025.reg
var Server2025 string

//go:embed shim/bcryptprimitives.c
var shim []byte

// Times within which things are done, or the machine counts as hanging. Making the files of
// a Windows takes a minute on a busy machine.
const (
	makeTime = 4 * time.Minute
	runTime  = 3 * time.Minute
	endTime  = 20 * time.Second
)

// program is the agent's path as the machine sees it.
const program = `C:\Program Files\Hotstick\hotstick-agent.exe`

// Options are what a machine is made of.
type Options struct {
	// Dir is where its files lie: an empty or missing directory.
	Dir string
	// Agent is the file of a hotstick-agent.exe; see Build.
	Agent string
	// Registry is what its registry says, as regedit exports it; Server2025 if empty.
	Registry string
	// Say is told what is done; nil if nobody wants to know.
	Say func(line string)
}

// Machine is a running Windows, as far as Wine is one.
type Machine struct {
	o      Options
	wine   string // the program wine64
	server string // the program wineserver
	env    []string
}

// Build builds the agent for Windows from the sources below root, into the file out.
func Build(ctx context.Context, root, out string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", out, "./cmd/hotstick-agent")
	cmd.Dir, cmd.Env = root, append(os.Environ(), "GOOS=windows", "GOARCH=amd64", "CGO_ENABLED=0")
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot build the agent for Windows: %w\n%s", err, said)
	}
	return nil
}

// Find returns Wine's programs, or says what to install.
func Find() (wine, server string, err error) {
	for name, to := range map[string]*string{"wine64": &wine, "wineserver": &server} {
		if *to, err = exec.LookPath(name); err == nil {
			continue
		}
		*to = filepath.Join("/usr/lib/wine", name) // where Debian has it
		if _, err := os.Stat(*to); err != nil {
			return "", "", fmt.Errorf("cannot find %s: install wine64 (make setup-wine)", name)
		}
	}
	return wine, server, nil
}

// Boot makes a machine and boots it: its files, its registry, and the agent where the
// install script would copy it. Whoever has booted it closes it.
func Boot(ctx context.Context, o Options) (*Machine, error) {
	m := &Machine{o: o}
	var err error
	if m.wine, m.server, err = Find(); err != nil {
		return nil, err
	}
	if m.o.Registry == "" {
		m.o.Registry = Server2025
	}
	m.env = append(os.Environ(), "WINEPREFIX="+m.prefix(), "WINEDEBUG=-all", "WINEDLLOVERRIDES=mscoree,mshtml,winemenubuilder.exe=", "DISPLAY=")
	if err := m.make(ctx); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// make makes the files. Wine hangs now and then while it does, so it gets a second try.
func (m *Machine) make(ctx context.Context) error {
	m.say("making a Windows in %s; that takes a minute", m.o.Dir)
	var err error
	for range 2 {
		if err = m.power(ctx); err != nil {
			return err
		}
		if _, err = m.within(ctx, makeTime, "wineboot", "-i"); err == nil {
			break
		}
		if ctx.Err() != nil {
			return err
		}
		m.say("that failed: %v; trying once more", err)
		if err := errors.Join(m.Close(), os.RemoveAll(m.prefix())); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	if err := m.addShim(ctx); err != nil {
		return err
	}
	if err := m.copyAgent(); err != nil {
		return err
	}
	if err := m.Merge(ctx, m.o.Registry); err != nil {
		return err
	}
	// The service manager reads how patient it is when the machine boots.
	if err := m.Merge(ctx, patience); err != nil {
		return err
	}
	return m.Reboot(ctx)
}

// patience gives services two minutes to start: on a busy machine Wine's ten seconds are
// not enough.
const patience = `Windows Registry Editor Version 5.00

[HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Control]
"ServicesPipeTimeout"=dword:0001d4c0
`

// power switches the machine on: without it, Wine ends with the last program that somebody
// else has started, and boots for the next one.
func (m *Machine) power(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, endTime)
	defer cancel()
	if err := os.MkdirAll(m.prefix(), 0o700); err != nil {
		return fmt.Errorf("cannot make the machine's directory: %w", err)
	}
	cmd := exec.CommandContext(ctx, m.server, "-p")
	cmd.Env = m.env
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("cannot switch the machine on: %w", err)
	}
	return nil
}

// Reboot boots the machine anew, as after a power cut: what is in memory only is gone, and
// services that start by themselves do.
func (m *Machine) Reboot(ctx context.Context) error {
	if err := m.Close(); err != nil {
		return err
	}
	if err := m.power(ctx); err != nil {
		return err
	}
	_, err := m.Run(ctx, "cmd", "/c", "exit") // the first program boots it
	return err
}

// addShim builds the DLL that Wine lacks.
func (m *Machine) addShim(ctx context.Context) error {
	source := filepath.Join(m.o.Dir, "bcryptprimitives.c")
	if err := os.WriteFile(source, shim, 0o600); err != nil {
		return fmt.Errorf("cannot write the source of the DLL that Wine lacks: %w", err)
	}
	return m.compile(ctx, source, "bcryptprimitives.dll", "-ladvapi32")
}

// compile builds a DLL into the machine's system directory.
func (m *Machine) compile(ctx context.Context, source, dll string, libraries ...string) error {
	argv := append([]string{"-shared", "-O2", "-Wall", "-Werror", "-o", m.Path("windows", "system32", dll), source}, libraries...)
	if said, err := exec.CommandContext(ctx, "x86_64-w64-mingw32-gcc", argv...).CombinedOutput(); err != nil {
		return fmt.Errorf("cannot build %s: %w\n%s", dll, err, said)
	}
	return nil
}

func (m *Machine) copyAgent() error {
	data, err := os.ReadFile(m.o.Agent)
	if err != nil {
		return fmt.Errorf("cannot read the agent: %w", err)
	}
	to := m.Path("Program Files", "Hotstick")
	if err := os.MkdirAll(to, 0o755); err != nil {
		return fmt.Errorf("cannot make the agent's directory: %w", err)
	}
	return os.WriteFile(filepath.Join(to, "hotstick-agent.exe"), data, 0o755)
}

// Merge adds what regedit has exported to the registry.
func (m *Machine) Merge(ctx context.Context, export string) error {
	if err := os.WriteFile(m.Path("machine.reg"), []byte(export), 0o600); err != nil {
		return fmt.Errorf("cannot write what the registry is to say: %w", err)
	}
	_, err := m.Run(ctx, "regedit", "/S", `C:\machine.reg`)
	return err
}

func (m *Machine) prefix() string { return filepath.Join(m.o.Dir, "prefix") }

// Path is a file of the machine's drive C: as this host sees it.
func (m *Machine) Path(names ...string) string {
	return filepath.Join(append([]string{m.prefix(), "drive_c"}, names...)...)
}

// Data is a file of the agent's own directory.
func (m *Machine) Data(names ...string) string {
	return m.Path(append([]string{"ProgramData", "Hotstick"}, names...)...)
}

func (m *Machine) say(format string, args ...any) {
	if m.o.Say != nil {
		m.o.Say(fmt.Sprintf(format, args...))
	}
}

// Run runs a program of the machine to its end and returns what it said. One that fails, or
// has not ended after three minutes, is an error.
func (m *Machine) Run(ctx context.Context, argv ...string) (string, error) {
	return m.within(ctx, runTime, argv...)
}

// Agent runs the agent's program with arguments.
func (m *Machine) Agent(ctx context.Context, args ...string) (string, error) {
	return m.Run(ctx, append([]string{program}, args...)...)
}

func (m *Machine) within(ctx context.Context, limit time.Duration, argv ...string) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it had not ended after %s", limit))
	defer cancel()
	// A file and no pipe: services that it starts keep what it writes to.
	out, err := os.CreateTemp(m.o.Dir, "said")
	if err != nil {
		return "", fmt.Errorf("cannot keep what a program says: %w", err)
	}
	defer os.Remove(out.Name())
	defer out.Close()
	cmd := exec.CommandContext(ctx, m.wine, argv...)
	cmd.Env, cmd.Stdout, cmd.Stderr = m.env, out, out
	ran := cmd.Run()
	said, err := os.ReadFile(out.Name())
	if err != nil {
		return "", fmt.Errorf("cannot read what a program said: %w", err)
	}
	if ran != nil && ctx.Err() != nil {
		ran = context.Cause(ctx)
	}
	if ran != nil {
		return string(said), fmt.Errorf("cannot run %s under Wine: %w: %s", strings.Join(argv, " "), ran, strings.TrimSpace(string(said)))
	}
	return string(said), nil
}

// Close ends everything that runs in the machine, as a power cut would. Its files stay.
func (m *Machine) Close() error {
	for _, how := range [][]string{{"-k", "-w"}, {"-k9", "-w"}} {
		ctx, cancel := context.WithTimeout(context.Background(), endTime)
		cmd := exec.CommandContext(ctx, m.server, how...)
		cmd.Env = m.env
		err := cmd.Run()
		hangs := ctx.Err() != nil
		cancel()
		if err == nil || !hangs { // it may have ended by itself
			return nil
		}
	}
	return errors.New("cannot end a machine: Wine's server hangs")
}

// Join enrols the machine by the line that "hotstick host add" prints. server is the
// server's address as the machine reaches it; empty where the line's own is right. What is
// more are further flags, such as --hostname. The service's configuration names the server
// afterwards.
func (m *Machine) Join(ctx context.Context, line, server string, more ...string) error {
	words := strings.Fields(line)
	if len(words) < 2 || words[0] != "hotstick-agent" || words[1] != "join" {
		return fmt.Errorf("cannot join: %.80q is no join line", line)
	}
	for i := range words {
		if server != "" && words[i] == "--server" && i+1 < len(words) {
			words[i+1] = server
		}
	}
	_, err := m.Agent(ctx, append(append(words[1:], "--once"), more...)...)
	if err != nil {
		return err
	}
	for i := range words {
		if words[i] == "--server" {
			server = words[i+1]
		}
	}
	config := "server: " + server + "\n"
	for i := range more {
		if more[i] == "--hostname" && i+1 < len(more) {
			config += "hostname: " + more[i+1] + "\n"
		}
	}
	if err := os.WriteFile(m.Data("agent.yaml"), []byte(config), 0o600); err != nil {
		return fmt.Errorf("cannot write the agent's configuration: %w", err)
	}
	return nil
}

// Facts are what the agent reads of the machine.
func (m *Machine) Facts(ctx context.Context) (hotstick.Facts, error) {
	var f hotstick.Facts
	said, err := m.Agent(ctx, "facts")
	if err == nil {
		if err = json.Unmarshal([]byte(said), &f); err != nil {
			err = fmt.Errorf("cannot read the facts in %.500q: %w", said, err)
		}
	}
	return f, err
}

// Log is what the service has written so far.
func (m *Machine) Log() string {
	text, err := os.ReadFile(m.Data("agent.log"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err.Error()
	}
	return string(text)
}
