package compat_test

import (
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/compat"
)

var build = hotstick.KernelBuild{Release: "6.1.0-47-amd64", Arch: "x86_64", BuildID: "00112233445566778899"}

func fix(level int) hotstick.PatchRef { return hotstick.PatchRef{Name: "fix", Level: level} }

// ready is a host that level 2 may go to.
func ready() compat.Host {
	return compat.Host{InEffect: fix(1), Facts: &hotstick.Facts{Kernel: hotstick.KernelFacts{Build: build},
		Drivers: []hotstick.Capabilities{{Driver: "klp", Available: true}}}}
}

func TestCheckGivesTheFirstReason(t *testing.T) {
	rules := compat.For(hotstick.Patch{Ref: fix(2), Driver: "klp", Replace: true, Artifacts: []hotstick.Artifact{{Build: build}}},
		func(module string) bool { return module == "fix_1" })
	loaded := func(module string, state hotstick.Effect) func(*compat.Host) {
		return func(h *compat.Host) {
			h.Patches = append(h.Patches, hotstick.LoadedPatch{Module: module, State: state})
		}
	}
	tests := []struct {
		name string
		edit func(*compat.Host)
		want hotstick.ReasonCode
	}{
		{"a host with the level before", func(*compat.Host) {}, ""},
		{"our own patch below", loaded("fix_1", hotstick.InEffect), ""},
		{"a foreign patch that is off", loaded("kpatch_x", hotstick.Disabled), ""},
		{"a foreign patch", loaded("kpatch_x", hotstick.InEffect), hotstick.ReasonForeignPatch},
		{"no facts", func(h *compat.Host) { h.Facts = nil }, hotstick.ReasonHostSilent},
		{"another build", func(h *compat.Host) { h.Facts.Kernel.Build.BuildID = "ffffffffffffffffffff" }, hotstick.ReasonNoArtifact},
		{"a strike", func(h *compat.Host) { h.Strikes = []hotstick.PatchRef{fix(2)} }, hotstick.ReasonStruck},
		{"a strike of another level", func(h *compat.Host) { h.Strikes = []hotstick.PatchRef{fix(1), fix(3)} }, ""},
		{"reverted before", func(h *compat.Host) { h.Reverted = []hotstick.PatchRef{fix(2)} }, hotstick.ReasonRevertedBefore},
		{"another level reverted before", func(h *compat.Host) { h.Reverted = []hotstick.PatchRef{fix(1), fix(3)} }, ""},
		{"the level itself", func(h *compat.Host) { h.InEffect = fix(2) }, hotstick.ReasonAlreadyInEffect},
		{"a newer level", func(h *compat.Host) { h.InEffect = fix(3) }, hotstick.ReasonDowngrade},
		{"a newer level that a downgrade lets go", func(h *compat.Host) { h.InEffect, h.Downgrade = fix(3), true }, ""},
		{"the level itself, downgrade or not", func(h *compat.Host) { h.InEffect, h.Downgrade = fix(2), true }, hotstick.ReasonAlreadyInEffect},
		{"a kernel that demands signatures", locked(), hotstick.ReasonModuleUnsigned},
		{"a kernel whose ftrace is off", func(h *compat.Host) { h.Facts.Sysctls = map[string]string{"kernel.ftrace_enabled": "0"} }, hotstick.ReasonKernelRefused},
		{"a kernel whose ftrace is on", func(h *compat.Host) { h.Facts.Sysctls = map[string]string{"kernel.ftrace_enabled": "1"} }, ""},
		{"no driver", func(h *compat.Host) { h.Facts.Drivers = nil }, hotstick.ReasonUnsupported},
	}
	for _, test := range tests {
		h := ready()
		test.edit(&h)
		got := hotstick.ReasonCode("")
		if why := rules.Check(h); why != nil {
			got = why.Code
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func locked(keys ...hotstick.KernelKey) func(*compat.Host) {
	return func(h *compat.Host) { h.Facts.Security = hotstick.SecurityFacts{Lockdown: "integrity", Keys: keys} }
}

func TestAKernelThatDemandsSignaturesIsForeseen(t *testing.T) {
	ours := hotstick.KernelKey{Name: "Example CA", ID: "ace5"}
	named, numbered, other := hotstick.KernelKey{Name: "Example CA"}, hotstick.KernelKey{ID: "ace5"}, hotstick.KernelKey{Name: "Example CA", ID: "0bad"}
	enforced := true
	for _, test := range []struct {
		name   string
		signer hotstick.KernelKey
		edit   func(*compat.Host)
		want   hotstick.Reason
	}{
		{"nothing is demanded", hotstick.KernelKey{}, func(h *compat.Host) { h.Facts.Security.Lockdown = "none" }, hotstick.Reason{}},
		{"no signature", hotstick.KernelKey{}, locked(ours), hotstick.Reason{Code: hotstick.ReasonModuleUnsigned}},
		{"no signature, by sig_enforce", hotstick.KernelKey{}, func(h *compat.Host) { h.Facts.Security.SignatureEnforced = &enforced }, hotstick.Reason{Code: hotstick.ReasonModuleUnsigned}},
		{"the key itself", ours, locked(other, ours), hotstick.Reason{}},
		{"known by name", named, locked(ours), hotstick.Reason{}},
		{"known by number", numbered, locked(ours), hotstick.Reason{}},
		{"another key of the same name", other, locked(ours), hotstick.Reason{Code: hotstick.ReasonKeyMissing, Subject: "Example CA (0bad)"}},
		{"a key of another name", named, locked(hotstick.KernelKey{Name: "Debian Secure Boot CA", ID: "01"}), hotstick.Reason{Code: hotstick.ReasonKeyMissing, Subject: "Example CA"}},
		{"keys that nobody may see", ours, locked(), hotstick.Reason{}},
	} {
		rules := compat.For(hotstick.Patch{Ref: fix(2), Driver: "klp", Artifacts: []hotstick.Artifact{{Build: build, SignedBy: test.signer}}}, func(string) bool { return true })
		h := ready()
		test.edit(&h)
		got := hotstick.Reason{}
		if why := rules.Check(h); why != nil {
			got = *why
		}
		if got != test.want {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
		}
	}
}
