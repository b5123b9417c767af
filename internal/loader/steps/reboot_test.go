package steps

import (
	"strings"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/loader/ledger"
)

// A step that reboots, or that settles a reboot, rests on the ledger's own word like any
// other.
func TestWhatJustifiesARebootsSteps(t *testing.T) {
	old := hotstick.KernelBuild{Release: "6.1.0-47", Arch: "x86_64", BuildID: strings.Repeat("ab", 20)}
	fixed := hotstick.KernelBuild{Release: "6.1.0-56", Arch: "x86_64", BuildID: strings.Repeat("cd", 20)}
	third := hotstick.KernelBuild{Release: "6.1.0-50", Arch: "x86_64", BuildID: strings.Repeat("ef", 20)}
	kept, err := hotstick.Recipe{Schema: hotstick.RecipeSchema, Driver: "reboot", Build: old, Module: "kernel_56", Target: fixed,
		Packages: []hotstick.Package{{Name: "linux-image-6.1.0-56", Version: "6.1.192-1"}}}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	level := ledger.Level{Patch: hotstick.PatchRef{Name: "debian-kernel", Level: 56}, Driver: "reboot", Module: "kernel_56",
		Artifact: hotstick.NewDigest(kept), Build: old, Target: fixed}
	elsewhere := level
	elsewhere.Target = third
	attempt := func(phase hotstick.HostState, l ledger.Level) ledger.Ledger {
		return ledger.Ledger{Boot: ledger.Boot{ID: "b"}, Attempt: &ledger.Attempt{Phase: phase, Level: l}}
	}
	over := func(l ledger.Level, permit *ledger.Permit) ledger.Ledger {
		return ledger.Ledger{Boot: ledger.Boot{ID: "b"}, Unsettled: &l, Permit: permit}
	}
	for _, c := range []struct {
		name string
		led  ledger.Ledger
		runs hotstick.KernelBuild
		act  Act
		keep bool
		ok   bool
	}{
		{"the way back from the new kernel", attempt(hotstick.Reverting, level), fixed, Remove, false, true},
		{"the way back in the old kernel", attempt(hotstick.Reverting, level), old, Remove, false, true},
		{"not in a third one", attempt(hotstick.Reverting, level), third, Remove, false, false},
		{"to reboot again from the new kernel", attempt(hotstick.Applying, level), fixed, Apply, false, false},
		{"a recipe that leads elsewhere", attempt(hotstick.Reverting, elsewhere), old, Remove, false, false},
		{"to keep what was confirmed", over(level, &ledger.Permit{Level: level}), fixed, Settle, true, true},
		{"to keep what nobody confirmed", over(level, nil), fixed, Settle, true, false},
		{"to keep it while the old kernel runs, which the driver sees", over(level, &ledger.Permit{Level: level}), old, Settle, true, true},
		{"to put it away in the old kernel", over(level, nil), old, Settle, false, true},
		{"to put it away in any kernel", over(level, nil), third, Settle, false, true},
		{"to settle what is settled", ledger.Ledger{Boot: ledger.Boot{ID: "b"}}, fixed, Settle, false, false},
		{"to settle while an attempt is open", attempt(hotstick.Probation, level), fixed, Settle, true, false},
	} {
		g := Ground{Ledger: c.led, Boot: "b", Build: c.runs, Kept: kept}
		justify := Justify
		if c.act == Settle {
			justify = JustifySettle
		}
		_, err := justify(g, Request{Driver: "reboot", Act: c.act, Keep: c.keep, Module: level.Module, Artifact: level.Artifact})
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
