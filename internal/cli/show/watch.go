package show

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
)

// Frame is what rollout watch draws on a terminal of the given width: the
// headline, one line a wave with a cell for each host, and what needs a look.
// No line is wider than the terminal, so that the next frame can be drawn over
// this one.
func Frame(r api.Rollout, width int, st Style) []string {
	lines := []string{
		fmt.Sprintf("%s  %s  %s", Clean(r.Name), Clean(closes(r.RolloutSummary)), planStatus(r.Status).shaped(st)),
		Escape(r.Headline),
		fmt.Sprintf("%s  %s", elapsed(r.RolloutSummary, st.Now), stateCounts(r.States)),
		"",
	}
	for _, w := range r.Waves {
		lines = append(lines, waveLine(w, width, st))
	}
	shown := 0
	for _, w := range r.Waves {
		for _, c := range w.Hosts {
			if needsLook(c) && shown < 5 {
				shown++
				lines = append(lines, fmt.Sprintf("%s %s: %s, %s", Shape(string(c.State)), Clean(c.Name), c.State, reasonCell(c.Reason).Text))
			}
		}
	}
	for i, l := range lines {
		lines[i] = cut(l, max(width-1, 20))
	}
	lines[0] = st.Bold(lines[0])
	for i := range lines {
		lines[i] = st.paintShapes(lines[i])
	}
	return lines
}

// waveLine draws a wave: its number, hosts as shapes, or as counts where they do
// not fit, and its gate.
func waveLine(w api.Wave, width int, st Style) string {
	head := fmt.Sprintf("wave %-3d %4d hosts  ", w.Index+1, w.Size)
	room := width - utf8.RuneCountInString(head) - 24
	gate := "  gate " + orNone(w.Gate.Verdict)
	if len(w.Hosts) != w.Size || w.Size > room {
		return head + stateCounts(w.States) + gate
	}
	var b strings.Builder
	for _, c := range w.Hosts {
		b.WriteString(Shape(string(c.State)))
	}
	return head + b.String() + gate
}

// Progress is what rollout watch prints elsewhere: one line for people and logs,
// which changes only when something has happened.
func Progress(r api.Rollout) string {
	open := ""
	for _, w := range r.Waves {
		if !waveOver(w) {
			open = fmt.Sprintf(" wave %d of %d,", w.Index+1, len(r.Waves))
			break
		}
	}
	line := fmt.Sprintf("%s:%s %s", r.Status, open, stateCounts(r.States))
	if r.Headline != "" {
		line += ". " + Escape(r.Headline)
	}
	return line
}

func waveOver(w api.Wave) bool {
	for s, n := range w.States {
		if n > 0 && !s.Terminal() {
			return false
		}
	}
	return true
}

func elapsed(r api.RolloutSummary, now time.Time) string {
	switch {
	case r.Started == nil:
		return "not started"
	case r.Ended != nil:
		return "took " + Age(r.Ended.Sub(*r.Started))
	}
	return "running for " + Age(now.Sub(*r.Started))
}

// Outcome says how a rollout that is over ended, and whether it ended well:
// completed, with every host confirmed or left out by a decision.
func Outcome(r api.RolloutSummary) (text string, well bool) {
	counts := stateCounts(r.States)
	if r.Status != hotstick.Completed {
		text = fmt.Sprintf("The rollout is %s: %s.", r.Status, counts)
		if r.Reason != nil {
			text += " " + Escape(reasonText(*r.Reason))
		}
		return text, false
	}
	good := r.States[hotstick.Confirmed] + r.States[hotstick.Skipped]
	return fmt.Sprintf("The rollout is completed: %s.", counts), good == r.Hosts
}
