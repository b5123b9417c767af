package rigtest

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hotstick/hotstick/internal/driver/drivertest"
	"github.com/hotstick/hotstick/internal/rig"
)

// What follows works inside guests only, and looks at the kernel by itself: it shares no
// line with the drivers that it judges.

const livepatches = "/sys/kernel/livepatch"

// Pause waits a moment of real time: a real kernel is at work.
func Pause() { <-time.After(200 * time.Millisecond) }

// Patience returns a context that outlives a sound tool and notices a hanging one.
func Patience() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 8*time.Second)
}

// Kernel lists the live patches that are enabled or in transition, sorted.
func Kernel(t testing.TB) []string {
	t.Helper()
	entries, err := os.ReadDir(livepatches)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if read(e.Name(), "enabled") == "1" || read(e.Name(), "transition") == "1" {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names
}

func read(patch, attribute string) string {
	data, _ := os.ReadFile(filepath.Join(livepatches, patch, attribute)) // gone is not 1
	return strings.TrimSpace(string(data))
}

// Insert loads a module, unless it is loaded.
func Insert(t testing.TB, file string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.FinitModule(int(f.Fd()), "", 0); err != nil && !errors.Is(err, unix.EEXIST) {
		t.Fatalf("cannot load %s: %v", file, err)
	}
}

// Foreign loads a live patch and waits until it is in effect. It returns its name, and is
// a [drivertest.StepWorld]'s with a module that belongs to no vendor.
func Foreign(t testing.TB, file string) string {
	t.Helper()
	name := strings.TrimSuffix(filepath.Base(file), ".ko")
	Insert(t, file)
	for range 300 {
		if read(name, "enabled") == "1" && read(name, "transition") == "0" {
			return name
		}
		Pause()
	}
	t.Fatalf("%s does not come into effect", name)
	return ""
}

// Empty takes every live patch out of the kernel and unloads it.
func Empty(t testing.TB) {
	t.Helper()
	for range 300 {
		left := livepatchModules(t)
		if len(left) == 0 {
			return
		}
		for _, name := range left {
			if read(name, "enabled") == "1" {
				_ = os.WriteFile(filepath.Join(livepatches, name, "enabled"), []byte("0"), 0) // again until it works
			}
			_ = unix.DeleteModule(name, unix.O_NONBLOCK)
		}
		Pause()
	}
	t.Fatalf("live patches cannot be taken out: %v", livepatchModules(t))
}

// livepatchModules lists all that are in memory, in effect or not: their taint has a K.
func livepatchModules(t testing.TB) []string {
	t.Helper()
	data, err := os.ReadFile("/proc/modules")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if taint := fields[len(fields)-1]; strings.HasPrefix(taint, "(") && strings.Contains(taint, "K") {
			names = append(names, fields[0])
		}
	}
	return names
}

// KeepBusy loads the module hotstick_busy_target from dir and lets a process sleep in it,
// so that the transition of a module built from busy-1 stalls. The process ends with the
// test, or by what is returned.
func KeepBusy(t testing.TB, dir string) (end func()) {
	t.Helper()
	Insert(t, filepath.Join(dir, "hotstick_busy_target.ko"))
	reader := exec.Command("/bin/cat", "/dev/hotstick_busy")
	if err := reader.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	end = func() {
		if !ended {
			ended = true
			_ = reader.Process.Kill()
			_ = reader.Wait()
		}
	}
	t.Cleanup(end)
	for range 100 {
		stack, err := os.ReadFile("/proc/" + strconv.Itoa(reader.Process.Pid) + "/stack")
		if err == nil && bytes.Contains(stack, []byte("hotstick_busy_wait")) {
			return end
		}
		Pause()
	}
	t.Fatal("the reader does not sleep in hotstick_busy_wait")
	return nil
}

// Break tells the rig how to misbehave from now on. A program that is gone is moved away
// and comes back when the world is sound again.
func Break(t testing.TB, fault drivertest.Fault, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if err := os.Rename(p+".gone", p); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		if fault == drivertest.ToolGone {
			if err := os.Rename(p, p+".gone"); err != nil {
				t.Fatal(err)
			}
		}
	}
	Write(t, filepath.Join(rig.StateDir, "fault"), string(fault)+"\n")
}

// Write writes a file of the rig's state.
func Write(t testing.TB, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Fresh empties the kernel and makes the rig forget everything, so that the next case
// begins on a new host. It does both again when the test ends.
func Fresh(t testing.TB, programs ...string) {
	t.Helper()
	clean := func() {
		Break(t, drivertest.Sound, programs...)
		if err := os.RemoveAll(rig.StateDir); err != nil {
			t.Fatal(err)
		}
		Empty(t)
	}
	clean()
	t.Cleanup(clean)
}

// Left lists processes that run one of the programs or hang as rigs do.
func Left(t testing.TB, programs ...string) []string {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, l := range lines {
		data, err := os.ReadFile(l)
		if err != nil {
			continue // it ended
		}
		words := strings.Split(strings.TrimRight(string(data), "\x00"), "\x00")
		if slices.Contains(words, "86399") || slices.ContainsFunc(words, func(w string) bool { return slices.Contains(programs, w) }) {
			left = append(left, strings.Join(words, " "))
		}
	}
	return left
}
