package show

import "strings"

// shapes are the console's shapes, so that both faces say the same without
// colour.
var shapes = map[string]string{
	"applied": "●", "confirmed": "●", "completed": "●", "in_effect": "●", "pass": "●",
	"transitioning": "◐", "applying": "◐", "armed": "◐", "admitted": "◐", "running": "◐",
	"transition_in": "◐", "transition_out": "◐",
	"probation": "◔",
	"waiting":   "○", "proposed": "○", "approved": "○", "hold": "○", "held": "○", "unpatched": "○",
	"reverted": "↺", "reverting": "↺", "slow": "◔",
	"failed": "✕", "halted": "✕", "fail": "✕", "lost": "✕",
	"quarantined": "⊘", "cloned": "⊘", "banned": "⊘",
	"stale": "◌", "unknown": "◌", "expired": "◌", "skipped": "◌", "interrupted": "◌", "disabled": "◌",
}

// Shape returns the sign of a state: of a host, a plan, a gate or a loaded
// patch. An unknown state has the sign of the unknown.
func Shape(state string) string {
	if s, ok := shapes[state]; ok {
		return s
	}
	return "◌"
}

// Colours by shape: what has one meaning has one colour.
var colors = map[string]string{
	"●": "32", "◐": "34", "◔": "36", "○": "90", "↺": "33", "✕": "31", "⊘": "35", "◌": "90",
}

func (st Style) paint(state, s string) string {
	if !st.Color || state == "" {
		return s
	}
	return "\x1b[" + colors[Shape(state)] + "m" + s + "\x1b[0m"
}

// Bold marks a heading on a terminal that shows it.
func (st Style) Bold(s string) string {
	if !st.Color {
		return s
	}
	return "\x1b[1m" + s + "\x1b[0m"
}

// paintShapes colours every shape in a line by its meaning.
func (st Style) paintShapes(line string) string {
	if !st.Color {
		return line
	}
	var b strings.Builder
	for _, r := range line {
		if color, ok := colors[string(r)]; ok {
			b.WriteString("\x1b[" + color + "m" + string(r) + "\x1b[0m")
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}
