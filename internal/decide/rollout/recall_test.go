package rollout_test

import (
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/rollout"
)

// recall is a recall of the plans' patch.
func recall(action hotstick.RecallAction) *hotstick.Recall {
	return &hotstick.Recall{Patch: hotstick.PatchRef{Name: "fix", Level: 2}, Action: action, Reason: "it loses packets", Issued: t0}
}

func TestARecallEndsThePlan(t *testing.T) {
	const fleetLine = "a/x/0:confirmed b/x/1:probation c/x/1:waiting"
	for _, c := range []struct {
		name   string
		fleet  string
		change func(*rollout.View)
		want   string
	}{
		{"a block halts and leaves what runs", fleetLine, func(v *rollout.View) { v.Recalled = recall(hotstick.RecallBlock) }, "halted"},
		{"a revert sends back what runs, within the budget", fleetLine, func(v *rollout.View) { v.Recalled = recall(hotstick.RecallRevert) },
			"b->reverting, halted, revert"},
		{"a held plan as well", fleetLine, func(v *rollout.View) { v.Status, v.Recalled = hotstick.Held, recall(hotstick.RecallRevert) },
			"b->reverting, halted, revert"},
		{"one that waits for its start has nothing to send back", "a/x/0:waiting", func(v *rollout.View) {
			v.Status, v.Started, v.Recalled = hotstick.Approved, nil, recall(hotstick.RecallRevert)
		}, "halted"},
		{"one that is not approved either", "a/x/0:waiting", func(v *rollout.View) {
			v.Status, v.Started, v.Recalled = hotstick.Proposed, nil, recall(hotstick.RecallBlock)
		}, "halted"},
		{"one that is over stays as it ended", "a/x/0:confirmed", func(v *rollout.View) {
			v.Status, v.Recalled = hotstick.Completed, recall(hotstick.RecallRevert)
		}, ""},
	} {
		v := fleet(c.fleet)
		c.change(&v)
		d := rollout.Next(v, t0)
		if got := say(d); got != c.want {
			t.Errorf("%s: decided %q, want %q", c.name, got, c.want)
		}
		if d.Status == hotstick.Halted && (d.Reason == nil || d.Reason.Code != hotstick.ReasonRecalled || d.Reason.Detail == "") {
			t.Errorf("%s: halted for %+v", c.name, d.Reason)
		}
	}
}

func TestAHostThatGoesBackForARecallIsNoProofAgainstItsPlan(t *testing.T) {
	v := fleet("a/x/0:reverted=recalled")
	if got := say(rollout.Next(v, t0.Add(time.Minute))); got != "completed" {
		t.Errorf("decided %q", got)
	}
}
