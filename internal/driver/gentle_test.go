package driver_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/kernel/kmod"
)

// verdict writes a step or a refusal as one word, for tables.
func verdict(step driver.Step, err error) string {
	var refusal *driver.Refusal
	switch {
	case errors.As(err, &refusal) && refusal.Retry:
		return string(refusal.Reason.Code) + ", later"
	case errors.As(err, &refusal):
		return string(refusal.Reason.Code)
	case err != nil:
		return err.Error()
	}
	return map[driver.Step]string{driver.Nothing: "nothing", driver.Proceed: "proceed", driver.UnloadFirst: "unload first"}[step]
}

// loaded writes what is loaded as MODULE STATE MODULE STATE …
func loaded(words ...string) []hotstick.LoadedPatch {
	var patches []hotstick.LoadedPatch
	for i := 0; i < len(words); i += 2 {
		patches = append(patches, hotstick.LoadedPatch{Module: words[i], State: hotstick.Effect(words[i+1])})
	}
	return patches
}

func TestGentleHands(t *testing.T) {
	tests := []struct {
		loaded                []hotstick.LoadedPatch
		load, disable, unload string // of module "a", which may replace "b"
	}{
		{loaded(), "proceed", "nothing", "nothing"},
		{loaded("a", "in_effect"), "nothing", "proceed", "already_in_effect"},
		{loaded("a", "transition_in"), "nothing", "proceed", "transition_busy, later"},
		{loaded("a", "transition_out"), "transition_busy, later", "nothing", "transition_busy, later"},
		{loaded("a", "disabled"), "unload first", "nothing", "proceed"},
		{loaded("a", "unknown"), "verification_failed, later", "verification_failed, later", "verification_failed, later"},
		{loaded("a", ""), "verification_failed, later", "verification_failed, later", "verification_failed, later"},
		{loaded("a", "applied!"), "verification_failed, later", "verification_failed, later", "verification_failed, later"},

		{loaded("b", "in_effect"), "proceed", "nothing", "nothing"},
		{loaded("b", "transition_in"), "transition_busy, later", "nothing", "nothing"},
		{loaded("b", "transition_out"), "transition_busy, later", "nothing", "nothing"},
		{loaded("b", "disabled"), "proceed", "nothing", "nothing"},
		{loaded("b", "unknown"), "verification_failed, later", "nothing", "nothing"},

		{loaded("c", "in_effect"), "foreign_patch", "nothing", "nothing"},
		{loaded("c", "disabled"), "proceed", "nothing", "nothing"},
		{loaded("c", "unknown"), "verification_failed, later", "nothing", "nothing"},

		{loaded("a", "disabled", "b", "in_effect"), "unload first", "nothing", "proceed"},
		{loaded("a", "disabled", "c", "in_effect"), "foreign_patch", "nothing", "proceed"},
		{loaded("a", "disabled", "b", "transition_in"), "transition_busy, later", "nothing", "transition_busy, later"},
		{loaded("a", "in_effect", "c", "in_effect"), "nothing", "proceed", "already_in_effect"},
		{loaded("a", "in_effect", "c", "transition_in"), "nothing", "transition_busy, later", "already_in_effect"},
		{loaded("a", "transition_in", "b", "in_effect"), "nothing", "proceed", "transition_busy, later"},
		// A stranger that cannot be read does not bar the way out.
		{loaded("a", "in_effect", "c", "unknown"), "nothing", "proceed", "already_in_effect"},
		{loaded("a", "disabled", "c", "unknown"), "verification_failed, later", "nothing", "proceed"},
	}
	for _, test := range tests {
		name := fmt.Sprint(test.loaded)
		if got := verdict(driver.JudgeLoad(test.loaded, driver.Load{Module: "a", Replaces: []string{"b"}})); got != test.load {
			t.Errorf("load, with %s: %s, want %s", name, got, test.load)
		}
		if got := verdict(driver.JudgeDisable(test.loaded, "a")); got != test.disable {
			t.Errorf("disable, with %s: %s, want %s", name, got, test.disable)
		}
		if got := verdict(driver.JudgeUnload(test.loaded, "a")); got != test.unload {
			t.Errorf("unload, with %s: %s, want %s", name, got, test.unload)
		}
	}
}

func TestAFileIsWhatTheLoadSays(t *testing.T) {
	build := hotstick.KernelBuild{Release: "6.1.0-47-amd64", Arch: "x86_64", BuildID: "0123456789abcdef"}
	tests := []struct {
		name string
		edit func(*kmod.Info, *driver.Load, *hotstick.KernelBuild)
		want string
	}{
		{"as it should be", func(*kmod.Info, *driver.Load, *hotstick.KernelBuild) {}, "proceed"},
		{"no live patch", func(i *kmod.Info, _ *driver.Load, _ *hotstick.KernelBuild) { i.Livepatch = false }, "not_livepatch"},
		{"another module", func(i *kmod.Info, _ *driver.Load, _ *hotstick.KernelBuild) { i.Name = "b" }, "digest_mismatch"},
		{"another release in the file", func(i *kmod.Info, _ *driver.Load, _ *hotstick.KernelBuild) { i.Vermagic = "6.12.0 SMP" }, "wrong_build"},
		{"another architecture", func(i *kmod.Info, _ *driver.Load, _ *hotstick.KernelBuild) { i.Arch = "aarch64" }, "wrong_build"},
		{"an unknown architecture", func(i *kmod.Info, _ *driver.Load, _ *hotstick.KernelBuild) { i.Arch = "" }, "wrong_build"},
		{"the same release built again", func(_ *kmod.Info, _ *driver.Load, b *hotstick.KernelBuild) { b.BuildID = "fedcba9876543210" }, "wrong_build"},
		{"a kernel that cannot be read", func(_ *kmod.Info, l *driver.Load, b *hotstick.KernelBuild) {
			*b = hotstick.KernelBuild{}
			l.Build = *b
		}, "wrong_build"},
	}
	for _, test := range tests {
		info := kmod.Info{Name: "a", Vermagic: build.Release + " SMP ", Livepatch: true, Arch: "x86_64"}
		load, running := driver.Load{Module: "a", Build: build}, build
		test.edit(&info, &load, &running)
		if got := verdict(driver.Proceed, driver.JudgeFile(info, load, running)); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

func TestARefusalReadsAsASentence(t *testing.T) {
	err := driver.Refuse(hotstick.ReasonWrongBuild, "made for %s", "another")
	if got := err.Error(); got != "cannot change the kernel: The host runs another kernel build than the plan says. (made for another)" {
		t.Error(got)
	}
	if err := err.Reason.Validate(); err != nil {
		t.Error(err)
	}
}
