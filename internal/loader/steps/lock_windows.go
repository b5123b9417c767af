package steps

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// errBusy: another step has the lock.
var errBusy = errors.New("cannot begin: another step runs")

// Lock locks the desk for a step's whole life, so that there is one at a time. The lock
// belongs to the open file: it goes when that is closed, or with the process.
func Lock(dir string) (io.Closer, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot lock the steps: %w", err)
	}
	if err := try(f); err != nil {
		f.Close()
		if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
			return nil, errBusy
		}
		return nil, fmt.Errorf("cannot lock the steps: %w", err)
	}
	return f, nil
}

// try locks the file's first byte, or fails at once.
func try(f *os.File) error {
	return windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &windows.Overlapped{})
}

// locked reports whether a step runs. Windows tells only whoever locks himself, so to look
// may keep a step away that begins at the same moment; the loader starts that again.
func (d *Desk) locked() (bool, error) {
	f, err := os.OpenFile(filepath.Join(d.Dir, lockFile), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("cannot look whether a step runs: %w", err)
	}
	defer f.Close()
	if err := try(f); errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return true, nil
	} else if err != nil {
		return false, fmt.Errorf("cannot look whether a step runs: %w", err)
	}
	return false, nil // closing the file gives the lock back
}
