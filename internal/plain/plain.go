// Package plain makes foreign strings safe to show: names of hosts and modules, versions
// and titles are written by others, and go to terminals and into spreadsheets.
package plain

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Escape makes a foreign string safe to print: control characters, invalid bytes, invisible
// and direction-changing characters appear as visible escapes such as \x1b or \u202e, on one
// line.
func Escape(s string) string {
	if Is(s) {
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
		case !Printable(r):
			b.WriteString(escapeRune(r))
		default:
			b.WriteRune(r)
		}
		i += size
	}
	return b.String()
}

// Printable reports whether a terminal shows the rune as itself and nothing
// more. Combining marks are refused too: stacked, they paint over other lines.
func Printable(r rune) bool {
	return unicode.IsPrint(r) && !unicode.Is(unicode.M, r) && r != utf8.RuneError
}

// Is reports whether a string is safe as it stands.
func Is(s string) bool {
	for _, r := range s {
		if !Printable(r) {
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
