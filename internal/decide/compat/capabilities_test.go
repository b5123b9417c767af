package compat_test

import (
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/compat"
)

// What a driver says that it cannot do keeps its patches out of a plan, with the reason,
// before anybody signs.
func TestWhatADriverCannotDoIsRefusedBeforehand(t *testing.T) {
	because := func(code hotstick.ReasonCode) *hotstick.Reason { return &hotstick.Reason{Code: code} }
	tests := []struct {
		name   string
		driver string
		can    hotstick.Capabilities
		edit   func(*compat.Host)
		want   hotstick.ReasonCode
	}{
		{"a system that can all", "suse", hotstick.Capabilities{Available: true, Undo: hotstick.UndoPrevious, Pinnable: true}, nil, ""},
		{"a system that is not there", "suse", hotstick.Capabilities{Reason: because(hotstick.ReasonUnsupported)}, nil, hotstick.ReasonUnsupported},
		{"one that does not say why", "suse", hotstick.Capabilities{}, nil, hotstick.ReasonUnsupported},
		{"no subscription", "suse", hotstick.Capabilities{Reason: because(hotstick.ReasonNotEntitled)}, nil, hotstick.ReasonNotEntitled},
		{"cover has ended", "kpatch", hotstick.Capabilities{Reason: because(hotstick.ReasonCoverEnded)}, nil, hotstick.ReasonCoverEnded},
		{"it schedules and nobody adopted it", "kernelcare", hotstick.Capabilities{Available: true, Undo: hotstick.UndoAll, Pinnable: true, Schedules: true}, nil, hotstick.ReasonOtherMaster},
		{"it schedules and is on hold", "kernelcare", hotstick.Capabilities{Available: true, Undo: hotstick.UndoAll, Pinnable: true, Schedules: true, Held: true}, nil, ""},
		{"somebody lifted its hold", "kernelcare", hotstick.Capabilities{Available: true, Undo: hotstick.UndoAll, Pinnable: true, Schedules: true},
			func(h *compat.Host) {
				h.Facts.Masters = []hotstick.Master{{System: "kernelcare", Active: true, Adopted: true, Driver: "kernelcare"}}
			}, hotstick.ReasonHoldLifted},
		{"a daemon that cannot be held to a level", "canonical", hotstick.Capabilities{Available: true, Undo: hotstick.UndoReboot, Schedules: true, Held: true}, nil, hotstick.ReasonNotEntitled},
		{"an older agent, which does not say", "canonical", hotstick.Capabilities{Available: true, Schedules: true, Held: true}, nil, ""},
		{"who runs steps need not be held", "ksplice", hotstick.Capabilities{Available: true, Undo: hotstick.UndoUpdate}, nil, ""},
		{"a permitted way down that it has", "suse", hotstick.Capabilities{Available: true, Undo: hotstick.UndoPrevious},
			func(h *compat.Host) { h.InEffect, h.Downgrade = fix(3), true }, ""},
		{"a permitted way down that it has not", "amazon", hotstick.Capabilities{Available: true, Undo: hotstick.UndoReboot},
			func(h *compat.Host) { h.InEffect, h.Downgrade = fix(3), true }, hotstick.ReasonNoWayBack},
		{"forward it goes", "amazon", hotstick.Capabilities{Available: true, Undo: hotstick.UndoReboot}, nil, ""},
		{"down by a reboot", "reboot", hotstick.Capabilities{Available: true, Undo: hotstick.UndoReboot},
			func(h *compat.Host) { h.InEffect, h.Downgrade = fix(3), true }, ""},
	}
	for _, test := range tests {
		h := ready()
		test.can.Driver, test.can.TrustClass = test.driver, hotstick.ClassOf(test.driver)
		h.Facts.Drivers = []hotstick.Capabilities{test.can}
		if test.edit != nil {
			test.edit(&h)
		}
		rules := compat.For(hotstick.Patch{Ref: fix(2), Driver: test.driver, Artifacts: []hotstick.Artifact{{Build: build}}}, func(string) bool { return false })
		got := hotstick.ReasonCode("")
		if why := rules.Check(h); why != nil {
			got = why.Code
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}
