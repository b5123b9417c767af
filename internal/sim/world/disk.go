package world

import (
	"errors"
	"io/fs"
	"maps"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/loader"
	"github.com/hotstick/hotstick/internal/planted"
)

var (
	errFull = errors.New("no space left on device")
	errSync = errors.New("input/output error")
	errOff  = errors.New("cannot do this: the simulated machine is off")
)

// pulled is the panic by which a process, or its machine, ends in the middle of a
// write.
type pulled struct{ power bool }

// disk is a loader's disk. A write is durable when it returns without an error;
// with one, nobody knows.
type disk struct {
	ledger []byte
	kept   map[hotstick.Digest][]byte
	// older are copies of the ledger as it was, for a restore.
	older [][]byte
	// saved is told of each ledger that became durable.
	saved func(data []byte)
	// doubt: the newest write failed and is on the disk all the same. Nobody goes by
	// it until somebody reads it.
	doubt bool
	// reading: somebody reads what was in doubt, perhaps in a later boot.
	reading bool
	fault   diskFault
}

// diskFault is what is wrong with a disk.
type diskFault struct {
	full bool
	// sync: the write fails when it is synced, and is on the disk all the same, as
	// after a failed fsync of the directory.
	sync bool
	// plug ends the process at one of the next writes, before it is durable or
	// after; 0 does nothing.
	plug   int
	before bool
	// power: it is the machine's plug and not only the process's.
	power bool
	// torn: what is kept next loses its second half.
	torn bool
}

var _ loader.Disk = (*disk)(nil)

func newDisk(saved func([]byte)) *disk {
	return &disk{kept: map[hotstick.Digest][]byte{}, saved: saved}
}

// Load implements [loader.Disk].
func (d *disk) Load() ([]byte, error) {
	if d.ledger == nil {
		return nil, fs.ErrNotExist
	}
	if d.doubt {
		d.doubt, d.reading = false, true
		d.saved(d.ledger)
		d.reading = false
	}
	return d.ledger, nil
}

// Save implements [loader.Disk].
func (d *disk) Save(data []byte) error {
	f := &d.fault
	pull := false
	if f.plug > 0 {
		f.plug--
		pull = f.plug == 0
	}
	switch {
	case pull && f.before:
		panic(pulled{f.power}) // the temporary file is torn, the ledger is the old one
	case f.full:
		return errFull
	}
	if d.ledger != nil && len(d.older) < 64 {
		d.older = append(d.older, d.ledger)
	}
	d.ledger, d.doubt = append([]byte(nil), data...), f.sync
	if !d.doubt {
		d.saved(d.ledger)
	}
	switch {
	case pull:
		panic(pulled{f.power})
	case d.doubt:
		return errSync
	}
	return nil
}

// Keep implements [loader.Disk].
func (d *disk) Keep(digest hotstick.Digest, data []byte) error {
	if d.fault.full {
		return errFull
	}
	if d.fault.torn {
		d.fault.torn = false
		data = data[:len(data)/2]
	}
	d.kept[digest] = append([]byte(nil), data...)
	return nil
}

// Kept implements [loader.Disk]: like the real one it gives out no bytes that do
// not have their digest.
func (d *disk) Kept(digest hotstick.Digest) ([]byte, error) {
	data, ok := d.kept[digest]
	if !ok || hotstick.NewDigest(data) != digest && !planted.Bug("bytes-unchecked") {
		return nil, fs.ErrNotExist
	}
	return data, nil
}

// Sweep implements [loader.Disk].
func (d *disk) Sweep(wanted map[hotstick.Digest]bool) error {
	maps.DeleteFunc(d.kept, func(k hotstick.Digest, _ []byte) bool { return !wanted[k] })
	return nil
}
