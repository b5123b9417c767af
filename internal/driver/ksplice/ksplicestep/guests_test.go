package ksplicestep_test

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
	"github.com/hotstick/hotstick/internal/driver/ksplice"
	"github.com/hotstick/hotstick/internal/driver/ksplice/ksplicestep"
	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
	"github.com/hotstick/hotstick/internal/rig"
	ksplicerig "github.com/hotstick/hotstick/internal/rig/ksplice"
	"github.com/hotstick/hotstick/internal/rig/rigtest"
)

const patches = "../../../../patches"

// TestRealKernels runs this package's tests beside the rig of Ksplice, which is not Ksplice,
// in guests with real kernels.
func TestRealKernels(t *testing.T) {
	rigtest.Suite{
		Name: "ksplice", Files: ksplicerig.Files(), Patches: patches, AtLeast: 27, Limit: 25 * time.Minute,
		Modules: []rig.Module{{Name: "hotstick_foreign", Source: "foreign"}},
		Build: func(ctx context.Context, k kernelpkg.Kernel, dir string) error {
			return ksplicerig.Build(ctx, k, patches, dir)
		},
	}.Run(t)
}

var (
	programs = []string{"/usr/sbin/uptrack-upgrade", "/usr/sbin/uptrack-install", "/usr/sbin/uptrack-remove", "/usr/sbin/uptrack-show", "/usr/bin/ksplice"}
	config   = "/" + ksplice.Config
)

// The rig's updates; the second rests on the first.
const (
	first     = ksplicerig.UnixIoctl
	second    = ksplicerig.TxQueueLen
	detection = ksplicerig.Detection
)

func recipe(updates ...string) hotstick.Recipe {
	return hotstick.Recipe{
		Schema: hotstick.RecipeSchema, Driver: "ksplice", Module: hotstick.UpdateSet(updates), Updates: updates,
		Build: hotstick.KernelBuild{Release: os.Getenv("HOTSTICK_RELEASE"), Arch: "x86_64", BuildID: os.Getenv("HOTSTICK_BUILD_ID")},
	}
}

func stepper() *ksplicestep.Stepper {
	return ksplicestep.New(os.DirFS("/"), "/", hostcmd.Host{})
}

// running looks past the driver: the modules of updates, and the kernel's own live patches.
func running(t testing.TB) []string {
	t.Helper()
	names := rigtest.Kernel(t)
	modules, err := filepath.Glob("/sys/module/ksplice_*")
	must(t, err)
	for _, m := range modules {
		names = append(names, strings.TrimPrefix(filepath.Base(m), "ksplice_"))
	}
	slices.Sort(names)
	return names
}

func mustRun(t testing.TB, want ...string) {
	t.Helper()
	slices.Sort(want)
	if now := running(t); !slices.Equal(now, want) {
		t.Fatalf("the kernel runs %v, want %v", now, want)
	}
}

// fresh puts the host back as the rig's files have it.
func fresh(t testing.TB) {
	t.Helper()
	as := read(t, config)
	rigtest.Fresh(t, programs...)
	t.Cleanup(func() {
		for _, id := range []string{second, first, detection} {
			await(t, func() bool { // one that is just coming in is busy
				return errors.Is(unix.DeleteModule("ksplice_"+id, unix.O_NONBLOCK), unix.ENOENT)
			})
		}
		must(t, os.WriteFile(config, []byte(as), 0o644))
		if err := os.Remove("/" + ksplice.DisableFile); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
	})
}

func read(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	must(t, err)
	return string(data)
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

func TestInsideTheDriverKeepsItsPromises(t *testing.T) {
	dir := rigtest.Inside(t)
	drivertest.RunSteps(t, func(t *testing.T) drivertest.StepWorld {
		fresh(t)
		return drivertest.StepWorld{
			New:  func() driver.Stepper { return stepper() },
			Good: recipe(first), Newer: recipe(first, second),
			Kernel: func() []string { return running(t) },
			Break: func(f drivertest.Fault) bool {
				if f == drivertest.DiskFull || f == drivertest.BadKey {
					return false // the published source has no words for them
				}
				rigtest.Break(t, f, programs...)
				return true
			},
			Foreign: func() string { return rigtest.Foreign(t, filepath.Join(dir, "hotstick_foreign.ko")) },
			Left:    func() []string { return rigtest.Left(t, programs...) },
			Lift: func() {
				rigtest.Write(t, config, strings.Replace(read(t, config), "autoinstall = no", "autoinstall = yes", 1))
			},
			Scheduling: func() string { return read(t, config) },
			Pause:      rigtest.Pause, Patience: rigtest.Patience,
		}
	})
}

// fixed asks the kernel whether CVE-2026-98022 is closed, which is open in 6.1 and 6.12: a
// queue of a length that no queue has.
func fixed(t testing.TB) bool {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	must(t, err)
	defer unix.Close(fd)
	request, err := unix.NewIfreq("lo")
	must(t, err)
	request.SetUint32(32768)
	err = unix.IoctlIfreq(fd, unix.SIOCSIFTXQLEN, request)
	if err == nil {
		request.SetUint32(1000)
		must(t, unix.IoctlIfreq(fd, unix.SIOCSIFTXQLEN, request))
	}
	return err != nil
}

func TestInsideTheFixIsReallyThereAndGone(t *testing.T) {
	rigtest.Inside(t)
	fresh(t)
	for _, step := range []struct {
		do    func() error
		fixed bool
	}{
		{func() error { return stepper().Apply(t.Context(), recipe(first)) }, false},
		{func() error { return stepper().Apply(t.Context(), recipe(first, second)) }, true},
		{func() error { return stepper().Apply(t.Context(), recipe(first)) }, false},
		{func() error { return stepper().Apply(t.Context(), recipe(detection, first, second)) }, true},
		{func() error { return stepper().Remove(t.Context(), recipe(first, second, detection)) }, false},
	} {
		must(t, step.do())
		if got := fixed(t); got != step.fixed {
			t.Fatalf("the hole is closed: %v, want %v; the kernel runs %v", got, step.fixed, running(t))
		}
	}
	mustRun(t)
}

// TestInsideALevelIsAnExactSet: what lacks comes, what is too much goes, in one step.
func TestInsideALevelIsAnExactSet(t *testing.T) {
	rigtest.Inside(t)
	fresh(t)
	must(t, stepper().Apply(t.Context(), recipe(first, second)))
	must(t, stepper().Apply(t.Context(), recipe(first, detection)))
	mustRun(t, first, detection)
	patches, err := stepper().Observe(t.Context())
	if err != nil || len(patches) != 1 || patches[0].Module != recipe(detection, first).Module || patches[0].State != hotstick.InEffect {
		t.Errorf("%+v, %v", patches, err)
	}
	r := mustRefuse(t, stepper().Remove(t.Context(), recipe(first)), hotstick.ReasonForeignPatch)
	if r.Retry {
		t.Error("it says that trying again may help")
	}
	mustRun(t, first, detection)
}

// TestInsideWhatRestsOnAnother: a recipe that goes against the vendor's order is refused
// before anything is changed.
func TestInsideWhatRestsOnAnother(t *testing.T) {
	rigtest.Inside(t)
	for _, row := range []struct {
		name      string
		have      []string
		want      []string
		code      hotstick.ReasonCode
		mentioned string
	}{
		{"it would bring one more", nil, []string{second}, hotstick.ReasonToolFailed, first},
		{"it would take out one that is wanted", []string{first, second}, []string{second}, hotstick.ReasonNoWayBack, second},
		{"nobody knows it", []string{first}, []string{first, "zzzz9999"}, hotstick.ReasonToolFailed, "zzzz9999"},
		{"the first part could be done and the last could not", []string{first, second}, []string{second, detection}, hotstick.ReasonNoWayBack, second},
	} {
		t.Run(row.name, func(t *testing.T) {
			fresh(t)
			if row.have != nil {
				must(t, stepper().Apply(t.Context(), recipe(row.have...)))
			}
			r := mustRefuse(t, stepper().Apply(t.Context(), recipe(row.want...)), row.code)
			if r.Retry || !strings.Contains(r.Reason.Detail, row.mentioned) {
				t.Errorf("%+v", r)
			}
			mustRun(t, slices.Clone(row.have)...)
		})
	}
}

// TestInsideAFailureHalfWay: the steps that were done are taken back.
func TestInsideAFailureHalfWay(t *testing.T) {
	rigtest.Inside(t)
	for _, row := range []struct {
		fault      drivertest.Fault
		have, want []string
		code       hotstick.ReasonCode
		retry      bool
	}{
		{"code_busy " + second, nil, []string{first, second}, hotstick.ReasonTransitionStalled, true},
		{"no_match " + second, []string{detection}, []string{first, second}, hotstick.ReasonKernelRefused, false},
		{"cold " + detection, []string{detection}, []string{first}, hotstick.ReasonNoWayBack, false},
		{"module_busy " + first, []string{first, second}, []string{detection}, hotstick.ReasonNoWayBack, false},
	} {
		t.Run(string(row.fault), func(t *testing.T) {
			fresh(t)
			if row.have != nil {
				must(t, stepper().Apply(t.Context(), recipe(row.have...)))
			}
			rigtest.Break(t, row.fault, programs...)
			r := mustRefuse(t, stepper().Apply(t.Context(), recipe(row.want...)), row.code)
			if r.Retry != row.retry || strings.Contains(r.Reason.Detail, "not back") {
				t.Errorf("%+v", r)
			}
			mustRun(t, slices.Clone(row.have)...)
			rigtest.Break(t, drivertest.Sound, programs...)
			must(t, stepper().Apply(t.Context(), recipe(row.want...)))
			mustRun(t, slices.Clone(row.want)...)
		})
	}
}

// TestInsideTheClientIsSwitchedOff: that is no hold. It does nothing for us either.
func TestInsideTheClientIsSwitchedOff(t *testing.T) {
	rigtest.Inside(t)
	fresh(t)
	must(t, stepper().Apply(t.Context(), recipe(first)))
	rigtest.Write(t, "/"+ksplice.DisableFile, "")
	if c := stepper().Capabilities(t.Context()); c.Available || c.Reason.Code != hotstick.ReasonNotEntitled {
		t.Errorf("%+v (%+v)", c, c.Reason)
	}
	if held, _, err := stepper().Held(t.Context()); held || err != nil {
		t.Errorf("switched off is held: %v, %v", held, err)
	}
	mustRefuse(t, stepper().Apply(t.Context(), recipe(first, second)), hotstick.ReasonNotEntitled)
	mustRefuse(t, stepper().Remove(t.Context(), recipe(first)), hotstick.ReasonNotEntitled)
	mustRun(t, first)
}

// TestInsideTheNewClientAlone takes updates out by ksplice, and installs none by its name.
func TestInsideTheNewClientAlone(t *testing.T) {
	rigtest.Inside(t)
	fresh(t)
	must(t, stepper().Apply(t.Context(), recipe(first, second)))
	run := newClient{}
	s := ksplicestep.New(os.DirFS("/"), "/", run)
	must(t, s.Apply(t.Context(), recipe(first)))
	mustRun(t, first)
	mustRefuse(t, s.Apply(t.Context(), recipe(first, second)), hotstick.ReasonUnsupported)
	must(t, s.Remove(t.Context(), recipe(first)))
	mustRun(t)
}

// newClient is a host that has no Uptrack client.
type newClient struct{ hostcmd.Host }

func (c newClient) Run(ctx context.Context, argv ...string) (driver.Ran, error) {
	if strings.HasPrefix(argv[0], "uptrack-") {
		return driver.Ran{}, driver.ErrNoProgram
	}
	return c.Host.Run(ctx, argv...)
}

// TestInsideAHoldMatters lets the vendor's own job run, every second in place of every four
// hours: without a hold all updates come by themselves, with one they do not.
func TestInsideAHoldMatters(t *testing.T) {
	rigtest.Inside(t)
	fresh(t)
	must(t, stepper().Hold(t.Context()))
	must(t, stepper().Apply(t.Context(), recipe(first)))
	cron := exec.Command("/usr/lib/rig/ksplice/cron")
	cron.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	must(t, cron.Start())
	t.Cleanup(func() {
		_ = syscall.Kill(-cron.Process.Pid, syscall.SIGKILL) // with the client that it may be running
		_ = cron.Wait()
	})
	await(t, func() bool { return strings.Count(read(t, "/run/rig/calls"), "--cron") >= 3 })
	mustRun(t, first)
	rigtest.Write(t, config, strings.Replace(read(t, config), "autoinstall = no", "autoinstall = yes", 1))
	await(t, func() bool { return len(running(t)) == 3 })
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
