package kmod

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

// MaxBytes bounds a module file. The largest vendor live patches are some
// megabytes.
const MaxBytes = 64 << 20

// Limits of the parts that are read into memory. The largest module of a
// distribution has a .modinfo of some ten kilobytes (aliases); modules built
// with one section per function have some thousand sections.
const (
	maxSections     = 1 << 15
	maxSectionNames = 2 << 20
	maxModinfo      = 256 << 10
	maxSignature    = 64 << 10
	maxSymbols      = 16 << 20
)

// Layout of ELF64, from the System V ABI.
const (
	headerBytes  = 64
	sectionBytes = 64
	typeRel      = 1
	sectionStr   = 3
	sectionNone  = 8 // SHT_NOBITS: takes no room in the file
)

// Read reads what the module file of the given size says of itself. An error is
// an [*Error], unless reading itself failed.
func Read(r io.ReaderAt, size int64) (Info, error) {
	if size > MaxBytes {
		return Info{}, refuse(TooLarge, "%d bytes; the limit is %d", size, MaxBytes)
	}
	body, signature, err := cutSignature(r, size)
	if err != nil {
		return Info{}, err
	}
	f := &file{r: r, size: body}
	if err := f.readHeader(); err != nil {
		return Info{}, err
	}
	if err := f.readSections(); err != nil {
		return Info{}, err
	}
	info, err := f.readInfo()
	if err != nil {
		return Info{}, err
	}
	if info.Marks, err = f.readMarks(); err != nil {
		return Info{}, err
	}
	info.Signed = signature != nil
	info.SignedBy, _ = Signer(signature)
	info.SignedHash = hashOf(signature)
	return info, nil
}

// file is a module file while it is read.
type file struct {
	r        io.ReaderAt
	size     int64 // without the signature
	order    binary.ByteOrder
	arch     string
	sections []section
	table    struct {
		offset uint64
		count  int
		names  int // index of the section that holds the names
	}
}

type section struct {
	nameAt       uint32
	name         string
	kind         uint32
	offset, size uint64
	link         uint32
}

// bytesAt reads n bytes at off, both already known to lie inside the file.
func (f *file) bytesAt(off, n uint64) ([]byte, error) {
	b := make([]byte, n)
	if _, err := f.r.ReadAt(b, int64(off)); err != nil {
		return nil, fmt.Errorf("cannot read the kernel module: %w", err)
	}
	return b, nil
}

// holds reports whether n bytes at off lie inside the file, without overflow.
func (f *file) holds(off, n uint64) bool {
	size := uint64(f.size)
	return off <= size && n <= size-off
}

func (f *file) readHeader() error {
	if f.size < headerBytes {
		return refuse(Truncated, "%d bytes are too few for an ELF header", f.size)
	}
	h, err := f.bytesAt(0, headerBytes)
	if err != nil {
		return err
	}
	if !bytes.Equal(h[:4], []byte("\x7fELF")) || h[4] != 2 || h[6] != 1 {
		return refuse(NotModule, "not a 64-bit ELF file")
	}
	switch h[5] {
	case 1:
		f.order = binary.LittleEndian
	case 2:
		f.order = binary.BigEndian
	default:
		return refuse(NotModule, "byte order %d does not exist", h[5])
	}
	if kind := f.order.Uint16(h[16:]); kind != typeRel {
		return refuse(NotModule, "ELF type %d, not relocatable", kind)
	}
	f.arch = archName(f.order.Uint16(h[18:]), h[5])
	f.table.offset = f.order.Uint64(h[40:])
	f.table.count = int(f.order.Uint16(h[60:]))
	f.table.names = int(f.order.Uint16(h[62:]))
	if n := f.order.Uint16(h[52:]); n != headerBytes {
		return refuse(Malformed, "a header of %d bytes", n)
	}
	if n := f.order.Uint16(h[58:]); n != sectionBytes {
		return refuse(Malformed, "section headers of %d bytes", n)
	}
	return nil
}

// archName returns what uname -m calls an ELF machine.
func archName(machine uint16, order byte) string {
	switch {
	case machine == 62:
		return "x86_64"
	case machine == 183:
		return "aarch64"
	case machine == 21 && order == 1:
		return "ppc64le"
	case machine == 22:
		return "s390x"
	case machine == 258:
		return "loongarch64"
	case machine == 243:
		return "riscv64"
	}
	return ""
}

func (f *file) readSections() error {
	t := f.table
	switch {
	case t.count == 0:
		return refuse(NotModule, "no section table")
	case t.count > maxSections:
		return refuse(TooLarge, "%d sections; the limit is %d", t.count, maxSections)
	case t.names == 0 || t.names >= t.count:
		return refuse(Malformed, "section names in section %d of %d", t.names, t.count)
	case !f.holds(t.offset, uint64(t.count)*sectionBytes):
		return refuse(Truncated, "the section table lies outside the file")
	}
	raw, err := f.bytesAt(t.offset, uint64(t.count)*sectionBytes)
	if err != nil {
		return err
	}
	f.sections = make([]section, t.count)
	for i := range f.sections {
		h := raw[i*sectionBytes:]
		s := section{
			nameAt: f.order.Uint32(h), kind: f.order.Uint32(h[4:]),
			offset: f.order.Uint64(h[24:]), size: f.order.Uint64(h[32:]), link: f.order.Uint32(h[40:]),
		}
		if i > 0 && s.kind != sectionNone && !f.holds(s.offset, s.size) {
			return refuse(Truncated, "section %d lies outside the file", i)
		}
		f.sections[i] = s
	}
	return f.nameSections()
}

func (f *file) nameSections() error {
	s := f.sections[f.table.names]
	if s.kind != sectionStr {
		return refuse(Malformed, "the section of names has type %d", s.kind)
	}
	if s.size > maxSectionNames {
		return refuse(TooLarge, "%d bytes of section names; the limit is %d", s.size, maxSectionNames)
	}
	names, err := f.bytesAt(s.offset, s.size)
	if err != nil {
		return err
	}
	for i := range f.sections {
		at := f.sections[i].nameAt
		if uint64(at) >= uint64(len(names)) {
			return refuse(Truncated, "the name of section %d lies outside the names", i)
		}
		end := bytes.IndexByte(names[at:], 0)
		if end < 0 {
			return refuse(Malformed, "the name of section %d does not end", i)
		}
		// Only these names matter; keeping all would let a file with thousands of
		// overlapping names take many times its size in memory.
		switch name := string(names[at : int(at)+min(end, 64)]); name {
		case modinfoSection, selfSection, noteSection:
			f.sections[i].name = name
		}
	}
	return nil
}

// only returns the one section with a name.
func (f *file) only(name string) (section, error) {
	var found *section
	for i := range f.sections {
		s := &f.sections[i]
		if s.name != name {
			continue
		}
		if found != nil {
			return section{}, refuse(Ambiguous, "two sections %s", name)
		}
		found = s
	}
	if found == nil || found.kind == sectionNone {
		return section{}, refuse(NotModule, "no section %s", name)
	}
	return *found, nil
}
