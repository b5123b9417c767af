package show

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hotstick/hotstick/api"
)

// JoinTokens is the table of join tokens that may still be used.
func JoinTokens(list []api.JoinTokenState, st Style) Table {
	t := Table{Header: []string{"ID", "GROUP", "JOINED", "ENDS", "BY"}, Empty: "No join token may still be used."}
	for _, j := range list {
		var group []string
		for _, label := range slices.Sorted(maps.Keys(j.Group)) {
			group = append(group, label+"="+j.Group[label])
		}
		if len(group) == 0 {
			group = []string{"any"}
		}
		t.Rows = append(t.Rows, []Cell{text(j.ID), text(strings.Join(group, " ")), {Text: fmt.Sprintf("%d of %d", j.Joined, j.Hosts)},
			{Text: "in " + Age(j.Expires.Sub(st.Now))}, text(string(j.By))})
	}
	return t
}

// JoinTokenNames are the arguments by which other commands find the tokens.
func JoinTokenNames(list []api.JoinTokenState) []string {
	var names []string
	for _, j := range list {
		names = append(names, j.ID)
	}
	return names
}
