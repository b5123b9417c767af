package server

import (
	"strings"
	"time"

	"github.com/hotstick/hotstick/internal/store"
)

// EventMatch narrows the audit log by what no index knows. Zero values do not
// filter.
type EventMatch struct {
	Actor string    `query:"actor" maxLength:"255" doc:"Who did it: a person, a host, or the server's own controller"`
	Kind  string    `query:"kind" maxLength:"64" doc:"A kind such as plan.status, or what it is about, such as plan"`
	Patch string    `query:"patch" maxLength:"255" doc:"A patch level, such as unix-ioctl@2"`
	Since time.Time `query:"since" doc:"Only what happened then or later"`
	Until time.Time `query:"until" doc:"Only what happened before"`
}

func (m EventMatch) matches(e store.Event) bool {
	about, _, _ := strings.Cut(e.Kind, ".")
	switch {
	case m.Actor != "" && e.Actor != m.Actor,
		m.Kind != "" && e.Kind != m.Kind && about != m.Kind,
		m.Patch != "" && e.Patch.String() != m.Patch,
		!m.Since.IsZero() && e.At.Before(m.Since),
		!m.Until.IsZero() && !e.At.Before(m.Until):
		return false
	}
	return true
}

const (
	// scanPage is how many events are read at once where few of them may match.
	scanPage = 500
	// maxScan bounds the events that one request looks at.
	maxScan = 20_000
)

// scanEvents lists the events of a filter that match, newest first, and where the
// next page begins: 0 is at its end. It looks at so many only, so a page may be
// short and still have a next one.
func scanEvents(tx store.Tx, f store.EventFilter, m EventMatch) (found []store.Event, next int64, err error) {
	limit := f.Limit
	if m != (EventMatch{}) {
		f.Limit = scanPage
	}
	for looked := 0; looked < maxScan; looked += f.Limit {
		page, err := tx.Events().List(f)
		if err != nil {
			return nil, 0, err
		}
		for _, e := range page {
			if m.matches(e) {
				found = append(found, e)
			}
			if f.Before = e.Seq; len(found) == limit || e.Seq == 0 {
				return found, e.Seq, nil
			}
		}
		if len(page) < f.Limit {
			return found, 0, nil
		}
	}
	return found, f.Before, nil
}
