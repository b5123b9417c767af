package origin

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// maxListing bounds an index.txt or changes.csv, in bytes.
const maxListing = 32 << 20

// listedPath is a document of a list; changed is zero in a list without times.
type listedPath struct {
	path    string
	changed time.Time
}

// listing reads an index.txt or a changes.csv, and returns nil where f is neither.
func listing(f *os.File) ([]listedPath, error) {
	head := make([]byte, 1024)
	n, _ := f.ReadAt(head, 0)
	if line, _, _ := strings.Cut(string(head[:n]), "\n"); !isListed(line) {
		return nil, nil
	}
	if info, err := f.Stat(); err != nil || info.Size() > maxListing {
		return nil, fmt.Errorf("it is longer than %d bytes", maxListing)
	}
	data, err := io.ReadAll(io.NewSectionReader(f, 0, maxListing))
	if err != nil {
		return nil, err
	}
	return parseListing(string(data))
}

func isListed(line string) bool {
	path, _, _ := strings.Cut(strings.TrimSpace(line), ",")
	return isPath(strings.Trim(path, `"`))
}

// isPath reports whether a whole field of a list may be a document's path.
func isPath(path string) bool {
	return strings.HasSuffix(path, ".json") && !strings.ContainsAny(path, "{}[]:\",")
}

// parseListing refuses all of a list for one bad line: a list that was tampered with is no
// list. A path stands in it once, with the newest of its times.
func parseListing(text string) (list []listedPath, err error) {
	r := csv.NewReader(strings.NewReader(text))
	r.FieldsPerRecord, r.ReuseRecord = 0, true // all lines as the first
	at := map[string]int{}
	for {
		row, err := r.Read()
		switch {
		case errors.Is(err, io.EOF):
			return list, nil
		case err != nil:
			return nil, err
		case len(row) > 2 || !filepath.IsLocal(row[0]) || strings.ContainsAny(row[0], "\\\x00%?#") || !isPath(row[0]):
			return nil, fmt.Errorf("%.80q is no path of a document below it", row[0])
		}
		var changed time.Time
		if len(row) == 2 {
			if changed, err = time.Parse(time.RFC3339, row[1]); err != nil || changed.IsZero() {
				return nil, fmt.Errorf("cannot use %.40q as a time", row[1])
			}
		}
		i, twice := at[row[0]]
		if !twice {
			path := strings.Clone(row[0])
			at[path], list = len(list), append(list, listedPath{path, changed})
		} else if changed.After(list[i].changed) {
			list[i].changed = changed
		}
	}
}
