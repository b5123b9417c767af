// Package onhost touches the things of this host: files below /proc/sys and
// /sys/module, modules, systemd's units, and what commands do. It decides nothing; see
// package touch.
package onhost

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/loader/touch"
)

// Limits of one call.
const (
	readTime = 5 * time.Second
	setTime  = 60 * time.Second
	// maxOutput bounds what is kept of what a program prints, and maxValue a value.
	maxOutput = 4 << 10
	maxValue  = 4 << 10
)

// searchPath is where modprobe and systemctl are, and all of the environment that a
// command gets.
const searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Host is the running machine.
type Host struct{}

var _ touch.World = Host{}

// Read implements touch.World.
func (Host) Read(ctx context.Context, t hotstick.Touch) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	switch t.Kind {
	case hotstick.TouchSysctl, hotstick.TouchParameter:
		return readValue("/" + t.Path())
	case hotstick.TouchModuleLoad, hotstick.TouchModuleUnload:
		return module(t.Name)
	case hotstick.TouchServiceRestart, hotstick.TouchServiceReload:
		return service(ctx, t.Name)
	}
	for _, argv := range [][]string{t.Do, t.Undo} {
		if len(argv) == 0 {
			continue
		}
		if info, err := os.Stat(argv[0]); err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
			return "", fmt.Errorf("cannot run %s: there is no such program", argv[0])
		}
	}
	return "", nil
}

// Set implements touch.World. It needs more rights than the loader has.
func (h Host) Set(ctx context.Context, t hotstick.Touch, value string) error {
	ctx, cancel := context.WithTimeout(ctx, setTime)
	defer cancel()
	switch t.Kind {
	case hotstick.TouchSysctl, hotstick.TouchParameter:
		return writeValue("/"+t.Path(), value)
	case hotstick.TouchModuleLoad, hotstick.TouchModuleUnload:
		return setModule(ctx, t.Name, value)
	case hotstick.TouchServiceRestart:
		return run(ctx, "systemctl", "--no-ask-password", "try-restart", "--", t.Name)
	case hotstick.TouchServiceReload:
		return run(ctx, "systemctl", "--no-ask-password", "reload", "--", t.Name)
	}
	argv := t.Do
	if value == touch.Undone {
		argv = t.Undo
	}
	if len(argv) == 0 {
		return errors.New("cannot run nothing")
	}
	return run(ctx, argv...)
}

func readValue(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxValue+1))
	switch {
	case err != nil:
		return "", err
	case len(data) > maxValue:
		return "", fmt.Errorf("cannot read %s: its value is longer than %d bytes", path, maxValue)
	}
	return strings.TrimRight(string(data), "\n"), nil
}

// writeValue writes a value in one piece, as the kernel wants it. Files are never made.
func writeValue(path, value string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value + "\n")
	return errors.Join(err, f.Close())
}

// module says whether a module is in the kernel. One that is absent is followed by
// those that it needs and that are absent too, in the order in which they can be
// unloaded: loading it brings them.
func module(name string) (string, error) {
	if inKernel(name) {
		return touch.Loaded, nil
	}
	needs, err := needs(name)
	if err != nil {
		return "", err
	}
	return strings.Join(append([]string{touch.Absent}, slices.DeleteFunc(needs, inKernel)...), " "), nil
}

func inKernel(name string) bool {
	_, err := os.Stat("/sys/module/" + canonical(name))
	return err == nil
}

func canonical(name string) string { return strings.ReplaceAll(name, "-", "_") }

// needs lists the modules that a module needs, as depmod wrote them down. A module that
// it does not know needs nothing.
func needs(name string) ([]string, error) {
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return nil, fmt.Errorf("cannot tell the kernel's release: %w", err)
	}
	path := filepath.Join("/lib/modules", unix.ByteSliceToString(uts.Release[:]), "modules.dep")
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(data)) {
		file, rest, _ := strings.Cut(line, ":")
		if moduleOf(file) != canonical(name) {
			continue
		}
		var list []string
		for _, f := range strings.Fields(rest) {
			list = append(list, moduleOf(f))
		}
		return list, nil
	}
	return nil, nil
}

func moduleOf(file string) string {
	base, _, _ := strings.Cut(filepath.Base(file), ".ko")
	return canonical(base)
}

// setModule loads a module with what it needs, or unloads it with what came with it.
func setModule(ctx context.Context, name, value string) error {
	words := strings.Fields(value)
	if len(words) == 0 || words[0] != touch.Absent {
		return run(ctx, "modprobe", "--", name)
	}
	if err := unload(name); err != nil {
		return err
	}
	for _, needed := range words[1:] {
		if err := unload(needed); err != nil && !errors.Is(err, unix.EWOULDBLOCK) {
			return err // one that somebody else uses by now stays
		}
	}
	return nil
}

func unload(name string) error {
	err := unix.DeleteModule(canonical(name), unix.O_NONBLOCK)
	if err == nil || errors.Is(err, unix.ENOENT) {
		return nil
	}
	return fmt.Errorf("cannot unload the module %s: %w", name, err)
}

// service says whether a unit runs. One that this host does not have does not.
func service(ctx context.Context, unit string) (string, error) {
	out, err := output(ctx, "systemctl", "--no-ask-password", "show", "--property=ActiveState", "--", unit)
	if err != nil {
		return "", err
	}
	switch state := strings.TrimPrefix(strings.TrimSpace(out), "ActiveState="); state {
	case "active", "reloading":
		return touch.Active, nil
	case "inactive", "failed", "activating", "deactivating", "maintenance":
		return touch.Inactive, nil
	default:
		return "", fmt.Errorf("cannot tell whether %s runs: systemctl says %.80q", unit, state)
	}
}

// run runs a program that must end well, with nothing in its environment but a path.
func run(ctx context.Context, argv ...string) error {
	_, err := output(ctx, argv...)
	return err
}

func output(ctx context.Context, argv ...string) (string, error) {
	program, err := find(argv[0])
	if err != nil {
		return "", err
	}
	out := &capped{}
	cmd := exec.CommandContext(ctx, program, argv[1:]...)
	cmd.Env = []string{"PATH=" + searchPath, "LANG=C", "SYSTEMD_IGNORE_CHROOT=1"}
	cmd.Dir, cmd.Stdout, cmd.Stderr = "/", out, out
	// Its children go with it, and whoever holds its output open is not waited for.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = errors.New("it took too long")
		}
		return out.String(), fmt.Errorf("cannot run %s: %w: %s", strings.Join(argv, " "), err, strings.TrimSpace(out.String()))
	}
	return out.String(), nil
}

// find looks a program up where system programs are.
func find(name string) (string, error) {
	if filepath.IsAbs(name) {
		return name, nil
	}
	for _, dir := range filepath.SplitList(searchPath) {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", fmt.Errorf("cannot find the program %s on this host", name)
}

// capped keeps the beginning of what is written to it.
type capped struct{ buf bytes.Buffer }

func (c *capped) Write(p []byte) (int, error) {
	if room := maxOutput - c.buf.Len(); room > 0 {
		c.buf.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

func (c *capped) String() string { return strings.ToValidUTF8(c.buf.String(), "") }
