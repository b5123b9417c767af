package amazonstep_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/amazon/amazonstep"
	"github.com/hotstick/hotstick/internal/driver/drivertest"
	"github.com/hotstick/hotstick/internal/driver/hostcmd"
	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
	"github.com/hotstick/hotstick/internal/kernel"
	"github.com/hotstick/hotstick/internal/rig"
	amazonrig "github.com/hotstick/hotstick/internal/rig/amazon"
	"github.com/hotstick/hotstick/internal/rig/rigtest"
)

const patches = "../../../../patches"

// TestRealKernels runs the tests of this file in guests, where a rig stands in for yum, dnf
// and the kpatch tool, and the kernel and the live patches are real.
func TestRealKernels(t *testing.T) {
	rigtest.Suite{
		Name: "amazon", Files: amazonrig.Files(), Patches: patches, AtLeast: 28, Limit: 20 * time.Minute,
		Modules: []rig.Module{
			{Name: "livepatch_CVE_2026_52928"}, {Name: "livepatch_CVE_2026_98022"},
			{Name: "livepatch_stacked_1", Stacks: true}, {Name: "livepatch_stacked_2", Stacks: true},
		},
		Build: func(ctx context.Context, k kernelpkg.Kernel, dir string) error {
			_, err := k.BuildModule(ctx, filepath.Join(patches, "foreign"), dir)
			return err
		},
	}.Run(t)
}

var programs = []string{"/usr/sbin/kpatch", "/usr/bin/dnf", "/usr/bin/yum", "/usr/bin/rpm"}

const config = "/etc/dnf/plugins/kpatch.conf"

// host is a host of Amazon's, as the rig plays it.
type host struct {
	t       *testing.T
	modules string
	build   hotstick.KernelBuild
}

func newHost(t *testing.T, version string) host {
	t.Helper()
	h := host{t: t, modules: rigtest.Inside(t)}
	var err error
	if h.build, err = kernel.Build(os.DirFS("/"), kernel.Machine()); err != nil {
		t.Fatal(err)
	}
	rigtest.Fresh(t, programs...)
	for _, dir := range []string{"/var/lib/kpatch", "/etc/dnf"} {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	rigtest.Write(t, "/etc/os-release", "ID=\"amzn\"\nVERSION_ID=\""+version+"\"\n")
	return h
}

func (h host) new() driver.Stepper { return amazonstep.New(os.DirFS("/"), hostcmd.Host{}) }

// offer lets the repository have a package with these modules.
func (h host) offer(version string, modules ...string) hotstick.Recipe {
	h.t.Helper()
	p := hotstick.Package{Name: "kernel-livepatch-" + h.build.Release, Version: version}
	offered := filepath.Join(rig.StateDir, "rpm/offered")
	before, _ := os.ReadFile(offered) // none the first time
	rigtest.Write(h.t, offered, string(before)+p.Name+" "+p.Version+" x86_64 "+strings.Join(modules, ",")+"\n")
	return hotstick.Recipe{Schema: hotstick.RecipeSchema, Driver: "amazon", Build: h.build, Module: modules[len(modules)-1], Packages: []hotstick.Package{p}}
}

// world is the rest of the suite's world, in which a tool misbehaves.
func (h host) world(tool string) drivertest.StepWorld {
	return drivertest.StepWorld{
		New: h.new, Kernel: func() []string { return rigtest.Kernel(h.t) },
		Break: func(f drivertest.Fault) bool {
			if f != drivertest.NotEntitled { // nobody registers with Amazon
				rigtest.Break(h.t, f, tool)
			}
			return f != drivertest.NotEntitled
		},
		Foreign: func() string { return rigtest.Foreign(h.t, h.modules+"/hotstick_foreign.ko") },
		Left:    func() []string { return rigtest.Left(h.t, programs...) },
		Pause:   rigtest.Pause, Patience: rigtest.Patience,
	}
}

func TestInsideAmazonLinux2023(t *testing.T) {
	drivertest.RunSteps(t, func(t *testing.T) drivertest.StepWorld {
		h := newHost(t, "2023")
		automatic := "[main]\nautoupdate = True\n\n"
		rigtest.Write(t, config, automatic)
		w := h.world("/usr/bin/dnf")
		w.Good, w.Newer = h.offer("1.0-3.amzn2023", "livepatch_CVE_2026_52928"), h.offer("1.0-4.amzn2023", "livepatch_CVE_2026_98022")
		w.Lift = func() { rigtest.Write(t, config, automatic) }
		w.Scheduling = func() string {
			data, err := os.ReadFile(config)
			if err != nil {
				t.Fatal(err)
			}
			return string(data)
		}
		return w
	})
}

// There several modules are in effect at once, one upon the other.
func TestInsideAmazonLinux2(t *testing.T) {
	drivertest.RunSteps(t, func(t *testing.T) drivertest.StepWorld {
		h := newHost(t, "2")
		w := h.world("/usr/bin/yum")
		w.Good, w.Newer = h.offer("1.0-3.amzn2", "livepatch_stacked_1"), h.offer("1.0-4.amzn2", "livepatch_stacked_1", "livepatch_stacked_2")
		w.Stacks = true
		return w
	})
}

func TestInsideAPackageWithoutAModule(t *testing.T) {
	h := newHost(t, "2023")
	recipe := h.offer("1.0-0.amzn2023", "livepatch_CVE_2026_52928")
	var r *driver.Refusal
	if err := h.new().Apply(t.Context(), recipe); !errors.As(err, &r) || r.Reason.Code != hotstick.ReasonNotLivepatch || r.Retry {
		t.Errorf("the empty package: %v", err)
	}
	other := h.offer("1.0-3.amzn2023", "livepatch_CVE_2026_52928")
	other.Packages[0].Name += "9"
	if err := h.new().Apply(t.Context(), other); !errors.As(err, &r) || r.Reason.Code != hotstick.ReasonWrongBuild {
		t.Errorf("another kernel's package: %v", err)
	}
	if calls, err := os.ReadFile(filepath.Join(rig.StateDir, "calls")); err == nil && slices.Contains(strings.Fields(string(calls)), "install") {
		t.Errorf("dnf was asked to install: %s", calls)
	}
}
