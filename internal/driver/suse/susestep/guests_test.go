package susestep_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/drivertest"
	"github.com/hotstick/hotstick/internal/driver/hostcmd"
	"github.com/hotstick/hotstick/internal/driver/suse"
	"github.com/hotstick/hotstick/internal/driver/suse/susestep"
	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
	"github.com/hotstick/hotstick/internal/kernel"
	"github.com/hotstick/hotstick/internal/rig"
	"github.com/hotstick/hotstick/internal/rig/rigtest"
	suserig "github.com/hotstick/hotstick/internal/rig/suse"
)

const (
	zypperProgram = "/usr/bin/zypper"
	lifecycleFile = "/usr/share/lifecycle/data/sle-module-live-patching.lifecycle"
	foreignModule = "somebody_elses"
	busyModule    = "livepatch_9_150400_1_1"
)

// TestRealKernels runs what follows in guests, beside the rig.
func TestRealKernels(t *testing.T) {
	rigtest.Suite{
		Name: "sles", Files: suserig.Files(), Patches: "../../../../patches",
		Modules: []rig.Module{
			{Name: "livepatch_2_150400_1_1"}, {Name: "livepatch_3_150400_1_1", Source: "unix-ioctl-2"},
			{Name: busyModule, Source: "busy-1"}, {Name: foreignModule, Stacks: true},
		},
		Build: func(ctx context.Context, k kernelpkg.Kernel, dir string) error {
			_, err := k.BuildModule(ctx, "../../../../patches/busy-target", dir)
			return err
		},
		AtLeast: 15, Limit: 20 * time.Minute,
	}.Run(t)
}

// world is a guest that plays SLES 15 SP4 with the Live Patching extension.
type world struct {
	dir         string
	build       hotstick.KernelBuild
	good, newer hotstick.Recipe
}

func newWorld(t *testing.T) world {
	dir := rigtest.Inside(t)
	rigtest.Fresh(t, zypperProgram)
	build, err := kernel.Build(os.DirFS("/"), kernel.Machine())
	if err != nil {
		t.Fatal(err)
	}
	w := world{dir: dir, build: build}
	w.good, w.newer = w.level("2-150400.1.1"), w.level("3-150400.1.1")
	return w
}

func (w world) level(version string) hotstick.Recipe {
	p := hotstick.Package{Name: suse.PackageNames(w.build.Release)[0], Version: version}
	return hotstick.Recipe{Schema: hotstick.RecipeSchema, Driver: suse.Name, Build: w.build, Module: suse.ModuleName(p), Packages: []hotstick.Package{p}}
}

func (w world) step() *susestep.Stepper {
	return susestep.New(os.DirFS("/"), hostcmd.Host{}, time.Now)
}

// fault also ends the cover, which is a matter of a file and not of a program.
func (w world) fault(t *testing.T, f drivertest.Fault) bool {
	day := "2099-01-01"
	if f == drivertest.CoverEnded {
		day = "2020-01-01"
	}
	rigtest.Write(t, lifecycleFile, w.good.Packages[0].Name+", *, "+day+"\n")
	rigtest.Break(t, f, zypperProgram)
	return true
}

func TestInsideRig(t *testing.T) {
	drivertest.RunSteps(t, func(t *testing.T) drivertest.StepWorld {
		w := newWorld(t)
		return drivertest.StepWorld{
			New:  func() driver.Stepper { return w.step() },
			Good: w.good, Newer: w.newer,
			Kernel:   func() []string { return rigtest.Kernel(t) },
			Break:    func(f drivertest.Fault) bool { return w.fault(t, f) },
			Foreign:  func() string { return rigtest.Foreign(t, filepath.Join(w.dir, foreignModule+".ko")) },
			Left:     func() []string { return rigtest.Left(t, zypperProgram, "zypper") },
			Pause:    rigtest.Pause,
			Patience: rigtest.Patience,
		}
	})
}

// installed is what the rig's package database says, past the driver.
func installed(t *testing.T, w world) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(rig.StateDir, "suse/rpm", w.good.Packages[0].Name))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(data))
}

// TestInsidePackageGoesBack: a package whose module the kernel did not take does not stay,
// because it would be in the initrd.
func TestInsidePackageGoesBack(t *testing.T) {
	w := newWorld(t)
	rigtest.Break(t, "script")
	mustRefuse(t, w.step().Apply(t.Context(), w.good), hotstick.ReasonKernelRefused)
	if have := installed(t, w); have != "" {
		t.Fatalf("the package is at %q, and was not there", have)
	}
	rigtest.Break(t, drivertest.Sound)
	mustApply(t, w, w.good)
	rigtest.Break(t, "script")
	mustRefuse(t, w.step().Apply(t.Context(), w.newer), hotstick.ReasonKernelRefused)
	if have := installed(t, w); have != "2-150400.1.1" {
		t.Errorf("the package is at %q", have)
	}
	if have := strings.Join(rigtest.Kernel(t), " "); have != w.good.Module {
		t.Errorf("the kernel runs %s", have)
	}
}

// TestInsideStall: a level whose transition stalls is on its way in, and bars all others.
func TestInsideStall(t *testing.T) {
	w := newWorld(t)
	mustApply(t, w, w.good)
	end := rigtest.KeepBusy(t, w.dir)
	stalling := w.level("9-150400.1.1")
	if err := w.step().Apply(t.Context(), stalling); err != nil {
		t.Fatal(err)
	}
	for range 30 {
		rigtest.Pause()
	}
	if have := state(t, w, stalling); have != hotstick.TransitionIn {
		t.Fatalf("it is %q", have)
	}
	if err := w.step().Apply(t.Context(), stalling); err != nil {
		t.Errorf("applying it again: %v", err)
	}
	if r := mustRefuse(t, w.step().Apply(t.Context(), w.newer), hotstick.ReasonTransitionBusy); !r.Retry {
		t.Error("it does not say that trying again may help")
	}
	end()
	mustBecome(t, w, stalling)
	mustApply(t, w, w.newer)
}

func state(t *testing.T, w world, r hotstick.Recipe) hotstick.Effect {
	t.Helper()
	patches, err := w.step().Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range patches {
		if p.Module == r.Module {
			return p.State
		}
	}
	return ""
}

func mustApply(t *testing.T, w world, r hotstick.Recipe) {
	t.Helper()
	if err := w.step().Apply(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	mustBecome(t, w, r)
}

func mustBecome(t *testing.T, w world, r hotstick.Recipe) {
	t.Helper()
	for range 300 {
		if state(t, w, r) == hotstick.InEffect {
			return
		}
		rigtest.Pause()
	}
	t.Fatalf("%s is %q; the kernel runs %v", r.Module, state(t, w, r), rigtest.Kernel(t))
}
