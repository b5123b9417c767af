package show

import (
	"io"

	"github.com/hotstick/hotstick/internal/plain"
)

// CSV writes the table as comma-separated values, all columns, one line a row, the header
// first unless the table is bare.
func (t Table) CSV(w io.Writer) error {
	var rows [][]string
	if !t.Bare {
		rows = append(rows, t.Header)
	}
	for _, row := range t.Rows {
		fields := make([]string, len(row))
		for i, c := range row {
			fields[i] = c.Text
		}
		rows = append(rows, fields)
	}
	return plain.CSV(w, rows)
}
