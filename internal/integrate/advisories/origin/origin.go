// Package origin goes through the documents of a file, a directory, an archive or a web
// address, one at a time.
//
// What a thing is, is told by its first bytes and never by its name: gzip and Zstandard are
// unpacked, tar and zip are gone through, everything else is one document. An archive in
// an archive is refused. Nothing is ever written under a name that came from outside;
// links and devices are refused, not followed.
package origin

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// Limits bound what an origin may make us read. Each is refused with a reason.
type Limits struct {
	// Document is the length of one document, unpacked, in bytes.
	Document int64
	// Total is how much all of them may be, unpacked, and Download how much before.
	Total, Download int64
	// Documents is how many there may be.
	Documents int
	// Directory is how long the list of contents of a zip file may be, in bytes: it is
	// the one part of an archive that is held in memory.
	Directory int64
	// Faults is how many documents in a row may fail to be fetched.
	Faults int
}

// maxWindow is how much of what it unpacked a Zstandard stream may look back on.
const maxWindow = 128 << 20

// keep is how much memory is held between documents.
const keep = 4 << 20

// ErrLimit is wrapped by errors that end the reading of an origin.
var ErrLimit = errors.New("over the limit")

// Visitor is told each document and each thing that could not be read as one. Data is valid
// during the call only. An error ends the walk.
type Visitor interface {
	// Document reports whether it could read the document; one that it could not is to be
	// fetched again.
	Document(name string, data []byte) (read bool, err error)
	Refused(name string, err error) error
}

// walk is one way through an origin.
type walk struct {
	ctx       context.Context
	limits    Limits
	visitor   Visitor
	total     int64
	documents int
	// unread counts what was refused, by us or by the visitor.
	unread int
	buffer bytes.Buffer
}

// Path goes through a file or a directory.
func Path(ctx context.Context, path string, limits Limits, v Visitor) error {
	w := &walk{ctx: ctx, limits: limits, visitor: v}
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("cannot read advisories: %w", err)
	}
	if !info.IsDir() {
		return w.file(path, path)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return fmt.Errorf("cannot read advisories: %w", err)
	}
	defer root.Close()
	return fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return w.refuse(name, err)
		case entry.IsDir():
			return nil
		case !entry.Type().IsRegular():
			return w.refuse(name, errors.New("it is not a regular file, and links are not followed"))
		}
		f, err := root.Open(name)
		if err != nil {
			return w.refuse(name, err)
		}
		defer f.Close()
		return w.open(f, name)
	})
}

func (w *walk) file(path, name string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("cannot read advisories: %w", err)
	}
	defer f.Close()
	return w.open(f, name)
}

// open goes through a file, which may be a zip file: those are read from their end.
func (w *walk) open(f *os.File, name string) error {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return w.refuse(name, errors.New("it is not a regular file"))
	}
	var magic [4]byte
	if _, err := f.ReadAt(magic[:], 0); err == nil && string(magic[:]) == "PK\x03\x04" {
		return w.zip(f, info.Size(), name)
	}
	return w.stream(io.NewSectionReader(f, 0, info.Size()), name, false, 0)
}

// refuse tells what could not be read; the rest goes on, unless a limit of the whole was
// passed or the caller has had enough.
func (w *walk) refuse(name string, err error) error {
	if errors.Is(err, ErrLimit) || w.ctx.Err() != nil {
		return fmt.Errorf("cannot read %.200q: %w", name, err)
	}
	if w.documents++; w.documents > w.limits.Documents {
		return fmt.Errorf("cannot read more than %d documents: %w", w.limits.Documents, ErrLimit)
	}
	w.unread++
	return w.visitor.Refused(name, err)
}

// maxLayers is how often a thing may be packed: a compressed document in a compressed tar.
const maxLayers = 3

// stream goes through what r gives.
func (w *walk) stream(r io.Reader, name string, inside bool, layers int) error {
	head := bufio.NewReaderSize(r, 4096)
	first, err := head.Peek(512)
	if err != nil && !errors.Is(err, io.EOF) {
		return w.refuse(name, err)
	}
	if layers > maxLayers {
		return w.refuse(name, fmt.Errorf("it is packed more than %d times", maxLayers))
	}
	switch {
	case bytes.HasPrefix(first, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(head)
		if err != nil {
			return w.refuse(name, err)
		}
		return w.stream(&counted{w: w, r: z}, name, inside, layers+1)
	case bytes.HasPrefix(first, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(head, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return w.refuse(name, err)
		}
		defer z.Close()
		return w.stream(&counted{w: w, r: z}, name, inside, layers+1)
	case bytes.HasPrefix(first, []byte("PK\x03\x04")), len(first) > 262 && string(first[257:262]) == "ustar":
		if inside || first[0] == 'P' {
			return w.refuse(name, errors.New("it is an archive in another, or a packed zip file"))
		}
		return w.tar(head, name, layers)
	}
	return w.document(head, name)
}

// counted counts what is unpacked, also of what nobody looks at.
type counted struct {
	w *walk
	r io.Reader
	// broken: it ended with an error.
	broken bool
}

func (c *counted) Read(p []byte) (int, error) {
	if err := c.w.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.r.Read(p)
	if c.w.total += int64(n); c.w.total > c.w.limits.Total {
		return n, fmt.Errorf("it unpacks to more than %d bytes: %w", c.w.limits.Total, ErrLimit)
	}
	c.broken = err != nil && !errors.Is(err, io.EOF)
	return n, err
}

func (w *walk) tar(r io.Reader, name string, layers int) error {
	t := tar.NewReader(r)
	for {
		h, err := t.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return w.refuse(name, fmt.Errorf("the archive is broken from here on: %w", err))
		case h.Typeflag == tar.TypeDir || h.Typeflag == tar.TypeXGlobalHeader:
			continue
		}
		entry := name + "/" + h.Name
		if err := w.entry(h.Name, h.Typeflag == tar.TypeReg); err != nil {
			if err := w.refuse(entry, err); err != nil {
				return err
			}
			continue
		}
		if err := w.stream(t, entry, true, layers); err != nil {
			return err
		}
	}
}

func (w *walk) entry(name string, regular bool) error {
	switch {
	case !regular:
		return errors.New("it is not a regular file, and links are not followed")
	case len(name) > 1024 || strings.ContainsAny(name, "\\\x00") || !filepath.IsLocal(name):
		return errors.New("its name leads out of the archive")
	}
	return nil
}

func (w *walk) zip(f io.ReaderAt, size int64, name string) error {
	directory := &bounded{ReaderAt: f, left: w.limits.Directory}
	z, err := zip.NewReader(directory, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return w.refuse(name, err)
	}
	directory.open = true
	for _, f := range z.File {
		if f.FileInfo().IsDir() {
			continue
		}
		entry := name + "/" + f.Name
		err := w.entry(f.Name, f.Mode().IsRegular())
		var r io.ReadCloser
		if err == nil {
			r, err = f.Open()
		}
		if err != nil {
			if err := w.refuse(entry, err); err != nil {
				return err
			}
			continue
		}
		err = w.stream(&counted{w: w, r: r}, entry, true, 1)
		r.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// bounded lets only so much be read while a zip file's list of contents is put into memory.
type bounded struct {
	io.ReaderAt
	left int64
	open bool
}

func (b *bounded) ReadAt(p []byte, at int64) (int, error) {
	if !b.open {
		if b.left -= int64(len(p)); b.left < 0 {
			return 0, errors.New("its list of contents is too long")
		}
	}
	return b.ReaderAt.ReadAt(p, at)
}

// document reads one document and shows it.
func (w *walk) document(r io.Reader, name string) error {
	if err := w.ctx.Err(); err != nil {
		return fmt.Errorf("cannot read on: %w", err)
	}
	if w.buffer.Cap() > keep {
		w.buffer = bytes.Buffer{}
	}
	w.buffer.Reset()
	n, err := w.buffer.ReadFrom(io.LimitReader(r, w.limits.Document+1))
	switch {
	case err != nil:
		return w.refuse(name, err)
	case n > w.limits.Document:
		return w.refuse(name, fmt.Errorf("it is longer than %d bytes", w.limits.Document))
	}
	if w.documents++; w.documents > w.limits.Documents {
		return fmt.Errorf("cannot read more than %d documents: %w", w.limits.Documents, ErrLimit)
	}
	read, err := w.visitor.Document(name, w.buffer.Bytes())
	if !read {
		w.unread++
	}
	return err
}
