// Package durable writes small files so that a crash at any point, of the process
// or of the machine, leaves the old content or the new one and never a part; and reads those
// that somebody else may have written.
package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hotstick/hotstick/internal/failpoint"
)

// Replace writes a file in dir: a temporary file beside it, sync, rename, sync of
// the directory. Whatever an earlier, cut-off Replace left is overwritten. Two
// processes must not replace one file at the same time.
func Replace(dir, name string, mode fs.FileMode, data []byte) error {
	temp := filepath.Join(dir, "."+name+".new")
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot write %s: %w", name, err)
	}
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", name, err)
	}
	_, err = f.Write(data)
	failpoint.Here(failpoint.DurableTempWritten)
	err = errors.Join(err, f.Sync(), f.Close())
	failpoint.Here(failpoint.DurableTempSynced)
	if err == nil {
		err = os.Rename(temp, filepath.Join(dir, name))
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

// Create writes a file that must not exist yet, and syncs it and its directory. The
// error wraps fs.ErrExist if it does.
func Create(path string, mode fs.FileMode, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = SyncDir(filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("cannot write %s durably: %w", path, err)
	}
	return nil
}

// SyncDir makes the names in a directory durable.
func SyncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
