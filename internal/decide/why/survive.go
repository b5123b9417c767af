package why

import (
	"fmt"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
)

// survives says what the host itself tells beside its level, and what would change the
// first of it.
func survives(h Host) (lines []string, changes string) {
	if h.Stall != nil {
		lines = append(lines, stalled(*h.Stall)...)
		changes = stallRemedy(*h.Stall)
	}
	if h.Drift != nil {
		lines = append(lines, Drifted(*h.Drift))
		if changes == "" {
			changes = driftRemedies[h.Drift.Kind]
		}
	}
	if h.Barred != nil {
		lines = append(lines, Text(*h.Barred))
		if changes == "" {
			changes = Remedy(*h.Barred, h.At)
		}
	}
	return lines, changes
}

// Drifted says how a host drifts, what should be there and what is, and when it
// happened.
func Drifted(d hotstick.Drift) string {
	meaning, _ := d.Kind.Meaning()
	if d.Kind == hotstick.DriftLifted {
		return lifted(meaning, d)
	}
	text := fmt.Sprintf("%s Expected: %s; found: %s.", meaning, levelText(d.Expected), foundText(d))
	if d.Before.IsZero() {
		return text + fmt.Sprintf(" It was so by %s; by whom is not known.", d.Since.UTC().Format(time.RFC3339))
	}
	who := "by whom is not known"
	if d.Master != "" {
		who = "by " + d.Master
	}
	return text + fmt.Sprintf(" It happened between %s and %s, %s.", d.Before.UTC().Format(time.RFC3339), d.Since.UTC().Format(time.RFC3339), who)
}

// lifted says which system is not on hold any more, and since when: of that no check-in
// tells who has done it.
func lifted(meaning string, d hotstick.Drift) string {
	text := fmt.Sprintf("%s It is %s", meaning, d.Master)
	if d.Detail != "" {
		text += ": " + d.Detail
	}
	if d.Before.IsZero() {
		return text + fmt.Sprintf(". It was so by %s; by whom is not known.", d.Since.UTC().Format(time.RFC3339))
	}
	return text + fmt.Sprintf(". It happened between %s and %s, by whom is not known.", d.Before.UTC().Format(time.RFC3339), d.Since.UTC().Format(time.RFC3339))
}

func levelText(ref hotstick.PatchRef) string {
	if ref.IsZero() {
		return "the kernel as it booted"
	}
	return ref.String()
}

func foundText(d hotstick.Drift) string {
	if d.Module == "" {
		return levelText(d.Found)
	}
	if d.Kind == hotstick.DriftDisabled {
		return d.Module + ", disabled"
	}
	return d.Module
}

// driftRemedies says what a person does about drift of each kind.
var driftRemedies = map[hotstick.DriftKind]string{
	hotstick.DriftRemoved:  "Find out who removed the patch; a new plan brings it back: hotstick rollout plan PATCH@LEVEL",
	hotstick.DriftDisabled: "Find out who disabled the patch; a new plan brings it back: hotstick rollout plan PATCH@LEVEL",
	hotstick.DriftForeign:  "Remove the other live patch with the tool that loaded it, or let Hotstick adopt its system on the host.",
	hotstick.DriftRebooted: "Look at the loader's journal on the host for why the level did not come back: hotstick-agent journal",
	hotstick.DriftKernel:   "Boot the kernel that was planned, or make a new plan for the one that runs: hotstick rollout plan PATCH@LEVEL",
	hotstick.DriftLifted:   "Find out who did it and why. On the host, hotstick-agent adopt puts the system on hold again, and hotstick-agent release gives it back.",
	hotstick.DriftSnapshot: "A new plan brings the level back: hotstick rollout plan PATCH@LEVEL",
}

// maxStackLines is how much of a stack is told.
const maxStackLines = 4

// stalled says what keeps a transition from ending.
func stalled(s hotstick.Stall) []string {
	way := "to the new code"
	if s.State == hotstick.TransitionOut {
		way = "back to the old code"
	}
	tasks := fmt.Sprintf("%d tasks have", s.Tasks)
	if s.Tasks == 1 {
		tasks = "1 task has"
	}
	lines := []string{fmt.Sprintf("The transition of %s stalls: for %s %s not moved %s.", s.Module, time.Duration(s.ForMillis)*time.Millisecond, tasks, way)}
	for _, b := range s.Blockers {
		meaning, _ := b.Cause.Meaning()
		who := fmt.Sprintf("%s (thread %d", b.Command, b.TID)
		if b.Unit != "" {
			who += " of " + b.Unit
		}
		line := who + "): " + meaning
		if b.Function != "" {
			line += " The function is " + b.Function + "."
		}
		if n := min(len(b.Stack), maxStackLines); n > 0 {
			line += " Stack: " + strings.Join(b.Stack[:n], " < ")
		}
		lines = append(lines, line)
	}
	return lines
}

// stallRemedies says what a person does about each cause.
var stallRemedies = map[hotstick.BlockCause]string{
	hotstick.BlockInside:          "Wait until the call returns, or restart the service that makes it; otherwise the host reverts by itself when its time is over.",
	hotstick.BlockRunning:         "Let the task pause, for example by lowering the load; otherwise the host reverts by itself when its time is over.",
	hotstick.BlockUninterruptible: "Bring back the device or file server that it waits for.",
	hotstick.BlockStopped:         "Let the task go on (kill -CONT), or end the debugger.",
	hotstick.BlockAsleep:          "The kernel moves it at one of its next tries; nothing needs to be done yet.",
	hotstick.BlockStack:           "Restart the service that the task belongs to; otherwise the host reverts by itself when its time is over.",
	hotstick.BlockUnknown:         "Look at the task on the host: hotstick-agent doctor",
}

// stallRemedy is what a person does about the first blocker.
func stallRemedy(s hotstick.Stall) string {
	if len(s.Blockers) == 0 {
		return stallRemedies[hotstick.BlockUnknown]
	}
	return stallRemedies[s.Blockers[0].Cause]
}
