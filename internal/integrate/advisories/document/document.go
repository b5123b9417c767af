// Package document is what the readers of advisories make of one document, whatever its
// format was.
package document

import (
	"fmt"
	"iter"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hotstick/hotstick"
)

// Limits on what one document may say. Real ones stay far below.
const (
	// MaxBytes is how long a document may be, unpacked.
	MaxBytes = 64 << 20
	// MaxMemory bounds what the elements of its lists may fill, in bytes.
	MaxMemory = 192 << 20
	// MaxAdvisories is how many pairs of CVE and kernel product it may speak of.
	MaxAdvisories = 100_000
	// MaxRanges is how many ranges of versions one advisory may have.
	MaxRanges = 1_000
	// MaxRangesInAll is how many ranges all its advisories may have together: a document of
	// many CVEs repeats those of its products for each.
	MaxRangesInAll = 300_000
	// MaxUnread is how many parts that were not read are told one by one.
	MaxUnread = 100

	maxSummary = 400
	maxScores  = 8
)

// Document is what one document says about kernels.
type Document struct {
	// ID is the source's own, such as DSA-9001-1 or RHSA-2026:90001.
	ID string
	// Series is what the document is one issue of: a list that is published whole, again and
	// again, each time with another ID. Empty for one that stands alone.
	Series   string
	Modified time.Time
	// Withdrawn documents take back what they said; they carry no advisories.
	Withdrawn bool
	// Advisories are sorted by CVE and product. Their Source is filled by the importer.
	Advisories []hotstick.Advisory
	// Vulnerabilities are walked once, while the sink has the document. EPSS has
	// hundreds of thousands of them, so they are not kept in a list.
	Vulnerabilities iter.Seq[hotstick.Vulnerability]
	// Unread are parts that speak of kernels, or may, and could not be expressed; at
	// most MaxUnread of them are listed.
	Unread      []Unread
	UnreadCount int

	ranges int
}

// Unread is a part of a document that was left out, and why.
type Unread struct {
	CVE     string
	Product string
	Why     string
}

// Order compares two versions by a scheme's rules: negative where a is older. It fails on
// what the scheme cannot read.
type Order func(scheme hotstick.VersionScheme, a, b string) (int, error)

// LeaveOut notes a part that was not read.
func (d *Document) LeaveOut(cve, product, why string, args ...any) {
	d.UnreadCount++
	if len(d.Unread) < MaxUnread {
		d.Unread = append(d.Unread, Unread{CVE: Cut(cve, 80), Product: Cut(product, 160), Why: fmt.Sprintf(why, args...)})
	}
}

// Add adds an advisory, or refuses one more than a document may have.
func (d *Document) Add(a hotstick.Advisory) error {
	if len(d.Advisories) >= MaxAdvisories {
		return fmt.Errorf("cannot read a document of more than %d advisories", MaxAdvisories)
	}
	if d.ranges += len(a.Ranges); d.ranges > MaxRangesInAll {
		return fmt.Errorf("cannot read a document whose advisories have more than %d ranges of versions", MaxRangesInAll)
	}
	d.Advisories = append(d.Advisories, a)
	return nil
}

// Summary cuts a source's text to what a row of a table can show.
func Summary(text string) string {
	return Cut(strings.Join(strings.Fields(text), " "), maxSummary)
}

// Cut shortens a text to at most n bytes without cutting a character.
func Cut(text string, n int) string {
	if len(text) <= n {
		return strings.Clone(text)
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return strings.Clone(text[:n])
}
