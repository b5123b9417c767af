package cover

import (
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/why"
	"github.com/hotstick/hotstick/internal/ical"
	"github.com/hotstick/hotstick/internal/plain"
)

// Due is a kernel with until when it is covered, and the names of the hosts that run it.
type Due struct {
	Build hotstick.KernelBuild
	Cover hotstick.Cover
	Hosts []string
}

// Calendar writes the days on which covers end, one event for each kernel and system. What
// has no day has no event. A day that moves moves its event.
func Calendar(name string, made time.Time, all []Due) ical.Calendar {
	c := ical.Calendar{Name: name, Made: made}
	for _, d := range all {
		if d.Cover.State != hotstick.CoverEnds || len(d.Hosts) == 0 {
			continue
		}
		e := ical.Event{Key: d.Cover.Driver + " " + d.Build.Release + " " + d.Build.Arch + " " + d.Build.BuildID, Day: d.Cover.Until, Categories: []string{d.Cover.Driver}}
		e.Summary, e.Description = why.Due(d.Build.Release, lined(d.Hosts), d.Cover)
		c.Events = append(c.Events, e)
	}
	return c
}

// lined are the names in order, each of one line: what follows a line end in a name would
// read as another host.
func lined(hosts []string) []string {
	names := make([]string, len(hosts))
	for i, name := range hosts {
		names[i] = plain.Escape(name)
	}
	slices.Sort(names)
	return names
}
