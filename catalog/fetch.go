package catalog

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// Fetcher is where a client gets the files of the catalog from: a server or a
// directory. Nothing it returns is believed.
type Fetcher interface {
	// Fetch returns the file of that name, with an error if it is longer than
	// maxBytes. Where there is no such file the error wraps fs.ErrNotExist.
	Fetch(ctx context.Context, name string, maxBytes int64) ([]byte, error)
}

// Opener is a [Fetcher] that can give a file piece by piece as well, for files that
// need not be in memory as a whole.
type Opener interface {
	Fetcher
	// Open opens the file of that name. Reading it gives an error if it is longer than
	// maxBytes; otherwise the errors are Fetch's.
	Open(ctx context.Context, name string, maxBytes int64) (io.ReadCloser, error)
}

// Staged is an [Opener] that reads a directory: a repository's, or the state
// directory of another [Client].
type Staged struct{ dir string }

// NewStaged returns a fetcher for the directory, which need not exist yet. The
// fetcher never leaves the directory, whatever links are in it, and never waits
// for a pipe.
func NewStaged(dir string) *Staged { return &Staged{dir: dir} }

// Fetch implements [Fetcher].
func (s *Staged) Fetch(ctx context.Context, name string, maxBytes int64) ([]byte, error) {
	file, err := s.Open(ctx, name, maxBytes)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(file)
}

// Open implements [Opener].
func (s *Staged) Open(_ context.Context, name string, maxBytes int64) (io.ReadCloser, error) {
	if !servable(name) {
		return nil, fmt.Errorf("cannot fetch %.80q: %w", name, fs.ErrNotExist)
	}
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return nil, fmt.Errorf("cannot fetch %s: %w", name, err)
	}
	defer root.Close()
	file, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot fetch %s: %w", name, err)
	}
	return regular(file, name, maxBytes)
}
