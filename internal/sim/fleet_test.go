package sim

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver/fake"
	"github.com/hotstick/hotstick/internal/kernel/kmod"
)

func TestAFleetIsMadeFromItsSeed(t *testing.T) {
	if !reflect.DeepEqual(Fleet(200, 1), Fleet(200, 1)) {
		t.Error("one seed gave two fleets")
	}
	if reflect.DeepEqual(Fleet(200, 1), Fleet(200, 2)) {
		t.Error("two seeds gave one fleet")
	}
}

func TestAFleetHasDistinctNamesAndEveryBuild(t *testing.T) {
	names, builds := map[string]bool{}, map[hotstick.KernelBuild]int{}
	for _, m := range Fleet(200, 1) {
		if names[m.Name] {
			t.Errorf("two hosts are named %s", m.Name)
		}
		names[m.Name] = true
		builds[m.Build]++
		if err := m.Build.Validate(); err != nil {
			t.Error(err)
		}
		if m.Labels["rack"] == "" || m.Labels["zone"] == "" || m.Labels["role"] == "" {
			t.Errorf("%s lacks a label: %v", m.Name, m.Labels)
		}
	}
	if len(builds) != len(Builds()) {
		t.Errorf("%d builds occur, want %d", len(builds), len(Builds()))
	}
	if n := len(Fleet(6, 9)); n != 6 {
		t.Errorf("a fleet of 6 has %d members", n)
	}
}

func TestAMadeUpLevelIsValidAndReadsAsALivePatch(t *testing.T) {
	builds := Builds()[:2]
	ill := map[hotstick.KernelBuild]fake.Behaviour{builds[1]: {Ill: "sockets fail"}}
	l := NewLevel(LevelSpec{Name: "unix-ioctl", Level: 3, Summary: "x", CVEs: []string{"CVE-2026-52928"}, Function: "unix_ioctl", Builds: builds, Behaviour: ill})
	if err := l.Patch.Validate(); err != nil {
		t.Fatal(err)
	}
	for _, a := range l.Patch.Artifacts {
		data := l.Modules[a.Digest]
		info, err := kmod.Read(bytes.NewReader(data), int64(len(data)))
		if err != nil || !info.Livepatch || info.Release() != a.Build.Release || info.Name != a.Module || int64(len(data)) != a.SizeBytes {
			t.Errorf("the module for %s reads as %+v, %v", a.Build, info, err)
		}
	}
	if a, b := Behaviours([]Level{l}, builds[0])["hs_unix_ioctl_3"], Behaviours([]Level{l}, builds[1])["hs_unix_ioctl_3"]; a.Ill != "" || b.Ill == "" || len(b.Functions) != 1 {
		t.Errorf("behaviours are %+v and %+v", a, b)
	}
}
