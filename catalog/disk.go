package catalog

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/hotstick/hotstick/internal/durable"
	"github.com/hotstick/hotstick/internal/failpoint"
)

// tempPrefix starts the names of files that are being written. Whatever has such
// a name after a crash is garbage.
const tempPrefix = ".catalog-"

// disk is a directory in which files are replaced as a whole: a reader, also one
// after a power cut, sees the old file or the new one.
type disk struct {
	dir string
	// cut, if set, is asked before each file gets its name; tests cut the power
	// there.
	cut func(name string) error
}

func (d disk) path(name string) string { return filepath.Join(d.dir, filepath.FromSlash(name)) }

// write replaces a file durably.
func (d disk) write(name string, data []byte) error {
	temp, err := d.stage(name)
	if err != nil {
		return err
	}
	_, err = temp.Write(data)
	return d.finish(temp, name, err)
}

// stage opens a new file that will become name.
func (d disk) stage(name string) (*os.File, error) {
	if parent := path.Dir(name); parent != "." {
		if err := d.subdir(parent); err != nil {
			return nil, err
		}
	}
	temp, err := os.CreateTemp(filepath.Dir(d.path(name)), tempPrefix)
	if err != nil {
		return nil, fmt.Errorf("cannot write the catalog: %w", err)
	}
	return temp, nil
}

// finish makes a staged file durable under its name, or removes it after an error.
func (d disk) finish(temp *os.File, name string, err error) error {
	if err == nil {
		err = temp.Chmod(0o644)
	}
	if err == nil {
		err = temp.Sync()
		failpoint.Here(failpoint.CatalogFileStaged)
	}
	err = errors.Join(err, temp.Close())
	if err == nil && d.cut != nil {
		if cut := d.cut(name); cut != nil {
			return cut // as a power cut would, it leaves the staged file behind
		}
	}
	if err == nil {
		err = os.Rename(temp.Name(), d.path(name))
		failpoint.Here(failpoint.CatalogFileRenamed)
	}
	if err == nil {
		err = durable.SyncDir(filepath.Dir(d.path(name)))
		failpoint.Here(failpoint.CatalogFileDirSynced)
	}
	if err != nil {
		_ = os.Remove(temp.Name())
		return fmt.Errorf("cannot write %s of the catalog: %w", name, err)
	}
	return nil
}

// subdir makes a directory durably.
func (d disk) subdir(name string) error {
	err := os.Mkdir(d.path(name), 0o755)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err == nil {
		err = durable.SyncDir(d.dir)
	}
	if err != nil {
		return fmt.Errorf("cannot write the catalog: %w", err)
	}
	return nil
}

// read returns a file of at most limit bytes.
func (d disk) read(name string, limit int64) ([]byte, error) {
	file, err := d.open(name, limit)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(file)
}

// open opens a file of at most limit bytes.
func (d disk) open(name string, limit int64) (io.ReadCloser, error) {
	file, err := os.Open(d.path(name))
	if err != nil {
		return nil, fmt.Errorf("cannot read the catalog: %w", err)
	}
	return regular(file, name, limit)
}

// bounded is a file that may have been put there by somebody else: never a pipe or a
// device, never without end.
type bounded struct {
	file        *os.File
	name        string
	left, limit int64
}

// regular takes over an open file, which it closes where it refuses it.
func regular(file *os.File, name string, limit int64) (io.ReadCloser, error) {
	info, err := file.Stat()
	switch {
	case err != nil:
		err = fmt.Errorf("cannot read %s of the catalog: %w", name, err)
	case !info.Mode().IsRegular():
		err = refused("%s is not a regular file", name)
	case info.Size() > limit:
		err = refused("%s has %d bytes: the limit is %d", name, info.Size(), limit)
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return &bounded{file, name, limit, limit}, nil
}

// Read implements io.Reader. It never asks for more than one byte beyond the limit.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.file.Read(p[:min(int64(len(p)), b.left+1)])
	if b.left -= int64(n); b.left < 0 {
		return 0, refused("%s grew beyond %d bytes", b.name, b.limit)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("cannot read %s of the catalog: %w", b.name, err)
	}
	return n, err
}

// Close implements io.Closer.
func (b *bounded) Close() error { return b.file.Close() }

// clean removes what a crash left behind.
func (d disk) clean(subdirs ...string) error {
	for _, sub := range append([]string{"."}, subdirs...) {
		entries, err := os.ReadDir(d.path(sub))
		if errors.Is(err, fs.ErrNotExist) && sub != "." {
			continue
		}
		if err != nil {
			return fmt.Errorf("cannot read the catalog: %w", err)
		}
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), tempPrefix) {
				if err := os.Remove(d.path(path.Join(sub, e.Name()))); err != nil {
					return fmt.Errorf("cannot clean the catalog up: %w", err)
				}
			}
		}
	}
	return nil
}

// versions returns the versions of a role's files that are there, unsorted.
func (d disk) versions(role string) ([]int64, error) {
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return nil, fmt.Errorf("cannot read the catalog: %w", err)
	}
	var found []int64
	for _, e := range entries {
		if v, ok := versionOf(e.Name(), role); ok {
			found = append(found, v)
		}
	}
	return found, nil
}

// prune removes the role's files that are neither current nor among the newest
// older ones: readers may be in the middle of them.
func (d disk) prune(role string, current, older int64) {
	found, err := d.versions(role)
	if err != nil {
		return
	}
	for _, v := range found {
		if v > current || v < current-older {
			_ = os.Remove(d.path(metadataFile(role, v)))
		}
	}
}
