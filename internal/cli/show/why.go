package show

import (
	"github.com/hotstick/hotstick/api"
)

// RolloutWhy says why a rollout, its waves and its lanes do not move.
func RolloutWhy(w api.RolloutWhy, st Style) string {
	var p page
	p.line("%s  %s", st.Bold(Clean(w.Name)), st.paint(string(w.Status), planStatus(w.Status).shaped(st)))
	p.line("%s", Escape(w.Rollout.Text))
	standings(&p, st, "Waves", w.Waves, w.Rollout.Reason)
	standings(&p, st, "Kernel builds", w.Lanes, w.Rollout.Reason)
	return p.String()
}

// standings lists waves or lanes. What keeps the whole rollout was said before.
func standings(p *page, st Style, title string, list []api.Standing, said *api.Reason) {
	t := Table{Header: []string{"NAME", "MOVES", "WHY"}}
	for _, s := range list {
		why := Escape(s.Text)
		if said != nil && s.Reason != nil && s.Reason.Text == said.Text {
			why = "it waits for the same as the rollout"
		}
		t.Rows = append(t.Rows, []Cell{text(s.Name), {Text: moves(s)}, {Text: why}})
	}
	p.table(st, title, t)
}

func moves(s api.Standing) string {
	switch {
	case s.Over:
		return "over"
	case s.Moving:
		return "yes"
	}
	return "no"
}

// Standing is one wave or lane in a line.
func Standing(s api.Standing, st Style) string {
	return st.Bold(Clean(s.Name)) + ": " + Escape(s.Text) + "\n"
}
