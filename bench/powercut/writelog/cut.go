package writelog

import (
	"fmt"
	"math/rand/v2"
)

// sectorBytes is what every disk writes as a whole or not at all.
const sectorBytes = 512

// Loss says what becomes of the writes that the disk had taken into its cache only.
type Loss string

// The losses.
const (
	LoseNone Loss = "none" // all of them reached the disk
	LoseAll  Loss = "all"
	LoseSome Loss = "some" // each of them by the toss of a coin
	Tear     Loss = "tear" // each as a whole, not at all, or some of its sectors
)

// Losses lists all, in the order of the constants.
func Losses() []Loss { return []Loss{LoseNone, LoseAll, LoseSome, Tear} }

// Disk replays a log. It holds what was surely on the disk after some of the entries.
type Disk struct {
	entries []Entry
	surely  []byte
	// done is the number of entries that were looked at, flushed that of the entries up
	// to and with the last flush among them.
	done, flushed int
}

// NewDisk begins with what the disk held before the first entry; it keeps the bytes.
func NewDisk(before []byte, entries []Entry) *Disk {
	return &Disk{entries: entries, surely: before}
}

// Cut returns what the disk holds if the power goes after so many entries, with the
// given loss. Cuts are made in order: n is never less than it was before. The bytes are
// the caller's. The random numbers decide which writes are lost.
func (d *Disk) Cut(n int, loss Loss, random *rand.Rand) ([]byte, error) {
	if n < d.done || n > len(d.entries) {
		return nil, fmt.Errorf("cannot cut after %d of %d entries, with %d replayed", n, len(d.entries), d.done)
	}
	for ; d.done < n; d.done++ {
		switch e := d.entries[d.done]; {
		case e.Is(Flush):
			for _, w := range d.entries[d.flushed:d.done] {
				if !w.Is(FUA) {
					w.write(d.surely)
				}
			}
			e.write(d.surely)
			d.flushed = d.done + 1
		case e.Is(FUA):
			e.write(d.surely)
		}
	}
	disk := append([]byte(nil), d.surely...)
	for _, w := range d.entries[d.flushed:d.done] {
		if !w.Is(FUA) {
			w.perhaps(disk, loss, random)
		}
	}
	return disk, nil
}

// Unsure is how many writes may be lost at the last cut.
func (d *Disk) Unsure() int {
	n := 0
	for _, w := range d.entries[d.flushed:d.done] {
		if !w.Is(FUA) && !w.Is(Mark) {
			n++
		}
	}
	return n
}

// write brings the whole write onto the disk.
func (e Entry) write(disk []byte) {
	switch {
	case e.Is(Mark):
	case e.Is(Discard):
		clear(disk[e.At : e.At+e.Bytes])
	default:
		copy(disk[e.At:], e.Data)
	}
}

// perhaps brings a write onto the disk, or a part of it, or nothing.
func (e Entry) perhaps(disk []byte, loss Loss, random *rand.Rand) {
	switch {
	case e.Is(Mark) || loss == LoseAll:
	case loss == LoseNone, random.IntN(2) == 0:
		e.write(disk)
	case loss == Tear && random.IntN(2) == 0:
		for at := int64(0); at < e.Bytes; at += sectorBytes {
			if random.IntN(2) == 0 {
				part := Entry{Flags: e.Flags, At: e.At + at, Bytes: sectorBytes}
				if e.Data != nil {
					part.Data = e.Data[at : at+sectorBytes]
				}
				part.write(disk)
			}
		}
	}
}
