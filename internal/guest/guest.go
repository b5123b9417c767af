package guest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// InitramfsName is the file in a guest's directory that its kernel boots with.
const InitramfsName = "initramfs"

// Names of the other files in a guest's directory.
const (
	consoleName = "console.log"
	qemuLogName = "qemu.log"
)

// connectLimit is how long QEMU may take to open the second serial line, which
// it does before the kernel runs.
const connectLimit = 20 * time.Second

// Guest is a running guest. Its methods may be called from several goroutines.
type Guest struct {
	config  Config
	note    string
	args    []string
	process *process
	link    *link
	conn    net.Conn
	socket  string // the socket for commands
}

// Start boots a guest and returns once QEMU runs; [Guest.WaitBoot] waits for the
// kernel. ctx bounds the start only. The guest runs until [Guest.Shutdown] or
// [Guest.Kill], and never longer than this process.
func Start(ctx context.Context, c Config) (*Guest, error) {
	c, err := c.complete()
	if err != nil {
		return nil, err
	}
	g := &Guest{config: c}
	if g.config.Accel, g.note, err = chooseAccel(ctx, c, ProbeKVM); err != nil {
		return nil, err
	}
	if err := g.prepare(ctx); err != nil {
		return nil, err
	}
	if err := g.launch(ctx); err != nil {
		g.Kill()
		return nil, err
	}
	go g.link.read(g.conn)
	return g, nil
}

// prepare makes everything QEMU is given.
func (g *Guest) prepare(ctx context.Context) error {
	c := g.config
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return fmt.Errorf("cannot start guest %s: %w", c.Name, err)
	}
	image, err := initramfs(ctx, c)
	if err != nil {
		return fmt.Errorf("cannot start guest %s: %w", c.Name, err)
	}
	if err := os.WriteFile(filepath.Join(c.Dir, InitramfsName), image, 0o644); err != nil {
		return fmt.Errorf("cannot start guest %s: %w", c.Name, err)
	}
	if err := makeDrives(ctx, c); err != nil {
		return fmt.Errorf("cannot start guest %s: %w", c.Name, err)
	}
	return nil
}

// Initramfs returns the initramfs that a guest would boot with, for guests that start
// another kernel by themselves.
func Initramfs(ctx context.Context, c Config) ([]byte, error) {
	c, err := c.complete()
	if err != nil {
		return nil, err
	}
	return initramfs(ctx, c)
}

func initramfs(ctx context.Context, c Config) ([]byte, error) {
	tree, err := openModules(c.Kernel.Modules, unxzWith(ctx, c.Busybox))
	if err != nil {
		return nil, err
	}
	crash, err := tree.withDependencies([]string{crashModule})
	if err != nil {
		return nil, err
	}
	wanted := append(append([]string{}, ownModules...), c.Modules...)
	if c.Firmware != nil {
		wanted = append(wanted, "efivarfs")
	}
	modules, err := tree.withDependencies(wanted)
	if err != nil {
		return nil, err
	}
	applets, err := busyboxApplets(ctx, c.Busybox)
	if err != nil {
		return nil, err
	}
	return buildInitramfs(c, applets, modules, crash)
}

// makeDrives makes what a guest keeps its state on, and what Debian gets files from.
func makeDrives(ctx context.Context, c Config) error {
	if c.Firmware != nil {
		vars, err := os.ReadFile(c.Firmware.Vars)
		if err == nil {
			err = os.WriteFile(filepath.Join(c.Dir, varsName), vars, 0o644)
		}
		if err != nil {
			return fmt.Errorf("cannot use firmware: %w", err)
		}
	}
	if c.Debian != "" {
		if err := copyDebian(ctx, c.Debian, c.Disk); err != nil {
			return err
		}
		return makeFilesDisk(ctx, c.Dir, c.Files)
	}
	if c.Disk != "" {
		return makeDisk(ctx, c.Disk)
	}
	return nil
}

// launch starts QEMU and takes its call on the socket for commands.
func (g *Guest) launch(ctx context.Context) error {
	var err error
	if g.socket, err = socketName(g.config.Dir); err != nil {
		return fmt.Errorf("cannot start guest %s: %w", g.config.Name, err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: g.socket, Net: "unix"})
	if err != nil {
		return fmt.Errorf("cannot start guest %s: %w", g.config.Name, err)
	}
	defer l.Close()
	g.args = commandLine(g.config, g.socket)
	if g.process, err = startQEMU(g.config, g.args); err != nil {
		return err
	}
	if g.conn, err = g.accept(ctx, l); err != nil {
		return err
	}
	g.link = newLink(g.conn)
	return nil
}

// socketName chooses a name for a socket in dir. The kernel takes 107 characters;
// where they do not suffice, a temporary directory is used.
func socketName(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "commands.sock")
	if len(name) > 100 {
		tmp, err := os.MkdirTemp("", "hotstick-guest-")
		if err != nil {
			return "", err
		}
		name = filepath.Join(tmp, "commands.sock")
	}
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return name, nil
}

func (g *Guest) accept(ctx context.Context, l *net.UnixListener) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectLimit)
	defer cancel()
	type result struct {
		conn net.Conn
		err  error
	}
	accepted := make(chan result, 1)
	go func() {
		conn, err := l.Accept()
		accepted <- result{conn, err}
	}()
	select {
	case r := <-accepted:
		if r.err != nil {
			return nil, fmt.Errorf("cannot start guest %s: %w", g.config.Name, r.err)
		}
		return r.conn, nil
	case <-g.process.exited:
		return nil, fmt.Errorf("cannot start guest %s: QEMU ended: %v%s", g.config.Name, g.process.err, g.complaints())
	case <-ctx.Done():
		return nil, fmt.Errorf("cannot start guest %s: QEMU did not come up: %w%s", g.config.Name, ctx.Err(), g.complaints())
	}
}

// complaints returns what QEMU wrote, for an error message.
func (g *Guest) complaints() string {
	data, err := os.ReadFile(filepath.Join(g.config.Dir, qemuLogName))
	if text := strings.TrimSpace(string(data)); err == nil && text != "" {
		return ": " + text
	}
	return ""
}

// WaitBoot waits until the guest serves commands and returns the kernel's boot
// ID. On failure the error carries the end of the console.
func (g *Guest) WaitBoot(ctx context.Context) (bootID string, err error) {
	return g.waitBoot(ctx, "")
}

// WaitReboot waits until a boot other than the one named serves commands, for
// example after a panic, and returns its boot ID.
func (g *Guest) WaitReboot(ctx context.Context, old string) (bootID string, err error) {
	return g.waitBoot(ctx, old)
}

func (g *Guest) waitBoot(ctx context.Context, other string) (string, error) {
	boot, err := g.link.waitBoot(ctx, other)
	if err != nil {
		return "", fmt.Errorf("cannot reach guest %s: %w%s; its console ends with:\n%s", g.config.Name, err, g.complaints(), g.consoleEnd(20))
	}
	return boot, nil
}

// BootID returns the boot ID of the last boot that served commands, "" before
// the first.
func (g *Guest) BootID() string { return g.link.bootID() }

// Run runs a shell script as root and returns what it wrote, on stdout and
// stderr in their order, and its exit code. It waits for a boot that serves
// commands. It fails with [ErrRebooted] if the guest rebooted meanwhile and with
// [ErrStopped] if it is gone; if ctx ends first, the command is killed. Several
// commands may run at once.
func (g *Guest) Run(ctx context.Context, script string) (output string, exitCode int, err error) {
	output, exitCode, err = g.link.run(ctx, script, nil)
	if err != nil {
		err = fmt.Errorf("cannot run command in guest %s: %w", g.config.Name, err)
	}
	return output, exitCode, err
}

// Push writes a file in the running guest. The line carries some kilobytes a
// second; give large files to Config.Files instead.
func (g *Guest) Push(ctx context.Context, path string, data []byte, mode fs.FileMode) error {
	if data == nil {
		data = []byte{}
	}
	to := quote(path)
	output, code, err := g.link.run(ctx, fmt.Sprintf("cat >%s && chmod %o %s", to, mode.Perm(), to), data)
	if err != nil {
		return fmt.Errorf("cannot write %s in guest %s: %w", path, g.config.Name, err)
	}
	if code != 0 {
		return fmt.Errorf("cannot write %s in guest %s: %s", path, g.config.Name, strings.TrimSpace(output))
	}
	return nil
}

// ConsoleLog returns all that the kernel and PID 1 wrote on the console, over all
// boots.
func (g *Guest) ConsoleLog() (string, error) {
	data, err := os.ReadFile(filepath.Join(g.config.Dir, consoleName))
	if err != nil {
		return "", fmt.Errorf("cannot read console of guest %s: %w", g.config.Name, err)
	}
	return string(data), nil
}

func (g *Guest) consoleEnd(lines int) string {
	text, err := g.ConsoleLog()
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(text, "\r\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// Name returns the guest's host name.
func (g *Guest) Name() string { return g.config.Name }

// Accel returns how the processor is provided, and a note for the operator if
// that is not what could be wished for.
func (g *Guest) Accel() (accel Accel, note string) { return g.config.Accel, g.note }

// CommandLine returns a command for a shell that runs such a guest by hand. Its
// second serial line then waits on the socket for somebody who speaks the protocol
// of the type link; the console shows what it is doing meanwhile.
func (g *Guest) CommandLine() string {
	line := strings.Join(append([]string{qemuProgram}, quoteAll(g.args)...), " ")
	return strings.Replace(line, "id=commands,server=off", "id=commands,server=on,wait=off", 1)
}

// Exited is closed when QEMU has ended.
func (g *Guest) Exited() <-chan struct{} { return g.process.exited }

// Shutdown powers the guest off cleanly and waits until it is gone. If it does
// not go before ctx ends, it is killed and an error says so.
func (g *Guest) Shutdown(ctx context.Context) error {
	defer g.cleanUp()
	_, _, err := g.Run(ctx, "poweroff")
	if err != nil && !errors.Is(err, ErrStopped) {
		g.process.kill()
		return fmt.Errorf("cannot shut guest %s down, killed it: %w", g.config.Name, err)
	}
	select {
	case <-g.process.exited:
		return nil
	case <-ctx.Done():
		g.process.kill()
		return fmt.Errorf("cannot shut guest %s down, killed it: %w", g.config.Name, ctx.Err())
	}
}

// Kill ends the guest at once, as a power cut would. It may be called again.
func (g *Guest) Kill() error {
	defer g.cleanUp()
	if g.process == nil {
		return nil
	}
	return g.process.kill()
}

func (g *Guest) cleanUp() {
	if g.conn != nil {
		g.conn.Close()
	}
	if g.socket != "" {
		os.Remove(g.socket)
		os.Remove(filepath.Dir(g.socket)) // only if it was made for the socket, and so is empty
	}
}
