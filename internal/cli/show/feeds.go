package show

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Feed is one feed of an ePortal, as its servers reported last.
type Feed struct {
	Name    string `json:"feed"`
	Servers int    `json:"servers"`
	// Offers is the newest patch set that the feed offers; empty if it offers none.
	Offers string `json:"offers"`
	// Levels counts servers by the level that they report; 0 is none.
	Levels map[int]int `json:"levels"`
	// Oldest is the oldest of the servers' last reports.
	Oldest time.Time `json:"oldest_report,omitzero"`
}

// Feeds is an ePortal's feeds.
func Feeds(feeds []Feed, st Style) Table {
	t := Table{Header: []string{"FEED", "SERVERS", "OFFERS UP TO", "LEVELS", "OLDEST REPORT"}, Empty: "No server uses a feed of this ePortal."}
	for _, f := range feeds {
		var levels []string
		for _, l := range slices.Backward(slices.Sorted(maps.Keys(f.Levels))) {
			levels = append(levels, fmt.Sprintf("%d on %d", l, f.Levels[l]))
		}
		const few = 4
		if len(levels) > few && !st.Wide {
			levels = append(levels[:few], "…")
		}
		t.Rows = append(t.Rows, []Cell{text(f.Name), number(f.Servers), text(f.Offers), {Text: strings.Join(levels, ", ")}, {Text: since(f.Oldest, st.Now)}})
	}
	return t
}

// FeedNames are the feeds' names.
func FeedNames(feeds []Feed) []string {
	var names []string
	for _, f := range feeds {
		names = append(names, f.Name)
	}
	return names
}
