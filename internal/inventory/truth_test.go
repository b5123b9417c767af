package inventory

import (
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

func loaded(module string, state hotstick.Effect, order int) hotstick.LoadedPatch {
	return hotstick.LoadedPatch{Module: module, State: state, StackOrder: order}
}

func TestWhatAHostTrulyRuns(t *testing.T) {
	one, two := hotstick.PatchRef{Name: "unix-ioctl", Level: 1}, hotstick.PatchRef{Name: "unix-ioctl", Level: 2}
	none := hotstick.PatchRef{}
	artifact := func(module string) []hotstick.Artifact { return []hotstick.Artifact{{Build: build, Module: module}} }
	modules := NewModules([]hotstick.Patch{{Ref: one, Artifacts: artifact("ours_1")}, {Ref: two, Artifacts: artifact("ours_2")}})
	tests := []struct {
		name    string
		patches []hotstick.LoadedPatch
		age     time.Duration
		want    Truth
	}{
		{"nothing loaded", nil, 0, Truth{Known, none, ""}},
		{"ours in effect", []hotstick.LoadedPatch{loaded("ours_1", hotstick.InEffect, 1)}, 0, Truth{Known, one, ""}},
		{"ours in effect, but an hour ago", []hotstick.LoadedPatch{loaded("ours_1", hotstick.InEffect, 1)}, time.Hour, Truth{Stale, one, ""}},
		{"ours going in", []hotstick.LoadedPatch{loaded("ours_1", hotstick.TransitionIn, 1)}, 0, Truth{Moving, none, ""}},
		{"ours going out", []hotstick.LoadedPatch{loaded("ours_1", hotstick.TransitionOut, 1)}, 0, Truth{Moving, none, ""}},
		{"the second replacing the first", []hotstick.LoadedPatch{loaded("ours_1", hotstick.InEffect, 1), loaded("ours_2", hotstick.TransitionIn, 2)}, 0, Truth{Moving, one, ""}},
		{"the second above the first", []hotstick.LoadedPatch{loaded("ours_2", hotstick.InEffect, 2), loaded("ours_1", hotstick.InEffect, 1)}, 0, Truth{Known, two, ""}},
		{"the first above the second", []hotstick.LoadedPatch{loaded("ours_2", hotstick.InEffect, 1), loaded("ours_1", hotstick.InEffect, 2)}, 0, Truth{Known, one, ""}},
		{"both, where the kernel shows no order", []hotstick.LoadedPatch{loaded("ours_2", hotstick.InEffect, 0), loaded("ours_1", hotstick.InEffect, 0)}, 0, Truth{Known, two, ""}},
		{"ours disabled", []hotstick.LoadedPatch{loaded("ours_1", hotstick.Disabled, 1)}, 0, Truth{Known, none, ""}},
		{"ours, and nobody can tell", []hotstick.LoadedPatch{loaded("ours_1", hotstick.EffectUnknown, 1)}, 0, Truth{Unknown, none, ""}},
		{"a foreign one alone", []hotstick.LoadedPatch{loaded("kpatch", hotstick.InEffect, 1)}, 0, Truth{Known, none, "kpatch"}},
		{"a foreign one below ours", []hotstick.LoadedPatch{loaded("kpatch", hotstick.InEffect, 1), loaded("ours_1", hotstick.InEffect, 2)}, 0, Truth{Known, one, ""}},
		{"a foreign one above ours", []hotstick.LoadedPatch{loaded("kpatch", hotstick.InEffect, 3), loaded("ours_1", hotstick.InEffect, 2)}, 0, Truth{Unknown, one, "kpatch"}},
		{"a foreign one, where the kernel shows no order", []hotstick.LoadedPatch{loaded("ours_1", hotstick.InEffect, 0), loaded("kpatch", hotstick.InEffect, 0)}, 0, Truth{Unknown, one, "kpatch"}},
	}
	now := time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC)
	for _, tt := range tests {
		h := store.Host{Facts: &hotstick.Facts{Kernel: hotstick.KernelFacts{Build: build}}, Patches: tt.patches, LastSeen: now.Add(-tt.age)}
		if got := Read(h, modules, now, time.Minute); got != tt.want {
			t.Errorf("%s: %+v; want %+v", tt.name, got, tt.want)
		}
	}
	if got := Read(store.Host{LastSeen: now}, modules, now, time.Minute); got.Knowledge != Unknown {
		t.Errorf("a host that never sent facts: %+v", got)
	}
}

// A level that came with a reboot is listed on a kernel build that its artifact is not for.
func TestTheRunningKernelIsALevelBelowEveryLivePatch(t *testing.T) {
	old, fixed := hotstick.KernelBuild{Release: "6.1.0-47", BuildID: "ab"}, hotstick.KernelBuild{Release: "6.1.0-56", BuildID: "cd"}
	kernel := hotstick.Patch{Ref: hotstick.PatchRef{Name: "debian-kernel", Level: 56}, Driver: "reboot", Artifacts: []hotstick.Artifact{{Module: "kernel_56", Build: old}}}
	fix := hotstick.Patch{Ref: hotstick.PatchRef{Name: "fix", Level: 1}, Driver: "klp", Artifacts: []hotstick.Artifact{{Module: "fix_1", Build: fixed}}}
	modules := NewModules([]hotstick.Patch{kernel, fix})
	runs := hotstick.LoadedPatch{Module: "kernel_56", Driver: "reboot", State: hotstick.InEffect}
	patched := hotstick.LoadedPatch{Module: "fix_1", Driver: "klp", State: hotstick.InEffect}
	foreign := hotstick.LoadedPatch{Module: "kpatch_x", Driver: "klp", State: hotstick.InEffect}
	for _, c := range []struct {
		patches []hotstick.LoadedPatch
		want    Truth
	}{
		{[]hotstick.LoadedPatch{runs}, Truth{Knowledge: Known, Level: kernel.Ref}},
		{[]hotstick.LoadedPatch{runs, patched}, Truth{Knowledge: Known, Level: fix.Ref}},
		{[]hotstick.LoadedPatch{patched, runs}, Truth{Knowledge: Known, Level: fix.Ref}},
		{[]hotstick.LoadedPatch{runs, foreign}, Truth{Knowledge: Known, Foreign: "kpatch_x"}},
	} {
		now := time.Now()
		h := store.Host{Facts: &hotstick.Facts{Kernel: hotstick.KernelFacts{Build: fixed}}, LastSeen: now, Patches: c.patches}
		if got := Read(h, modules, now, time.Minute); got != c.want {
			t.Errorf("%v: %+v, want %+v", c.patches, got, c.want)
		}
	}
}
