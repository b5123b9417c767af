package durable

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Rename gives a file the name of another, which it replaces.
func Rename(from, to string) error { return os.Rename(from, to) }

// publish gives a file its name, which nothing has yet. Where the file system cannot
// rename so, it can link; where it cannot link, as on many sticks, it can rename so.
func publish(temp, path string) error {
	err := unix.Renameat2(unix.AT_FDCWD, temp, unix.AT_FDCWD, path, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		err = errors.Join(os.Link(temp, path), os.Remove(temp))
	}
	return err
}

// SyncDir makes the names in a directory durable.
func SyncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(flush(d), d.Close())
}

// openUntrusted opens a file for reading. It follows no link at the end of the path, and
// waits neither for a pipe nor for a lease.
func openUntrusted(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
}
