package plain_test

import (
	"encoding/csv"
	"strings"
	"testing"

	"github.com/hotstick/hotstick/internal/plain"
)

func TestAFieldIsNoFormulaInASpreadsheet(t *testing.T) {
	for _, name := range []string{"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "=HYPERLINK(\"http://x\",\"y\")", `",=1`} {
		var out strings.Builder
		if err := plain.CSV(&out, [][]string{{"NAME", "STATE"}, {name, "-"}}); err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(strings.NewReader(out.String())).ReadAll()
		if err != nil || len(rows) != 2 || len(rows[1]) != 2 {
			t.Fatalf("%q is read back as %q, %v", name, rows, err)
		}
		if got := rows[1][0]; strings.ContainsAny(got[:1], "=+-@\t\r") || !strings.HasSuffix(got, strings.TrimLeft(name, "\r")) || rows[1][1] != "-" {
			t.Errorf("%q is read back as %q", name, rows[1])
		}
	}
}

func FuzzEscape(f *testing.F) {
	for _, seed := range []string{"web-1", "a\x1b[2Jb", "\u202egpj.exe", "\xff\xfe", "e\u0301\u0301", "two\nlines", "\u200b", "日本"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		escaped := plain.Escape(text)
		if !plain.Is(escaped) || plain.Is(text) != (escaped == text) {
			t.Errorf("%q is escaped as %q", text, escaped)
		}
	})
}
