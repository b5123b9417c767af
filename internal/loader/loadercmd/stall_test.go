package loadercmd

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver/klp/klpchange"
	"github.com/hotstick/hotstick/internal/guest"
	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
	"github.com/hotstick/hotstick/internal/kernel"
	"github.com/hotstick/hotstick/internal/loader"
	"github.com/hotstick/hotstick/internal/loader/link"
)

// stallModules names the directory in a guest that holds the modules.
const stallModules = "HOTSTICK_STALL_MODULES"

// TestRealStalls runs the test of a stalled transition inside a guest of each kernel line.
func TestRealStalls(t *testing.T) {
	if os.Getenv("HOTSTICK_GUESTS") != "1" {
		t.Skip("boots real kernels in QEMU and downloads them once; set HOTSTICK_GUESTS=1, as `make test` does")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	program := filepath.Join(t.TempDir(), "loadercmd.test")
	build := exec.CommandContext(ctx, "go", "test", "-c", "-ldflags=-s -w", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("cannot build the tests: %v\n%s", err, out)
	}
	busybox, err := kernelpkg.Busybox(ctx, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"6.1", "6.12"} {
		t.Run(line, func(t *testing.T) {
			k, err := kernelpkg.Fetch(ctx, "", kernelpkg.Want{Line: line}, nil)
			if err != nil {
				t.Fatal(err)
			}
			files := []guest.File{{Path: "/t/loadercmd.test", Source: program, Mode: 0o755}}
			for _, name := range []string{"busy-1", "busy-target"} {
				dir := t.TempDir()
				module, err := k.BuildModule(ctx, filepath.Join("../../../patches", name), dir)
				if err != nil {
					t.Fatal(err)
				}
				files = append(files, guest.File{Path: "/t/modules/" + filepath.Base(module), Source: module})
			}
			g, err := guest.Start(ctx, guest.Config{Name: "stall", Dir: t.TempDir(), Kernel: k, Busybox: busybox, Files: files, CPUs: 2})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = g.Kill() })
			if _, err := g.WaitBoot(ctx); err != nil {
				t.Fatal(err)
			}
			out, code, err := g.Run(ctx, stallModules+"=/t/modules TMPDIR=/tmp /t/loadercmd.test -test.run '^TestInsideAStall' -test.v -test.timeout 4m")
			if err != nil || code != 0 || !strings.Contains(out, "--- PASS: TestInsideAStall") {
				t.Fatalf("exit code %d, %v:\n%s", code, err, out)
			}
			t.Log(out)
		})
	}
}

// realHost is the machine that the test runs on.
type realHost struct {
	clock
	*running
}

// insert loads a module that is no live patch.
func insert(t *testing.T, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := klpchange.Running(klpchange.Waking{}).Finit(f); err != nil && !errors.Is(err, unix.EEXIST) {
		t.Fatal(err)
	}
}

// mustSleep starts a process that sleeps in the function that busy-1 changes.
func mustSleep(t *testing.T, w *hostile) *exec.Cmd {
	t.Helper()
	reader := exec.Command("/bin/cat", "/dev/hotstick_busy")
	w.must(reader.Start())
	t.Cleanup(func() { _ = reader.Process.Kill(); _ = reader.Wait() })
	w.eventually("the reader's sleep", func() bool {
		stack, err := os.ReadFile("/proc/" + strconv.Itoa(reader.Process.Pid) + "/stack")
		return err == nil && strings.Contains(string(stack), "hotstick_busy_wait")
	})
	return reader
}

// The real loader on a real kernel: a task asleep in the function is named, the
// transition is reversed when its time is over, and once the task is gone another attempt
// of the same plan succeeds.
func TestInsideAStallIsReportedReversedAndTriedAgain(t *testing.T) {
	dir := os.Getenv(stallModules)
	if dir == "" {
		t.Skip("loads modules into the running kernel; TestRealStalls runs it inside a guest")
	}
	root := os.DirFS("/")
	w := newHost(t)
	var err error
	w.build, err = kernel.Build(root, kernel.Machine())
	w.must(err)
	real, err := newRunning(root, "/dev/kmsg")
	w.must(err)
	w.driver, w.host, w.tasks = klpchange.New(klpchange.Waking{}), realHost{clock{}, real}, newTaskWatch(root)
	w.limits.TransitionWait, w.limits.TransitionHelp = 4*time.Second, 18*time.Second
	w.start()
	insert(t, filepath.Join(dir, "hotstick_busy_target.ko"))
	reader := mustSleep(t, w)
	data, err := os.ReadFile(filepath.Join(dir, "hotstick_busy_1.ko"))
	w.must(err)
	p := w.list(hotstick.PatchRef{Name: "busy", Level: 1}, "hotstick_busy_1", data)
	raw, id := w.plan(p, "a plan")
	resp := w.call(w.grantOf(id, 1, w.call(raw).Nonce))
	if len(resp.Refusals) > 0 {
		t.Fatalf("refused: %+v", resp.Refusals)
	}
	start := time.Now()
	var stall *hotstick.Stall
	w.eventually("the stall", func() bool {
		if s := w.ask(link.Request{Readings: well}).Stall; s != nil && len(s.Blockers) > 0 && s.Blockers[0].Function != "" {
			stall = s
		}
		return stall != nil
	})
	b := stall.Blockers[0]
	t.Logf("after %v: %d tasks, %+v", time.Since(start).Round(time.Second), stall.Tasks, b)
	if stall.Module != "hotstick_busy_1" || stall.State != hotstick.TransitionIn || b.PID != reader.Process.Pid || b.Command != "cat" ||
		b.Cause != hotstick.BlockInside || b.Function != "hotstick_busy_wait" || !strings.Contains(strings.Join(b.Stack, " "), "hotstick_busy_wait+0x") {
		t.Errorf("the stall is %+v", stall)
	}
	var last hotstick.Report
	for range 2 { // each waits half a minute
		if last = w.mayEnd(); last.State.Terminal() {
			break
		}
	}
	if last.State != hotstick.Reverted || last.Reason == nil || last.Reason.Code != hotstick.ReasonTransitionStalled ||
		len(last.Evidence) == 0 || last.Evidence[0].Kind != "blocked_task" || !strings.Contains(last.Evidence[0].Text, "hotstick_busy_wait") {
		t.Fatalf("it ended as %+v with %+v", last, last.Reason)
	}
	t.Logf("after %v: %s (%s)", time.Since(start).Round(time.Second), last.State, last.Reason.Detail)
	if patches, err := w.driver.Observe(t.Context()); err != nil || len(patches) != 0 {
		t.Errorf("left behind: %+v, %v", patches, err)
	}
	if err := reader.Process.Signal(unix.Signal(0)); err != nil {
		t.Errorf("the reader was not left alone: %v", err)
	}
	w.must(reader.Process.Kill())
	_ = reader.Wait()
	w.call(w.grantOf(id, 2, w.ask(link.Request{Readings: well, Acknowledged: last.Seq}).Nonce))
	if last = w.end(); last.State != hotstick.Confirmed || last.Attempt != 2 {
		t.Errorf("without the reader it ended as %+v, %+v", last, last.Reason)
	}
}

// mayEnd is the newest report after half a minute, or earlier if the attempt has ended.
func (w *hostile) mayEnd() (last hotstick.Report) {
	w.t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for range 300 {
		resp := w.ask(link.Request{Readings: well})
		if n := len(resp.Reports); n > 0 {
			last = resp.Reports[n-1]
		}
		if !resp.Busy && last.State.Terminal() {
			break
		}
		<-tick.C
	}
	return last
}

var (
	_ host         = realHost{}
	_ loader.Tasks = (*taskWatch)(nil)
)
