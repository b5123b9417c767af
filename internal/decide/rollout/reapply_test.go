package rollout_test

import (
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/rollout"
)

// drifting makes the named hosts drift, in a plan that puts its level back once.
func drifting(names string, kind hotstick.DriftKind) func(*rollout.View) {
	return all(
		func(v *rollout.View) { v.Plan.Reapply = 1 },
		on(names, func(h *rollout.Host) {
			h.Drift = &hotstick.Drift{Kind: kind, Expected: hotstick.PatchRef{Name: "fix", Level: 2}, Since: t0}
		}))
}

// over makes the plan one that is over.
func over(s hotstick.PlanStatus) func(*rollout.View) { return func(v *rollout.View) { v.Status = s } }

func TestWhatSomebodyElseTookAwayIsPutBack(t *testing.T) {
	removed := "a/x/0:confirmed b/x/1:failed=removed_outside c/x/2:waiting"
	holds(t, []rule{
		{"a level that somebody removed", removed, drifting("b", hotstick.DriftRemoved), time.Hour, "start b, b->waiting"},
		{"and not before it is known as drift", removed, drifting("", ""), time.Hour, ""},
		{"nor where it is only to be reported", removed, all(drifting("b", hotstick.DriftRemoved), func(v *rollout.View) { v.Plan.Reapply = 0 }), time.Hour, ""},
		{"nor a second time", removed, all(drifting("b", hotstick.DriftRemoved), on("b", func(h *rollout.Host) { h.Reapplied = 1 })), time.Hour, ""},
		{"but a second time where the plan says so", removed, all(drifting("b", hotstick.DriftRemoved), func(v *rollout.View) { v.Plan.Reapply = 2 },
			on("b", func(h *rollout.Host) { h.Reapplied = 1 })), time.Hour, "start b, b->waiting"},
		{"one that somebody disabled, before the loader told", "a/x/0:confirmed b/x/1:confirmed", drifting("b", hotstick.DriftDisabled), time.Hour, "start b, b->waiting"},
		{"one that a snapshot took", "a/x/0:confirmed b/x/1:confirmed", drifting("b", hotstick.DriftSnapshot), time.Hour, "start b, b->waiting"},
		{"one that did not come back after a boot is left to the host first", "a/x/0:confirmed", all(drifting("a", hotstick.DriftRebooted), over(hotstick.Completed)), 34 * time.Minute, ""},
		{"and put back then", "a/x/0:confirmed", all(drifting("a", hotstick.DriftRebooted), over(hotstick.Completed)), 35 * time.Minute, "running"},
		{"not what another system loaded", removed, drifting("b", hotstick.DriftForeign), time.Hour, ""},
		{"not on another kernel build", "a/x/0:confirmed", drifting("a", hotstick.DriftKernel), time.Hour, "completed"},
		{"not another level", removed, all(drifting("b", hotstick.DriftRemoved), on("b", func(h *rollout.Host) { h.Drift.Expected.Level = 3 })), time.Hour, ""},
		{"not what failed for another cause", "a/x/0:confirmed b/x/1:failed=kernel_refused", drifting("b", hotstick.DriftRemoved), time.Hour, "completed"},
		{"not what went down with the level", "a/x/0:confirmed", all(drifting("a", hotstick.DriftSnapshot), on("a", func(h *rollout.Host) { h.Crashed = t0 })), time.Hour, "completed"},
		{"not on a host that holds a strike", "a/x/0:confirmed b/x/1:confirmed", all(drifting("b", hotstick.DriftSnapshot), on("b", func(h *rollout.Host) { h.Struck = true })), time.Hour, "completed"},
		{"not on a host that reverted it before", removed, all(drifting("b", hotstick.DriftRemoved), on("b", func(h *rollout.Host) { h.RevertedBefore = true })), time.Hour, ""},
		{"not against a person who holds the host", removed, all(drifting("b", hotstick.DriftRemoved),
			on("b", func(h *rollout.Host) { h.Barred = &hotstick.Reason{Code: hotstick.ReasonHeldOnHost} })), time.Hour, ""},
		{"not on a host that another system manages", removed, all(drifting("b", hotstick.DriftRemoved),
			on("b", func(h *rollout.Host) { h.Barred = &hotstick.Reason{Code: hotstick.ReasonOtherMaster} })), time.Hour, ""},
		{"not on an excluded host", removed, all(drifting("b", hotstick.DriftRemoved), on("b", excludedFor(2*time.Hour))), time.Hour, ""},
		{"not while its loader is at work", removed, all(drifting("b", hotstick.DriftRemoved), on("b", func(h *rollout.Host) { h.Busy = true })), time.Hour, ""},
		{"not while another plan is", removed, all(drifting("b", hotstick.DriftRemoved), on("b", func(h *rollout.Host) { h.Elsewhere = true })), time.Hour, ""},
		{"not on a silent host", removed, all(drifting("b", hotstick.DriftRemoved), on("b", silent)), time.Hour, ""},
		{"not while the plan is held", removed, all(drifting("b", hotstick.DriftRemoved), over(hotstick.Held)), time.Hour, ""},
		{"past what the plan says it is missed, and no verdict on the patch", "a/x/0:confirmed b/x/1:failed=removed_outside c/x/1:failed=removed_outside d/x/1:failed=removed_outside e/x/2:waiting",
			all(drifting("b c d", hotstick.DriftRemoved), on("b c d", func(h *rollout.Host) { h.Reapplied = 1 })), time.Hour, ""},
		{"nor where it is only to be reported", "a/x/0:confirmed b/x/1:failed=removed_outside c/x/1:failed=removed_outside d/x/1:failed=removed_outside e/x/2:waiting",
			all(drifting("b c d", hotstick.DriftRemoved), func(v *rollout.View) { v.Plan.Reapply = 0 }), time.Hour, ""},
		{"a hand in the probation of another attempt is none either", "a/x/0:confirmed b/x/1:reverted=removed_outside c/x/1:reverted=removed_outside d/x/2:waiting",
			on("b c", func(h *rollout.Host) { h.Reapplied = 1 }), time.Hour, ""},
		{"one such host stops nobody", "a/x/0:confirmed b/x/1:confirmed c/x/1:reverted=removed_outside d/x/2:waiting", nil, time.Hour, "start d"},
		{"two that people removed are no verdict on the patch", "a/x/0:confirmed b/x/1:failed=removed_outside c/x/1:failed=removed_outside d/x/1:failed=removed_outside e/x/2:waiting", drifting("", ""), time.Hour, ""},
		{"and its slot is one of the budget's", "a/x/0:confirmed b/x/1:failed=removed_outside c/x/1:probation d/x/1:probation e/x/1:probation",
			drifting("b", hotstick.DriftRemoved), time.Hour, "b->waiting"},
	})
}

func TestAWaveWaitsForALevelThatIsPutBackAndForNoOther(t *testing.T) {
	hosts := "a/x/0:confirmed b/x/1:confirmed c/x/1:failed=removed_outside d/x/2:waiting"
	gone := drifting("c", hotstick.DriftRemoved)
	barred := func(code hotstick.ReasonCode) func(*rollout.View) {
		return all(gone, on("c", func(h *rollout.Host) { h.Barred = &hotstick.Reason{Code: code} }))
	}
	fix := hotstick.PatchRef{Name: "fix", Level: 2}
	holds(t, []rule{
		{"it waits where the level is put back", hosts, all(gone, on("c", func(h *rollout.Host) { h.Busy = true })), time.Hour, ""},
		{"and where the check-ins do not show yet that it is gone", hosts, drifting("", ""), 4 * time.Minute, ""},
		{"not once they should have shown it", hosts, drifting("", ""), 5 * time.Minute, "start d"},
		{"not where somebody loaded it again by hand", hosts, all(drifting("", ""), on("c", func(h *rollout.Host) { h.InEffect = fix })), time.Minute, "start d"},
		{"not where another system loaded its own", hosts, drifting("c", hotstick.DriftForeign), time.Minute, "start d"},
		{"not after as many times as were signed", hosts, all(gone, on("c", func(h *rollout.Host) { h.Reapplied = 1 })), time.Minute, "start d"},
		{"not for one that holds a strike", hosts, all(gone, on("c", func(h *rollout.Host) { h.Struck = true })), time.Minute, "start d"},
		{"not for one that reverted it", hosts, all(gone, on("c", func(h *rollout.Host) { h.RevertedBefore = true })), time.Minute, "start d"},
		{"not for one that is called back", hosts, all(gone, on("c", func(h *rollout.Host) { h.Recall = &hotstick.Reason{Code: hotstick.ReasonOperator} })), time.Minute, "start d"},
		{"not for an excluded one", hosts, all(gone, on("c", excludedFor(2*time.Hour))), time.Minute, "start d"},
		{"but once that is over", hosts, all(gone, on("c", excludedFor(time.Minute))), 2 * time.Minute, "start c, c->waiting"},
		{"not for one that is held", hosts, barred(hotstick.ReasonHeldOnHost), time.Minute, "start d"},
		{"not for one that is switched off", hosts, barred(hotstick.ReasonSwitchedOff), time.Minute, "start d"},
		{"not for one that another system manages", hosts, barred(hotstick.ReasonOtherMaster), time.Minute, "start d"},
		{"not for one that is silent", hosts, all(gone, on("c", silent)), time.Hour, "start d"},
		{"not on machines on which others went down", hosts, all(gone, func(v *rollout.View) {
			v.Hosts[2].Model = "m"
			v.Crashes = []rollout.Crash{{Print: hotstick.CrashPrint{Patch: fix, Build: v.Hosts[2].Listed.Build, Model: "m"}, Host: "z"}}
		}), time.Minute, "start d"},
	})
}

// TestALaneThatNobodyPutsBackSaysWhomItWaitsFor: a person is told, and can end it.
func TestALaneThatNobodyPutsBackSaysWhomItWaitsFor(t *testing.T) {
	v := fleet("a/x/0:failed=removed_outside b/x/1:waiting")
	all(drifting("a", hotstick.DriftForeign))(&v)
	r := rollout.Open(v)
	why := r.Stuck(t0.Add(time.Hour))
	if why == nil || why.Code != hotstick.ReasonLaneHeld || why.Detail != "a" {
		t.Fatalf("it waits for %+v", why)
	}
}

// TestALaneOfWhichNobodyIsThereSaysHowManyMustShowTheLevelElsewhere: nobody of it ended
// badly, so there is nobody to dismiss.
func TestALaneOfWhichNobodyIsThereSaysHowManyMustShowTheLevelElsewhere(t *testing.T) {
	v := fleet("a/x/0:skipped=held_on_host b/x/0:skipped=held_on_host c/x/1:waiting")
	on("a b", func(h *rollout.Host) { h.Barred = &hotstick.Reason{Code: hotstick.ReasonHeldOnHost} })(&v)
	why := rollout.Open(v).Stuck(t0.Add(time.Hour))
	if why == nil || why.Code != hotstick.ReasonLaneHeld || why.Cause != hotstick.ReasonNoReadings || why.Detail != "0 of 1 elsewhere" {
		t.Fatalf("it waits for %+v", why)
	}
}

func TestACompletedPlanRunsAgainToPutItsLevelBack(t *testing.T) {
	gone := all(drifting("a", hotstick.DriftRemoved), over(hotstick.Completed))
	holds(t, []rule{
		{"it runs again, in its own authority", "a/x/0:failed=removed_outside b/x/1:confirmed", gone, time.Hour, "running"},
		{"not where it only reports", "a/x/0:failed=removed_outside", all(gone, func(v *rollout.View) { v.Plan.Reapply = 0 }), time.Hour, ""},
		{"not after its signed life", "a/x/0:failed=removed_outside", gone, 25 * time.Hour, ""},
		{"not once it was halted", "a/x/0:failed=removed_outside", all(gone, over(hotstick.Halted)), time.Hour, ""},
		{"not where the patch is banned", "a/x/0:failed=removed_outside", all(gone, func(v *rollout.View) { v.Banned = true }), time.Hour, ""},
		{"not where it is recalled", "a/x/0:failed=removed_outside", all(gone, func(v *rollout.View) { v.Recalled = recall(hotstick.RecallBlock) }), time.Hour, ""},
		{"not while everything is stopped", "a/x/0:failed=removed_outside", all(gone, func(v *rollout.View) { v.StopAll = true }), time.Hour, ""},
		{"not while it goes back", "a/x/0:failed=removed_outside", all(gone, func(v *rollout.View) { v.Reverting = true }), time.Hour, ""},
		{"not where hosts have died of it since", "a/x/0:failed=removed_outside b/x/1:quarantined=crash_named_patch", gone, time.Hour, ""},
		{"not for a host that is not there", "a/x/0:failed=removed_outside", all(gone, on("a", silent)), time.Hour, ""},
	})
}

func TestAPlanThatRunsForDriftStopsAtThatAndLeavesTheRest(t *testing.T) {
	again := all(drifting("b", hotstick.DriftRemoved), func(v *rollout.View) { v.Reopened = true })
	put := on("b", func(h *rollout.Host) { h.Reapplied = 1 })
	holds(t, []rule{
		{"a failing gate holds it for a person", "a/x/0:confirmed b/x/1:reverted=probe_failed", again, time.Hour, "held"},
		{"and a crash that names the patch", "a/x/0:confirmed b/x/1:quarantined=crash_named_patch c/x/1:confirmed", all(again, put), time.Hour, "held"},
		{"once", "a/x/0:confirmed b/x/1:reverted=probe_failed", all(again, over(hotstick.Held)), time.Hour, ""},
		{"before that the whole plan goes back", "a/x/0:confirmed b/x/1:reverted=probe_failed", drifting("", ""), time.Hour, "a->reverting, halted, revert, ban"},
		{"nothing is put back meanwhile", "a/x/0:reverted=probe_failed b/x/1:failed=removed_outside", all(again, over(hotstick.Held)), time.Hour, ""},
		{"a host that it passed over before is not caught up", "a/x/0:confirmed b/x/1:failed=removed_outside c/x/1:skipped=host_silent", again, time.Hour, "start b, b->waiting"},
		{"nor waited for", "a/x/0:confirmed b/x/1:confirmed c/x/1:skipped=host_silent", all(again, put), time.Hour, "completed"},
		{"one whose level was to be put back is", "a/x/0:confirmed b/x/1:skipped=host_silent", all(again, put), time.Hour, "start b, b->waiting"},
		{"and waited for", "a/x/0:confirmed b/x/1:skipped=host_silent", all(again, put, on("b", silent)), time.Hour, ""},
	})
}

// TestACompletedPlanIsNotForgottenWhileItMayPutItsLevelBack: it looks again when the
// freeze is over that keeps it.
func TestACompletedPlanIsNotForgottenWhileItMayPutItsLevelBack(t *testing.T) {
	v := fleet("a/x/0:failed=removed_outside")
	all(drifting("a", hotstick.DriftRemoved), over(hotstick.Completed))(&v)
	until := t0.Add(time.Hour)
	v.Freezes = []rollout.Freeze{{Interval: hotstick.Interval{From: t0, Until: until}, Reason: "sale"}}
	v.Hosts[0].LastSeen = t0.Add(2 * time.Hour)
	r := rollout.Open(v)
	d := r.Next(t0)
	if !d.Empty() || !d.Check.Equal(until) || r.AtRest() {
		t.Fatalf("decided %q, looks again at %s, at rest %t", say(d), d.Check, r.AtRest())
	}
	if got := say(r.Next(until)); got != "running" || !r.Frame().Reopened {
		t.Errorf("after the freeze it decided %q", got)
	}
	if got := say(r.Next(until)); got != "start a, a->waiting" {
		t.Errorf("and then %q", got)
	}
}
