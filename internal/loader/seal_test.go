package loader

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hotstick/hotstick"
)

// Somebody who runs code in the loader's own process, or has its descriptor, tries to
// change a module between its hash and its load.
func TestSealedBytesCannotBeChangedByAnybody(t *testing.T) {
	data := bytes.Repeat([]byte("module "), 10_000)
	f, err := seal("fix_1", data)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fd := int(f.Fd())
	seals, err := unix.FcntlInt(f.Fd(), unix.F_GET_SEALS, 0)
	if want := unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE; err != nil || seals&want != want {
		t.Errorf("the seals are %#x, %v; want %#x", seals, err, want)
	}
	again, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", fd), os.O_RDWR, 0)
	if err == nil {
		defer again.Close()
	}
	attacks := map[string]func() error{
		"writing over them": func() error { _, err := unix.Pwrite(fd, []byte("evil"), 0); return err },
		"appending to them": func() error { _, err := unix.Pwrite(fd, []byte("evil"), int64(len(data))); return err },
		"cutting them":      func() error { return unix.Ftruncate(fd, 1) },
		"growing them":      func() error { return unix.Ftruncate(fd, 1<<20) },
		"punching a hole":   func() error { return unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, 4096) },
		"allocating behind": func() error { return unix.Fallocate(fd, 0, int64(len(data)), 4096) },
		"writing by a map": func() error {
			_, err := unix.Mmap(fd, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
			return err
		},
		"taking a seal off":  func() error { _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_FUTURE_WRITE); return err },
		"another descriptor": func() error { _, err := again.WriteAt([]byte("evil"), 0); return err },
	}
	for what, attack := range attacks {
		if err := attack(); !errors.Is(err, unix.EPERM) {
			t.Errorf("%s: %v, want EPERM", what, err)
		}
	}
	digest, err := digestOf(f)
	if err != nil || digest != hotstick.NewDigest(data) {
		t.Errorf("its digest is %s, %v", digest, err)
	}
	// What is hashed is what is read next, from the start: by the kernel as by anybody.
	if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, data) {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
}

func TestTheDigestIsOfTheWholeFileWhereverSomebodyLeftIt(t *testing.T) {
	f, err := seal("fix_1", []byte("module"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, at := range []int64{0, 3, 6, 100} {
		if _, err := f.Seek(at, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		if digest, err := digestOf(f); err != nil || digest != hotstick.NewDigest([]byte("module")) {
			t.Errorf("from %d: %s, %v", at, digest, err)
		}
	}
}
