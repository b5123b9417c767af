package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/windows"
)

// Rename gives a file the name of another, which it replaces. It returns when the new name
// is on the disk: on Windows there is no sync of a directory afterwards.
func Rename(from, to string) error {
	return move(from, to, windows.MOVEFILE_REPLACE_EXISTING|windows.MOVEFILE_WRITE_THROUGH)
}

// publish gives a file its name, which nothing has yet.
func publish(temp, path string) error {
	err := move(temp, path, windows.MOVEFILE_WRITE_THROUGH)
	if errors.Is(err, windows.ERROR_ALREADY_EXISTS) {
		err = errors.Join(fs.ErrExist, os.Remove(temp))
	}
	return err
}

// contested is how long a name is asked for that another process has open, such as a
// virus scanner or whoever reads the file just now.
const contested = 2 * time.Second

func move(from, to string, flags uint32) error {
	old, err := windows.UTF16PtrFromString(from)
	if err != nil {
		return err
	}
	name, err := windows.UTF16PtrFromString(to)
	if err != nil {
		return err
	}
	pause, until := time.Millisecond, time.Now().Add(contested)
	for {
		err := windows.MoveFileEx(old, name, flags)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, windows.ERROR_ACCESS_DENIED) && !errors.Is(err, windows.ERROR_SHARING_VIOLATION), time.Now().After(until):
			return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
		}
		time.Sleep(pause)
		pause *= 2
	}
}

// SyncDir makes the names in a directory durable. Windows has no call for that: names are
// written through when they are given.
func SyncDir(string) error { return nil }

// openUntrusted opens a file for reading. It follows no link at the end of the path.
func openUntrusted(path string) (*os.File, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	handle, err := windows.CreateFile(name, windows.GENERIC_READ, windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE|windows.FILE_SHARE_DELETE,
		nil, windows.OPEN_EXISTING, windows.FILE_ATTRIBUTE_NORMAL|windows.FILE_FLAG_OPEN_REPARSE_POINT, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	var info windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(handle, &info); err != nil {
		return nil, errors.Join(&os.PathError{Op: "stat", Path: path, Err: err}, windows.CloseHandle(handle))
	}
	if info.FileAttributes&windows.FILE_ATTRIBUTE_REPARSE_POINT != 0 {
		return nil, errors.Join(fmt.Errorf("cannot read %s: it is a link", path), windows.CloseHandle(handle))
	}
	return os.NewFile(uintptr(handle), path), nil
}
