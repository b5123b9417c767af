package show

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// Style is what the text depends on besides the values.
type Style struct {
	// Terminal: a person reads this, so states get their shapes.
	Terminal bool
	// Color: the terminal shows colours and NO_COLOR is not set.
	Color bool
	// Wide adds the columns that only some people need.
	Wide bool
	// Now is what ages are counted from.
	Now time.Time
}

// Table is rows under a header. Cells are plain text until they are written.
type Table struct {
	Header []string
	Rows   [][]Cell
	// Bare leaves the header out, for scripts that split lines.
	Bare bool
	// Empty is printed instead of a header without rows.
	Empty string
}

// Cell is one field of a table: clean text, and the state whose colour it has.
type Cell struct {
	Text  string
	State string
}

// text makes a cell of a foreign string.
func text(s string) Cell {
	if s == "" {
		return Cell{Text: "-"}
	}
	return Cell{Text: Clean(s)}
}

// number makes a cell of a count.
func number(n int) Cell { return Cell{Text: fmt.Sprint(n)} }

// Write prints the table with aligned columns; the last one is not padded.
func (t Table) Write(w io.Writer, st Style) error {
	if len(t.Rows) == 0 && t.Empty != "" {
		_, err := fmt.Fprintln(w, t.Empty)
		return err
	}
	width := make([]int, len(t.Header))
	for i, h := range t.Header {
		if !t.Bare {
			width[i] = utf8.RuneCountInString(h)
		}
	}
	for _, row := range t.Rows {
		for i, c := range row {
			width[i] = max(width[i], utf8.RuneCountInString(c.shaped(st)))
		}
	}
	var b strings.Builder
	for i, h := range t.Header {
		if t.Bare {
			break
		}
		pad(&b, h, h, width[i], i == len(t.Header)-1)
	}
	for _, row := range t.Rows {
		for i, c := range row {
			shaped := c.shaped(st)
			pad(&b, st.paint(c.State, shaped), shaped, width[i], i == len(row)-1)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// pad writes painted and fills up by the length of plain, its text without
// colour.
func pad(b *strings.Builder, painted, plain string, width int, last bool) {
	b.WriteString(painted)
	if last {
		b.WriteByte('\n')
		return
	}
	b.WriteString(strings.Repeat(" ", width-utf8.RuneCountInString(plain)+3))
}

// shaped puts the state's shape before the text, for people only: a script that
// splits fields should find the bare word.
func (c Cell) shaped(st Style) string {
	if c.State == "" || !st.Terminal {
		return c.Text
	}
	return Shape(c.State) + " " + c.Text
}

// Age writes a length of time as people say it: 12s, 4m, 3h, 2d.
func Age(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// since is [Age] from a time until now; a zero time is "never".
func since(t, now time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return Age(now.Sub(t))
}

// plural writes a count with its noun.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
