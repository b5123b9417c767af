// Package rigtest carries a package's own tests into guests, beside a rig or without one.
//
// Outside, one test of the package calls [Suite.Run]: it builds the package's tests as a
// static program, boots a guest of each kernel line and runs there the tests whose names
// begin with TestInside. Inside, those begin with [Inside]; anywhere else they are skipped.
package rigtest

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick/internal/guest"
	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
	"github.com/hotstick/hotstick/internal/rig"
	"github.com/hotstick/hotstick/internal/turn"
)

// modulesVariable is set inside guests: the directory of the modules.
const modulesVariable = "HOTSTICK_GUEST_MODULES"

// program is where a package's tests are in a guest.
const program = "/usr/lib/rig/inside.test"

// Lines returns the kernel lines that guests run; the oldest build of each.
func Lines() []string { return []string{"6.1", "6.12"} }

// Suite is what a package's tests need in the guests that run them.
type Suite struct {
	// Name is the guests' host name, and Files what is put into them. Of rigs this is
	// rig.Files() and the rig's own.
	Name  string
	Files []guest.File
	// Modules are built for the guest's kernel from the repository's folder Patches, and
	// lie in [rig.ModulesDir] as NAME.ko.
	Patches string
	Modules []rig.Module
	// Build builds further modules into dir; may be nil.
	Build func(ctx context.Context, k kernelpkg.Kernel, dir string) error
	// Others also brings the modules of another kernel line, in the folder "other".
	Others bool
	// CPUs and MemoryMB of the guests; 1 and 384 if 0.
	CPUs, MemoryMB int
	// Match is the pattern of the tests that run inside; all whose names begin with
	// TestInside if it is empty.
	Match string
	// AtLeast is how many tests have to pass inside each guest, the cases of tests counted
	// as well. It keeps a suite that runs nothing from passing.
	AtLeast int
	// Limit is how long a guest may take; ten minutes if 0.
	Limit time.Duration
	// Turns: where tests take turns, one line is enough.
	Turns bool
}

// Guest is a kernel line, and what its guest gets.
type Guest struct {
	Line   string
	suite  Suite
	kernel kernelpkg.Kernel
	box    string
	files  []guest.File
}

// Wanted skips a test that boots guests unless they are asked for.
func Wanted(t testing.TB) {
	t.Helper()
	if os.Getenv("HOTSTICK_GUESTS") != "1" {
		t.Skip("boots real kernels in QEMU and downloads them once; set HOTSTICK_GUESTS=1, as `make test` does")
	}
}

// Inside returns the directory of the modules, inside a guest. Elsewhere it skips the test.
func Inside(t testing.TB) string {
	t.Helper()
	dir := os.Getenv(modulesVariable)
	if dir == "" {
		t.Skip("changes the running kernel; it runs inside the guests of this package's TestRealKernels")
	}
	return dir
}

// Run runs the package's tests in a guest of each line, one after the other.
func (s Suite) Run(t *testing.T) {
	Wanted(t)
	limit := s.Limit
	if limit == 0 {
		limit = 10 * time.Minute
	}
	for _, g := range s.Prepare(t, t.Context()) {
		t.Run(g.Line, func(t *testing.T) {
			if s.Turns {
				turn.Take(t, g.Line, Lines()...)
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			g.runTests(t, ctx, limit)
		})
	}
}

// Prepare builds the package's tests as a program for guests, and the modules of each line.
func (s Suite) Prepare(t testing.TB, ctx context.Context) []Guest {
	t.Helper()
	tests := filepath.Join(t.TempDir(), "inside.test")
	build := exec.CommandContext(ctx, "go", "test", "-c", "-trimpath", "-ldflags=-s -w", "-o", tests, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("cannot build the tests: %v\n%s", err, out)
	}
	box, err := kernelpkg.Busybox(ctx, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	var all []Guest
	var built []string // directories of modules
	for _, line := range Lines() {
		kernel, err := kernelpkg.Fetch(ctx, "", kernelpkg.Want{Line: line}, nil)
		if err != nil {
			t.Fatal(err)
		}
		built = append(built, s.buildModules(t, ctx, kernel))
		files := append([]guest.File{{Path: program, Source: tests, Mode: 0o755}}, s.Files...)
		all = append(all, Guest{Line: line, suite: s, kernel: kernel, box: box, files: files})
	}
	for i := range all {
		all[i].files = append(all[i].files, directory(t, built[i], rig.ModulesDir)...)
		if s.Others {
			all[i].files = append(all[i].files, directory(t, built[(i+1)%len(built)], rig.ModulesDir+"/other")...)
		}
	}
	return all
}

func (s Suite) buildModules(t testing.TB, ctx context.Context, k kernelpkg.Kernel) string {
	t.Helper()
	dir := t.TempDir()
	for _, m := range s.Modules {
		if _, err := rig.Build(ctx, k, s.Patches, m, dir); err != nil {
			t.Fatal(err)
		}
	}
	if s.Build != nil {
		if err := s.Build(ctx, k, dir); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func directory(t testing.TB, dir, target string) []guest.File {
	t.Helper()
	files, err := rig.Directory(dir, target)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// Config is the guest's, with its files on this machine in dir.
func (g Guest) Config(dir string) guest.Config {
	c := guest.Config{Name: g.suite.Name, Dir: dir, Kernel: g.kernel, Busybox: g.box, Files: g.files, CPUs: g.suite.CPUs, MemoryMB: g.suite.MemoryMB}
	if c.MemoryMB == 0 {
		c.MemoryMB = 384
	}
	return c
}

// Command runs the tests that match inside the guest.
func (g Guest) Command(match string, limit time.Duration) string {
	return fmt.Sprintf("%s=%s HOTSTICK_RELEASE=%s HOTSTICK_BUILD_ID=%s TMPDIR=/tmp %s -test.run '%s' -test.v -test.timeout %s",
		modulesVariable, rig.ModulesDir, g.kernel.Release, g.kernel.BuildID, program, match, limit)
}

// Labelled checks that each script of a rig says in its first lines that it is one: nobody
// who looks at a guest may take it for the vendor's system.
func Labelled(t *testing.T, files []guest.File) {
	t.Helper()
	if len(files) == 0 {
		t.Error("the rig has no files")
	}
	for _, f := range files {
		if !strings.Contains(string(f.Data[:min(len(f.Data), 80)]), "# Rig: ") {
			t.Errorf("%s does not say that it is a rig's", f.Path)
		}
	}
}

// result is what the program prints of one test.
var result = regexp.MustCompile(`(?m)^\s*--- (PASS|FAIL|SKIP): (Test\S+)`)

// runTests runs the tests inside one guest and reports each as its own.
func (g Guest) runTests(t *testing.T, ctx context.Context, limit time.Duration) {
	machine, err := guest.Start(ctx, g.Config(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = machine.Kill() })
	if _, err := machine.WaitBoot(ctx); err != nil {
		t.Fatal(err)
	}
	out, code, err := machine.Run(ctx, g.Command(cmp.Or(g.suite.Match, "^TestInside"), limit*8/10))
	if err != nil {
		console, _ := machine.ConsoleLog()
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
	if code != 0 || passed == 0 || passed < g.suite.AtLeast || t.Failed() {
		t.Errorf("%d tests passed, want at least %d; exit code %d:\n%s", passed, g.suite.AtLeast, code, out)
	}
}
