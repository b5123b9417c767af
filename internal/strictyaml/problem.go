package strictyaml

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
	// Of is what the text is to its readers, such as "the policy".
	Of string `json:"-"`
}

// Error implements error.
func (p Problem) Error() string {
	of := cmp.Or(p.Of, "the document")
	if p.Line == 0 {
		return "cannot use " + of + ": " + p.Message
	}
	return fmt.Sprintf("cannot use %s: line %d, column %d: %s", of, p.Line, p.Column, p.Message)
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
		return "cannot use the document"
	case 1:
		return p[0].Error()
	}
	return fmt.Sprintf("%s (and %d more)", p[0].Error(), len(p)-1)
}

// OrNil is the error of the problems with a text, in its order; nil if there are none.
func (p Problems) OrNil(of string) error {
	if len(p) == 0 {
		return nil
	}
	for i := range p {
		p[i].Of = of
	}
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return p
}

// Position is a place in a text; both count from 1.
type Position struct{ Line, Column int }

// Text is the bytes that were read, for excerpts.
type Text struct{ lines []string }

// NewText takes the bytes of a text.
func NewText(raw []byte) Text { return Text{lines: strings.Split(string(raw), "\n")} }

// Line is a line of the text; empty if it has none of that number.
func (t Text) Line(n int) string {
	if n < 1 || n > len(t.lines) {
		return ""
	}
	return strings.TrimSuffix(t.lines[n-1], "\r")
}

// Problem makes a problem at a place.
func (t Text) Problem(at Position, document, hint, format string, args ...any) Problem {
	return Problem{Line: at.Line, Column: at.Column, Document: document, Hint: hint,
		Message: fmt.Sprintf(format, args...), Source: t.Line(at.Line)}
}
