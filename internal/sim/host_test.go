package sim

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/fake"
)

func TestParseJoinReadsTheLineThatThePeopleCopy(t *testing.T) {
	digest := string(hotstick.NewDigest(nil))
	good := "hotstick-agent join --server https://127.0.0.1:8443 --token hs_join_x --ca " + digest + " --root " + digest + "\n"
	join, err := ParseJoin(good)
	if err != nil || join.Server != "https://127.0.0.1:8443" || join.Token != "hs_join_x" || string(join.Root) != digest {
		t.Errorf("ParseJoin = %+v, %v", join, err)
	}
	for _, bad := range []string{"", "hotstick-agent join", "hotstick-agent join --server http://x --token y --ca " + digest + " --root " + digest} {
		if _, err := ParseJoin(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestAMachineThatWentDownWritesNothingMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		builds := Builds()
		killer := NewLevel(LevelSpec{Name: "unix-ioctl", Level: 3, Function: "unix_ioctl", Builds: builds,
			Behaviour: map[hotstick.KernelBuild]fake.Behaviour{builds[0]: {Crash: true, CrashAfter: time.Second}}})
		h, err := NewHost(HostOptions{Member: Member{Name: "db-001", Build: builds[0]}, Dir: t.TempDir(), Levels: []Level{killer}})
		if err != nil {
			t.Fatal(err)
		}
		d := disk{h.options.Ledger, h.machine}
		if err := d.Save([]byte("before")); err != nil {
			t.Fatal(err)
		}
		before, err := h.machine.Boot()
		if err != nil {
			t.Fatal(err)
		}
		if up := h.machine.Uptime(); up < time.Minute {
			t.Errorf("the machine was met %s after its boot, want a minute at least", up)
		}
		h.Kernel().Crash("Kernel panic - not syncing: x")
		if err := d.Save([]byte("after")); !errors.Is(err, errOff) {
			t.Errorf("a machine that is off wrote its ledger: %v", err)
		}
		if err := d.Keep(hotstick.NewDigest(nil), nil); !errors.Is(err, errOff) {
			t.Errorf("a machine that is off kept bytes: %v", err)
		}
		if data, err := d.Load(); err != nil || string(data) != "before" {
			t.Errorf("the ledger is %q, %v", data, err)
		}
		h.restart()
		after, err := h.machine.Boot()
		if err != nil || after == before {
			t.Errorf("the boot ID is %s after the reboot as before, %v", after, err)
		}
		if err := d.Save([]byte("after")); err != nil {
			t.Errorf("a machine that is up again cannot write: %v", err)
		}
		crashes, err := h.machine.Crashes()
		if err != nil || len(crashes) != 1 || !crashes[0].Fatal {
			t.Errorf("the crash record is %+v, %v", crashes, err)
		}
	})
}

func TestAWarningOfTheKernelIsAFaultOnce(t *testing.T) {
	builds := Builds()
	level := NewLevel(LevelSpec{Name: "unix-ioctl", Level: 1, Function: "unix_ioctl", Builds: builds,
		Behaviour: map[hotstick.KernelBuild]fake.Behaviour{builds[0]: {Warns: "unix_ioctl"}}})
	h, err := NewHost(HostOptions{Member: Member{Name: "db-001", Build: builds[0]}, Dir: t.TempDir(), Levels: []Level{level}})
	if err != nil {
		t.Fatal(err)
	}
	if faults, _, err := h.machine.Faults(0); err != nil || len(faults) != 0 {
		t.Fatalf("a fresh kernel has faults: %v, %v", faults, err)
	}
	load(t, h, level, builds[0])
	faults, newest, err := h.machine.Faults(0)
	if err != nil || len(faults) != 1 {
		t.Fatalf("faults are %v, %v; want the warning", faults, err)
	}
	if again, _, err := h.machine.Faults(newest); err != nil || len(again) != 0 {
		t.Errorf("the warning was told twice: %v, %v", again, err)
	}
	healthy := service{h.Kernel()}.Ask(t.Context(), false).Healthy
	if !healthy {
		t.Error("the probe fails though no module makes the host ill")
	}
}

// load puts a level's module into a host's kernel, as its loader would.
func load(t *testing.T, h *Host, l Level, build hotstick.KernelBuild) {
	t.Helper()
	artifact, ok := l.Patch.Artifact(build)
	if !ok {
		t.Fatal("the level has no artifact for the build")
	}
	file := filepath.Join(t.TempDir(), "module.ko")
	if err := os.WriteFile(file, l.Modules[artifact.Digest], 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := h.Kernel().Load(t.Context(), driver.Load{Module: artifact.Module, File: f, Build: build}); err != nil {
		t.Fatal(err)
	}
}
