package show

import (
	"time"

	"github.com/hotstick/hotstick/api"
)

// Freezes is the list of change freezes.
func Freezes(list []api.Freeze, st Style) Table {
	t := Table{Header: []string{"ID", "HOLDS", "FROM", "UNTIL", "BY", "REASON"}, Empty: "No freeze holds or is to come."}
	for _, f := range list {
		holds := "in " + Age(f.From.Sub(st.Now))
		if f.Active {
			holds = "now"
		}
		t.Rows = append(t.Rows, []Cell{text(f.ID), {Text: holds}, {Text: f.From.UTC().Format(time.RFC3339)}, {Text: f.Until.UTC().Format(time.RFC3339)},
			text(string(f.By)), text(f.Reason)})
	}
	return t
}

// FreezeNames are the arguments by which other commands find the freezes.
func FreezeNames(list []api.Freeze) []string {
	var names []string
	for _, f := range list {
		names = append(names, f.ID)
	}
	return names
}
