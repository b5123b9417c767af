package durable

import (
	"fmt"
	"io"
)

// ReadUntrusted reads a file that somebody else may have put there: a regular one of
// at most limit bytes. It follows no link at the end of the path, and waits neither for
// a pipe nor for a lease that the file's owner holds, for whoever reads would wait with it.
func ReadUntrusted(path string, limit int64) ([]byte, error) {
	f, err := openUntrusted(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("cannot read %s: it is not a regular file", path)
	case info.Size() > limit:
		return nil, tooLong(path, limit)
	}
	// It may grow meanwhile.
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = tooLong(path, limit)
	}
	return data, err
}

func tooLong(path string, limit int64) error {
	return fmt.Errorf("cannot read %s: it is longer than %d bytes", path, limit)
}
