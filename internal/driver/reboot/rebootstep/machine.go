package rebootstep

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hotstick/hotstick/internal/driver"
)

// Machine is what restarts, and what no vendor's program is needed for.
type Machine interface {
	// Unpack runs a program that unpacks, xz or zstd. ErrNoProgram of package
	// driver: it is not there.
	Unpack(ctx context.Context, program string, packed io.Reader, to io.Writer) error
	// LoadKernel readies a kernel to be started by the running one.
	LoadKernel(kernel, initrd, commandLine string) error
	// UnloadKernel lets go of it; there may be none.
	UnloadKernel() error
	// Restart tells the machine to go down in an orderly way and to come up again, by the
	// kernel that was loaded or by the firmware. It returns before that happens.
	Restart(ctx context.Context, loaded bool) error
}

// This is the machine that the process runs on.
type This struct{}

var _ Machine = This{}

// Unpack implements Machine.
func (This) Unpack(ctx context.Context, program string, packed io.Reader, to io.Writer) error {
	cmd := exec.CommandContext(ctx, program, "-dc")
	cmd.Stdin, cmd.Stdout = packed, to
	err := cmd.Run()
	if errors.Is(err, exec.ErrNotFound) {
		return driver.ErrNoProgram
	}
	return err
}

// LoadKernel implements Machine.
func (This) LoadKernel(kernel, initrd, commandLine string) error {
	k, err := os.Open(kernel)
	if err != nil {
		return err
	}
	defer k.Close()
	r, err := os.Open(initrd)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := unix.KexecFileLoad(int(k.Fd()), int(r.Fd()), commandLine, 0); err != nil {
		return fmt.Errorf("cannot load %s for kexec: %w", kernel, err)
	}
	return nil
}

// UnloadKernel implements Machine.
func (This) UnloadKernel() error {
	err := unix.KexecFileLoad(-1, -1, "", unix.KEXEC_FILE_UNLOAD)
	if errors.Is(err, syscall.ENOSYS) || errors.Is(err, syscall.EPERM) {
		return nil // then nothing can be loaded either
	}
	return err
}

// restartTime bounds how long it may take to tell the machine to restart.
const restartTime = time.Minute

// Restart implements Machine.
func (This) Restart(ctx context.Context, loaded bool) error {
	_, err := os.Stat("/run/systemd/system")
	systemd := err == nil
	argv := []string{"reboot"}
	switch {
	case systemd && loaded:
		argv = []string{"systemctl", "--no-block", "kexec"}
	case systemd:
		argv = []string{"systemctl", "--no-block", "reboot"}
	case loaded:
		unix.Sync()
		return unix.Reboot(unix.LINUX_REBOOT_CMD_KEXEC)
	}
	// The shutdown that it orders ends this step as well, and all that the step has started:
	// to be told to stop now must not look as if nothing had been ordered.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), restartTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	if !loaded {
		// A kernel that somebody else has loaded is not the one that was chosen.
		cmd.Env = append(os.Environ(), "SYSTEMCTL_SKIP_AUTO_KEXEC=1")
	}
	out, err := cmd.CombinedOutput()
	if err != nil && !(ctx.Err() == nil && toldToStop(cmd.ProcessState)) {
		return fmt.Errorf("cannot restart the machine: %w: %.300s", err, out)
	}
	return nil
}

// toldToStop reports whether a program was ended by what a shutdown sends.
func toldToStop(state *os.ProcessState) bool {
	if state == nil {
		return false
	}
	status, ok := state.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && (status.Signal() == syscall.SIGTERM || status.Signal() == syscall.SIGKILL)
}
