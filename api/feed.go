package api

import "time"

// Feed is a source of advisories, and how reading it went.
type Feed struct {
	Name string `json:"name"`
	// Kind is web or path: an address, or a file or directory on the server.
	Kind     string `json:"kind"`
	Location string `json:"location"`
	// Complete are the distributions with their releases, such as debian:12, for which the feed
	// names every CVE that affects a kernel; Vendor the distributions, such as debian, of which
	// it is the vendor's own word.
	Complete      []string  `json:"complete,omitempty"`
	Vendor        []string  `json:"vendor,omitempty"`
	Enabled       bool      `json:"enabled"`
	PeriodSeconds int       `json:"period_seconds"`
	Added         time.Time `json:"added"`
	// Removed: it is being taken out, with all that it said.
	Removed bool        `json:"removed,omitempty"`
	Reading FeedReading `json:"reading"`
}

// FeedReading is how reading a feed went. A feed that breaks keeps what it said last.
type FeedReading struct {
	// Now: it is being read.
	Now bool `json:"now,omitempty"`
	// Tried is when it was read last, Good when it was read last to its end, and Next when it
	// is due again; each may be missing.
	Tried time.Time `json:"tried,omitzero"`
	Good  time.Time `json:"good,omitzero"`
	Next  time.Time `json:"next,omitzero"`
	// Failed is why the last reading broke off, and Failures how many did since a good one.
	Failed   string `json:"failed,omitempty"`
	Failures int    `json:"failures,omitempty"`
	// Documents of the last reading that brought any, and what became of them: Fresh said
	// something else than before, Refused and Missed could not be read or fetched. Unread are
	// parts of documents that were left out.
	Documents  int `json:"documents"`
	Fresh      int `json:"fresh"`
	Refused    int `json:"refused"`
	Missed     int `json:"missed"`
	Advisories int `json:"advisories"`
	Unread     int `json:"unread"`
}

// FeedList lists feeds by name.
type FeedList struct {
	Feeds []Feed `json:"feeds"`
}

// FeedDetail is a feed with the documents that could not be read.
type FeedDetail struct {
	Feed     Feed          `json:"feed"`
	Refusals []FeedRefusal `json:"refusals"`
}

// FeedRefusal is a document that was not read; what it said before stays.
type FeedRefusal struct {
	Path   string    `json:"path"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// FeedRequest names a feed, or says something else of it.
type FeedRequest struct {
	Name     string   `json:"name"`
	Location string   `json:"location"`
	Complete []string `json:"complete,omitempty"`
	Vendor   []string `json:"vendor,omitempty"`
	// Disabled: it is not read. What it said stays.
	Disabled bool `json:"disabled,omitempty"`
	// PeriodSeconds is how long after one reading the next is due; 0 means six hours.
	PeriodSeconds int    `json:"period_seconds,omitempty"`
	Reason        string `json:"reason"`
}
