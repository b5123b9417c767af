package canonicalstep_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/canonical"
	"github.com/hotstick/hotstick/internal/driver/canonical/canonicalstep"
	"github.com/hotstick/hotstick/internal/driver/drivertest"
	"github.com/hotstick/hotstick/internal/driver/hostcmd"
	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
	"github.com/hotstick/hotstick/internal/kernel"
	"github.com/hotstick/hotstick/internal/rig"
	canonicalrig "github.com/hotstick/hotstick/internal/rig/canonical"
	"github.com/hotstick/hotstick/internal/rig/rigtest"
)

const (
	foreignModule = "somebody_elses"
	modeFile      = "/" + canonical.ModeFile
	state         = rig.StateDir + "/canonical/"
)

// module is the vendor's name of a version's module for a kernel.
func module(release, version string) string {
	first, _, _ := strings.Cut(version, ".")
	return "lkp_Ubuntu_" + strings.NewReplacer(".", "_", "-", "_", "+", "_").Replace(release) + "_" + first
}

// TestRealKernels runs what follows in guests, beside the rig.
func TestRealKernels(t *testing.T) {
	rigtest.Suite{
		Name: "ubuntu", Files: canonicalrig.Files(), Patches: "../../../../patches",
		Modules: []rig.Module{{Name: foreignModule, Stacks: true}},
		Build:   buildLevels, AtLeast: 22, Limit: 20 * time.Minute,
	}.Run(t)
}

// buildLevels builds two levels under the names that they have for this kernel.
func buildLevels(ctx context.Context, k kernelpkg.Kernel, dir string) error {
	for version, source := range map[string]string{"120.1": "unix-ioctl-1", "121.4": "unix-ioctl-2"} {
		m := rig.Module{Name: module(k.Release, version), Source: source}
		if _, err := rig.Build(ctx, k, "../../../../patches", m, dir); err != nil {
			return err
		}
	}
	return nil
}

// world is a guest that plays Ubuntu with Livepatch enabled.
type world struct {
	dir         string
	build       hotstick.KernelBuild
	good, newer hotstick.Recipe
}

func newWorld(t *testing.T) world {
	dir := rigtest.Inside(t)
	stop(t)
	rigtest.Fresh(t, canonical.Program)
	must(t, os.RemoveAll(modeFile))
	must(t, os.RemoveAll("/"+canonical.ConfigFile))
	t.Cleanup(func() { stop(t) })
	build, err := kernel.Build(os.DirFS("/"), kernel.Machine())
	if err != nil {
		t.Fatal(err)
	}
	w := world{dir: dir, build: build}
	w.good = w.level("120.1", time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC))
	w.newer = w.level("121.4", time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC))
	rigtest.Write(t, state+"enabled", "")
	// The server has nothing yet when the daemon starts, so the daemon loads nothing.
	must(t, exec.Command("/usr/bin/snap", "start", "canonical-livepatch").Run())
	rigtest.Write(t, state+"server", "120.1 2026-01-15T00:00:00Z\n121.4 2026-03-20T00:00:00Z\n")
	return w
}

func (w world) level(version string, cutOff time.Time) hotstick.Recipe {
	return hotstick.Recipe{Schema: hotstick.RecipeSchema, Driver: canonical.Name, Build: w.build, Module: module(w.build.Release, version), Version: version, CutOff: cutOff}
}

func (w world) step() *canonicalstep.Stepper {
	return canonicalstep.New(os.DirFS("/"), "/", hostcmd.Host{})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// stop ends the rig's daemon, if there is one.
func stop(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(rig.StateDir); err == nil {
		must(t, exec.Command("/usr/bin/snap", "stop", "canonical-livepatch").Run())
	}
}

// read reads a file of the rig, or gives what holds without it.
func read(name, without string) string {
	data, err := os.ReadFile(name)
	if err != nil {
		return without
	}
	return string(data)
}

func scheduling() string {
	return fmt.Sprintf("check-interval %q\ncutoff-date %q\nmode %q",
		read(state+"config/check-interval", "60\n"), read(state+"config/cutoff-date", ""), read(modeFile, "(none)"))
}

// breaks are the faults that the vendor's documentation has.
var breaks = []drivertest.Fault{drivertest.Sound, drivertest.ToolGone, drivertest.ToolFails, drivertest.ToolHangs, drivertest.ToolLies,
	drivertest.NoNetwork, drivertest.NotEntitled, drivertest.CoverEnded, drivertest.NoLevel}

func TestInsideRig(t *testing.T) {
	drivertest.RunSteps(t, func(t *testing.T) drivertest.StepWorld {
		w := newWorld(t)
		return drivertest.StepWorld{
			New:  func() driver.Stepper { return w.step() },
			Good: w.good, Newer: w.newer,
			Kernel: func() []string { return rigtest.Kernel(t) },
			Break: func(f drivertest.Fault) bool {
				for _, b := range breaks {
					if b == f {
						rigtest.Break(t, f, canonical.Program)
						return true
					}
				}
				return false
			},
			Foreign: func() string { return rigtest.Foreign(t, filepath.Join(w.dir, foreignModule+".ko")) },
			Left:    func() []string { return rigtest.Left(t, canonical.Program) },
			Lift: func() {
				must(t, exec.Command(canonical.Program, "config", "check-interval=60").Run())
			},
			Scheduling: scheduling,
			Pause:      rigtest.Pause,
			Patience:   rigtest.Patience,
		}
	})
}

// mustStay checks that the level is in effect, and nothing else, for as long as the rig's
// daemon would need for two checks and a transition.
func (w world) mustStay(t *testing.T, r hotstick.Recipe) {
	t.Helper()
	for range 60 {
		if have := strings.Join(rigtest.Kernel(t), " "); have != r.Module {
			t.Fatalf("the kernel runs %s", have)
		}
		rigtest.Pause()
	}
}

// mustRun waits until the kernel runs exactly this.
func mustRun(t *testing.T, want string) {
	t.Helper()
	for range 300 {
		if strings.Join(rigtest.Kernel(t), " ") == want {
			return
		}
		rigtest.Pause()
	}
	t.Fatalf("the kernel runs %v, want %s", rigtest.Kernel(t), want)
}

// TestInsideAHoldMatters: without one the daemon brings what is newest a minute (of one
// second here) after its start; with one it brings nothing, not even what it has
// downloaded before.
func TestInsideAHoldMatters(t *testing.T) {
	w := newWorld(t)
	settings, err := w.step().Settings(t.Context())
	must(t, err)
	must(t, w.step().Hold(t.Context()))
	must(t, w.step().Apply(t.Context(), w.good))
	mustRun(t, w.good.Module)
	must(t, exec.Command(canonical.Program, "config", "cutoff-date=").Run()) // so that the hold alone holds
	rigtest.Write(t, state+"minute", "1\n")
	rigtest.Write(t, state+"stored", w.newer.Version+"\n")
	must(t, exec.Command("/usr/bin/snap", "restart", "canonical-livepatch").Run())
	w.mustStay(t, w.good)

	must(t, w.step().Release(t.Context(), settings))
	mustRun(t, w.newer.Module)
}

// TestInsideNothingNewerThanTheCutOff: a daemon that looks by itself does not go beyond
// the level's date, and a reboot's start does not either.
func TestInsideNothingNewerThanTheCutOff(t *testing.T) {
	w := newWorld(t)
	must(t, w.step().Apply(t.Context(), w.good))
	rigtest.Write(t, state+"minute", "1\n")
	must(t, exec.Command("/usr/bin/snap", "restart", "canonical-livepatch").Run())
	mustRun(t, w.good.Module)
	w.mustStay(t, w.good)
}

// TestInsideWithoutAPin: where the client takes no cut-off date, nothing is applied.
func TestInsideWithoutAPin(t *testing.T) {
	w := newWorld(t)
	rigtest.Write(t, state+"free", "")
	mustRefuse(t, w.step().Apply(t.Context(), w.good), hotstick.ReasonNotEntitled)
	must(t, os.Remove(state+"free"))
	must(t, exec.Command(canonical.Program, "config", "remote-server=https://livepatch.example.com").Run())
	mustRefuse(t, w.step().Apply(t.Context(), w.good), hotstick.ReasonNotEntitled)
	if c := w.step().Capabilities(t.Context()); c.Pinnable || !c.Available {
		t.Errorf("it says of itself %+v", c)
	}
	if have := rigtest.Kernel(t); len(have) > 0 {
		t.Errorf("the kernel runs %v", have)
	}
}

// TestInsideABug: a level after which the kernel logged a bug is no success.
func TestInsideABug(t *testing.T) {
	w := newWorld(t)
	rigtest.Break(t, "bug")
	mustRefuse(t, w.step().Apply(t.Context(), w.good), hotstick.ReasonKernelLog)
}
