package kpatchstep_test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/drivertest"
	"github.com/hotstick/hotstick/internal/driver/hostcmd"
	"github.com/hotstick/hotstick/internal/driver/kpatch/kpatchstep"
	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
	"github.com/hotstick/hotstick/internal/kernel"
	"github.com/hotstick/hotstick/internal/rig"
	kpatchrig "github.com/hotstick/hotstick/internal/rig/kpatch"
	"github.com/hotstick/hotstick/internal/rig/rigtest"
)

const patches = "../../../../patches"

// TestRealKernels runs the tests of this file in guests, where a rig stands in for the
// kpatch tool and for dnf, and the kernel and the live patches are real.
func TestRealKernels(t *testing.T) {
	rigtest.Suite{
		Name: "kpatch", Files: kpatchrig.Files(), Patches: patches, AtLeast: 30, Limit: 20 * time.Minute,
		Modules: []rig.Module{{Name: "livepatch_fix_1"}, {Name: "livepatch_fix_2"}, {Name: "livepatch_busy", Source: "busy-1"}},
		Build: func(ctx context.Context, k kernelpkg.Kernel, dir string) error {
			for _, folder := range []string{"foreign", "busy-target"} {
				if _, err := k.BuildModule(ctx, filepath.Join(patches, folder), dir); err != nil {
					return err
				}
			}
			for _, version := range []string{"1_1", "1_2"} {
				if _, err := rig.Build(ctx, k, patches, rig.Module{Name: packaged(k.Release, version)}, dir); err != nil {
					return err
				}
			}
			_, err := rig.Build(ctx, k, patches, rig.Module{Name: packaged(k.Release, "1_3"), Source: "busy-1"}, dir)
			return err
		},
	}.Run(t)
}

var separator = regexp.MustCompile(`[^a-z0-9]`)

// packaged is the name of the module in a vendor's package for a release.
func packaged(release, version string) string {
	return "kpatch_" + separator.ReplaceAllString(release, "_") + "_" + version
}

var programs = []string{"/usr/sbin/kpatch", "/usr/bin/dnf", "/usr/bin/rpm"}

const (
	config    = "/etc/dnf/plugins/kpatch.conf"
	osRelease = "/etc/os-release"
)

// host is a host with the rig, that somebody sets up.
type host struct {
	t       *testing.T
	modules string
	build   hotstick.KernelBuild
}

func newHost(t *testing.T, system string) host {
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
	rigtest.Write(t, osRelease, "ID="+system+"\n")
	return h
}

func (h host) new() driver.Stepper { return kpatchstep.New(os.DirFS("/"), hostcmd.Host{}) }

// keep puts a module where the tool looks for it.
func (h host) keep(module string) hotstick.Recipe {
	h.t.Helper()
	data, err := os.ReadFile(filepath.Join(h.modules, module+".ko"))
	if err != nil {
		h.t.Fatal(err)
	}
	rigtest.Write(h.t, filepath.Join("/var/lib/kpatch", h.build.Release, strings.ReplaceAll(module, "_", "-")+".ko"), string(data))
	return hotstick.Recipe{Schema: hotstick.RecipeSchema, Driver: "kpatch", Build: h.build, Module: module, File: hotstick.NewDigest(data)}
}

// offer lets the repository have a package.
func (h host) offer(version, suffix string) hotstick.Recipe {
	h.t.Helper()
	module := packaged(h.build.Release, strings.ReplaceAll(version, "-", "_"))
	p := hotstick.Package{Name: "kpatch-patch-" + separator.ReplaceAllString(h.build.Release, "_"), Version: version + suffix}
	offered := filepath.Join(rig.StateDir, "rpm/offered")
	before, _ := os.ReadFile(offered) // none the first time
	rigtest.Write(h.t, offered, string(before)+p.Name+" "+p.Version+" x86_64 "+module+"\n")
	return hotstick.Recipe{Schema: hotstick.RecipeSchema, Driver: "kpatch", Build: h.build, Module: module, Packages: []hotstick.Package{p}}
}

// world is the rest of the suite's world, in which a tool misbehaves.
func (h host) world(tool string, faults ...drivertest.Fault) drivertest.StepWorld {
	return drivertest.StepWorld{
		New: h.new, Kernel: func() []string { return rigtest.Kernel(h.t) },
		Break: func(f drivertest.Fault) bool {
			for _, known := range faults {
				if f == known {
					rigtest.Break(h.t, f, tool)
					return true
				}
			}
			return false
		},
		Foreign: func() string { return rigtest.Foreign(h.t, h.modules+"/hotstick_foreign.ko") },
		Left:    func() []string { return rigtest.Left(h.t, programs...) },
		Pause:   rigtest.Pause, Patience: rigtest.Patience,
	}
}

func TestInsideModulesOfOurOwnAreLoadedByTheTool(t *testing.T) {
	drivertest.RunSteps(t, func(t *testing.T) drivertest.StepWorld {
		h := newHost(t, "fedora")
		w := h.world("/usr/sbin/kpatch", drivertest.Sound, drivertest.ToolGone, drivertest.ToolFails, drivertest.ToolHangs, drivertest.ToolLies)
		w.Good, w.Newer = h.keep("livepatch_fix_1"), h.keep("livepatch_fix_2")
		return w
	})
}

func TestInsidePackagesOfTheVendorAreInstalledByDNF(t *testing.T) {
	drivertest.RunSteps(t, func(t *testing.T) drivertest.StepWorld {
		h := newHost(t, "rhel")
		rigtest.Write(t, config, "# Kept by the host's owner.\n[main]\nautoupdate = True\nautofilter = False\n")
		w := h.world("/usr/bin/dnf", drivertest.Sound, drivertest.ToolGone, drivertest.ToolFails, drivertest.ToolHangs, drivertest.ToolLies,
			drivertest.ToolBusy, drivertest.NoNetwork, drivertest.NotEntitled, drivertest.NoLevel, drivertest.DiskFull, drivertest.BadKey)
		w.Good, w.Newer = h.offer("1-1", ".el9_2"), h.offer("1-2", ".el9_2")
		w.Lift = func() {
			rigtest.Write(t, config, "[main]\nautoupdate = True\nautofilter = False\n")
		}
		w.Scheduling = func() string { return setting(t) }
		return w
	})
}

// setting returns whether the plugin is automatic, as a person reads its file.
func setting(t *testing.T) string {
	data, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, "autoupdate") {
			return strings.TrimSpace(line)
		}
	}
	return ""
}
