package show

import (
	"encoding/csv"
	"fmt"
	"io"
	"strings"
)

// CSV writes the table as comma-separated values (RFC 4180, lines end with \n), all
// columns, one line a row, the header first unless the table is bare.
func (t Table) CSV(w io.Writer) error {
	out := csv.NewWriter(w)
	if !t.Bare {
		if err := out.Write(t.Header); err != nil {
			return fmt.Errorf("cannot write the table: %w", err)
		}
	}
	for _, row := range t.Rows {
		fields := make([]string, len(row))
		for i, c := range row {
			fields[i] = inert(c.Text)
		}
		if err := out.Write(fields); err != nil {
			return fmt.Errorf("cannot write the table: %w", err)
		}
	}
	out.Flush()
	return out.Error()
}

// inert keeps a spreadsheet from taking a field for a formula: a host may call
// itself =HYPERLINK(…). The quote before it is what spreadsheets understand as "this
// is text". A lone dash, our sign for nothing, is no formula.
func inert(field string) string {
	if field != "" && field != "-" && strings.ContainsRune("=+-@\t\r", rune(field[0])) {
		return "'" + field
	}
	return field
}
