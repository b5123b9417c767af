package loader

import (
	"fmt"
	"testing"

	"github.com/hotstick/hotstick"
)

// The running kernel is in no live patch's way; one that is on its way in or out is.
func TestTheRunningKernelIsNoLivePatch(t *testing.T) {
	fix := hotstick.LoadedPatch{Module: "fix_1", Driver: "klp", State: hotstick.InEffect}
	kernel := func(state hotstick.Effect) hotstick.LoadedPatch {
		return hotstick.LoadedPatch{Module: "kernel_6_1_0_56", Driver: rebootDriver, State: state}
	}
	for _, c := range []struct{ listed, want []hotstick.LoadedPatch }{
		{nil, nil},
		{[]hotstick.LoadedPatch{fix}, []hotstick.LoadedPatch{fix}},
		{[]hotstick.LoadedPatch{kernel(hotstick.InEffect), fix}, []hotstick.LoadedPatch{fix}},
		{[]hotstick.LoadedPatch{kernel(hotstick.TransitionIn)}, []hotstick.LoadedPatch{kernel(hotstick.TransitionIn)}},
		{[]hotstick.LoadedPatch{kernel(hotstick.TransitionOut), fix}, []hotstick.LoadedPatch{kernel(hotstick.TransitionOut), fix}},
	} {
		before := fmt.Sprint(c.listed)
		if got := livePatches(c.listed); fmt.Sprint(got) != fmt.Sprint(c.want) || fmt.Sprint(c.listed) != before {
			t.Errorf("of %v are live patches %v, want %v", c.listed, got, c.want)
		}
	}
}
