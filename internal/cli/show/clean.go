package show

import (
	"strings"
	"unicode/utf8"

	"github.com/hotstick/hotstick/internal/plain"
)

// maxCell bounds one foreign string in a table, in characters. Hostnames end at
// 253 bytes; what is longer is not a name but an attempt at the layout.
const maxCell = 120

// Clean makes a foreign string safe to print, see package plain; long strings are cut.
func Clean(s string) string {
	return cut(plain.Escape(s), maxCell)
}

// Escape is [Clean] without the cut, for texts such as a crash trace's line.
func Escape(s string) string { return plain.Escape(s) }

// EscapeLines is [Escape] for text of several lines; the line ends stay.
func EscapeLines(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = Escape(strings.TrimSuffix(l, "\r"))
	}
	return strings.Join(lines, "\n")
}

func cut(s string, limit int) string {
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	return string([]rune(s)[:limit-1]) + "…"
}
