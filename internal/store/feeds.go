package store

import "time"

// FeedKind says where the documents of a feed are.
type FeedKind string

const (
	// FeedWeb: behind an http or https address, fetched again every period.
	FeedWeb FeedKind = "web"
	// FeedPath: in a file or a directory on the server's own disk, read again every period.
	FeedPath FeedKind = "path"
)

// Feed is a source of advisories as the operator has named it, and how reading it went.
type Feed struct {
	Name     string
	Kind     FeedKind
	Location string
	// Complete are the distributions with their releases for which the feed is complete (see
	// hotstick.AdvisorySource), Vendor the distributions (IDs of os-release) of which it is the
	// vendor's own word.
	Complete []string
	Vendor   []string
	Enabled  bool
	// Period is how long after one reading the next one is due.
	Period time.Duration
	Added  time.Time
	// Removed: it is being taken out; what it said is withdrawn first.
	Removed bool
	State   FeedState
}

// FeedState is how reading a feed went. What the last good reading gave stays whatever
// becomes of the next.
type FeedState struct {
	// Tried is when it was last begun to be read, Good when it was last begun to be read and
	// was read to its end; zero if never.
	Tried time.Time
	Good  time.Time
	// Reading: it was begun, and its end was not told: it is being read, or the server went
	// down meanwhile.
	Reading bool
	// Basis tells what of the feed's settings, and of its reader, the last reading went by.
	Basis string
	// Failed is why the last reading broke off; empty if it did not. Failures is how many
	// broke off since a good one.
	Failed   string
	Failures int
	// Counts are of the last reading that was not answered with "unchanged", good or not.
	Counts FeedCounts
}

// FeedCounts is what a reading gave.
type FeedCounts struct {
	Documents int `json:"documents"`
	// Fresh are those of the documents that said something else than before.
	Fresh int `json:"fresh"`
	// Beside are files that stand beside documents, such as signatures and lists.
	Beside  int `json:"beside"`
	Refused int `json:"refused"`
	// Missed are documents that could not be fetched, or not be read; they are tried again.
	Missed     int `json:"missed"`
	Advisories int `json:"advisories"`
	// Unread are parts of documents that were left out.
	Unread int `json:"unread"`
}

// FeedTable holds feeds.
type FeedTable interface {
	// Put inserts or replaces what an operator says of a feed; its State stays.
	Put(f Feed) error
	// Tell writes how reading a feed went; ErrNotFound if there is none of that name.
	Tell(name string, s FeedState) error
	Get(name string) (Feed, error)
	// List returns all by name.
	List() ([]Feed, error)
	// Delete takes a feed out, with its mark and refusals; ErrTaken while a document of it
	// still says anything. It may be repeated.
	Delete(name string) error
	// Mark returns how far the feed was read, in the words of its reader; nil if it was never
	// set. SetMark sets it; ErrNotFound if there is no such feed.
	Mark(name string) ([]byte, error)
	SetMark(name string, mark []byte) error
	RefusalTable
}

// MaxRefusals is how many refusals are kept of one feed.
const MaxRefusals = 200

// Refusal is a document of a feed that was not read.
type Refusal struct {
	Feed string
	// Path is where in the feed it is.
	Path   string
	Reason string
	At     time.Time
}

// RefusalTable holds refusals, the newest of each path.
type RefusalTable interface {
	// Refuse inserts or replaces the refusal of a path. Where a feed has [MaxRefusals] already,
	// its oldest makes room if it is older than this one; otherwise this one is left out.
	Refuse(r Refusal) error
	// Refusals returns those of a feed by path.
	Refusals(feed string) ([]Refusal, error)
	// Forgive deletes those of a feed that are older than a time.
	Forgive(feed string, before time.Time) error
}

// Clone returns what a store keeps of f.
func (f Feed) Clone() Feed {
	f.Complete, f.Vendor, f.Added, f.State = list(f.Complete), list(f.Vendor), Instant(f.Added), f.State.Clone()
	return f
}

// Clone returns what a store keeps of s.
func (s FeedState) Clone() FeedState {
	s.Tried, s.Good = Instant(s.Tried), Instant(s.Good)
	return s
}

// Clone returns what a store keeps of r.
func (r Refusal) Clone() Refusal {
	r.At = Instant(r.At)
	return r
}
