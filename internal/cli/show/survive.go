package show

import (
	"strings"
	"time"

	"github.com/hotstick/hotstick/api"
)

// Crashes is the list of levels that are stopped on a kind of machine.
func Crashes(list []api.CrashStop, st Style) Table {
	t := Table{Header: []string{"PATCH", "KERNEL", "MODEL", "HOST", "AGE"}, Empty: "No level is stopped after a crash."}
	if st.Wide {
		t.Header = append(t.Header, "BUILD ID")
	}
	t.Header = append(t.Header, "REASON")
	for _, s := range list {
		row := []Cell{text(s.Patch.String()), text(s.Build.Release), text(orNone(s.Model)), text(s.Name), {Text: since(s.At, st.Now)}}
		if st.Wide {
			row = append(row, text(s.Build.BuildID))
		}
		t.Rows = append(t.Rows, append(row, reasonCell(s.Reason)))
	}
	return t
}

// CrashNames are the levels that are stopped, each once.
func CrashNames(list []api.CrashStop) []string {
	var names []string
	for _, s := range list {
		if name := s.Patch.String(); len(names) == 0 || names[len(names)-1] != name {
			names = append(names, name)
		}
	}
	return names
}

// Drift is the list of hosts that drift.
func Drift(hosts []api.Host, st Style) Table {
	t := Table{Header: []string{"NAME", "DRIFT", "EXPECTED", "FOUND", "BY", "AFTER", "SEEN"}, Empty: "No host drifts."}
	for _, h := range hosts {
		d := h.Drift
		if d == nil {
			continue
		}
		found := level(d.Found)
		if d.Module != "" {
			found = text(d.Module)
		}
		after := "-"
		if !d.Before.IsZero() {
			after = d.Before.UTC().Format(time.RFC3339)
		}
		t.Rows = append(t.Rows, []Cell{text(h.Name), {Text: Clean(string(d.Kind)), State: "failed"}, level(d.Expected), found,
			text(orNone(d.Master)), {Text: after}, {Text: d.Since.UTC().Format(time.RFC3339)}})
	}
	return t
}

// hostState is what the screen shows of a host, with what is the matter beside it.
func hostState(h api.Host) Cell {
	c := Cell{Text: Clean(h.State), State: h.State}
	if h.Stall != nil {
		c.Text, c.State = c.Text+", stalled", "failed"
	}
	if h.Drift != nil {
		c.Text += ", drifts"
	}
	if h.Off != "" {
		c.Text += ", off"
	} else if h.Hold != nil {
		c.Text += ", held"
	}
	return c
}

// survives are the lines of a host's screen about what the host itself says beside its
// level.
func survives(p *page, h api.Host) {
	if h.Drift != nil {
		meaning, _ := h.Drift.Kind.Meaning()
		p.field("Drift", "%s since %s: %s", Clean(string(h.Drift.Kind)), h.Drift.Since.UTC().Format(time.RFC3339), meaning)
	}
	if s := h.Stall; s != nil {
		p.field("Stall", "%s for %s, %s", Clean(s.Module), time.Duration(s.ForMillis)*time.Millisecond, plural(s.Tasks, "task", "tasks"))
	}
	if h.Hold != nil {
		p.field("Held", "by %s since %s: %s", Escape(h.Hold.By), h.Hold.Since.UTC().Format(time.RFC3339), Escape(orNone(h.Hold.Reason)))
	}
	if h.Off != "" {
		p.field("Off", "switched off by %s", Clean(h.Off))
	}
	for _, m := range h.Masters {
		how := "not active"
		switch {
		case m.Lifted != nil:
			how = "adopted, not on hold: " + Escape(m.Lifted.Detail)
		case m.Adopted:
			how = "adopted"
		case m.Active:
			how = "active"
		}
		p.field("Master", "%s, %s", Escape(strings.TrimSpace(m.System+" "+m.Unit)), how)
	}
}
