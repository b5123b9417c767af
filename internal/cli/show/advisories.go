package show

import (
	"fmt"
	"strings"
	"time"

	"github.com/hotstick/hotstick/api"
)

// AdvisoryFeeds is the list of feeds of advisories.
func AdvisoryFeeds(list []api.Feed, st Style) Table {
	t := Table{Header: []string{"NAME", "STATE", "READ", "DOCUMENTS", "REFUSED", "LOCATION"}, Empty: "The server reads no advisories: name a feed with hotstick feed add."}
	for _, f := range list {
		t.Rows = append(t.Rows, []Cell{text(f.Name), {Text: feedState(f)}, {Text: since(f.Reading.Good, st.Now)}, number(f.Reading.Documents),
			number(f.Reading.Refused + f.Reading.Missed), text(f.Location)})
	}
	return t
}

// feedState says in a word or two how it stands with a feed.
func feedState(f api.Feed) string {
	r := f.Reading
	switch {
	case f.Removed:
		return "being taken out"
	case !f.Enabled:
		return "off"
	case r.Now:
		return "being read"
	case r.Failures > 0:
		return "broken"
	case r.Good.IsZero():
		return "new"
	}
	return "ok"
}

// AdvisoryFeedNames are the arguments by which other commands find the feeds.
func AdvisoryFeedNames(list []api.Feed) []string {
	var names []string
	for _, f := range list {
		names = append(names, f.Name)
	}
	return names
}

// AdvisoryFeed is one feed with what could not be read of it.
func AdvisoryFeed(d api.FeedDetail, st Style) string {
	f, r := d.Feed, d.Feed.Reading
	var b strings.Builder
	line := func(what, format string, args ...any) {
		fmt.Fprintf(&b, "%-12s"+format+"\n", append([]any{what}, args...)...)
	}
	line("Feed", "%s (%s)", Clean(f.Name), feedState(f))
	line("Location", "%s", Escape(f.Location))
	line("Every", "%s", time.Duration(f.PeriodSeconds)*time.Second)
	if len(f.Complete) > 0 {
		line("Complete", "for %s", Clean(strings.Join(f.Complete, ", ")))
	}
	if len(f.Vendor) > 0 {
		line("Vendor", "of %s", Clean(strings.Join(f.Vendor, ", ")))
	}
	if !r.Good.IsZero() {
		line("Read", "%s: %d documents, %d of them new or changed, %d advisories, %d parts left out", since(r.Good, st.Now), r.Documents, r.Fresh, r.Advisories, r.Unread)
	}
	if r.Failures > 0 {
		line("Broken", "%s: %s", since(r.Tried, st.Now), Escape(r.Failed))
		if !r.Good.IsZero() {
			line("", "What it said last stays.")
		}
	}
	if r.Next.After(st.Now) {
		line("Next", "in %s", Age(r.Next.Sub(st.Now)))
	}
	if len(d.Refusals) > 0 {
		line("Not read", "%d documents", len(d.Refusals))
	}
	for _, x := range d.Refusals {
		fmt.Fprintf(&b, "  %s: %s\n", Escape(x.Path), Escape(x.Reason))
	}
	return b.String()
}
