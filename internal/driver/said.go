package driver

import (
	"strings"
	"unicode"
)

// Bounds of what [Ran.Said] returns.
const (
	saidLines = 4
	saidBytes = 400
)

// Said is the end of what the program said, in one line, as the detail of a reason: of its
// errors, or of its output where it wrote no errors.
func (r Ran) Said() string {
	text := r.Stderr
	if strings.TrimSpace(text) == "" {
		text = r.Stdout
	}
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	said := strings.Join(lines[max(0, len(lines)-saidLines):], " / ")
	said = strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return -1
	}, strings.ToValidUTF8(said, ""))
	if len(said) > saidBytes {
		said = "…" + strings.ToValidUTF8(said[len(said)-saidBytes:], "")
	}
	return said
}
