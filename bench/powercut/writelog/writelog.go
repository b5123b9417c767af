// Package writelog reads what the kernel's device mapper target log-writes wrote, and
// makes of it what a disk may hold after a power cut.
//
// # The log
//
// Sector 0 is the super block: four little-endian numbers, of which the first three have
// 64 bits and the last 32: [Magic], the version (1), the number of entries, and the size
// of a sector in bytes. The entries follow one another. Each begins with a sector that
// holds four little-endian numbers of 64 bits: the first sector that was written, how
// many, the flags, and the length of the data that is the entry's own. A mark's text
// stands right behind them; what was written follows in as many sectors as it has. A
// discard is followed by nothing. The kernel writes the super block when it logs a mark
// or a FUA write only, so the log of a machine that was cut off ends there.
//
// # What is on the disk
//
// The kernel logs a plain write not when it completes but with the next flush, right
// before it; a FUA write as soon as it completes. So at a cut after any entry, the disk
// surely holds all up to the last flush, and every FUA write. Of the plain writes after
// that flush it may hold any, in part too: a disk's cache keeps no order, and only single
// sectors are written as a whole. See [Cut].
package writelog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Magic begins a log.
const Magic = 0x6a736677736872

// Flags say what an entry is.
type Flags uint64

// The flags.
const (
	Flush Flags = 1 << iota
	FUA
	Discard
	Mark
	Metadata
)

// Bounds of what is believed. The kernel's writes are at most some megabytes.
const (
	headerBytes   = 32
	maxSectorSize = 4096
	maxWriteBytes = 64 << 20
)

// Entry is one entry of a log.
type Entry struct {
	Flags Flags
	// At is the first byte that was written, and Bytes how many were.
	At, Bytes int64
	// Data is what was written; of a mark its text, of a discard nil.
	Data []byte
}

// Is reports whether the entry has all of the flags.
func (e Entry) Is(f Flags) bool { return e.Flags&f == f }

// ErrNoLog: the file does not begin as a log does.
var ErrNoLog = errors.New("cannot find a log of writes")

// Read reads a whole log. The size is that of the disk whose writes it has, in bytes: an
// entry beyond it is an error, as are an unknown flag and a log that ends early. With
// cut true, the log is one that the kernel was cut off from, so an end that never came
// to be written is left out.
func Read(r io.ReaderAt, size int64, cut bool) ([]Entry, error) {
	super := make([]byte, headerBytes)
	if _, err := r.ReadAt(super, 0); err != nil {
		return nil, fmt.Errorf("cannot read the log's super block: %w", err)
	}
	number := func(b []byte, i int) uint64 { return binary.LittleEndian.Uint64(b[8*i:]) }
	if number(super, 0) != Magic {
		return nil, ErrNoLog
	}
	if v := number(super, 1); v != 1 {
		return nil, fmt.Errorf("cannot read a log of version %d", v)
	}
	sector := int64(binary.LittleEndian.Uint32(super[24:]))
	if sector < 512 || sector > maxSectorSize || sector&(sector-1) != 0 {
		return nil, fmt.Errorf("cannot read a log with sectors of %d bytes", sector)
	}
	var entries []Entry
	for at, i := sector, uint64(0); i < number(super, 2); i++ {
		e, next, err := readEntry(r, at, sector, size)
		if cut && errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("cannot read entry %d of the log: %w", i, err)
		}
		entries, at = append(entries, e), next
	}
	return entries, nil
}

// readEntry reads the entry at a place and says where the next one is.
func readEntry(r io.ReaderAt, at, sector, size int64) (Entry, int64, error) {
	block := make([]byte, sector)
	if _, err := r.ReadAt(block, at); err != nil {
		return Entry{}, 0, err
	}
	number := func(i int) uint64 { return binary.LittleEndian.Uint64(block[8*i:]) }
	first, count, flags, own := number(0), number(1), Flags(number(2)), number(3)
	at += sector
	switch {
	case flags >= Metadata<<1:
		return Entry{}, 0, fmt.Errorf("flags %#x are unknown", uint64(flags))
	case flags&Mark != 0 && own > uint64(sector-headerBytes):
		return Entry{}, 0, fmt.Errorf("a mark of %d bytes does not fit", own)
	case flags&Mark != 0:
		return Entry{Flags: flags, Data: block[headerBytes : headerBytes+own]}, at, nil
	case first > uint64(size/sector) || count > uint64(size/sector)-first:
		return Entry{}, 0, fmt.Errorf("%d sectors at %d are not on the disk", count, first)
	case flags == 0 && count == 0:
		return Entry{}, 0, fmt.Errorf("it is none: %w", io.EOF)
	}
	e := Entry{Flags: flags, At: int64(first) * sector, Bytes: int64(count) * sector}
	if flags&Discard != 0 {
		return e, at, nil
	}
	if e.Bytes > maxWriteBytes {
		return Entry{}, 0, fmt.Errorf("a write of %d bytes is too long", e.Bytes)
	}
	if e.Bytes > 0 {
		e.Data = make([]byte, e.Bytes)
		if _, err := r.ReadAt(e.Data, at); err != nil {
			return Entry{}, 0, err
		}
	}
	return e, at + e.Bytes, nil
}
