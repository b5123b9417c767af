package show

import (
	"fmt"
	"strings"
)

// page collects the lines of a detail view.
type page struct{ b strings.Builder }

func (p *page) String() string { return p.b.String() }

func (p *page) line(format string, args ...any) { fmt.Fprintf(&p.b, format+"\n", args...) }

// field writes one named value, aligned with its neighbours.
func (p *page) field(name, format string, args ...any) {
	p.line("  %-10s %s", name, fmt.Sprintf(format, args...))
}

func (p *page) section(st Style, title string) { p.line("\n%s", st.Bold(title)) }

// table writes a section with a table, indented.
func (p *page) table(st Style, title string, t Table) {
	p.section(st, title)
	var b strings.Builder
	_ = t.Write(&b, st) // a strings.Builder takes everything
	for l := range strings.Lines(b.String()) {
		if len(t.Rows) > 0 {
			p.b.WriteString("  ")
		}
		p.b.WriteString(l)
	}
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
