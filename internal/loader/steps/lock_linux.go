package steps

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// errBusy: another step has the lock.
var errBusy = errors.New("cannot begin: another step runs")

// whole is a write lock on all of a file.
func whole() unix.Flock_t {
	return unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
}

// Lock locks the desk for a step's whole life, so that there is one at a time. The lock
// belongs to the open file: it goes when that is closed, or with the process.
func Lock(dir string) (io.Closer, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot lock the steps: %w", err)
	}
	lock := whole()
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lock); err != nil {
		f.Close()
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
			return nil, errBusy
		}
		return nil, fmt.Errorf("cannot lock the steps: %w", err)
	}
	return f, nil
}

// Busy reports whether a step of a driver runs, or is about to.
func Busy(dir string) (bool, error) {
	if _, err := os.Lstat(filepath.Join(dir, requestFile)); err == nil {
		return true, nil
	}
	return locked(dir)
}

func (d *Desk) locked() (bool, error) { return locked(d.Dir) }

// locked reports whether a step runs. To look takes no lock, so it keeps no step away.
func locked(dir string) (bool, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("cannot look whether a step runs: %w", err)
	}
	defer f.Close()
	lock := whole()
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_GETLK, &lock); err != nil {
		return false, fmt.Errorf("cannot look whether a step runs: %w", err)
	}
	return lock.Type != unix.F_UNLCK, nil
}
