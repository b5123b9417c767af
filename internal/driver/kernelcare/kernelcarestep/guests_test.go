package kernelcarestep_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/drivertest"
	"github.com/hotstick/hotstick/internal/driver/hostcmd"
	"github.com/hotstick/hotstick/internal/driver/kernelcare"
	"github.com/hotstick/hotstick/internal/driver/kernelcare/kernelcarestep"
	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
	"github.com/hotstick/hotstick/internal/rig"
	kernelcarerig "github.com/hotstick/hotstick/internal/rig/kernelcare"
	"github.com/hotstick/hotstick/internal/rig/rigtest"
)

const patches = "../../../../patches"

// TestRealKernels runs this package's tests beside the rig of KernelCare, which is not
// KernelCare, in guests with real kernels.
func TestRealKernels(t *testing.T) {
	rigtest.Suite{
		Name: "kernelcare", Files: kernelcarerig.Files(), Patches: patches, AtLeast: 24, Limit: 25 * time.Minute,
		Modules: []rig.Module{{Name: "hotstick_foreign", Source: "foreign"}},
		Build: func(ctx context.Context, k kernelpkg.Kernel, dir string) error {
			return kernelcarerig.Build(ctx, k, patches, dir)
		},
	}.Run(t)
}

const (
	tool   = "/usr/bin/kcarectl"
	config = "/" + kernelcare.Config
)

// sets are the rig's patch sets of levels 1, 2 and 3.
var sets = []string{"K20260101_01", "K20260301_01", "K20260501_02"}

func recipe(level int) hotstick.Recipe {
	return hotstick.Recipe{
		Schema: hotstick.RecipeSchema, Driver: "kernelcare", Module: kernelcare.LevelModule(level), Version: string(rune('0' + level)), PatchSet: sets[level-1],
		Build: hotstick.KernelBuild{Release: os.Getenv("HOTSTICK_RELEASE"), Arch: "x86_64", BuildID: os.Getenv("HOTSTICK_BUILD_ID")},
	}
}

func stepper() *kernelcarestep.Stepper {
	return kernelcarestep.New(os.DirFS("/"), "/", hostcmd.Host{})
}

// running looks past the driver: the module with its level, and the kernel's own live patches.
func running(t testing.TB) []string {
	t.Helper()
	names := rigtest.Kernel(t)
	if level, err := os.ReadFile("/sys/module/kcare/parameters/level"); err == nil && strings.TrimSpace(string(level)) != "0" {
		names = append(names, "kcare level "+strings.TrimSpace(string(level)))
	}
	slices.Sort(names)
	return names
}

// fresh puts the host back as the rig's files have it.
func fresh(t testing.TB) {
	t.Helper()
	as, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	rigtest.Fresh(t, tool)
	t.Cleanup(func() {
		await(t, func() bool { // one that is just coming in is busy
			return errors.Is(unix.DeleteModule("kcare", unix.O_NONBLOCK), unix.ENOENT)
		})
		if err := os.WriteFile(config, as, 0o644); err != nil {
			t.Error(err)
		}
	})
}

func read(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestInsideTheDriverKeepsItsPromises(t *testing.T) {
	dir := rigtest.Inside(t)
	drivertest.RunSteps(t, func(t *testing.T) drivertest.StepWorld {
		fresh(t)
		return drivertest.StepWorld{
			New:  func() driver.Stepper { return stepper() },
			Good: recipe(1), Newer: recipe(2), Blind: true,
			Kernel: func() []string { return running(t) },
			Break: func(f drivertest.Fault) bool {
				if f == drivertest.DiskFull || f == drivertest.BadKey {
					return false // the vendor's documentation has neither
				}
				rigtest.Break(t, f, tool)
				return true
			},
			Foreign: func() string { return rigtest.Foreign(t, filepath.Join(dir, "hotstick_foreign.ko")) },
			Left:    func() []string { return rigtest.Left(t, tool) },
			Lift: func() {
				rigtest.Write(t, config, strings.Replace(read(t, config), "AUTO_UPDATE=False", "AUTO_UPDATE=True", 1))
			},
			Scheduling: func() string { return read(t, config) },
			Pause:      rigtest.Pause, Patience: rigtest.Patience,
		}
	})
}

func TestInsideTheFixIsReallyThereAndGone(t *testing.T) {
	rigtest.Inside(t)
	fresh(t)
	mustFix := func(want bool) {
		t.Helper()
		if got := fixed(t); got != want {
			t.Fatalf("the hole is closed: %v, want %v", got, want)
		}
	}
	mustFix(false)
	must(t, stepper().Apply(t.Context(), recipe(2)))
	mustFix(true)
	must(t, stepper().Apply(t.Context(), recipe(1)))
	mustFix(true)
	must(t, stepper().Remove(t.Context(), recipe(1)))
	mustFix(false)
}

// fixed asks the kernel whether CVE-2026-98022 is closed, which is open in 6.1 and 6.12: a
// queue of a length that no queue has.
func fixed(t testing.TB) bool {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		t.Fatal(err)
	}
	request.SetUint32(32768)
	err = unix.IoctlIfreq(fd, unix.SIOCSIFTXQLEN, request)
	if err == nil {
		request.SetUint32(1000)
		must(t, unix.IoctlIfreq(fd, unix.SIOCSIFTXQLEN, request))
	}
	return err != nil
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func mustRefuse(t testing.TB, err error, code hotstick.ReasonCode) *driver.Refusal {
	t.Helper()
	var refusal *driver.Refusal
	if !errors.As(err, &refusal) || refusal.Reason.Code != code {
		t.Fatalf("want a refusal for %s, got %v", code, err)
	}
	return refusal
}

// TestInsideAHoldMatters lets the vendor's own job run, every second in place of every four
// hours: without a hold the newest level comes by itself, with one it does not.
func TestInsideAHoldMatters(t *testing.T) {
	rigtest.Inside(t)
	fresh(t)
	must(t, stepper().Hold(t.Context()))
	must(t, stepper().Apply(t.Context(), recipe(1)))
	cron := exec.Command("/usr/lib/rig/kernelcare/cron")
	cron.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	must(t, cron.Start())
	t.Cleanup(func() {
		_ = syscall.Kill(-cron.Process.Pid, syscall.SIGKILL) // with the kcarectl that it may be running
		_ = cron.Wait()
	})
	runs := func() int { return strings.Count(read(t, "/run/rig/calls"), "--auto-update") }
	await(t, func() bool { return runs() >= 3 })
	if now := running(t); !slices.Equal(now, []string{"kcare level 1"}) {
		t.Errorf("held, the kernel runs %v after the vendor's job", now)
	}
	rigtest.Write(t, config, "AUTO_UPDATE=True\n")
	await(t, func() bool { return slices.Equal(running(t), []string{"kcare level 3"}) })
	if held, detail, err := stepper().Held(t.Context()); held || err != nil || detail == "" {
		t.Errorf("the lifted hold: held %v (%s), %v", held, detail, err)
	}
}

func await(t testing.TB, done func() bool) {
	t.Helper()
	for range 300 {
		if done() {
			return
		}
		rigtest.Pause()
	}
	t.Fatalf("it does not come; the kernel runs %v", running(t))
}

// TestInsideTheToolsWordAlone: it says that a level is applied, and the kernel has none.
func TestInsideTheToolsWordAlone(t *testing.T) {
	rigtest.Inside(t)
	fresh(t)
	rigtest.Break(t, "claims", tool)
	patches, err := stepper().Observe(t.Context())
	if err != nil || len(patches) != 1 || patches[0].Module != "kernelcare_level_9" || patches[0].State != hotstick.EffectUnknown {
		t.Errorf("%+v, %v", patches, err)
	}
	mustRefuse(t, stepper().Apply(t.Context(), recipe(1)), hotstick.ReasonVerificationFailed)
	if now := running(t); len(now) != 0 {
		t.Errorf("the kernel runs %v", now)
	}
}

// TestInsideThreadsThatCannotBeFrozen: the vendor's module stays without a patch in it, which
// is nothing in effect; and what is in the way goes by itself or is named.
func TestInsideThreadsThatCannotBeFrozen(t *testing.T) {
	rigtest.Inside(t)
	for _, row := range []struct {
		name string
		set  func(t *testing.T) (clear func())
		want string
	}{
		{"a thread", func(t *testing.T) func() {
			rigtest.Break(t, "freezer", tool)
			return func() { rigtest.Break(t, drivertest.Sound, tool) }
		}, "freeze"},
		{"a kprobe of a monitoring agent", func(t *testing.T) func() {
			events := "/sys/kernel/tracing/kprobe_events"
			must(t, os.WriteFile(events, []byte("p:netdata/p_tcp_sendmsg tcp_sendmsg\n"), 0))
			return func() { must(t, os.WriteFile(events, []byte("\n"), 0)) }
		}, "1 kprobe events"},
	} {
		t.Run(row.name, func(t *testing.T) {
			fresh(t)
			clear := row.set(t)
			before := read(t, config)
			r := mustRefuse(t, stepper().Apply(t.Context(), recipe(1)), hotstick.ReasonTransitionStalled)
			if !r.Retry || !strings.Contains(r.Reason.Detail, row.want) {
				t.Errorf("%+v", r)
			}
			if patches, err := stepper().Observe(t.Context()); err != nil || len(patches) != 0 {
				t.Errorf("%+v, %v", patches, err)
			}
			if after := read(t, config); after != before {
				t.Errorf("the configuration is now\n%s", after)
			}
			if row.want == "freeze" {
				if _, err := os.Stat("/sys/module/kcare"); err != nil {
					t.Error("the rig did not leave its module")
				}
			}
			clear()
			must(t, stepper().Apply(t.Context(), recipe(1)))
			if now := running(t); !slices.Equal(now, []string{"kcare level 1"}) {
				t.Errorf("the kernel runs %v", now)
			}
		})
	}
}

// TestInsideAnOlderLevelThatIsGone: everything was taken out for it, and the level before
// comes back, for it was pinned.
func TestInsideAnOlderLevelThatIsGone(t *testing.T) {
	rigtest.Inside(t)
	fresh(t)
	must(t, stepper().Apply(t.Context(), recipe(3)))
	gone := recipe(2)
	gone.PatchSet = "K20260201_07" // leads to level 1
	r := mustRefuse(t, stepper().Apply(t.Context(), gone), hotstick.ReasonToolFailed)
	if strings.Contains(r.Reason.Detail, "not back") {
		t.Errorf("%+v", r)
	}
	if now := running(t); !slices.Equal(now, []string{"kcare level 3"}) {
		t.Errorf("the kernel runs %v", now)
	}
	if !strings.Contains(read(t, config), "STICKY_PATCHSET="+sets[2]) {
		t.Errorf("the configuration is now\n%s", read(t, config))
	}
}

// TestInsideTheWholeWordsOfTheTool: the driver asks for the documented options only.
func TestInsideTheWholeWordsOfTheTool(t *testing.T) {
	rigtest.Inside(t)
	fresh(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := stepper().Capabilities(ctx)
	if !c.Available || c.Tool != "kcarectl 2.90-1" {
		t.Errorf("%+v (%+v)", c, c.Reason)
	}
	must(t, stepper().Apply(ctx, recipe(1)))
	if calls := read(t, "/run/rig/calls"); strings.Contains(calls, "--force") || strings.Contains(calls, "--freezer") {
		t.Errorf("it was called with\n%s", calls)
	}
}
