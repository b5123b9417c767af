package klpchange

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hotstick/hotstick/internal/kernel/klog"
)

// Calls are the ways in which this package touches a kernel. Their errors are of type
// [unix.Errno] where the kernel refused. There is no other way: in particular nothing
// can end a transition by decree.
type Calls interface {
	// Finit loads the module in the file, as finit_module(2) with no flags.
	Finit(file *os.File) error
	// Disable writes 0 to the patch's attribute "enabled".
	Disable(module string) error
	// Delete unloads a module, as delete_module(2) with O_NONBLOCK only.
	Delete(module string) error
	// Help keeps the CPUs awake over the kernel's next try to end the transition of the
	// patch, and writes 1 to its attribute "signal" where the kernel still has that; newer
	// ones signal by themselves.
	Help(module string) error
	// Listen begins to listen to the kernel's log. What it returns is called once, and
	// gives the lines that came since; none where the log cannot be read.
	Listen() (heard func() []string)
}

// linux makes the calls on the running kernel.
type linux struct {
	waking Waking
}

func (l linux) Finit(file *os.File) error {
	conn, err := file.SyscallConn()
	if err != nil {
		return fmt.Errorf("cannot use the module file: %w", err)
	}
	var errno error
	return l.waking.during(os.DirFS("/"), load, func() error {
		if err := conn.Control(func(fd uintptr) { errno = unix.FinitModule(int(fd), "", 0) }); err != nil {
			return fmt.Errorf("cannot use the module file: %w", err)
		}
		return errno
	})
}

func (l linux) Disable(module string) error {
	return l.write(module, "enabled", "0")
}

// write sets an attribute of a patch while the CPUs are kept awake.
func (l linux) write(module, attribute, value string) error {
	fd, err := unix.Open("/sys/kernel/livepatch/"+module+"/"+attribute, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return l.waking.during(os.DirFS("/"), disable, func() error {
		_, err := unix.Write(fd, []byte(value))
		return err
	})
}

func (linux) Delete(module string) error {
	return unix.DeleteModule(module, unix.O_NONBLOCK)
}

// retryPause is how long the kernel waits between two tries to end a transition, and a
// little more.
const retryPause = 1100 * time.Millisecond

func (l linux) Help(module string) error {
	if err := l.write(module, "signal", "1"); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.EINVAL) {
		return err
	}
	if l.waking.Off {
		return nil
	}
	return l.waking.during(os.DirFS("/"), wait, func() error {
		nap(retryPause)
		return nil
	})
}

// maxHeard bounds the records of the log that are read after one call.
const maxHeard = 1000

func (linux) Listen() (heard func() []string) {
	log, err := klog.OpenKmsg(klog.KmsgPath)
	if err != nil || log.SkipAll() != nil {
		return func() []string { return nil }
	}
	return func() (lines []string) {
		defer log.Close()
		_, _ = log.Read(maxHeard, func(r klog.Record) { lines = append(lines, r.Text) }) // what cannot be read explains nothing
		return lines
	}
}
