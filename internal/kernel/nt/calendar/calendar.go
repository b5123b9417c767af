// Package calendar says which months' updates of Windows come as a hotpatch and which
// need a reboot. It is pure.
//
// Microsoft publishes on the second Tuesday of each month. The updates of January, April,
// July and October are baselines: ordinary cumulative updates, for which the machine
// restarts. Those of the two months after each are hotpatches, which rest on that baseline
// and on no other. Now and then a month that should bring a hotpatch brings a baseline
// (unplanned; such as for a fix that no hotpatch can carry), and nothing in the calendar
// says so beforehand: whoever knows of one passes it in.
package calendar

import (
	"slices"
	"time"
)

// Month is one month's release.
type Month struct {
	Year  int
	Month time.Month
}

// Of is the month in which a time falls, in UTC.
func Of(t time.Time) Month { return Month{t.UTC().Year(), t.UTC().Month()} }

// String is such as 2025-05.
func (m Month) String() string { return m.first().Format("2006-01") }

func (m Month) first() time.Time { return time.Date(m.Year, m.Month, 1, 0, 0, 0, 0, time.UTC) }

// Next is the month after.
func (m Month) Next() Month { return Of(m.first().AddDate(0, 1, 0)) }

// Before is the month before.
func (m Month) Before() Month { return Of(m.first().AddDate(0, -1, 0)) }

// Published is the second Tuesday of the month, 17:00 UTC, when its update comes out in
// winter; in summer that is an hour earlier.
func (m Month) Published() time.Time {
	first := m.first()
	toTuesday := (int(time.Tuesday) - int(first.Weekday()) + 7) % 7
	return first.AddDate(0, 0, toTuesday+7).Add(17 * time.Hour)
}

// Kind says how a month's update comes into effect.
type Kind string

// The closed set of kinds.
const (
	// Baseline: the machine restarts.
	Baseline Kind = "baseline"
	// Hotpatch: it does not, if it runs the baseline before.
	Hotpatch Kind = "hotpatch"
)

// Kind is the month's, given the unplanned baselines that are known.
func (m Month) Kind(unplanned ...Month) Kind {
	if (m.Month-time.January)%3 == 0 || slices.Contains(unplanned, m) {
		return Baseline
	}
	return Hotpatch
}

// Baseline is the one that the month's update is, or rests on.
func (m Month) Baseline(unplanned ...Month) Month {
	for m.Kind(unplanned...) != Baseline {
		m = m.Before()
	}
	return m
}

// Needs says how a host comes to have a month's update, if the last baseline that it was
// booted with is the given one: by a hotpatch only if the month brings one and the host
// runs the very baseline that it rests on. A host that missed it takes the ordinary
// cumulative update, and restarts.
func (m Month) Needs(runs Month, unplanned ...Month) Kind {
	if m.Kind(unplanned...) == Hotpatch && m.Baseline(unplanned...) == runs {
		return Hotpatch
	}
	return Baseline
}

// Current is the newest month whose update is published at a time.
func Current(now time.Time) Month {
	m := Of(now)
	if now.Before(m.Published()) {
		return m.Before()
	}
	return m
}

// NextReboot is the first month after a time for whose update a host restarts, even one
// that has taken every update so far.
func NextReboot(now time.Time, unplanned ...Month) Month {
	m := Current(now).Next()
	for m.Kind(unplanned...) != Baseline {
		m = m.Next()
	}
	return m
}
