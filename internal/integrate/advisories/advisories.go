// Package advisories reads what vendors and authorities say of CVEs in kernels, from
// documents of every format it knows, one at a time.
//
// A feed is a name and a place: a file, a directory, an archive, or a web address (package
// origin). Each document's format is told by its content (packages osv, csaf, kev, epss).
// A document that cannot be read is told to the sink with its name and the reason, and the
// rest goes on; a document that can is given whole. The sink decides what to keep: nothing
// here remembers anything but how far a feed was read.
package advisories

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/integrate/advisories/document"
	"github.com/hotstick/hotstick/internal/integrate/advisories/origin"
)

// Reader names the rules by which documents are read. It is to be changed with them: what was
// read by others is then read again, though the document is the same.
const Reader = "1"

// Document is what one document says, and where it was read.
type Document struct {
	document.Document
	Source hotstick.AdvisorySource
	// Name is where in the feed it was found.
	Name string
}

// Refusal is a document that was not read.
type Refusal struct {
	Feed string
	Name string
	Err  error
}

// Sink takes what a feed says. An error ends the import.
type Sink interface {
	// Document gets one document. It replaces what the feed's document of the same ID
	// said before; a withdrawn one takes it back.
	Document(Document) error
	Refused(Refusal) error
}

// Feed is a source of advisories as the operator has named it.
type Feed struct {
	Name string
	// Location is a path, or an http or https address.
	Location string
	// Complete are the distributions with their releases for which it is complete, as
	// hotstick.AdvisorySource has it. The operator says so; nothing in a document does.
	Complete []string
	// Mark is that of the last result, for an address: what did not change since is not
	// read again.
	Mark Mark
}

// Mark is how far a feed was read.
type Mark struct {
	// ETag is empty where not all could be read.
	ETag string `json:"etag,omitempty"`
	// Times are those of the documents of a list that were read, by path. One that was not
	// has none, so that it is fetched again.
	Times map[string]time.Time `json:"times,omitempty"`
}

// Result counts what a feed gave.
type Result struct {
	// Unchanged: the server says that nothing is new, and nothing was read.
	Unchanged bool
	Documents int
	// Beside are files that stand beside documents: signatures, checksums, lists.
	Beside     int
	Refused    int
	Advisories int
	// Unread are parts of documents that were left out.
	Unread int
	// Missed are documents that could not be fetched, or not read, from an address.
	Missed int
	// Mark is for the next time: what was missed is fetched again. After an error it is as
	// it was.
	Mark Mark
}

// Importer reads feeds.
type Importer struct {
	// Client asks web servers.
	Client origin.Doer
	// Now is the time of fetching.
	Now func() time.Time
	// Order compares versions where one of several counts; nil leaves those out.
	Order  document.Order
	Limits origin.Limits
	// Spool is the directory for downloads.
	Spool string
}

// DefaultLimits hold for the largest feeds that there are, with room to grow.
func DefaultLimits() origin.Limits {
	return origin.Limits{Document: document.MaxBytes, Total: 256 << 30, Download: 8 << 30, Documents: 2_000_000, Directory: 64 << 20, Faults: 20}
}

// Import reads a feed into a sink. The result counts what was done before an error too.
func (i Importer) Import(ctx context.Context, feed Feed, sink Sink) (Result, error) {
	p := &pass{importer: i, feed: feed, sink: sink, fetched: i.Now()}
	p.result.Mark = feed.Mark
	if !strings.HasPrefix(feed.Location, "http://") && !strings.HasPrefix(feed.Location, "https://") {
		return p.end(origin.Path(ctx, feed.Location, i.Limits, p))
	}
	got, err := origin.Web{
		Client: i.Client, URL: feed.Location, ETag: feed.Mark.ETag, Times: feed.Mark.Times, Spool: i.Spool,
	}.Read(ctx, i.Limits, p)
	p.result.Unchanged, p.result.Missed = got.Unchanged, got.Missed
	if err == nil && !got.Unchanged {
		p.result.Mark = Mark{ETag: got.ETag, Times: got.Times}
	}
	return p.end(err)
}

// pass is one import.
type pass struct {
	importer Importer
	feed     Feed
	sink     Sink
	fetched  time.Time
	result   Result
}

func (p *pass) end(err error) (Result, error) {
	none := len(p.feed.Mark.Times) == 0 || len(p.result.Mark.Times) == 0
	if err == nil && !p.result.Unchanged && p.result.Documents == 0 && none {
		// Empty is not all: a feed that has become empty would close everything.
		err = errors.New("it holds no document that can be read")
	}
	if err != nil {
		p.result.Mark = p.feed.Mark
		err = fmt.Errorf("cannot import the feed %.80q: %w", p.feed.Name, err)
	}
	return p.result, err
}

// Refused is told by the origin.
func (p *pass) Refused(name string, err error) error {
	p.result.Refused++
	return p.sink.Refused(Refusal{Feed: p.feed.Name, Name: document.Cut(name, 1000), Err: err})
}

// Document reads one.
func (p *pass) Document(name string, data []byte) (read bool, err error) {
	format := formatOf(data)
	if format == beside {
		p.result.Beside++
		return true, nil
	}
	said, err := readAs(format, data, p.importer.Order)
	if err != nil {
		return false, p.Refused(name, err)
	}
	d := Document{Document: said, Name: name, Source: hotstick.AdvisorySource{
		Feed: p.feed.Name, Document: said.ID, Digest: hotstick.NewDigest(data), Fetched: p.fetched,
		Complete: p.complete(said),
	}}
	if err := d.stamp(); err != nil {
		return false, p.Refused(name, err)
	}
	p.result.Documents++
	p.result.Advisories += len(d.Advisories)
	p.result.Unread += d.UnreadCount
	return true, p.sink.Document(d)
}

// complete says for which distributions a document names every kernel that its CVE affects.
// Only a document that bears the CVE's own name does: a vendor's notice (DSA-9001-1) is of
// the releases that it fixes. What could not be read may be of any.
func (p *pass) complete(d document.Document) []string {
	if len(d.Advisories) == 0 || d.UnreadCount > 0 {
		return nil
	}
	for _, a := range d.Advisories {
		if !strings.HasSuffix(d.ID, a.CVE) {
			return nil
		}
	}
	return p.feed.Complete
}

// stamp writes the source into the advisories, and checks each as the root package wants
// it: what a reader lets through by mistake stops here.
func (d *Document) stamp() error {
	for i := range d.Advisories {
		d.Advisories[i].Source = d.Source
		if err := d.Advisories[i].Validate(); err != nil {
			return err
		}
	}
	if d.Vulnerabilities == nil {
		d.Vulnerabilities = func(func(hotstick.Vulnerability) bool) {}
		return nil
	}
	each := d.Vulnerabilities
	d.Vulnerabilities = func(yield func(hotstick.Vulnerability) bool) {
		for v := range each {
			for i := range v.Scores {
				v.Scores[i].Source = d.Source.Feed
			}
			if !yield(v) {
				return
			}
		}
	}
	return nil
}
