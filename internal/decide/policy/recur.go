package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/teambition/rrule-go"
)

// recur is a recurrence rule of RFC 5545 without the parts that a wall clock cannot
// answer or that a calendar says by itself.
type recur struct{ option *rrule.ROption }

// Limits of one rule.
const (
	maxStartsADay = 8
	maxInterval   = 1000
	maxCount      = 1000
)

// recurKeys are the parts of a rule that may be used.
var recurKeys = []string{"FREQ", "INTERVAL", "COUNT", "BYDAY", "BYMONTH", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYHOUR", "BYMINUTE", "BYSETPOS", "WKST"}

func (r *recur) Read(s string) error {
	if strings.ContainsAny(s, "\r\n \t") || len(s) > maxRule {
		return fmt.Errorf("cannot read the rule: want one line without blanks, such as FREQ=WEEKLY;BYDAY=MO,WE")
	}
	seen := map[string]bool{}
	for _, part := range strings.Split(s, ";") {
		key, _, _ := strings.Cut(part, "=")
		switch {
		case key == "UNTIL":
			return fmt.Errorf("cannot use UNTIL in a rule: write until: YYYY-MM-DD beside it")
		case key == "DTSTART":
			return fmt.Errorf("cannot use DTSTART in a rule: it is the window's start")
		case !slices.Contains(recurKeys, key):
			return fmt.Errorf("cannot use %q in a rule: it knows %s", key, strings.Join(recurKeys, ", "))
		case seen[key]:
			return fmt.Errorf("cannot use %s twice in a rule", key)
		}
		seen[key] = true
	}
	option, err := rrule.StrToROption(s)
	if err != nil {
		return fmt.Errorf("cannot read the rule: %v", err)
	}
	if err := checkRecur(*option, seen); err != nil {
		return err
	}
	*r = recur{option}
	return nil
}

// checkRecur refuses what RFC 5545 leaves without a meaning and what the library
// would read in its own way.
func checkRecur(o rrule.ROption, has map[string]bool) error {
	nth := slices.ContainsFunc(o.Byweekday, func(d rrule.Weekday) bool { return d.N() != 0 })
	switch {
	case o.Freq > rrule.DAILY:
		return fmt.Errorf("cannot use a rule below DAILY: clocks that change make no sense of it; list the hours with BYHOUR")
	case has["INTERVAL"] && (o.Interval < 1 || o.Interval > maxInterval):
		return fmt.Errorf("cannot use an INTERVAL of %d: want 1 to %d", o.Interval, maxInterval)
	case has["COUNT"] && (o.Count < 1 || o.Count > maxCount):
		return fmt.Errorf("cannot use a COUNT of %d: want 1 to %d", o.Count, maxCount)
	case nth && o.Freq > rrule.MONTHLY:
		return fmt.Errorf("cannot use numbered days such as 2MO in a rule that is not MONTHLY or YEARLY")
	case nth && has["BYWEEKNO"]:
		return fmt.Errorf("cannot use numbered days such as 2MO together with BYWEEKNO")
	case has["BYMONTHDAY"] && o.Freq == rrule.WEEKLY:
		return fmt.Errorf("cannot use BYMONTHDAY in a WEEKLY rule")
	case (has["BYYEARDAY"] || has["BYWEEKNO"]) && o.Freq != rrule.YEARLY:
		return fmt.Errorf("cannot use BYYEARDAY or BYWEEKNO in a rule that is not YEARLY")
	case has["BYSETPOS"] && o.Freq == rrule.DAILY:
		return fmt.Errorf("cannot use BYSETPOS in a DAILY rule")
	case max(len(o.Byhour), 1)*max(len(o.Byminute), 1) > maxStartsADay:
		return fmt.Errorf("cannot open more than %d times a day", maxStartsADay)
	}
	if _, err := rrule.NewRRule(o); err != nil {
		return fmt.Errorf("cannot use the rule: %v", err)
	}
	return nil
}

// starts lists the window's starts on the wall, from the first one until limit, in
// order. The library works on a clock without zones, so that no change of clocks can
// lead it astray.
func (w recurring) starts(limit time.Time) []time.Time {
	if w.Rule.option == nil {
		if w.Start.After(limit) {
			return nil
		}
		return []time.Time{w.Start.Time}
	}
	option := *w.Rule.option
	option.Dtstart, option.Until = w.Start.Time, limit
	if end := w.last(); !end.IsZero() && end.Before(limit) {
		option.Until = end
	}
	if option.Until.Before(option.Dtstart) {
		return nil
	}
	rule, err := rrule.NewRRule(option)
	if err != nil {
		return nil // the rule was tried when it was read
	}
	return rule.All()
}

// last is the last start that until allows; the zero time if it sets none.
func (w recurring) last() time.Time {
	if w.Until.IsZero() || !w.Until.day {
		return w.Until.Time
	}
	return w.Until.Add(24*time.Hour - time.Second)
}

// first is the first start that the rule itself has at or after the written one.
func (w recurring) first() (time.Time, bool) {
	starts := w.starts(w.Start.AddDate(0, 0, 1))
	if len(starts) == 0 {
		starts = w.starts(w.Start.AddDate(8, 0, 0))
	}
	if len(starts) == 0 {
		return time.Time{}, false
	}
	return starts[0], true
}
