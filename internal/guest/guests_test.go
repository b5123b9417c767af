package guest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
)

// lines are the kernel lines that the suite boots, the oldest build of each.
var lines = []string{"6.1", "6.12"}

// watcher is a service that says who it is and notes that it was asked to end.
var watcher = Service{
	Name: "watcher", UID: UserID, Env: []string{"GREETING=it's fine"},
	Argv: []string{"/bin/sh", "-c", `trap 'echo ended cleanly; exit' TERM; echo "$GREETING, $(id -un)"; while :; do sleep 100 & wait $!; done`},
}

func TestGuests(t *testing.T) {
	needGuests(t)
	for _, line := range lines {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			w := mustWorld(t, line, watcher)
			for _, step := range []struct {
				name string
				run  func(*world)
			}{
				{"is the kernel build it was fetched as", isTheKernelBuild},
				{"has what the agent and loader need", hasWhatAHostNeeds},
				{"restarts a killed service", restartsAKilledService},
				{"kills a command that is given up", killsACommandGivenUp},
				{"answers every one of many commands", answersEveryCommand},
				{"takes a file while it runs", takesAFile},
				{"good level closes the faults and is taken back", goodLevel},
				{"bad level is seen by the probe and replaced by the good one", badLevel},
				{"busy patch stalls until its task is killed", busyPatch},
				{"killer level panics and leaves evidence", killerLevel},
				{"shuts down cleanly", shutsDown},
			} {
				if !t.Run(step.name, func(t *testing.T) {
					w.t = t
					step.run(w)
				}) {
					console, _ := w.g.ConsoleLog()
					t.Fatalf("the guest's console ends with:\n%s", console[max(0, len(console)-4000):])
				}
			}
		})
	}
}

func isTheKernelBuild(w *world) {
	if got := w.must("uname -r"); got != w.kernel.Release {
		w.t.Errorf("uname says %s, the package %s", got, w.kernel.Release)
	}
	notes, err := hex.DecodeString(strings.ReplaceAll(w.must("xxd -p /sys/kernel/notes"), "\n", ""))
	if err != nil {
		w.t.Fatal(err)
	}
	if got, ok := kernelpkg.NoteBuildID(notes); !ok || got != w.kernel.BuildID {
		w.t.Errorf("the running kernel's build ID is %q, the image's %q", got, w.kernel.BuildID)
	}
	if got := w.must("cat /proc/sys/kernel/random/boot_id"); got != w.boot || got != w.g.BootID() {
		w.t.Errorf("the boot ID is %s, the guest said %s", got, w.boot)
	}
}

func hasWhatAHostNeeds(w *world) {
	for _, path := range []string{
		"/sys/kernel/livepatch", "/sys/kernel/debug/tracing", "/sys/kernel/tracing/enabled_functions",
		"/sys/kernel/security/lockdown", "/dev/kmsg", "/dev/null", "/proc/self/patch_state",
	} {
		w.must("[ -e " + path + " ]")
	}
	if got := w.must("hostname"); got != w.g.Name() {
		w.t.Errorf("the host name is %s", got)
	}
	if got := w.must("df -T " + StateDir + " | tail -n 1"); !strings.Contains(got, "ext4") {
		w.t.Errorf("the state's disk is %s", got)
	}
	if got := w.must("su hotstick -c id"); !strings.HasPrefix(got, "uid=900(hotstick) gid=900(hotstick)") {
		w.t.Errorf("the unprivileged user is %s", got)
	}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprint(rw, "hello guest") }))
	defer server.Close()
	port := server.URL[strings.LastIndex(server.URL, ":"):]
	if got := w.must("wget -qO- http://" + HostAddress + port + "/"); got != "hello guest" {
		w.t.Errorf("the host's loopback says %q", got)
	}
}

func restartsAKilledService(w *world) {
	w.eventually("[ -s /run/service/watcher.pid ] && grep -q fine " + LogDir + "/watcher.log")
	if got := w.must("cat " + LogDir + "/watcher.log"); got != "it's fine, hotstick" {
		w.t.Errorf("the service says %q", got)
	}
	pid := w.must("cat /run/service/watcher.pid")
	if got := w.must("stat -c %U /proc/" + pid); got != UserName {
		w.t.Errorf("the service runs as %s", got)
	}
	w.must("kill -9 " + pid)
	w.eventually(`[ "$(cat /run/service/watcher.pid)" != ` + pid + ` ] && [ "$(grep -c fine ` + LogDir + `/watcher.log)" = 2 ]`)
}

func killsACommandGivenUp(w *world) {
	ctx, cancel := context.WithCancel(w.ctx)
	failed := make(chan error, 1)
	go func() {
		_, _, err := w.g.Run(ctx, "sleep 12345")
		failed <- err
	}()
	w.eventually("ps | grep -q '[s]leep 12345'")
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		w.t.Errorf("got %v", err)
	}
	w.eventually("! ps | grep -q '[s]leep 12345'")
}

func answersEveryCommand(w *world) {
	// Children that end while the guest reads the next order once made it lose one
	// in some hundred, so several run at a time.
	const atOnce, each = 4, 25
	began := time.Now()
	failed := make(chan error, atOnce)
	for i := range atOnce {
		go func() {
			for n := range each {
				ctx, cancel := context.WithTimeout(w.ctx, time.Minute)
				output, code, err := w.g.Run(ctx, fmt.Sprintf("echo %d-%d; exit %d", i, n, n))
				cancel()
				if want := fmt.Sprintf("%d-%d\n", i, n); err != nil || code != n || output != want {
					failed <- fmt.Errorf("command %d of %d: %q, %d, %w", n, i, output, code, err)
					return
				}
			}
			failed <- nil
		}()
	}
	for range atOnce {
		if err := <-failed; err != nil {
			w.t.Error(err)
		}
	}
	w.t.Logf("%d commands took %.1f s", atOnce*each, time.Since(began).Seconds())
}

func takesAFile(w *world) {
	data := make([]byte, 8000) // does not compress
	for i, x := 0, uint32(1); i < len(data); i++ {
		x = x*1664525 + 1013904223
		data[i] = byte(x >> 24)
	}
	began := time.Now()
	if err := w.g.Push(w.ctx, "/tmp/a file", data, 0o750); err != nil {
		w.t.Fatal(err)
	}
	w.t.Logf("%d bytes took %.1f s", len(data), time.Since(began).Seconds())
	if got := w.must("stat -c '%a %s' '/tmp/a file'"); got != fmt.Sprintf("750 %d", len(data)) {
		w.t.Errorf("the file is %s", got)
	}
	if got, want := w.must("sha256sum <'/tmp/a file'"), fmt.Sprintf("%x  -", sha256.Sum256(data)); got != want {
		w.t.Errorf("the file's digest is %s instead of %s", got, want)
	}
}

func goodLevel(w *world) {
	w.check(1, "before")
	w.probe(true, "before")
	w.load("hotstick_unix_ioctl_1")
	w.check(0, "patched")
	w.probe(true, "patched")
	w.unload("hotstick_unix_ioctl_1")
	w.check(1, "taken back")
	w.probe(true, "taken back")
}

func badLevel(w *world) {
	w.load("hotstick_unix_ioctl_1")
	w.load("hotstick_unix_ioctl_2")
	w.check(0, "bad level")
	w.probe(false, "bad level")
	if got := w.must("ls /sys/kernel/livepatch"); got != "hotstick_unix_ioctl_2" {
		w.t.Errorf("after replacing, sysfs shows %s", got)
	}
	// A replaced level stays in memory, disabled; it must go before it can come back.
	w.must("rmmod hotstick_unix_ioctl_1")
	w.load("hotstick_unix_ioctl_1")
	w.check(0, "back on the good level")
	w.probe(true, "back on the good level")
	w.must("rmmod hotstick_unix_ioctl_2")
	w.unload("hotstick_unix_ioctl_1")
}

func busyPatch(w *world) {
	w.must("insmod /patch/hotstick_busy_target.ko")
	w.must("cat /dev/hotstick_busy >/dev/null 2>&1 & echo $! >/tmp/reader")
	w.eventually(`grep -q hotstick_busy_wait /proc/$(cat /tmp/reader)/stack`)
	w.must("insmod /patch/hotstick_busy_1.ko")
	// Every other task has moved when the reader is the only one left.
	w.eventually(`[ "$(cat /proc/[0-9]*/patch_state 2>/dev/null | grep -c '^0')" = 1 ]`)
	if got := w.must("cat /sys/kernel/livepatch/hotstick_busy_1/transition /proc/$(cat /tmp/reader)/patch_state"); got != "1\n0" {
		w.t.Errorf("transition and the reader's state are %q", got)
	}
	w.must("kill -9 $(cat /tmp/reader)")
	w.eventually(`[ "$(cat /sys/kernel/livepatch/hotstick_busy_1/transition)" = 0 ]`)
	w.must("cat /dev/hotstick_busy")
	w.unload("hotstick_busy_1")
	w.must("rmmod hotstick_busy_target")
}

func killerLevel(w *world) {
	w.load("hotstick_unix_ioctl_1")
	w.must("echo kept >" + StateDir + "/state; sync")
	w.dies("insmod /patch/hotstick_unix_ioctl_3.ko delay=1")
	select {
	case <-w.g.Exited():
		w.t.Fatal("QEMU ended")
	default:
	}
	if got := w.must("cat " + StateDir + "/state"); got != "kept" {
		w.t.Errorf("the state after the panic is %q", got)
	}
	evidence := w.must("cat /sys/fs/pstore/dmesg-ramoops-0")
	for _, part := range []string{"Kernel panic", "hotstick_unix_ioctl_3_kill+0x", "[hotstick_unix_ioctl_3]"} {
		if !strings.Contains(evidence, part) {
			w.t.Errorf("the crash evidence does not name %q:\n%s", part, evidence)
		}
	}
	console, err := w.g.ConsoleLog()
	if err != nil || strings.Count(console, "Linux version") != 2 {
		w.t.Errorf("the console does not show two boots (%v)", err)
	}
	w.check(1, "after the panic")
}

func shutsDown(w *world) {
	if err := w.g.Shutdown(w.ctx); err != nil {
		w.t.Fatal(err)
	}
	if _, _, err := w.g.Run(w.ctx, "true"); !errors.Is(err, ErrStopped) {
		w.t.Errorf("a command for a guest that is off: %v", err)
	}
	disk := filepath.Join(w.dir, "disk")
	log, err := exec.CommandContext(w.ctx, "/sbin/debugfs", "-R", "cat /log/watcher.log", disk).Output()
	if err != nil || !strings.HasSuffix(string(log), "ended cleanly\n") {
		w.t.Errorf("the service's log on the disk is %q (%v)", log, err)
	}
	header, err := exec.CommandContext(w.ctx, "/sbin/debugfs", "-R", "stats -h", disk).Output()
	if err != nil || !strings.Contains(string(header), "Filesystem state:         clean") || strings.Contains(string(header), "needs_recovery") {
		w.t.Errorf("the disk was not unmounted: %v\n%.800s", err, header)
	}
}

func TestModulesAreBuiltTheSameEveryTime(t *testing.T) {
	needGuests(t)
	k, _ := mustKernel(t, t.Context(), lines[0])
	var first []byte
	for range 2 {
		ko, err := k.BuildModule(t.Context(), filepath.Join(patchesDir, "unix-ioctl-1"), t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(ko)
		if err != nil {
			t.Fatal(err)
		}
		if first != nil && !bytes.Equal(first, data) {
			t.Error("two builds of the same sources differ")
		}
		first = data
	}
}

func TestAModuleThatDoesNotCompileSaysWhy(t *testing.T) {
	needGuests(t)
	k, _ := mustKernel(t, t.Context(), lines[0])
	dir := filepath.Join(t.TempDir(), "broken-1")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"Kbuild": "obj-m := broken.o\n", "broken.c": "int main(void) { return nothing; }\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	_, err := k.BuildModule(t.Context(), dir, t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "cannot build broken-1 for kernel "+k.Release) || !strings.Contains(err.Error(), "‘nothing’ undeclared") && !strings.Contains(err.Error(), "'nothing' undeclared") {
		t.Errorf("got %v", err)
	}
}

func TestAutoFallsBackFromAKVMThatDoesNotWork(t *testing.T) {
	needGuests(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	k, box := mustKernel(t, ctx, lines[0])
	g, err := Start(ctx, Config{Name: "auto", Dir: t.TempDir(), Kernel: k, Busybox: box, Accel: AccelAuto})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Kill()
	if _, err := g.WaitBoot(ctx); err != nil {
		t.Fatal(err)
	}
	accel, note := g.Accel()
	t.Logf("acceleration %s; note: %s", accel, note)
	if (accel == AccelTCG) != strings.HasPrefix(note, "using software emulation: cannot use KVM: ") {
		t.Errorf("acceleration is %s with the note %q", accel, note)
	}
}

// childVariable makes the test binary a process that starts a guest and waits to
// be killed; its value is the guest's directory.
const childVariable = "HOTSTICK_GUEST_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVariable); dir != "" {
		startAndWait(dir)
	}
	os.Exit(m.Run())
}

func startAndWait(dir string) {
	ctx := context.Background()
	k, err := kernelpkg.Fetch(ctx, "", kernelpkg.Want{Line: lines[0]}, nil)
	if err == nil {
		var box string
		if box, err = kernelpkg.Busybox(ctx, "", nil); err == nil {
			var g *Guest
			if g, err = Start(ctx, Config{Name: "orphan", Dir: dir, Kernel: k, Busybox: box}); err == nil {
				fmt.Println("qemu", g.process.cmd.Process.Pid)
				<-g.Exited()
			}
		}
	}
	fmt.Println("cannot start a guest:", err)
	os.Exit(1)
}

func TestAGuestDiesWithTheProcessThatStartedIt(t *testing.T) {
	needGuests(t)
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childVariable+"="+t.TempDir())
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Process.Kill()
	var pid int
	if _, err := fmt.Fscanf(out, "qemu %d\n", &pid); err != nil {
		t.Fatalf("the child said something else: %v", err)
	}
	if !runs(pid) {
		t.Fatal("QEMU does not run")
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for runs(pid) {
		select {
		case <-deadline:
			t.Fatalf("QEMU (process %d) still runs", pid)
		case <-tick.C:
		}
	}
}

// runs says whether a process is there and no zombie.
func runs(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z")
}
