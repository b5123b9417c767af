package klpchange

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Calls are the three ways in which this package touches a kernel. Their errors
// are of type [unix.Errno] where the kernel refused. There is no fourth way: in
// particular nothing can end a transition by decree.
type Calls interface {
	// Finit loads the module in the file, as finit_module(2) with no flags.
	Finit(file *os.File) error
	// Disable writes 0 to the patch's attribute "enabled".
	Disable(module string) error
	// Delete unloads a module, as delete_module(2) with O_NONBLOCK only.
	Delete(module string) error
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
	return l.waking.during(os.DirFS("/"), func() error {
		if err := conn.Control(func(fd uintptr) { errno = unix.FinitModule(int(fd), "", 0) }); err != nil {
			return fmt.Errorf("cannot use the module file: %w", err)
		}
		return errno
	})
}

func (l linux) Disable(module string) error {
	fd, err := unix.Open("/sys/kernel/livepatch/"+module+"/enabled", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return l.waking.during(os.DirFS("/"), func() error {
		_, err := unix.Write(fd, []byte("0"))
		return err
	})
}

func (linux) Delete(module string) error {
	return unix.DeleteModule(module, unix.O_NONBLOCK)
}
