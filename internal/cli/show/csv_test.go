package show

import (
	"encoding/csv"
	"strings"
	"testing"
)

func TestAHostsNameIsNoFormulaInASpreadsheet(t *testing.T) {
	for _, name := range []string{"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "=HYPERLINK(\"http://x\",\"y\")", "a\n=1", `",=1`, "\x1b[2J"} {
		table := Table{Header: []string{"NAME", "STATE"}, Rows: [][]Cell{{text(name), text("")}}}
		var out strings.Builder
		if err := table.CSV(&out); err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(strings.NewReader(out.String())).ReadAll()
		if err != nil || len(rows) != 2 || len(rows[1]) != 2 {
			t.Fatalf("%q is read back as %q, %v", name, rows, err)
		}
		if got := rows[1][0]; strings.ContainsAny(got[:1], "=+-@\t\r") || strings.ContainsAny(out.String(), "\x1b\r\t") || strings.Count(out.String(), "\n") != 2 {
			t.Errorf("%q is written as %q", name, out.String())
		}
		if rows[1][1] != "-" {
			t.Errorf("nothing is written as %q", rows[1][1])
		}
	}
}
