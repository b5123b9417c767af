package show

import (
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"
)

func TestCleanMakesForeignTextSafe(t *testing.T) {
	for _, c := range []struct{ what, in, want string }{
		{"plain names stay", "db-07.example.org", "db-07.example.org"},
		{"letters of any script stay", "Zürich-東京", "Zürich-東京"},
		{"markup is only text", "<b>x</b>", "<b>x</b>"},
		{"colour", "\x1b[31mroot", `\x1b[31mroot`},
		{"cursor movement by C1", "a\u009b2Jb", `a\u009b2Jb`},
		{"window title", "\x1b]0;owned\x07", `\x1b]0;owned\x07`},
		{"line break", "a\nb\r", `a\x0ab\x0d`},
		{"right-to-left override", "a\u202egpj", `a\u202egpj`},
		{"bidi isolate", "a\u2066b", `a\u2066b`},
		{"invisible", "a\u200bb\ufeff", `a\u200bb\ufeff`},
		{"stacked marks", "a\u0301\u0301", `a\u0301\u0301`},
		{"tag characters", "a\U000e0041", `a\U000e0041`},
		{"invalid bytes", "a\xff\xfeb", `a\xff\xfeb`},
		{"too long", strings.Repeat("x", 500), strings.Repeat("x", maxCell-1) + "…"},
	} {
		if got := Clean(c.in); got != c.want {
			t.Errorf("%s: Clean(%q) = %q, want %q", c.what, c.in, got, c.want)
		}
	}
}

func TestCleanNeverLetsAControlCharacterThrough(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "in")
		for _, r := range Clean(in) {
			if unicode.Is(unicode.C, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) || r == unicode.ReplacementChar {
				t.Fatalf("Clean(%q) lets %U through", in, r)
			}
		}
	})
}

func TestLineEndsOfEvidenceStay(t *testing.T) {
	if got, want := EscapeLines("BUG: x\r\n\x1b[2J y"), "BUG: x\n\\x1b[2J y"; got != want {
		t.Errorf("EscapeLines = %q, want %q", got, want)
	}
}
