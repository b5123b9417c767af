package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hotstick/hotstick/internal/store"
)

// smallDisk mounts a disk of the test's own.
func smallDisk(t *testing.T) string {
	dir := t.TempDir()
	if err := syscall.Mount("hotstick-test", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("this test needs the right to mount a disk of its own: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill writes a file until the disk is full, and returns its name.
func fill(t *testing.T, dir string) string {
	name := filepath.Join(dir, "junk")
	if err := os.WriteFile(name, make([]byte, 4<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk did not get full: %v", err)
	}
	return name
}

func putBig(s store.Store, t *testing.T) error {
	return s.Update(t.Context(), func(tx store.Tx) error {
		return tx.Hosts().Put(store.Host{ID: "h-big", Name: strings.Repeat("x", 200<<10)})
	})
}

func TestAFullDiskIsSaidAndSurvived(t *testing.T) {
	dir := smallDisk(t)
	s := mustOpen(t, filepath.Join(dir, "hotstick.db"))
	if err := s.Update(t.Context(), func(tx store.Tx) error { return tx.Hosts().Put(store.Host{ID: "h-kept"}) }); err != nil {
		t.Fatal(err)
	}
	junk := fill(t, dir)
	for name, err := range map[string]error{"a big update": putBig(s, t), "a check after some": fullCheck(s, t)} {
		var e *Error
		if !errors.As(err, &e) || e.Problem != "the disk is full" || e.Hint() == "" {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if err := s.View(t.Context(), func(tx store.Tx) error {
		_, err := tx.Hosts().Get("h-kept")
		return err
	}); err != nil {
		t.Errorf("reading on a full disk: %v", err)
	}
	if err := os.Remove(junk); err != nil {
		t.Fatal(err)
	}
	if err := putBig(s, t); err != nil {
		t.Errorf("with room again: %v", err)
	}
	s = s.Reopen(t).(opened)
	for _, id := range []string{"h-kept", "h-big"} {
		if err := s.View(t.Context(), func(tx store.Tx) error {
			_, n, err := tx.Hosts().List(store.HostFilter{Search: id})
			if n != 1 {
				t.Errorf("%s is lost", id)
			}
			return err
		}); err != nil {
			t.Error(err)
		}
	}
}

// fullCheck checks until the room in the log that was there already is used up.
func fullCheck(s store.Store, t *testing.T) error {
	for range 10_000 {
		if err := s.Check(t.Context()); err != nil {
			return err
		}
	}
	return nil
}

func TestAFullDiskCannotTakeANewDatabase(t *testing.T) {
	dir := smallDisk(t)
	fill(t, dir)
	s, err := Open(t.Context(), filepath.Join(dir, "hotstick.db"), time.Now)
	if err == nil {
		s.Close()
		t.Fatal("it was opened")
	}
	var e *Error
	if !errors.As(err, &e) || e.Problem != "the disk is full" {
		t.Errorf("got %v", err)
	}
}

func TestAReadOnlyDiskIsSaid(t *testing.T) {
	dir := smallDisk(t)
	path := filepath.Join(dir, "hotstick.db")
	mustOpen(t, path).Close()
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{path, filepath.Join(dir, "new.db")} {
		s, err := Open(t.Context(), path, time.Now)
		if err == nil {
			s.Close()
			t.Fatal("it was opened")
		}
		var e *Error
		if !errors.As(err, &e) || e.Problem != "it is read-only" || e.Hint() == "" {
			t.Errorf("%s: got %v", filepath.Base(path), err)
		}
	}
}

// TestADirectoryWithoutTheRightToWriteIsSaid runs in a thread without the
// capability by which root may write everywhere; the thread ends with it.
func TestADirectoryWithoutTheRightToWriteIsSaid(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "hotstick.db")
	mustOpen(t, path).Close()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	errs := make(chan error)
	go func() {
		runtime.LockOSThread()
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err := unix.Capset(&header, &none[0]); err != nil {
			errs <- err
			errs <- err
			return
		}
		for _, path := range []string{path, filepath.Join(dir, "new.db")} {
			errs <- (&Store{path: path}).prepareFile()
		}
	}()
	for range 2 {
		var e *Error
		if err := <-errs; !errors.As(err, &e) || e.Problem != "it is read-only" || e.Hint() == "" {
			t.Errorf("got %v", err)
		}
	}
}

// TestALimitOfPagesIsAFullDisk needs no rights: SQLite itself says that there is
// no room.
func TestALimitOfPagesIsAFullDisk(t *testing.T) {
	s := mustOpen(t, filepath.Join(t.TempDir(), "hotstick.db"))
	if err := s.writer.run(`PRAGMA max_page_count = 1`); err != nil { // SQLite takes the present size
		t.Fatal(err)
	}
	var e *Error
	if err := putBig(s, t); !errors.As(err, &e) || e.Problem != "the disk is full" {
		t.Errorf("got %v", err)
	}
	if err := s.writer.run(`PRAGMA max_page_count = 1000000`); err != nil {
		t.Fatal(err)
	}
	if err := putBig(s, t); err != nil {
		t.Errorf("with room again: %v", err)
	}
}
