package guest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
)

// patchesDir is the repository's folder of live patches.
const patchesDir = "../../patches"

// needGuests skips a test that boots real kernels unless they are asked for.
func needGuests(t *testing.T) {
	t.Helper()
	if os.Getenv("HOTSTICK_GUESTS") != "1" {
		t.Skip("boots real kernels in QEMU and downloads them once; set HOTSTICK_GUESTS=1, as `make test` does")
	}
}

// world is one guest with the demo's patches in it, and the test that drives it.
type world struct {
	t      *testing.T
	ctx    context.Context
	kernel kernelpkg.Kernel
	dir    string
	g      *Guest
	boot   string
}

// mustKernel fetches the oldest build of a line, from the cache in most runs.
func mustKernel(t *testing.T, ctx context.Context, line string) (kernelpkg.Kernel, string) {
	t.Helper()
	say := func(step string) { t.Log(step) }
	k, err := kernelpkg.Fetch(ctx, "", kernelpkg.Want{Line: line, Which: kernelpkg.Oldest}, say)
	if err != nil {
		t.Fatal(err)
	}
	box, err := kernelpkg.Busybox(ctx, "", say)
	if err != nil {
		t.Fatal(err)
	}
	return k, box
}

// mustWorld builds the patches for the oldest kernel build of a line and boots it.
func mustWorld(t *testing.T, line string, services ...Service) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	t.Cleanup(cancel)
	k, box := mustKernel(t, ctx, line)
	w := &world{t: t, ctx: ctx, kernel: k, dir: t.TempDir()}
	files := w.mustBuild()
	began := time.Now()
	g, err := Start(ctx, Config{
		Name: "guest-" + strings.ReplaceAll(line, ".", "-"), Dir: filepath.Join(w.dir, "guest"),
		Kernel: k, Busybox: box, Disk: filepath.Join(w.dir, "disk"), Network: true,
		Files: files, Services: services,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.g = g
	t.Cleanup(func() { g.Kill() })
	t.Logf("to boot it by hand: %s", g.CommandLine())
	if w.boot, err = g.WaitBoot(ctx); err != nil {
		t.Fatal(err)
	}
	t.Logf("kernel %s (Debian %s) booted in %.1f s", k.Release, k.Version, time.Since(began).Seconds())
	return w
}

// mustBuild builds all modules and programs and says where they go in the guest:
// modules as /patch/NAME.ko, check and probe as /patch/check and /patch/probe.
func (w *world) mustBuild() []File {
	w.t.Helper()
	var files []File
	for _, folder := range []string{"unix-ioctl-1", "unix-ioctl-2", "unix-ioctl-3", "busy-1", "busy-target"} {
		ko, err := w.kernel.BuildModule(w.ctx, filepath.Join(patchesDir, folder), filepath.Join(w.dir, "ko"))
		if err != nil {
			w.t.Fatal(err)
		}
		files = append(files, File{Path: "/patch/" + filepath.Base(ko), Source: ko})
	}
	for _, name := range []string{"check", "probe"} {
		program, err := kernelpkg.BuildProgram(w.ctx, filepath.Join(patchesDir, "unix-ioctl-1", name+".c"), w.dir)
		if err != nil {
			w.t.Fatal(err)
		}
		files = append(files, File{Path: "/patch/" + name, Source: program, Mode: 0o755})
	}
	return files
}

// run runs a command and returns what it wrote, without the line break at its
// end, and its exit code.
func (w *world) run(command string) (string, int) {
	w.t.Helper()
	output, code, err := w.g.Run(w.ctx, command)
	if err != nil {
		w.t.Fatalf("%s: %v", command, err)
	}
	return strings.TrimRight(output, "\n"), code
}

// must runs a command that must succeed.
func (w *world) must(command string) string {
	w.t.Helper()
	output, code := w.run(command)
	if code != 0 {
		w.t.Fatalf("%s: exit code %d: %s", command, code, output)
	}
	return output
}

// eventually waits, in the guest, until a shell condition holds.
func (w *world) eventually(condition string) {
	w.t.Helper()
	_, code := w.run(fmt.Sprintf("for i in $(seq 200); do %s && exit 0; usleep 100000; done; exit 1", condition))
	if code != 0 {
		w.t.Fatalf("it never came true in the guest: %s", condition)
	}
}

// load loads a module and waits for the end of its transition.
func (w *world) load(module string) {
	w.t.Helper()
	began := time.Now()
	w.must("insmod /patch/" + module + ".ko")
	w.eventually(`[ "$(cat /sys/kernel/livepatch/` + module + `/transition)" = 0 ]`)
	w.t.Logf("%s: in effect %.2f s after its load was asked for", module, time.Since(began).Seconds())
}

// unload disables a patch, waits until it is out, and unloads its module.
func (w *world) unload(module string) {
	w.t.Helper()
	w.must("echo 0 >/sys/kernel/livepatch/" + module + "/enabled")
	w.eventually("[ ! -e /sys/kernel/livepatch/" + module + " ]")
	w.must("rmmod " + module)
}

// check runs the patch's check and wants its exit code to be as given.
func (w *world) check(want int, when string) {
	w.t.Helper()
	if output, code := w.run("/patch/check"); code != want {
		w.t.Errorf("%s the check exits with %d instead of %d: %s", when, code, want, output)
	} else {
		w.t.Logf("%s: %s", when, output)
	}
}

// probe runs the health probe, without privilege, and wants it to be as given.
func (w *world) probe(healthy bool, when string) {
	w.t.Helper()
	if output, code := w.run("su hotstick -c /patch/probe"); (code == 0) != healthy {
		w.t.Errorf("%s the probe exits with %d: %s", when, code, output)
	}
}

// dies runs a command that takes the guest down, and waits for the next boot.
func (w *world) dies(command string) {
	w.t.Helper()
	began := time.Now()
	if _, _, err := w.g.Run(w.ctx, command+"; sleep 60"); !errors.Is(err, ErrRebooted) {
		w.t.Fatalf("%s: %v", command, err)
	}
	boot, err := w.g.WaitReboot(w.ctx, w.boot)
	if err != nil {
		w.t.Fatal(err)
	}
	w.boot = boot
	w.t.Logf("%s: back after %.1f s", command, time.Since(began).Seconds())
}
