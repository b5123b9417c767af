package klpchange_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/compat"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/drivertest"
	"github.com/hotstick/hotstick/internal/driver/klp/klpchange"
	"github.com/hotstick/hotstick/internal/kernel"
	"github.com/hotstick/hotstick/internal/kernel/klog"
	"github.com/hotstick/hotstick/internal/kernel/kmod"
	"github.com/hotstick/hotstick/internal/rig/rigtest"
)

// The tests in this file change the kernel they run on. TestRealKernels carries
// them into guests; they run nowhere else.

func TestInsideTheDriverKeepsItsPromises(t *testing.T) {
	dir := rigtest.Inside(t)
	drivertest.Run(t, func(t *testing.T) drivertest.World {
		build, err := kernel.Build(os.DirFS("/"), kernel.Machine())
		if err != nil {
			t.Fatal(err)
		}
		hidden := map[string]bool{}
		changer := klpchange.NewWith(hiding{os.DirFS("/"), hidden}, klpchange.Running(klpchange.Waking{}))
		t.Cleanup(func() { clear(hidden); rigtest.Empty(t) })
		rigtest.KeepBusy(t, dir)
		module := func(name string) drivertest.Module {
			return drivertest.Module{Name: name, Path: filepath.Join(dir, name+".ko")}
		}
		return drivertest.World{
			Changer: changer, Build: build,
			Good: module("hotstick_unix_ioctl_1"), Newer: module("hotstick_unix_ioctl_2"), Stalling: module("hotstick_busy_1"),
			NotLivepatch: module("hotstick_busy_target"),
			OtherBuild:   drivertest.Module{Name: "hotstick_unix_ioctl_1", Path: filepath.Join(dir, "other", "hotstick_unix_ioctl_1.ko")},
			Stacked:      module("hotstick_stacked"),
			Insert:       func(m drivertest.Module) { insertFile(t, klpchange.Running(klpchange.Waking{}), m.Path) },
			Pause:        rigtest.Pause,
			Blind:        func(module string) { hidden["sys/kernel/livepatch/"+module+"/enabled"] = true },
			Forced:       func() bool { return forced(t) },
		}
	})
}

// insertFile loads a module without a driver's care, if it is not loaded yet.
func insertFile(t *testing.T, calls klpchange.Calls, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := calls.Finit(f); err != nil && !errors.Is(err, unix.EEXIST) {
		t.Fatal(err)
	}
}

// A patch may change a module that is loaded later; until then the kernel says so.
func TestInsideAPatchWaitsForItsModule(t *testing.T) {
	dir := rigtest.Inside(t)
	calls := klpchange.Running(klpchange.Waking{})
	changer := klpchange.NewWith(os.DirFS("/"), calls)
	t.Cleanup(func() { rigtest.Empty(t) })
	if err := calls.Delete("hotstick_busy_target"); err != nil && !errors.Is(err, unix.ENOENT) {
		t.Fatal(err)
	}
	insertFile(t, calls, filepath.Join(dir, "hotstick_busy_1.ko"))
	become := func(waiting ...string) {
		t.Helper()
		var patches []hotstick.LoadedPatch
		for range 300 {
			var err error
			if patches, err = changer.Observe(t.Context()); err != nil {
				t.Fatal(err)
			}
			if len(patches) == 1 && patches[0].State == hotstick.InEffect && slices.Equal(patches[0].Waiting, waiting) {
				return
			}
			rigtest.Pause()
		}
		t.Fatalf("want it in effect and waiting for %v, have %+v", waiting, patches)
	}
	become("hotstick_busy_target")
	insertFile(t, calls, filepath.Join(dir, "hotstick_busy_target.ko"))
	become()
}

// kernelLog returns the kernel's log since boot.
func kernelLog(t *testing.T) []klog.Record {
	t.Helper()
	log, err := klog.OpenKmsg(klog.KmsgPath)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	const limit = 100_000
	var records []klog.Record
	n, err := log.Read(limit, func(r klog.Record) { records = append(records, r) })
	if err != nil || n == limit || len(records) < 100 {
		t.Fatalf("%d records of the kernel log, %d of them the kernel's own: %v", n, len(records), err)
	}
	return records
}

func forced(t *testing.T) bool {
	t.Helper()
	return slices.ContainsFunc(kernelLog(t), func(r klog.Record) bool {
		return strings.Contains(r.Text, "forcing remaining tasks")
	})
}

func TestInsideTheKernelTellsItsFacts(t *testing.T) {
	rigtest.Inside(t)
	facts, err := kernel.Read(os.DirFS("/"), "")
	if err != nil {
		t.Fatal(err)
	}
	if facts.Kernel.Build.Release != os.Getenv("HOTSTICK_RELEASE") || facts.Kernel.Build.BuildID != os.Getenv("HOTSTICK_BUILD_ID") || facts.Kernel.Build.Arch != "x86_64" {
		t.Errorf("the build is %+v", facts.Kernel.Build)
	}
	if facts.Host.CPUs == 0 || facts.Host.MemoryBytes == 0 || facts.Host.BootedAt.IsZero() || len(facts.Modules) == 0 ||
		facts.Security.Lockdown != "none" || facts.Security.SignatureEnforced == nil || facts.Security.ModulesDisabled == nil || !facts.Kernel.LivepatchSupported {
		t.Errorf("facts: %+v", facts)
	}
}

// The loader hands over a sealed file in memory, so that what was hashed is what
// the kernel reads.
func TestInsideASealedFileIsLoaded(t *testing.T) {
	dir := rigtest.Inside(t)
	changer := klpchange.New(klpchange.Waking{})
	t.Cleanup(func() { rigtest.Empty(t) })
	data, err := os.ReadFile(filepath.Join(dir, "hotstick_unix_ioctl_1.ko"))
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.MemfdCreate("module", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "module")
	defer f.Close()
	if _, err := f.Write(data); err != nil {
		t.Fatal(err)
	}
	seals := unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		t.Fatal(err)
	}
	build, err := kernel.Build(os.DirFS("/"), kernel.Machine())
	if err != nil {
		t.Fatal(err)
	}
	if err := changer.Load(t.Context(), driver.Load{Module: "hotstick_unix_ioctl_1", File: f, Build: build}); err != nil {
		t.Fatal(err)
	}
	for range 300 {
		patches, err := changer.Observe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(patches) == 1 && patches[0].State == hotstick.InEffect {
			want := []string{"vmlinux:dev_change_tx_queue_len,1", "vmlinux:unix_ioctl,1"}
			if !slices.Equal(patches[0].Functions, want) {
				t.Errorf("it patches %v, want %v", patches[0].Functions, want)
			}
			return
		}
		rigtest.Pause()
	}
	t.Error("it does not come into effect")
}

// mustForesee checks that planning, from this kernel's own facts, expects what the
// kernel is about to say to the module's signature.
func mustForesee(t *testing.T, f *os.File, build hotstick.KernelBuild, want hotstick.ReasonCode) {
	t.Helper()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	module, err := kmod.Read(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	facts, err := kernel.Read(os.DirFS("/"), build.Arch)
	if err != nil {
		t.Fatal(err)
	}
	facts.Security.Keys = kernel.TrustedKeys(os.DirFS("/"))
	facts.Drivers = []hotstick.Capabilities{{Driver: "klp", Available: true}}
	if len(facts.Security.Keys) == 0 {
		t.Error("root is shown no keys")
	}
	patch := hotstick.Patch{Ref: hotstick.PatchRef{Name: "unix-ioctl", Level: 1}, Driver: "klp", Artifacts: []hotstick.Artifact{{Build: build, SignedBy: module.SignedBy}}}
	why := compat.For(patch, func(string) bool { return true }).Check(compat.Host{Facts: &facts})
	if why == nil || why.Code != want || want == hotstick.ReasonKeyMissing && why.Subject != stranger {
		t.Errorf("planning foresees %+v, want %s", why, want)
	}
}

// A kernel can be locked further while it runs, never less; so this is the last
// test in a guest.
func TestInsideZLockedKernelsRefuse(t *testing.T) {
	dir := rigtest.Inside(t)
	steps := []struct {
		name, file, value string
		code              hotstick.ReasonCode
		detail            string
	}{
		{"lockdown", "/sys/kernel/security/lockdown", "integrity", hotstick.ReasonSignature, "EPERM"},
		{"signatures enforced", "/sys/module/module/parameters/sig_enforce", "Y", hotstick.ReasonSignature, "EKEYREJECTED"},
		{"modules disabled", "/proc/sys/kernel/modules_disabled", "1", hotstick.ReasonModulesDisabled, "modules_disabled"},
	}
	build, err := kernel.Build(os.DirFS("/"), kernel.Machine())
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range steps {
		if err := os.WriteFile(step.file, []byte(step.value), 0); err != nil {
			t.Fatal(err)
		}
		for file, foreseen := range map[string]hotstick.ReasonCode{"hotstick_unix_ioctl_1.ko": hotstick.ReasonModuleUnsigned, "stranger.ko": hotstick.ReasonKeyMissing} {
			f, err := os.Open(filepath.Join(dir, file))
			if err != nil {
				t.Fatal(err)
			}
			if step.code == hotstick.ReasonSignature {
				mustForesee(t, f, build, foreseen)
			}
			changer := klpchange.New(klpchange.Waking{})
			err = changer.Load(t.Context(), driver.Load{Module: "hotstick_unix_ioctl_1", File: f, Build: build})
			f.Close()
			mustRefuse(t, err, step.code, step.detail)
			if patches, err := changer.Observe(t.Context()); err != nil || len(patches) != 0 {
				t.Errorf("%s: %v, %v", step.name, patches, err)
			}
		}
	}
	var faults klog.Collector
	for _, r := range kernelLog(t) {
		faults.Add(r)
	}
	if found := faults.Faults(); len(found) != 0 {
		t.Errorf("all that has happened here made the kernel log %+v", found)
	}
}
