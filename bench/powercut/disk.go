package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// loggedDisk is a device under the device mapper's target log-writes: what is written to
// it goes to a disk and, with its flushes, to a log on another.
type loggedDisk struct {
	control *os.File
	// node is the block device.
	node string
	mu   sync.Mutex
}

const (
	mapperControl = "/dev/mapper/control"
	mapperName    = "powercut"
	mapperVersion = 4
)

// newLoggedDisk maps a device of the disk's size.
func newLoggedDisk(disk, log string) (*loggedDisk, error) {
	control, err := os.OpenFile(mapperControl, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot reach the device mapper: %w", err)
	}
	d := &loggedDisk{control: control}
	bytes, err := sizeOf(disk)
	if err != nil {
		return nil, errors.Join(err, control.Close())
	}
	made, err := d.call(unix.DM_DEV_CREATE, 0, nil)
	if err == nil {
		table := unix.DmTargetSpec{Length: uint64(bytes / 512)}
		copy(table.Target_type[:], "log-writes")
		var line []byte
		if line, err = binary.Append(nil, binary.NativeEndian, table); err == nil {
			_, err = d.call(unix.DM_TABLE_LOAD, 1, padded(line, disk+" "+log))
		}
	}
	if err == nil {
		_, err = d.call(unix.DM_DEV_SUSPEND, 0, nil) // without a flag it resumes
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot map %s with its log on %s: %w", disk, log, err), control.Close())
	}
	d.node = fmt.Sprintf("/dev/dm-%d", unix.Minor(made.Dev))
	return d, nil
}

// mark writes a mark into the log. The kernel cuts it off at the end of a sector, splits
// it at spaces, and reads a backslash as its own.
func (d *loggedDisk) mark(text string) error {
	where, err := binary.Append(nil, binary.NativeEndian, unix.DmTargetMsg{})
	if err == nil {
		_, err = d.call(unix.DM_TARGET_MSG, 0, padded(where, "mark "+text))
	}
	if err != nil {
		return fmt.Errorf("cannot mark the log: %w", err)
	}
	return nil
}

// padded is a structure, a text after it, and the end of both as the kernel wants it.
func padded(head []byte, text string) []byte {
	b := append(append(head, text...), 0)
	return append(b, make([]byte, -len(b)&7)...)
}

// call asks the device mapper for something about our device.
func (d *loggedDisk) call(what uint, targets uint32, payload []byte) (unix.DmIoctl, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	const room = 512 // for what the kernel answers
	request := unix.DmIoctl{Version: [3]uint32{mapperVersion}, Data_size: uint32(unix.SizeofDmIoctl + len(payload) + room),
		Data_start: unix.SizeofDmIoctl, Target_count: targets}
	copy(request.Name[:], mapperName)
	buffer, err := binary.Append(nil, binary.NativeEndian, request)
	if err != nil {
		return request, err
	}
	buffer = append(append(buffer, payload...), make([]byte, room)...)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, d.control.Fd(), uintptr(what), uintptr(unsafe.Pointer(&buffer[0]))); errno != 0 {
		return request, errno
	}
	_, err = binary.Decode(buffer, binary.NativeEndian, &request)
	return request, err
}

// sizeOf is the size of a block device in bytes.
func sizeOf(device string) (int64, error) {
	f, err := os.Open(device)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return f.Seek(0, io.SeekEnd)
}

// mount mounts the device.
func (d *loggedDisk) mount(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(d.node, dir, "ext4", unix.MS_NOATIME, ""); err != nil {
		return fmt.Errorf("cannot mount %s: %w", filepath.Base(d.node), err)
	}
	return nil
}
