package klog

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Kmsg is /dev/kmsg, opened for reading. It never waits.
type Kmsg struct {
	fd  int
	buf []byte
}

// KmsgPath is where the kernel offers its log as records.
const KmsgPath = "/dev/kmsg"

// OpenKmsg opens the log at its oldest record. It needs CAP_SYSLOG where the
// sysctl kernel.dmesg_restrict is set.
func OpenKmsg(path string) (*Kmsg, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot open the kernel log %s: %w", path, err)
	}
	return &Kmsg{fd: fd, buf: make([]byte, maxLine)}, nil
}

// Read gives add the kernel's own records that have come since the last call. It
// reads at most limit records and returns how many it read, those of processes
// included; fewer than limit means that there are no more for now. Records that
// were overwritten before they were read are passed over.
func (k *Kmsg) Read(limit int, add func(Record)) (int, error) {
	for n := range limit {
		size, err := unix.Read(k.fd, k.buf)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return n, nil
		case errors.Is(err, unix.EPIPE), errors.Is(err, unix.EINTR), errors.Is(err, unix.EINVAL):
			// EPIPE: overwritten, the next read goes on with the oldest there is.
			// EINVAL: one record longer than the buffer was passed over.
			continue
		case err != nil:
			return n, fmt.Errorf("cannot read the kernel log: %w", err)
		case size == 0:
			return n, nil
		}
		if r, ok := ParseRecord(string(k.buf[:size])); ok {
			add(r)
		}
	}
	return limit, nil
}

// SkipAll goes to the end of the log: only records that come later are read.
func (k *Kmsg) SkipAll() error {
	if _, err := unix.Seek(k.fd, 0, unix.SEEK_END); err != nil {
		return fmt.Errorf("cannot go to the end of the kernel log: %w", err)
	}
	return nil
}

// Close closes the log.
func (k *Kmsg) Close() error { return unix.Close(k.fd) }
