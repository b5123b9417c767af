package show

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxCell bounds one foreign string in a table, in characters. Hostnames end at
// 253 bytes; what is longer is not a name but an attempt at the layout.
const maxCell = 120

// Clean makes a foreign string safe to print: control characters, invalid
// bytes, invisible and direction-changing characters appear as visible escapes
// such as \x1b or \u202e, on one line, and long strings are cut.
func Clean(s string) string {
	return cut(Escape(s), maxCell)
}

// Escape is [Clean] without the cut, for texts such as a crash trace's line.
func Escape(s string) string {
	if plain(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b.WriteString(`\x` + hex2(s[i]))
		case r < 0x80 && !unicode.IsPrint(r):
			b.WriteString(`\x` + hex2(byte(r)))
		case !printable(r):
			b.WriteString(escapeRune(r))
		default:
			b.WriteRune(r)
		}
		i += size
	}
	return b.String()
}

// EscapeLines is [Escape] for text of several lines; the line ends stay.
func EscapeLines(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = Escape(strings.TrimSuffix(l, "\r"))
	}
	return strings.Join(lines, "\n")
}

// printable reports whether a terminal shows the rune as itself and nothing
// more. Combining marks are refused too: stacked, they paint over other lines.
func printable(r rune) bool {
	return unicode.IsPrint(r) && !unicode.Is(unicode.M, r) && r != utf8.RuneError
}

func plain(s string) bool {
	for _, r := range s {
		if !printable(r) {
			return false
		}
	}
	return true
}

func escapeRune(r rune) string {
	digits := strconv.FormatInt(int64(r), 16)
	if len(digits) <= 4 {
		return `\u` + strings.Repeat("0", 4-len(digits)) + digits
	}
	return `\U` + strings.Repeat("0", 8-len(digits)) + digits
}

func hex2(b byte) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[b>>4], digits[b&15]})
}

func cut(s string, limit int) string {
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	return string([]rune(s)[:limit-1]) + "…"
}
