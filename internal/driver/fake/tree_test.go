package fake_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver/fake"
	"github.com/hotstick/hotstick/internal/kernel"
	"github.com/hotstick/hotstick/internal/kernel/klog"
)

func TestItsFactsAreReadLikeAnyMachines(t *testing.T) {
	c := newClock()
	k := fake.New(fake.Config{
		Name: "web-1", Build: build, Clock: c.Now, Transition: time.Second,
		Behaviours: map[string]fake.Behaviour{
			"good":   {Functions: []string{"vmlinux:unix_ioctl,1"}},
			"killer": {Crash: true, CrashAfter: 5 * time.Second},
		},
		Files: map[string]string{"etc/os-release": `PRETTY_NAME="Simulated 1"`, "sys/devices/system/cpu/online": "0-3"},
	})
	if err := load(t, k, "good"); err != nil {
		t.Fatal(err)
	}
	facts, err := kernel.Read(k.FS(), "")
	if err != nil {
		t.Fatal(err)
	}
	s := k.State()
	if facts.Host.BootID != s.BootID || facts.Host.Hostname != "web-1" || facts.Host.CPUs != 4 || facts.Host.Distribution != "Simulated 1" ||
		!facts.Host.BootedAt.Equal(s.BootedAt) || facts.Kernel.Build != build || facts.Kernel.Tainted != s.Taint || s.Taint != 45056 {
		t.Errorf("facts: %+v\nstate: %+v", facts, s)
	}
	for _, want := range []hotstick.Effect{hotstick.TransitionIn, hotstick.InEffect} {
		seen, err := kernel.Livepatches(k.FS())
		if err != nil || len(seen) != 1 || seen[0].State != want || strings.Join(seen[0].Functions, "") != "vmlinux:unix_ioctl,1" {
			t.Errorf("want %s, seen %+v, %v", want, seen, err)
		}
		c.now = c.now.Add(time.Second)
	}
	crashAndReadBack(t, c, k)
}

func crashAndReadBack(t *testing.T, c *clock, k *fake.Kernel) {
	t.Helper()
	if err := load(t, k, "killer", "good"); err != nil {
		t.Fatal(err)
	}
	c.now = c.now.Add(time.Minute)
	if _, err := kernel.Read(k.FS(), ""); err == nil {
		t.Error("a machine that is down tells its facts")
	}
	k.Boot()
	dumps, err := klog.ReadPstore(k.FS())
	if err != nil || len(dumps) != 1 {
		t.Fatal(dumps, err)
	}
	if name, _ := klog.Names(dumps[0].Fatal(), "killer", nil); name != "killer" {
		t.Errorf("the crash names %q:\n%s", name, dumps[0].Text)
	}
	if patches, err := kernel.Livepatches(k.FS()); err != nil || len(patches) != 0 {
		t.Errorf("after the reboot: %v, %v", patches, err)
	}
}

func TestAWarningIsAFaultInItsLog(t *testing.T) {
	c := newClock()
	k := fake.New(fake.Config{Name: "a", Build: build, Clock: c.Now, Behaviours: map[string]fake.Behaviour{"bad": {Warns: "unix_ioctl"}}})
	if err := load(t, k, "bad"); err != nil {
		t.Fatal(err)
	}
	var faults klog.Collector
	for _, r := range k.State().Log {
		faults.Add(r)
	}
	found := faults.Faults()
	if len(found) != 1 || found[0].Kind != klog.Warning {
		t.Fatalf("found %+v", found)
	}
	if name, _ := klog.Names(found[0].Text, "bad", nil); name != "bad" {
		t.Errorf("it names %q", name)
	}
}
