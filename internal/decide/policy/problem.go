package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with a text, and where.
type Problem struct {
	// Line and Column count from 1; 0 where the place is not known.
	Line   int `json:"line,omitempty"`
	Column int `json:"column,omitempty"`
	// Document is the kind and name of the document, as far as they are known.
	Document string `json:"document,omitempty"`
	Message  string `json:"message"`
	// Hint says what to do; may be empty.
	Hint string `json:"hint,omitempty"`
	// Source is the text's line.
	Source string `json:"source,omitempty"`
	// Warning: the text may be used all the same.
	Warning bool `json:"warning,omitempty"`
}

// Error implements error.
func (p Problem) Error() string {
	if p.Line == 0 {
		return "cannot use the policy: " + p.Message
	}
	return fmt.Sprintf("cannot use the policy: line %d, column %d: %s", p.Line, p.Column, p.Message)
}

// Excerpt is the source line with a caret under the place, or nothing where the
// place is not known.
func (p Problem) Excerpt() string {
	if p.Line == 0 {
		return ""
	}
	number := fmt.Sprintf("%4d | ", p.Line)
	source := strings.ReplaceAll(p.Source, "\t", " ")
	runes := []rune(source)
	at := min(max(p.Column-1, 0), len(runes))
	return fmt.Sprintf("%s%s\n%s| %s^\n", number, source, strings.Repeat(" ", len(number)-2), strings.Repeat(" ", at))
}

// Problems are all that is wrong with a text, in its order.
type Problems []Problem

// Error implements error. It shows the first problem and counts the others.
func (p Problems) Error() string {
	switch len(p) {
	case 0:
		return "cannot use the policy"
	case 1:
		return p[0].Error()
	}
	return fmt.Sprintf("%s (and %d more)", p[0].Error(), len(p)-1)
}

// orNil is the error of the problems, nil if there are none.
func (p Problems) orNil() error {
	if len(p) == 0 {
		return nil
	}
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return p
}

// position is a place in a text; both count from 1.
type position struct{ line, column int }

// text is the bytes that were read, for excerpts.
type text struct{ lines []string }

func newText(raw []byte) text { return text{lines: strings.Split(string(raw), "\n")} }

func (t text) line(n int) string {
	if n < 1 || n > len(t.lines) {
		return ""
	}
	return strings.TrimSuffix(t.lines[n-1], "\r")
}

// problem makes a problem at a place.
func (t text) problem(at position, document, hint, format string, args ...any) Problem {
	return Problem{Line: at.line, Column: at.column, Document: document, Hint: hint,
		Message: fmt.Sprintf(format, args...), Source: t.line(at.line)}
}
