package klpchange_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hotstick/hotstick/internal/driver/klp/klpchange"
	"github.com/hotstick/hotstick/internal/guest"
	"github.com/hotstick/hotstick/internal/rig/rigtest"
)

// BenchmarkTransition measures, in a guest of each kernel line, how long a level takes
// to come into effect and to go out again: with CPUs kept awake, as insmod does it, and
// as the kpatch tool watches it. It prints the guest's rows.
//
//	HOTSTICK_GUESTS=1 go test ./internal/driver/klp/klpchange -run '^$' -bench Transition -benchtime 1x -timeout 60m
func BenchmarkTransition(b *testing.B) {
	rigtest.Wanted(b)
	for _, k := range suite.Prepare(b, b.Context()) {
		b.Run(k.Line, func(b *testing.B) {
			for b.Loop() {
				config := k.Config(b.TempDir())
				config.MemoryMB = 1536
				if k.Line == "6.1" {
					// 6.12 ends in a false oops within the first trials (int3, while the kernel changes
					// its own code), so there one thread plays both CPUs.
					config.Accel = guest.AccelParallel
				}
				fmt.Println("\n" + k.Line + "\n" + measureIn(b, config, k.Command("^TestMeasure", 50*time.Minute))) // b.Log keeps ten lines
			}
		})
	}
}

func measureIn(b *testing.B, config guest.Config, command string) string {
	ctx := b.Context()
	g, err := guest.Start(ctx, config)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = g.Kill() }()
	if _, err := g.WaitBoot(ctx); err != nil {
		b.Fatal(err)
	}
	out, code, err := g.Run(ctx, command)
	if err != nil || code != 0 {
		console, _ := g.ConsoleLog()
		b.Fatalf("exit code %d, %v\n%s\nconsole:\n%s", code, err, out, console[max(0, len(console)-6000):])
	}
	var rows []string
	for line := range strings.Lines(out) {
		if row, ok := strings.CutPrefix(strings.TrimSpace(line), "row: "); ok {
			rows = append(rows, row)
		}
	}
	if len(rows) == 0 {
		b.Fatalf("no rows:\n%s", out)
	}
	return strings.Join(rows, "\n")
}

// trials is how often each mode is tried, in turn with the others.
const trials = 24

// mode is one way to change the kernel and to wait for it.
type mode struct {
	name   string
	waking klpchange.Waking
	// watch is how long the tool sleeps between two looks.
	watch time.Duration
}

var modes = []mode{
	{"hotstick", klpchange.Waking{}, 50 * time.Microsecond},
	{"insmod", klpchange.Waking{Off: true}, 50 * time.Microsecond},
	{"kpatch", klpchange.Waking{Off: true}, time.Second}, // the tool polls with sleep 1
}

// TestMeasureTransitions prints rows; it runs in a guest of BenchmarkTransition only.
func TestMeasureTransitions(t *testing.T) {
	dir := rigtest.Inside(t)
	insertFile(t, klpchange.Running(klpchange.Waking{}), filepath.Join(dir, "hotstick_busy_target.ko"))
	measure(t, dir, ofModule, "idle", modes...)
	measure(t, dir, ofKernel, "idle", modes[:2]...)
	stop := lookAtTheClock(t, runtime.NumCPU()-1)
	measure(t, dir, ofModule, "one looks at the clock", modes[:2]...)
	stop()
	for range runtime.NumCPU() {
		spinner := exec.Command("/bin/sh", "-c", "while :; do :; done")
		spinner.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // as another service's
		if err := spinner.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = spinner.Process.Kill(); _ = spinner.Wait() }()
	}
	measure(t, dir, ofModule, "a busy task per CPU", modes[:2]...)
}

// TestMeasureZTransitionsWithManyTasks comes last: its threads stay.
func TestMeasureZTransitionsWithManyTasks(t *testing.T) {
	dir := rigtest.Inside(t)
	debug.SetMaxThreads(20_000)
	parked := 0
	for _, n := range []int{1000, 10_000} {
		for ; parked < n; parked++ {
			go func() {
				runtime.LockOSThread()
				for {
					_ = unix.Pause()
				}
			}()
		}
		for tasks(t) < n {
			rigtest.Pause()
		}
		measure(t, dir, ofModule, fmt.Sprintf("%d parked tasks", n), modes[:2]...)
	}
}

func tasks(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// A level for a function of a module is loaded quickly; one for a function of the kernel
// has the kernel search all its symbols, which takes longer than all else.
const (
	ofModule = "hotstick_busy_1"
	ofKernel = "hotstick_unix_ioctl_1"
)

// measure tries every mode in turn, and prints a row for each.
func measure(t *testing.T, dir, module, load string, modes ...mode) {
	t.Helper()
	in, out, gaps := make([][]time.Duration, len(modes)), make([][]time.Duration, len(modes)), make([][]time.Duration, len(modes))
	for range trials {
		for i, m := range modes {
			// The kernel's retries keep to its ticks, so a steady rhythm would meet them always alike.
			rest(rand.N(100 * time.Millisecond))
			calls := klpchange.Running(m.waking)
			longestGap.Store(0)
			in[i] = append(in[i], timed(t, m, module, func() error {
				f, err := os.Open(filepath.Join(dir, module+".ko"))
				if err != nil {
					return err
				}
				defer f.Close()
				return calls.Finit(f)
			}))
			out[i] = append(out[i], timed(t, m, module, func() error { return calls.Disable(module) }))
			gaps[i] = append(gaps[i], time.Duration(longestGap.Load()))
			unload(t, calls, module)
		}
	}
	kind := map[string]string{ofModule: "module", ofKernel: "kernel"}[module]
	for i, m := range modes {
		fmt.Printf("row: %-22s %s %-9s load p50 %9s p95 %9s under 300 ms %2d/%d; revert p50 %9s p95 %9s under 300 ms %2d/%d; longest gap p50 %s\n",
			load, kind, m.name, at(in[i], 50), at(in[i], 95), under(in[i]), trials, at(out[i], 50), at(out[i], 95), under(out[i]), trials, at(gaps[i], 50))
	}
}

// longestGap is the longest time in ns for which a task that looks at the clock was away
// from its CPU.
var longestGap atomic.Int64

// lookAtTheClock starts a task that stays on a CPU and computes there all the time.
func lookAtTheClock(t *testing.T, cpu int) (stop func()) {
	t.Helper()
	var over atomic.Bool
	var task sync.WaitGroup
	task.Go(func() {
		runtime.LockOSThread() // the thread ends with it
		var one unix.CPUSet
		one.Set(cpu)
		if err := unix.SchedSetaffinity(0, &one); err != nil {
			t.Error(err)
		}
		for last := time.Now(); !over.Load(); {
			now := time.Now()
			longestGap.Store(max(longestGap.Load(), now.Sub(last).Nanoseconds()))
			last = now
		}
	})
	return func() { over.Store(true); task.Wait() }
}

// unload takes the module out; for a moment after its transition the kernel still
// holds it.
func unload(t *testing.T, calls klpchange.Calls, module string) {
	t.Helper()
	var err error
	for range 100 {
		if err = calls.Delete(module); err == nil {
			return
		}
		rigtest.Pause()
	}
	t.Fatal(err)
}

// timed makes a change and waits until no transition runs, as the mode watches it.
func timed(t *testing.T, m mode, module string, change func() error) time.Duration {
	t.Helper()
	start := time.Now()
	if err := change(); err != nil {
		t.Fatal(err)
	}
	for {
		state, err := os.ReadFile("/sys/kernel/livepatch/" + module + "/transition")
		if os.IsNotExist(err) || err == nil && strings.TrimSpace(string(state)) == "0" {
			return time.Since(start)
		}
		if time.Since(start) > time.Minute {
			t.Fatal("the transition does not end")
		}
		rest(m.watch)
	}
}

// rest sleeps in the kernel: the runtime's timers are too coarse here.
func rest(d time.Duration) {
	ts := unix.NsecToTimespec(d.Nanoseconds())
	_ = unix.Nanosleep(&ts, nil)
}

func at(of []time.Duration, percent int) string {
	sorted := slices.Sorted(slices.Values(of))
	return fmt.Sprintf("%.1f ms", float64(sorted[(len(sorted)-1)*percent/100].Microseconds())/1000)
}

func under(of []time.Duration) (n int) {
	for _, d := range of {
		if d < 300*time.Millisecond {
			n++
		}
	}
	return n
}
