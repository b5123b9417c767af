package world

import (
	"fmt"

	"github.com/hotstick/hotstick/internal/sim/checker"
)

// sometimes lists what must happen at least so often in a thousand seeds, or the
// runs prove nothing. Every kind of step is in it too.
func sometimes() map[string]int {
	return map[string]int{
		"host armed": 2000, "host applying": 2000, "host probation": 2000, "host confirmed": 1000, "host reverting": 100,
		"host reverted": 50, "host failed": 5, "host interrupted": 5, "host quarantined": 20,
		"kernel transition_in": 2000, "kernel in_effect": 2000, "kernel transition_out": 50, "kernel disabled": 50, "kernel unknown": 5,
		"re-applied after a reboot": 20, "strike": 20, "learned halt": 100, "learned ban": 100, "learned recall": 20,
		"down clean": 50, "down panic": 50, "down power": 50, "down rack_power": 50,
		"down while probation": 5, "down while applying": 1, "down while armed": 1,
		"loader killed in an attempt": 5, "killed in the middle of a write": 20, "panic on revert": 1,
		"message dropped": 50, "message delayed": 20, "message duplicated": 50, "answer dropped": 20,
		"cut on the way there": 100, "cut on the way back": 50, "partition": 50, "version skew": 5, "mirror lied": 1,
		"server killed between commit and answer": 50, "commit failed": 100, "documents replayed": 50,
		"foreign patch loaded": 50, "level removed by hand": 50, "level unloaded by hand": 20, "snapshot restored": 20, "put back after drift": 20, "probe failed": 20,
		"selector refused": 20, "approved plan edited": 10, "approval twice refused": 5, "plan started": 500,
		"refused grant_expired": 1, "refused grant_replayed": 1, "refused signature": 1, "refused delay": 5, "refused not_in_plan": 1,
		"shown applied": 2000, "shown stale": 200, "shown transitioning": 50,
		"command in the middle of an answer": 50, "off for minutes": 100, "newcomer": 50, "late host joined": 20, "stand-in": 5,
		"freeze taken": 50, "exclusion taken": 50, "taking back of a freeze or an exclusion taken": 50, "revert of a wave taken": 20,
		"revert of a host taken": 5, "retry taken": 10, "clear taken": 5, "dismissal taken": 10, "write-off taken": 5, "wave opened by hand": 100,
		"plan for a CVE with patches of several systems": 100, "step done": 200, "step refused": 40, "step ended from outside": 5,
		"machine down during a step": 5, "step kpatch remove": 5, "tool hangs": 5, "tool lies": 10, "tool fails late": 10,
		"system patched by itself": 20, "step lifted hold": 20,
		"touched sysctl": 500, "touched parameter": 100, "touched command": 100, "touched service_reload": 50, "touch failed": 20,
		"touch failed after it was made": 20, "loader ended in a touch": 20,
		"hold taken": 10, "halt taken": 10, "revert taken": 10, "ban taken": 10, "stop taken": 2,
	}
}

// Missing lists what happened too seldom in so many seeds, and the rules that had
// nothing to look at. In few seeds nothing can be asked for.
func Missing(happened, looked map[string]int, seeds int) []string {
	if seeds < 100 {
		return nil
	}
	var missing []string
	want := sometimes()
	for _, k := range append(faults(), deeds()...) {
		want["step "+k.name] = 5
	}
	for _, what := range sorted(want) {
		if need := want[what] * seeds / 1000; happened[what] < need {
			missing = append(missing, fmt.Sprintf("%q happened %d times in %d seeds; want %d", what, happened[what], seeds, need))
		}
	}
	return append(missing, unlooked(looked)...)
}

// unlooked lists rules that never had anything to look at.
func unlooked(looked map[string]int) []string {
	var missing []string
	for _, r := range checker.Rules() {
		if r.Unchecked == "" && looked[r.ID] == 0 {
			missing = append(missing, fmt.Sprintf("rule %s (%s) never had anything to look at", r.ID, r.Name))
		}
	}
	return missing
}
