// Package durable writes small files so that a crash at any point, of the process
// or of the machine, leaves the old content or the new one and never a part; and reads those
// that somebody else may have written.
package durable

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hotstick/hotstick/internal/failpoint"
	"github.com/hotstick/hotstick/internal/planted"
)

// Replace writes a file in dir: a temporary file beside it, sync, rename, sync of
// the directory. Whatever an earlier, cut-off Replace left is overwritten. Two
// processes must not replace one file at the same time.
func Replace(dir, name string, mode fs.FileMode, data []byte) error {
	temp := filepath.Join(dir, "."+name+".new")
	err := os.Remove(temp)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = write(temp, mode, data)
	}
	if err == nil {
		err = Rename(temp, filepath.Join(dir, name))
		failpoint.Here(failpoint.DurableRenamed)
	}
	if err == nil {
		err = SyncDir(dir)
		failpoint.Here(failpoint.DurableDirSynced)
	}
	if err != nil {
		return fmt.Errorf("cannot write %s durably: %w", name, err)
	}
	return nil
}

// Create writes a file that must not exist yet, in the same way: after a power cut it is
// there as a whole or not at all, for a key that is half there could neither be used nor
// made again. The error wraps fs.ErrExist if the file exists. Of several processes that
// create one file, one does.
func Create(path string, mode fs.FileMode, data []byte) error {
	if exists(path) {
		return fmt.Errorf("cannot write %s: %w", path, fs.ErrExist)
	}
	dir, name := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	temp := filepath.Join(dir, "."+name+".new-"+rand.Text())
	err := write(temp, mode, data)
	if err == nil {
		if err = publish(temp, path); err != nil && exists(path) {
			err = fs.ErrExist // whoever was first has removed this one as well
		}
	}
	if err == nil {
		err = SyncDir(dir)
	}
	left, _ := filepath.Glob(filepath.Join(dir, "."+name+".new-*")) // the pattern is well formed
	for _, half := range left {
		_ = os.Remove(half) // it may hold a key, of this call or of one that was cut off
	}
	if err != nil {
		return fmt.Errorf("cannot write %s durably: %w", path, err)
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// write makes the temporary file, whole and synced.
func write(temp string, mode fs.FileMode, data []byte) error {
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	failpoint.Here(failpoint.DurableTempWritten)
	err = errors.Join(err, flush(f), f.Close())
	failpoint.Here(failpoint.DurableTempSynced)
	return err
}

// flush brings a file onto the disk.
func flush(f *os.File) error {
	if planted.Bug("nothing-synced") {
		return nil
	}
	return f.Sync()
}
