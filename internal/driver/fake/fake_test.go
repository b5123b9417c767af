package fake_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/drivertest"
	"github.com/hotstick/hotstick/internal/driver/fake"
	"github.com/hotstick/hotstick/internal/kernel/kmod"
)

var build = hotstick.KernelBuild{Release: "6.1.0-47-amd64", Arch: "x86_64", BuildID: "0123456789abcdef0123456789abcdef01234567"}

// clock is a clock that a test turns.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func newClock() *clock {
	return &clock{now: time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC)}
}

func writeModule(t *testing.T, info kmod.Info) drivertest.Module {
	t.Helper()
	path := filepath.Join(t.TempDir(), info.Name+".ko")
	if err := os.WriteFile(path, kmod.Compose(info), 0o600); err != nil {
		t.Fatal(err)
	}
	return drivertest.Module{Name: info.Name, Path: path}
}

func livepatch(name string) kmod.Info {
	return kmod.Info{Name: name, Vermagic: build.Release + " SMP preempt ", Livepatch: true, License: "GPL"}
}

func TestTheFakeKeepsTheDriversPromises(t *testing.T) {
	drivertest.Run(t, func(t *testing.T) drivertest.World {
		c := newClock()
		k := fake.New(fake.Config{
			Name: "a", Build: build, Clock: c.Now, Transition: 3 * time.Second,
			Behaviours: map[string]fake.Behaviour{"stalling": {Stall: true}, "stacked": {Stacks: true}},
		})
		plain, other := livepatch("plain"), livepatch("other")
		plain.Livepatch = false
		other.Vermagic = "6.12.0-1-amd64 SMP "
		return drivertest.World{
			Changer: k, Build: build,
			Good: writeModule(t, livepatch("good")), Newer: writeModule(t, livepatch("newer")),
			Stalling: writeModule(t, livepatch("stalling")), NotLivepatch: writeModule(t, plain), OtherBuild: writeModule(t, other),
			Stacked: writeModule(t, livepatch("stacked")), Insert: func(m drivertest.Module) { insert(t, k, m) },
			Pause:  func() { c.now = c.now.Add(time.Second) },
			Blind:  func(module string) { k.Behave(module, fake.Behaviour{Unreadable: true}) },
			Forced: func() bool { return strings.Contains(logText(k), "forcing") },
		}
	})
}

// insert loads a module behind the driver's back.
func insert(t *testing.T, k *fake.Kernel, m drivertest.Module) {
	t.Helper()
	f, err := os.Open(m.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := k.Calls().Finit(f); err != nil {
		t.Fatal(err)
	}
}

func logText(k *fake.Kernel) string {
	var b strings.Builder
	for _, line := range k.State().Log {
		b.WriteString(line.Text + "\n")
	}
	return b.String()
}

func load(t *testing.T, k *fake.Kernel, name string, replaces ...string) error {
	t.Helper()
	f, err := os.Open(writeModule(t, livepatch(name)).Path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return k.Load(t.Context(), driver.Load{Module: name, File: f, Build: build, Replaces: replaces})
}

func TestAKillerTakesTheHostDownAfterItsDelay(t *testing.T) {
	c := newClock()
	var crashes []fake.Crash
	k := fake.New(fake.Config{
		Name: "a", Build: build, Clock: c.Now, Transition: time.Second,
		Behaviours: map[string]fake.Behaviour{"killer": {Crash: true, CrashAfter: 5 * time.Second}},
		OnDown:     func(crash fake.Crash) { crashes = append(crashes, crash) },
	})
	first := k.State().BootID
	if err := load(t, k, "killer"); err != nil {
		t.Fatal(err)
	}
	if next, ok := k.Next(); !ok || !next.Equal(c.now.Add(time.Second)) {
		t.Errorf("the next event is at %v, %v", next, ok)
	}
	c.now = c.now.Add(time.Hour)
	if _, err := k.Observe(t.Context()); err != fake.ErrDown {
		t.Errorf("a host that is down answers %v", err)
	}
	k.Settle()
	if len(crashes) != 1 || crashes[0].Module != "killer" || crashes[0].BootID != first ||
		!crashes[0].At.Equal(newClock().now.Add(5*time.Second)) || !strings.Contains(crashes[0].Trace, "[killer]") {
		t.Fatalf("crashes: %+v", crashes)
	}
	k.Boot()
	state := k.State()
	if state.Down || state.BootID == first || state.Taint != 0 || state.LastCrash == nil || len(state.Log) != 0 {
		t.Errorf("after the reboot: %+v", state)
	}
	if patches, err := k.Observe(t.Context()); err != nil || len(patches) != 0 {
		t.Errorf("after the reboot: %v, %v", patches, err)
	}
	k.ClearCrash()
	if k.State().LastCrash != nil {
		t.Error("the crash record cannot be cleared")
	}
}

func TestACrashOnLoadIsSeenByTheLoad(t *testing.T) {
	c := newClock()
	down := 0
	k := fake.New(fake.Config{Name: "a", Build: build, Clock: c.Now,
		Behaviours: map[string]fake.Behaviour{"killer": {Crash: true}}, OnDown: func(fake.Crash) { down++ }})
	if err := load(t, k, "killer"); err != fake.ErrDown || down != 1 {
		t.Errorf("%v, %d crashes", err, down)
	}
}

func TestUnloadingAKillerInTimeSavesTheHost(t *testing.T) {
	c := newClock()
	k := fake.New(fake.Config{Name: "a", Build: build, Clock: c.Now,
		Behaviours: map[string]fake.Behaviour{"killer": {Crash: true, CrashAfter: 5 * time.Second}}})
	if err := load(t, k, "killer"); err != nil {
		t.Fatal(err)
	}
	if err := k.Disable(t.Context(), "killer"); err != nil {
		t.Fatal(err)
	}
	if err := k.Unload(t.Context(), "killer"); err != nil {
		t.Fatal(err)
	}
	c.now = c.now.Add(time.Hour)
	if k.State().Down {
		t.Error("it went down all the same")
	}
}

func TestABadModuleIsFeltOnlyWhileItIsInEffect(t *testing.T) {
	c := newClock()
	k := fake.New(fake.Config{Name: "a", Build: build, Clock: c.Now, Transition: time.Second,
		Behaviours: map[string]fake.Behaviour{"bad": {Ill: "SIOCINQ answers 0", Warns: "unix_ioctl"}}})
	if err := load(t, k, "bad"); err != nil {
		t.Fatal(err)
	}
	if ill := k.State().Ill; ill != "" {
		t.Errorf("before it is in effect: %q", ill)
	}
	c.now = c.now.Add(time.Second)
	if s := k.State(); s.Ill != "SIOCINQ answers 0" || s.Taint&(1<<9) == 0 || !strings.Contains(logText(k), "WARNING: CPU: 0 PID: 1 at unix_ioctl+0x1/0x2 [bad]") {
		t.Errorf("in effect: %+v", s)
	}
	if err := load(t, k, "good", "bad"); err != nil {
		t.Fatal(err)
	}
	c.now = c.now.Add(time.Second)
	if ill := k.State().Ill; ill != "" {
		t.Errorf("after it was replaced: %q", ill)
	}
}

func TestARefusalLeavesNothingBehind(t *testing.T) {
	c := newClock()
	k := fake.New(fake.Config{Name: "a", Build: build, Clock: c.Now,
		Behaviours: map[string]fake.Behaviour{"unwanted": {Refuse: hotstick.ReasonKernelRefused}}})
	if err := load(t, k, "unwanted"); err == nil || !strings.Contains(err.Error(), "cannot change the kernel") {
		t.Errorf("got %v", err)
	}
	if s := k.State(); s.Taint != 0 || len(s.Log) != 0 {
		t.Errorf("left behind: %+v", s)
	}
}

func TestTwoMachinesNeverShareABoot(t *testing.T) {
	seen := map[string]bool{}
	for _, name := range []string{"a", "b", "a b"} {
		k := fake.New(fake.Config{Name: name, Build: build, Clock: newClock().Now})
		for range 3 {
			id := k.State().BootID
			if seen[id] || len(id) != 36 {
				t.Errorf("%s was seen before, or is no boot ID", id)
			}
			seen[id] = true
			k.Boot()
		}
	}
}
