package show

import (
	"testing"
	"unicode/utf8"

	"github.com/hotstick/hotstick/internal/plain"
)

// No text of a host moves the cursor, paints over other lines or hides itself.
func FuzzClean(f *testing.F) {
	for _, seed := range []string{"web-1", "a\x1b[2Jb", "\u202egpj.exe", "\xff\xfe", "e\u0301\u0301", "two\nlines", "\u200b", "日本"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		clean := Clean(text)
		if !plain.Is(clean) || utf8.RuneCountInString(clean) > maxCell {
			t.Errorf("%q is shown as %q", text, clean)
		}
		if Clean(clean) != clean {
			t.Errorf("%q changes when it is cleaned again", clean)
		}
	})
}
