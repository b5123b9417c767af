package show

import (
	"strconv"
	"time"

	"github.com/hotstick/hotstick/api"
)

// Events is a page of the audit log, newest first.
func Events(events []api.Event, st Style) Table {
	t := Table{Header: []string{"SEQ", "TIME", "KIND", "ACTOR", "HOST", "EVENT"}, Empty: "  No event yet."}
	if st.Wide {
		t.Header = []string{"SEQ", "TIME", "KIND", "ACTOR", "PLAN", "PATCH", "HOST", "EVENT"}
	}
	for _, e := range events {
		row := []Cell{{Text: strconv.FormatInt(e.Seq, 10)}, {Text: e.At.UTC().Format(time.RFC3339)}, text(e.Kind), text(e.Actor)}
		if st.Wide {
			row = append(row, text(e.Plan.Short()), eventPatch(e))
		}
		t.Rows = append(t.Rows, append(row, text(hostOf(e)), Cell{Text: Escape(e.Text)}))
	}
	return t
}

func eventPatch(e api.Event) Cell {
	if e.Patch.IsZero() {
		return Cell{Text: "-"}
	}
	return text(e.Patch.String())
}

func hostOf(e api.Event) string {
	if e.HostName != "" {
		return e.HostName
	}
	return string(e.Host)
}

// latest is the part of a timeline that fits a screen; all of it if wide.
func latest(events []api.Event, st Style) Table {
	if len(events) > maxListed && !st.Wide {
		events = events[:maxListed]
	}
	return Events(events, st)
}
