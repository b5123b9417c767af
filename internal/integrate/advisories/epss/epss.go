// Package epss reads FIRST's predictions of exploitation: lines of CVE, probability and
// percentile, after a line that says model and date and one that names the columns.
package epss

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/integrate/advisories/document"
)

const (
	// maxLine is longer than any line of the format can be.
	maxLine = 200
	maxRows = 2_000_000
	columns = "cve,epss,percentile"
)

// Read checks the whole file and returns it with its rows still unread: they are walked
// from data, which must stay as it is until then.
func Read(data []byte) (document.Document, error) {
	head, rest := line(data)
	date, err := dateOf(head)
	if err != nil {
		return document.Document{}, err
	}
	if head, rest = line(rest); head != columns {
		return document.Document{}, fmt.Errorf("cannot read predictions with the columns %.80q: want %s", head, columns)
	}
	seen := map[string]bool{}
	for n, at := 3, rest; len(at) > 0; n++ {
		var row string
		row, at = line(at)
		v, err := read(row, date)
		switch {
		case err != nil:
			return document.Document{}, fmt.Errorf("cannot read line %d of the predictions: %w", n, err)
		case seen[v.CVE]:
			return document.Document{}, fmt.Errorf("cannot read line %d of the predictions: %s stands twice", n, v.CVE)
		case len(seen) == maxRows:
			return document.Document{}, fmt.Errorf("cannot read more than %d predictions", maxRows)
		}
		seen[v.CVE] = true
	}
	if len(seen) == 0 {
		return document.Document{}, errors.New("cannot read predictions without a line")
	}
	return document.Document{ID: "EPSS " + date.Format(time.DateOnly), Series: "EPSS", Modified: date, Vulnerabilities: rows(rest, date)}, nil
}

func rows(data []byte, date time.Time) iter.Seq[hotstick.Vulnerability] {
	return func(yield func(hotstick.Vulnerability) bool) {
		for at := data; len(at) > 0; {
			var row string
			row, at = line(at)
			if v, err := read(row, date); err != nil || !yield(v) {
				return // it was read before without an error
			}
		}
	}
}

// line takes one line, or as much of it as is one byte too long.
func line(data []byte) (string, []byte) {
	end := bytes.IndexByte(data, '\n')
	rest := data[len(data):]
	if end < 0 {
		end = len(data)
	} else {
		rest = data[end+1:]
	}
	return strings.TrimSuffix(string(data[:min(end, maxLine+1)]), "\r"), rest
}

// dateOf reads #model_version:v2025.03.14,score_date:2026-11-20T12:55:00Z. Older files
// write the zone without its colon.
func dateOf(head string) (time.Time, error) {
	_, text, found := strings.Cut(head, ",score_date:")
	if !found || !strings.HasPrefix(head, "#model_version:") {
		return time.Time{}, fmt.Errorf("cannot read predictions that begin with %.80q: want #model_version and score_date", head)
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05-0700", time.DateOnly} {
		if date, err := time.Parse(layout, text); err == nil {
			return date.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("cannot use %.40q as the date of predictions", text)
}

func read(row string, date time.Time) (hotstick.Vulnerability, error) {
	if len(row) > maxLine {
		return hotstick.Vulnerability{}, fmt.Errorf("it is longer than %d bytes", maxLine)
	}
	cve, numbers, _ := strings.Cut(row, ",")
	probability, percentile, _ := strings.Cut(numbers, ",")
	if err := hotstick.ValidateCVE(cve); err != nil {
		return hotstick.Vulnerability{}, err
	}
	p := hotstick.Prediction{Date: date}
	for text, to := range map[*string]*float64{&probability: &p.Probability, &percentile: &p.Percentile} {
		n, err := strconv.ParseFloat(*text, 64)
		if err != nil || !(n >= 0 && n <= 1) {
			return hotstick.Vulnerability{}, fmt.Errorf("cannot use %.40q as a share of 1", *text)
		}
		*to = n
	}
	return hotstick.Vulnerability{CVE: cve, Prediction: &p}, nil
}
