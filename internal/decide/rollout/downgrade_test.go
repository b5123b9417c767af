package rollout_test

import (
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/rollout"
)

func TestAPlanTakesHostsDownOnlyWhereItWasMadeTo(t *testing.T) {
	runs := func(level int) func(*rollout.View) {
		return on("a", func(h *rollout.Host) { h.InEffect = hotstick.PatchRef{Name: "fix", Level: level} })
	}
	// lists makes a plan whose lane may go back to these levels.
	lists := func(levels ...int) func(*rollout.View) {
		return func(v *rollout.View) {
			lane := hotstick.Lane{Build: v.Hosts[0].Listed.Build}
			for _, n := range levels {
				lane.RevertTo = append(lane.RevertTo, hotstick.RevertTarget{Patch: hotstick.PatchRef{Name: "fix", Level: n}})
			}
			v.Plan.Lanes = append(v.Plan.Lanes, lane)
		}
	}
	const line = "a/x/0:waiting b/x/1:waiting"
	holds(t, []rule{
		{"a host at a newer level is left as it is", line, runs(3), 0, "start b, a->skipped"},
		{"also if the plan goes back to an older one", line, all(runs(3), lists(1)), 0, "start b, a->skipped"},
		{"a plan that was made to go down from there starts it", line, all(runs(3), lists(1, 3)), 0, "start a"},
		{"but not from a level that it does not list", line, all(runs(4), lists(1, 3)), 0, "start b, a->skipped"},
		{"a host that runs the level has it already", line, all(runs(2), lists(2, 3)), 0, "start b, a->skipped"},
	})
}
