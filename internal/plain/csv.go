package plain

import (
	"encoding/csv"
	"fmt"
	"io"
	"strings"
)

// CSV writes rows as comma-separated values (RFC 4180, lines end with \n) that a
// spreadsheet can open: no field of theirs becomes a formula.
func CSV(w io.Writer, rows [][]string) error {
	out := csv.NewWriter(w)
	for _, row := range rows {
		fields := make([]string, len(row))
		for i, f := range row {
			fields[i] = inert(f)
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
