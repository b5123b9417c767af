package fake_test

import (
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver/fake"
	"github.com/hotstick/hotstick/internal/kernel/kmod"
)

// Each error here was seen on a real kernel.
func TestItsCallsFailLikeTheRealOnes(t *testing.T) {
	c := newClock()
	k := fake.New(fake.Config{Name: "a", Build: build, Clock: c.Now, Transition: time.Second,
		Behaviours: map[string]fake.Behaviour{"stalling": {Stall: true}}})
	calls := k.Calls()
	finit := func(info kmod.Info) error {
		f, err := os.Open(writeModule(t, info).Path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		return calls.Finit(f)
	}
	other := livepatch("other")
	other.Vermagic = "6.12.0 SMP "
	wait := func() error { c.now = c.now.Add(time.Minute); return nil }
	steps := []struct {
		name string
		do   func() error
		want error
	}{
		{"load for another release", func() error { return finit(other) }, syscall.ENOEXEC},
		{"disable what is absent", func() error { return calls.Disable("good") }, syscall.ENOENT},
		{"unload what is absent", func() error { return calls.Delete("good") }, syscall.ENOENT},
		{"load", func() error { return finit(livepatch("good")) }, nil},
		{"load during the transition", func() error { return finit(livepatch("newer")) }, syscall.EBUSY},
		{"unload during the transition", func() error { return calls.Delete("good") }, syscall.EWOULDBLOCK},
		{"wait", wait, nil},
		{"load again", func() error { return finit(livepatch("good")) }, syscall.EEXIST},
		{"unload what is enabled", func() error { return calls.Delete("good") }, syscall.EWOULDBLOCK},
		{"load what stalls", func() error { return finit(livepatch("stalling")) }, nil},
		{"wait in vain", wait, nil},
		{"disable another during the transition", func() error { return calls.Disable("good") }, syscall.EBUSY},
		{"reverse", func() error { return calls.Disable("stalling") }, nil},
		{"reverse twice", func() error { return calls.Disable("stalling") }, syscall.EINVAL},
		{"wait for the reversal", wait, nil},
		{"disable what is out", func() error { return calls.Disable("stalling") }, syscall.ENOENT},
		{"load what is left behind", func() error { return finit(livepatch("stalling")) }, syscall.EEXIST},
		{"unload what is left behind", func() error { return calls.Delete("stalling") }, nil},
		{"disable", func() error { return calls.Disable("good") }, nil},
	}
	for _, step := range steps {
		if err := step.do(); !errors.Is(err, step.want) {
			t.Fatalf("%s: %v, want %v", step.name, err, step.want)
		}
	}
	k.Crash("")
	for name, err := range map[string]error{"finit": finit(livepatch("good")), "disable": calls.Disable("good"), "delete": calls.Delete("good")} {
		if !errors.Is(err, fake.ErrDown) {
			t.Errorf("%s on a machine that is down: %v", name, err)
		}
	}
}

func TestAStackingPatchLeavesTheOthersInEffect(t *testing.T) {
	c := newClock()
	k := fake.New(fake.Config{Name: "a", Build: build, Clock: c.Now, Behaviours: map[string]fake.Behaviour{"upper": {Stacks: true}}})
	if err := load(t, k, "lower"); err != nil {
		t.Fatal(err)
	}
	if err := load(t, k, "upper", "lower"); err != nil {
		t.Fatal(err)
	}
	patches, err := k.Observe(t.Context())
	if err != nil || len(patches) != 2 {
		t.Fatal(patches, err)
	}
	for i, p := range patches {
		if p.State != hotstick.InEffect || p.StackOrder != i+1 || *p.Replace != (p.Module == "lower") {
			t.Errorf("%+v", p)
		}
	}
}
