package kernel

import (
	"fmt"
	"io"
	"io/fs"
	"strings"
)

// Limits of single reads, in bytes. Files of the kernel's own file systems have
// no size that could be asked for.
const (
	smallFile = 4 << 10
	largeFile = 1 << 20
)

// readFile reads a file whole, or fails if it is longer than limit.
func readFile(fsys fs.FS, name string, limit int64) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, fmt.Errorf("cannot read /%s: %w", name, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read /%s: %w", name, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("cannot read /%s: it is longer than %d bytes", name, limit)
	}
	return data, nil
}

// readLine reads a small file that holds one line.
func readLine(fsys fs.FS, name string) (string, error) {
	data, err := readFile(fsys, name, smallFile)
	if err != nil {
		return "", err
	}
	return text(data), nil
}

// line is readLine for what may be unknown.
func line(fsys fs.FS, name string) string {
	s, err := readLine(fsys, name)
	if err != nil {
		return ""
	}
	return s
}

// text makes bytes from the kernel fit for JSON; it stays opaque.
func text(data []byte) string {
	return strings.ToValidUTF8(strings.TrimRight(string(data), "\n\x00"), "\ufffd")
}

// flag reads a file that holds one of two words; nil if it holds neither.
func flag(fsys fs.FS, name, yes, no string) *bool {
	var value bool
	switch line(fsys, name) {
	case yes:
		value = true
	case no:
	default:
		return nil
	}
	return &value
}
