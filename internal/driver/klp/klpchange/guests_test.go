package klpchange_test

import (
	"context"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick/internal/guest"
	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
)

const patchesDir = "../../../../patches"

// lines are the kernel lines of the guests, the oldest build of each. Each guest
// also gets a patch for the next line, to refuse.
var lines = []string{"6.1", "6.12"}

// TestRealKernels builds this package's tests as a static program and runs those
// of them that change a kernel inside guests.
func TestRealKernels(t *testing.T) {
	if os.Getenv("HOTSTICK_GUESTS") != "1" {
		t.Skip("boots real kernels in QEMU and downloads them once; set HOTSTICK_GUESTS=1, as `make test` does")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	for _, k := range prepare(t, ctx) {
		t.Run(k.line, func(t *testing.T) {
			config := k.config("klp", t.TempDir(), 384)
			config.CPUs = 2 // a CPU that idles is one that does not make the change
			runInside(t, ctx, config)
		})
	}
}

// prepared is a kernel line with what its guests get.
type prepared struct {
	line    string
	kernel  kernelpkg.Kernel
	busybox string
	files   []guest.File
}

func (p prepared) config(name, dir string, memory int) guest.Config {
	return guest.Config{Name: name, Dir: dir, Kernel: p.kernel, Busybox: p.busybox, Files: p.files, MemoryMB: memory}
}

// prepare builds this package's tests as a program for guests, and the modules of
// each kernel line.
func prepare(t testing.TB, ctx context.Context) (all []prepared) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "klpchange.test")
	build := exec.CommandContext(ctx, "go", "test", "-c", "-ldflags=-s -w", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("cannot build the tests: %v\n%s", err, out)
	}
	busybox, err := kernelpkg.Busybox(ctx, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	modules := map[string]string{} // directory with the built modules
	for _, line := range lines {
		kernel, err := kernelpkg.Fetch(ctx, "", kernelpkg.Want{Line: line}, nil)
		if err != nil {
			t.Fatal(err)
		}
		modules[line] = buildModules(t, ctx, kernel)
		all = append(all, prepared{line: line, kernel: kernel, busybox: busybox})
	}
	for i := range all {
		all[i].files = append(inDirectory(t, modules[lines[i]], "/t/modules"), inDirectory(t, modules[lines[(i+1)%len(lines)]], "/t/modules/other")...)
		all[i].files = append(all[i].files, guest.File{Path: "/t/klpchange.test", Source: program, Mode: 0o755})
	}
	return all
}

// buildModules builds the patches' modules and returns their directory.
func buildModules(t testing.TB, ctx context.Context, k kernelpkg.Kernel) string {
	t.Helper()
	dir := t.TempDir()
	sources := []string{"testdata/stacked"}
	for _, name := range []string{"unix-ioctl-1", "unix-ioctl-2", "busy-1", "busy-target"} {
		sources = append(sources, filepath.Join(patchesDir, name))
	}
	for _, source := range sources {
		if _, err := k.BuildModule(ctx, source, dir); err != nil {
			t.Fatal(err)
		}
	}
	signAsStranger(t, ctx, k, dir)
	return dir
}

// signAsStranger signs one of the modules with a key that no kernel knows.
func signAsStranger(t testing.TB, ctx context.Context, k kernelpkg.Kernel, dir string) {
	t.Helper()
	tools, err := filepath.Glob(filepath.Join(k.Headers, "..", "..", "lib", "linux-kbuild-*", "scripts", "sign-file"))
	if err != nil || len(tools) != 1 {
		t.Fatalf("cannot find sign-file beside %s: %v, %v", k.Headers, tools, err)
	}
	keys := t.TempDir()
	key, certificate := filepath.Join(keys, "key.pem"), filepath.Join(keys, "certificate.pem")
	for _, c := range [][]string{
		{"openssl", "req", "-new", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=" + stranger, "-keyout", key, "-out", certificate},
		{tools[0], "sha512", key, certificate, filepath.Join(dir, "hotstick_unix_ioctl_1.ko"), filepath.Join(dir, "stranger.ko")},
	} {
		if out, err := exec.CommandContext(ctx, c[0], c[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", c, err, out)
		}
	}
}

// stranger is the name of that key.
const stranger = "A Stranger"

// inDirectory says that all files of a directory go into one of the guest.
func inDirectory(t testing.TB, dir, target string) []guest.File {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var files []guest.File
	for _, e := range entries {
		files = append(files, guest.File{Path: path.Join(target, e.Name()), Source: filepath.Join(dir, e.Name())})
	}
	return files
}

// result is what the program prints of one test.
var result = regexp.MustCompile(`(?m)^\s*--- (PASS|FAIL|SKIP): (Test\S+)`)

// runInside runs the tests inside one guest and reports each as its own.
func runInside(t *testing.T, ctx context.Context, config guest.Config) {
	g, err := guest.Start(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Kill() })
	if _, err := g.WaitBoot(ctx); err != nil {
		t.Fatal(err)
	}
	script := modulesVariable + "=/t/modules HOTSTICK_RELEASE=" + config.Kernel.Release + " HOTSTICK_BUILD_ID=" + config.Kernel.BuildID +
		" TMPDIR=/tmp /t/klpchange.test -test.run '^TestInside' -test.v -test.timeout 8m"
	out, code, err := g.Run(ctx, script)
	if err != nil {
		console, _ := g.ConsoleLog()
		t.Fatalf("%v\n%s\nconsole:\n%s", err, out, console[max(0, len(console)-6000):])
	}
	passed := 0
	for _, m := range result.FindAllStringSubmatch(out, -1) {
		t.Run(strings.TrimPrefix(m[2], "TestInside"), func(t *testing.T) {
			switch m[1] {
			case "FAIL":
				t.Fail()
			case "SKIP":
				t.Error("it was skipped inside the guest")
			default:
				passed++
			}
		})
	}
	// Six tests, one of which has a case for each of the driver's promises.
	if code != 0 || passed < 24 || t.Failed() {
		t.Errorf("%d tests passed; exit code %d:\n%s", passed, code, out)
	}
}
