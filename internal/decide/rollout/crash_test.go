package rollout_test

import (
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/rollout"
)

func TestAHostStopsALevelOnMachinesLikeItselfOnly(t *testing.T) {
	fix, build := hotstick.PatchRef{Name: "fix", Level: 2}, hotstick.KernelBuild{Release: "x", BuildID: "x"}
	tests := []struct {
		name   string
		change func(*rollout.Word)
		want   bool
	}{
		{"a crash on probation", func(*rollout.Word) {}, true},
		{"of a machine that does not say its model", func(w *rollout.Word) { w.Report.Crash.Model, w.Model, w.Before = "", "", "" }, true},
		{"of a machine whose facts had not come yet", func(w *rollout.Word) { w.Before = "" }, true},
		{"a report that tells of no crash", func(w *rollout.Word) { w.Report.Crash = nil }, false},
		{"an attempt that went well", func(w *rollout.Word) { w.Report.State = hotstick.Confirmed }, false},
		{"an attempt that nobody granted", func(w *rollout.Word) { w.Granted = false }, false},
		{"another level than the report's", func(w *rollout.Word) { w.Report.Patch.Level = 9 }, false},
		{"another level than the plan's", func(w *rollout.Word) { w.Plan.Level = 9 }, false},
		{"another kernel build than the plan lists", func(w *rollout.Word) { w.Listed.Build.BuildID = "y" }, false},
		{"another model than its facts say", func(w *rollout.Word) { w.Model = "two" }, false},
		{"a model that its facts have only said since", func(w *rollout.Word) { w.Before = "two" }, false},
	}
	for _, test := range tests {
		w := rollout.Word{Plan: fix, Listed: hotstick.PlanHost{Build: build}, Granted: true, Model: "one", Before: "one",
			Report: hotstick.Report{Patch: fix, State: hotstick.Quarantined, Crash: &hotstick.CrashPrint{Patch: fix, Build: build, Model: "one"}}}
		test.change(&w)
		got := w.Stops()
		if (got != nil) != test.want || got != nil && *got != *w.Report.Crash {
			t.Errorf("%s: it stops %+v, want %t", test.name, got, test.want)
		}
	}
}
