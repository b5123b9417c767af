package klpchange_test

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/klp/klpchange"
	"github.com/hotstick/hotstick/internal/kernel"
	"github.com/hotstick/hotstick/internal/kernel/klog"
	"github.com/hotstick/hotstick/internal/rig/rigtest"
)

// The tests of this file stand before those of inside_test.go, whose last one locks the
// kernel.

// Waking CPUs hurries nobody who may not be hurried: as long as a task sleeps in the
// function that is patched, the transition must not end. This is longer than the kernel
// takes to signal the tasks by itself.
func TestInsideATaskAsleepInTheFunctionHoldsTheTransition(t *testing.T) {
	dir := rigtest.Inside(t)
	changer := klpchange.New(klpchange.Waking{})
	t.Cleanup(func() { rigtest.Empty(t) })
	end := rigtest.KeepBusy(t, dir)
	build, err := kernel.Build(os.DirFS("/"), kernel.Machine())
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(dir, "hotstick_busy_1.ko"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := changer.Load(t.Context(), driver.Load{Module: "hotstick_busy_1", File: f, Build: build}); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	for looks := 0; time.Since(start) < 20*time.Second; looks++ {
		if looks%20 == 0 {
			if err := changer.Help(t.Context(), "hotstick_busy_1"); err != nil {
				t.Fatal(err)
			}
		}
		if patches, err := changer.Observe(t.Context()); err != nil || len(patches) != 1 || patches[0].State != hotstick.TransitionIn {
			t.Fatalf("after %v: %+v, %v", time.Since(start), patches, err)
		}
		rigtest.Pause()
	}
	end()
	for range 300 {
		if patches, err := changer.Observe(t.Context()); err == nil && len(patches) == 1 && patches[0].State == hotstick.InEffect {
			return
		}
		rigtest.Pause()
	}
	t.Error("the task is gone, and the transition does not end")
}

// traced is what the kernel's own debug log says of one load.
type traced struct {
	took time.Duration
	// running are the tasks that a pass refused because they ran.
	running []string
}

// The kernel itself says why a transition takes a second: the first pass meets tasks that
// run, most often those that idle, and the next pass is a second later. Where it meets none
// the transition ends at once. How often it meets none is what the CPUs that are kept awake
// change. It runs in a guest of BenchmarkTransition only, and prints rows.
func TestMeasureTheTrace(t *testing.T) {
	dir := rigtest.Inside(t)
	for file, text := range map[string]string{
		"/proc/dynamic_debug/control": "file kernel/livepatch/transition.c +p",
		"/proc/sys/kernel/printk":     "1", // a slow console would take part in what is measured
	} {
		if err := os.WriteFile(file, []byte(text), 0); err != nil {
			t.Fatal(err)
		}
	}
	for range 6 {
		for _, m := range modes[:2] {
			trace := mustTrace(t, dir, m)
			fmt.Printf("row: trace of %-9s %7.1f ms, refused because running: %s\n", m.name, float64(trace.took.Microseconds())/1000, cmp.Or(strings.Join(trace.running, " "), "none"))
		}
	}
}

// mustTrace loads a level once and reads what the kernel says of it.
func mustTrace(t *testing.T, dir string, m mode) (trace traced) {
	t.Helper()
	log, err := klog.OpenKmsg(klog.KmsgPath)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	if err := log.SkipAll(); err != nil {
		t.Fatal(err)
	}
	calls := klpchange.Running(m.waking)
	timed(t, m, ofKernel, func() error {
		f, err := os.Open(filepath.Join(dir, ofKernel+".ko"))
		if err != nil {
			return err
		}
		defer f.Close()
		return calls.Finit(f)
	})
	var began time.Duration
	if _, err := log.Read(100_000, func(r klog.Record) {
		// livepatch: klp_try_switch_task: swapper/1:0 is running
		before, is := strings.CutSuffix(r.Text, " is running")
		switch {
		case strings.Contains(r.Text, "starting patching transition"):
			began = r.Uptime
		case strings.Contains(r.Text, "patching complete"):
			trace.took = r.Uptime - began
		case is:
			if task := before[strings.LastIndex(before, " ")+1:]; !slices.Contains(trace.running, task) {
				trace.running = append(trace.running, task)
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	if trace.took == 0 {
		t.Error("the kernel log tells of no transition")
	}
	timed(t, m, ofKernel, func() error { return calls.Disable("hotstick_unix_ioctl_1") })
	unload(t, calls, ofKernel)
	return trace
}
