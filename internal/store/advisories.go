package store

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
)

// AdvisoryDocument is a document of a feed that was read.
type AdvisoryDocument struct {
	Feed string
	// ID is the source's own; one document of a feed has it.
	ID string
	// Path is where in the feed it was found.
	Path     string
	Digest   hotstick.Digest
	Modified time.Time
	Fetched  time.Time
	// Complete is as in hotstick.AdvisorySource.
	Complete []string
	// Withdrawn: it took back what it said.
	Withdrawn bool
	// Reader says by which rules it was read; empty where nobody asks.
	Reader string
	// Unread names parts that were left out, of UnreadCount in all.
	Unread      []string
	UnreadCount int
}

// Source says where its advisories were read.
func (d AdvisoryDocument) Source() hotstick.AdvisorySource {
	return hotstick.AdvisorySource{Feed: d.Feed, Document: d.ID, Complete: d.Complete, Digest: d.Digest, Fetched: d.Fetched}
}

// AdvisoryKey names one advisory of a document.
type AdvisoryKey struct {
	CVE     string                 `json:"cve"`
	Product hotstick.KernelProduct `json:"product"`
}

// Compare orders keys by CVE, then by product.
func (k AdvisoryKey) Compare(o AdvisoryKey) int {
	p, q := k.Product, o.Product
	return cmp.Or(strings.Compare(k.CVE, o.CVE), strings.Compare(p.Distribution, q.Distribution), strings.Compare(p.Package, q.Package),
		strings.Compare(string(p.Scheme), string(q.Scheme)))
}

// KeyOf names an advisory within its document.
func KeyOf(a hotstick.Advisory) AdvisoryKey { return AdvisoryKey{a.CVE, a.Product} }

// SaidAnew is a document with what it says now.
type SaidAnew struct {
	Document AdvisoryDocument
	// Change is the number of its newest change: every change of any document has a higher
	// one than those before it.
	Change int64
	// Advisories are by key; Gone are those that it does not say any more, as far as they were
	// not swept.
	Advisories []hotstick.Advisory
	Gone       []AdvisoryKey
}

// AdvisoryTable holds what documents say.
type AdvisoryTable interface {
	// Put inserts or replaces a document with all that it says: what it said before and does
	// not say now is gone. The Source of an advisory is the document's, whatever it holds; of
	// two with one key the later counts.
	Put(d AdvisoryDocument, said []hotstick.Advisory) error
	Get(feed, id string) (AdvisoryDocument, error)
	// List returns the documents of a feed by ID, those after one of them; limit 0 means all.
	List(feed, after string, limit int) ([]AdvisoryDocument, error)
	// Since returns documents whose newest change has a higher number, in the order of these
	// numbers. Read again and again from the number of the last one, it leads through all that
	// there is, and later through what has changed. Limit 0 means all.
	Since(change int64, limit int) ([]SaidAnew, error)
	// OfCVE returns what is said of a CVE by feed, document and key.
	OfCVE(cve string) ([]hotstick.Advisory, error)
	// Sweep forgets what is gone in documents that were fetched before a time. Whoever follows
	// Since must have read it by then.
	Sweep(fetchedBefore time.Time) error
}

// VulnerabilityTable holds what is known of CVEs whatever the product, by the document that
// says it.
type VulnerabilityTable interface {
	// Put inserts or replaces what a document says of some CVEs.
	Put(feed, document string, fetched time.Time, said []hotstick.Vulnerability) error
	// Forget deletes what a document said before it was fetched at a time and has not said
	// again, at most limit rows of it, and returns how many it were.
	Forget(feed, document string, fetchedBefore time.Time, limit int) (int, error)
	// Get returns what is known of a CVE, of all documents together ([TogetherOf]).
	Get(cve string) (hotstick.Vulnerability, error)
	// List returns what is known of CVEs by their names, those after one of them; limit 0 means
	// all.
	List(after string, limit int) ([]hotstick.Vulnerability, error)
}

// TogetherOf joins what documents say of one CVE, in the order of feed and document: the
// first summary, the earliest day of publication, all scores, the earliest entry among the
// exploited, the newest prediction.
func TogetherOf(parts []hotstick.Vulnerability) (v hotstick.Vulnerability) {
	for i, p := range parts {
		if i == 0 {
			v.CVE = p.CVE
		}
		v.Summary = cmp.Or(v.Summary, p.Summary)
		if v.Published.IsZero() || !p.Published.IsZero() && p.Published.Before(v.Published) {
			v.Published = p.Published
		}
		for _, s := range p.Scores {
			if !slices.Contains(v.Scores, s) {
				v.Scores = append(v.Scores, s)
			}
		}
		if e := p.Exploited; e != nil && (v.Exploited == nil || e.Added.Before(v.Exploited.Added)) {
			v.Exploited = pointer(e)
		}
		if n := p.Prediction; n != nil && (v.Prediction == nil || n.Date.After(v.Prediction.Date)) {
			v.Prediction = pointer(n)
		}
	}
	slices.SortStableFunc(v.Scores, func(a, b hotstick.Score) int { return strings.Compare(b.Version, a.Version) })
	return v
}

// Clone returns what a store keeps of d.
func (d AdvisoryDocument) Clone() AdvisoryDocument {
	d.Modified, d.Fetched = Instant(d.Modified), Instant(d.Fetched)
	d.Complete, d.Unread = list(d.Complete), list(d.Unread)
	return d
}

// Clone returns what a store keeps of s.
func (s SaidAnew) Clone() SaidAnew {
	s.Document, s.Gone = s.Document.Clone(), list(s.Gone)
	s.Advisories = deep(s.Advisories, CloneAdvisory)
	return s
}

// CloneAdvisory returns what a store keeps of an advisory.
func CloneAdvisory(a hotstick.Advisory) hotstick.Advisory {
	a.Ranges, a.Source.Complete, a.Source.Fetched = list(a.Ranges), list(a.Source.Complete), Instant(a.Source.Fetched)
	return a
}

// CloneVulnerability returns what a store keeps of a vulnerability.
func CloneVulnerability(v hotstick.Vulnerability) hotstick.Vulnerability {
	v.Published, v.Scores = v.Published.UTC(), list(v.Scores)
	if v.Exploited = pointer(v.Exploited); v.Exploited != nil {
		v.Exploited.Added, v.Exploited.Due = v.Exploited.Added.UTC(), v.Exploited.Due.UTC()
	}
	if v.Prediction = pointer(v.Prediction); v.Prediction != nil {
		v.Prediction.Date = v.Prediction.Date.UTC()
	}
	return v
}

// ByKey returns what a document says as a store keeps it: by key, one of each, with the
// document's source.
func (d AdvisoryDocument) ByKey(said []hotstick.Advisory) []hotstick.Advisory {
	last := make(map[AdvisoryKey]int, len(said))
	for i, a := range said {
		last[KeyOf(a)] = i
	}
	source := d.Clone().Source()
	all := make([]hotstick.Advisory, 0, len(last))
	for i, a := range said {
		if last[KeyOf(a)] == i {
			a.Source = source
			all = append(all, CloneAdvisory(a))
		}
	}
	slices.SortFunc(all, func(a, b hotstick.Advisory) int { return KeyOf(a).Compare(KeyOf(b)) })
	return all
}
