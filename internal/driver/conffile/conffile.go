// Package conffile edits the small configuration files of vendors' tools: lines of
// KEY = VALUE, with or without [sections], as /etc/sysconfig/kcare/kcare.conf and
// /etc/uptrack/uptrack.conf are.
//
// Whatever is not asked for stays as it is, byte for byte: comments, order, spaces,
// unknown lines. What [File.Save] returned before an edit, [File.Restore] gives back, and
// leaves alone what somebody has written beside it meanwhile.
//
// The format is what the tools' own reader takes. A line that begins with # or ; is a
// comment, one that begins with a space goes on with the line before and is no key. Keys
// and their values are parted by the first = or :, and keys are the same in either case.
// Of a key that is there twice the last counts.
package conffile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/hotstick/hotstick/internal/durable"
)

// MaxBytes bounds a file that is read.
const MaxBytes = 256 << 10

// File is a configuration file.
type File struct {
	// lines are the text parted at each newline, so the last one is empty unless the
	// text ends without.
	lines  []string
	absent bool
}

// Parse takes any text without NUL.
func Parse(data []byte) (*File, error) {
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("cannot read a configuration of %d bytes: the limit is %d", len(data), MaxBytes)
	}
	if bytes.IndexByte(data, 0) >= 0 {
		return nil, errors.New("cannot read a configuration with a NUL in it")
	}
	return &File{lines: strings.Split(string(data), "\n")}, nil
}

// Absent returns a file that is not there.
func Absent() *File { return &File{lines: []string{""}, absent: true} }

// ReadFS reads a file of a machine whose root is fsys. One that is not there is [Absent].
func ReadFS(fsys fs.FS, name string) (*File, error) {
	f, err := fsys.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return Absent(), nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read /%s: %w", name, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read /%s: %w", name, err)
	}
	return Parse(data)
}

// Read reads a file. One that is not there is [Absent].
func Read(path string) (*File, error) {
	data, err := durable.ReadUntrusted(path, MaxBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return Absent(), nil
	}
	if err != nil {
		return nil, err
	}
	return Parse(data)
}

// Write puts the file at a path: as a whole or not at all, with the mode and the owner of
// the one that was there. A file that was absent, and has nothing in it, stays absent.
func (f *File) Write(path string) error {
	if f.absent && f.empty() {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot remove the configuration: %w", err)
		}
		return nil
	}
	mode := fs.FileMode(0o644)
	info, err := os.Lstat(path)
	switch {
	case err == nil && !info.Mode().IsRegular():
		return fmt.Errorf("cannot write %s: it is not a regular file", path)
	case err == nil:
		mode = info.Mode().Perm()
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("cannot write the configuration: %w", err)
	}
	if err := durable.Replace(filepath.Dir(path), filepath.Base(path), mode, f.Bytes()); err != nil {
		return err
	}
	if info == nil {
		return nil
	}
	if old, ok := info.Sys().(*syscall.Stat_t); ok && (int(old.Uid) != os.Geteuid() || int(old.Gid) != os.Getegid()) {
		if err := os.Lchown(path, int(old.Uid), int(old.Gid)); err != nil {
			return fmt.Errorf("cannot give the configuration back to its owner: %w", err)
		}
	}
	return nil
}

// Bytes are the text.
func (f *File) Bytes() []byte { return []byte(strings.Join(f.lines, "\n")) }

// IsAbsent reports whether there was no such file.
func (f *File) IsAbsent() bool { return f.absent }

func (f *File) empty() bool {
	return !slices.ContainsFunc(f.lines, func(l string) bool { return strings.TrimSpace(l) != "" })
}

// Get returns the value of a key, without the spaces around it; empty and false if it is
// not there. The section "" is what stands before the first.
func (f *File) Get(section, key string) (string, bool) {
	value, found := "", false
	for _, i := range f.find(section, key) {
		_, value, _ = cut(f.lines[i])
		found = true
	}
	return value, found
}

// Set gives a key a value, in the form KEY=VALUE where sep is "=". Where it stands it is
// replaced, wherever it is there more than once; where it does not it comes after the last
// line of its section, which is made if it is missing.
func (f *File) Set(section, key, sep, value string) {
	line := key + sep + value
	at := f.find(section, key)
	for _, i := range at {
		f.lines[i] = line
	}
	if len(at) == 0 {
		f.insert(f.end(section), line)
	}
}

// Remove takes a key out.
func (f *File) Remove(section, key string) {
	at := f.find(section, key)
	for _, i := range slices.Backward(at) {
		f.lines = slices.Delete(f.lines, i, i+1)
	}
}

// cut parts a line; ok is false if it is no key with its value.
func cut(line string) (key, value string, ok bool) {
	if line == "" || strings.ContainsRune(" \t#;[", rune(line[0])) {
		return "", "", false
	}
	i := strings.IndexAny(line, "=:")
	if i < 0 {
		return "", "", false
	}
	return strings.TrimSpace(line[:i]), strings.TrimSpace(line[i+1:]), true
}

// header returns the section that a line begins.
func header(line string) (string, bool) {
	inner, ok := strings.CutPrefix(line, "[")
	if !ok {
		return "", false
	}
	name, _, ok := strings.Cut(inner, "]")
	return name, ok
}

// find lists the lines of a key, in order.
func (f *File) find(section, key string) []int {
	var at []int
	in := ""
	for i, line := range f.lines {
		if name, ok := header(line); ok {
			in = name
			continue
		}
		if k, _, ok := cut(line); ok && in == section && strings.EqualFold(k, key) {
			at = append(at, i)
		}
	}
	return at
}

// end returns where a new line of a section belongs: after its last line that has
// something in it. A section that is missing is made at the end of the file.
func (f *File) end(section string) int {
	in, last, found := "", 0, section == ""
	for i, line := range f.lines {
		if name, ok := header(line); ok {
			in = name
			found = found || in == section
		}
		if in == section && strings.TrimSpace(line) != "" {
			last = i + 1
		}
	}
	if found {
		return last
	}
	f.insert(f.bottom(), "["+section+"]")
	return f.bottom()
}

// bottom is behind the last line: before the empty one that stands for the last newline.
func (f *File) bottom() int {
	if n := len(f.lines); f.lines[n-1] == "" {
		return n - 1
	}
	return len(f.lines)
}

func (f *File) insert(at int, line string) { f.lines = slices.Insert(f.lines, at, line) }
