package writelog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const diskSectors = 16

// composed writes a log as the kernel does, by the description in dm-log-writes.c.
func composed(sector int, entries ...Entry) []byte {
	super := make([]byte, sector)
	for i, v := range []uint64{Magic, 1, uint64(len(entries)), uint64(sector)} {
		binary.LittleEndian.PutUint64(super[8*i:], v)
	}
	log := super
	for _, e := range entries {
		block := make([]byte, sector)
		own := 0
		if e.Is(Mark) {
			own = copy(block[headerBytes:], e.Data)
		}
		for i, v := range []uint64{uint64(e.At) / uint64(sector), uint64(e.Bytes) / uint64(sector), uint64(e.Flags), uint64(own)} {
			binary.LittleEndian.PutUint64(block[8*i:], v)
		}
		log = append(log, block...)
		if !e.Is(Mark) {
			log = append(log, e.Data...)
		}
	}
	return log
}

func write(flags Flags, at, sectors int, letter byte) Entry {
	e := Entry{Flags: flags, At: int64(at) * 512, Bytes: int64(sectors) * 512}
	if !e.Is(Discard) && sectors > 0 {
		e.Data = bytes.Repeat([]byte{letter}, sectors*512)
	}
	return e
}

func mark(text string) Entry { return Entry{Flags: Mark, Data: []byte(text)} }

// shown is the first letter of each sector; a sector must be of one letter.
func shown(t interface{ Fatalf(string, ...any) }, disk []byte) string {
	var b strings.Builder
	for at := 0; at < len(disk); at += 512 {
		if disk[at] != disk[at+511] {
			t.Fatalf("sector %d is torn", at/512)
		}
		b.WriteByte(max(disk[at], '.'))
	}
	return b.String()
}

func TestALogIsReadAsTheKernelWroteIt(t *testing.T) {
	for _, sector := range []int{512, 4096} {
		want := []Entry{write(Metadata, 0, 16, 'a'), write(Flush, 0, 0, 0), write(FUA, 8, 8, 'b'), write(Discard, 0, 8, 0), mark(`{"n":1}`), write(Flush|FUA, 0, 8, 'c')}
		got, err := Read(bytes.NewReader(composed(sector, want...)), diskSectors*512, false)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("sectors of %d: %v", sector, err)
		}
	}
}

func TestALogThatSaysNonsenseIsRefused(t *testing.T) {
	garble := func(at int, v uint64) []byte {
		log := composed(512, mark("m"), write(0, 0, 1, 'a'))
		binary.LittleEndian.PutUint64(log[at:], v)
		return log
	}
	for _, tt := range []struct {
		name string
		log  []byte
		says string
	}{
		{"nothing", nil, "super block"},
		{"another magic", garble(0, 1), "cannot find a log"},
		{"another version", garble(8, 2), "version 2"},
		{"odd sectors", garble(24, 513), "513 bytes"},
		{"more entries than there are", garble(16, 3), "entry 2"},
		{"a mark longer than its sector", garble(512+24, 481), "481 bytes"},
		{"an unknown flag", garble(1024+16, 32), "0x20"},
		{"a write beyond the disk", garble(1024, 16), "not on the disk"},
		{"a write so long that its end is before its start", garble(1024+8, 1<<63), "not on the disk"},
		{"an entry that is none", garble(1024+8, 0), "it is none"},
	} {
		_, err := Read(bytes.NewReader(tt.log), diskSectors*512, false)
		if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: the error is %v", tt.name, err)
		}
	}
	if _, err := Read(bytes.NewReader(garble(0, 1)), 512, false); !errors.Is(err, ErrNoLog) {
		t.Errorf("the error is %v", err)
	}
}

func TestTheEndOfALogThatWasCutOffIsLeftOut(t *testing.T) {
	log := composed(512, mark("m"), write(0, 0, 1, 'a'), write(0, 1, 1, 'b'))
	for _, cut := range []int{len(log) - 1, len(log) - 512, len(log) - 1024} {
		if got, err := Read(bytes.NewReader(log[:cut]), diskSectors*512, true); err != nil || len(got) != 2 {
			t.Errorf("cut off after %d bytes: %d entries (%v)", cut, len(got), err)
		}
	}
	clear(log[len(log)-1024:])
	if got, err := Read(bytes.NewReader(log), diskSectors*512, true); err != nil || len(got) != 2 {
		t.Errorf("the last entry never came: %d entries (%v)", len(got), err)
	}
}

func TestACutKeepsWhatWasFlushed(t *testing.T) {
	entries := []Entry{
		write(0, 0, 1, 'a'), write(0, 1, 1, 'b'), write(Flush, 0, 0, 0), // 1 2 3
		write(FUA, 2, 1, 'c'), mark("m"), write(0, 0, 1, 'd'), // 4 5 6
		write(Discard, 1, 1, 0), write(Flush|FUA, 3, 1, 'e'), // 7 8
	}
	for _, tt := range []struct {
		after     int
		none, all string
		unsure    int
	}{
		{0, "....", "....", 0},
		{1, "a...", "....", 1},
		{2, "ab..", "....", 2},
		{3, "ab..", "ab..", 0},
		{4, "abc.", "abc.", 0},
		{5, "abc.", "abc.", 0},
		{6, "dbc.", "abc.", 1},
		{7, "d.c.", "abc.", 2},
		{8, "d.ce", "d.ce", 0},
	} {
		for loss, want := range map[Loss]string{LoseNone: tt.none, LoseAll: tt.all} {
			d := NewDisk(make([]byte, 4*512), entries)
			disk, err := d.Cut(tt.after, loss, rand.New(rand.NewPCG(1, 1)))
			if err != nil {
				t.Fatal(err)
			}
			if got := shown(t, disk); got != want || d.Unsure() != tt.unsure {
				t.Errorf("after %d entries, losing %s: %s with %d unsure, want %s with %d", tt.after, loss, got, d.Unsure(), want, tt.unsure)
			}
		}
	}
}

func TestCutsAreMadeInOrder(t *testing.T) {
	d := NewDisk(make([]byte, 512), []Entry{write(0, 0, 1, 'a'), write(Flush, 0, 0, 0)})
	if _, err := d.Cut(2, LoseAll, nil); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 3} {
		if _, err := d.Cut(n, LoseAll, nil); err == nil {
			t.Errorf("a cut after %d was made", n)
		}
	}
}

// Whatever is lost, each sector is one that was written there since the last flush, or
// what the disk surely held; the cut before leaves no trace; and one seed gives one disk.
func TestALossMixesOnlyWhatMayBeThere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		entries := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Entry {
			flags := rapid.SampledFrom([]Flags{0, 0, 0, FUA, Flush, Discard}).Draw(t, "flags")
			at := rapid.IntRange(0, diskSectors-1).Draw(t, "at")
			if flags == Flush {
				return write(flags, 0, 0, 0)
			}
			return write(flags, at, rapid.IntRange(1, diskSectors-at).Draw(t, "sectors"), rapid.Byte().Draw(t, "letter")|1)
		}), 0, 30).Draw(t, "entries")
		seed := rapid.Uint64().Draw(t, "seed")
		loss := rapid.SampledFrom(Losses()).Draw(t, "loss")
		early := rapid.IntRange(0, len(entries)).Draw(t, "early")
		n := rapid.IntRange(early, len(entries)).Draw(t, "n")
		cut := func(d *Disk, n int) []byte {
			disk, err := d.Cut(n, loss, rand.New(rand.NewPCG(seed, 0)))
			if err != nil {
				t.Fatal(err)
			}
			return disk
		}
		twice := NewDisk(make([]byte, diskSectors*512), entries)
		cut(twice, early)
		disk := cut(twice, n)
		if !bytes.Equal(disk, cut(NewDisk(make([]byte, diskSectors*512), entries), n)) {
			t.Fatal("one seed gave two disks")
		}
		may := make([]map[byte]bool, diskSectors)
		for s := range may {
			may[s] = map[byte]bool{0: true}
		}
		flushed := 0
		for i, e := range entries[:n] {
			if e.Is(Flush) {
				flushed = i + 1
			}
		}
		for i, e := range entries[:n] {
			for s := e.At / 512; s < (e.At+e.Bytes)/512; s++ {
				if i < flushed && !e.Is(FUA) {
					clear(may[s])
				}
				if e.Is(Discard) {
					may[s][0] = true
				} else {
					may[s][e.Data[0]] = true
				}
			}
		}
		for s, letter := range shown(t, disk) {
			if letter == '.' {
				letter = 0
			}
			if !may[s][disk[s*512]] {
				t.Fatalf("sector %d holds %d, which it cannot", s, letter)
			}
		}
	})
}
