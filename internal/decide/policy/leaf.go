package policy

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/strictyaml"
)

// expression is the text of a CEL expression.
type expression string

func (e *expression) Read(s string) error {
	if strings.TrimSpace(s) == "" {
		return fmt.Errorf("cannot use an empty expression: empty is never all; write true for every host")
	}
	if len(s) > maxExpression {
		return fmt.Errorf("cannot use an expression longer than %d bytes", maxExpression)
	}
	*e = expression(s)
	return nil
}

// span is a length of time, in whole seconds.
type span time.Duration

var (
	spanPattern = regexp.MustCompile(`^(?:([0-9]{1,4})w)?(?:([0-9]{1,5})d)?(?:([0-9]{1,6})h)?(?:([0-9]{1,7})m)?(?:([0-9]{1,9})s)?$`)
	spanUnits   = [...]time.Duration{7 * 24 * time.Hour, 24 * time.Hour, time.Hour, time.Minute, time.Second}
)

func (d *span) Read(s string) error {
	groups := spanPattern.FindStringSubmatch(s)
	if groups == nil || s == "" {
		return fmt.Errorf("cannot read %q as a length of time: write it with w, d, h, m and s, such as 30m or 1d12h", s)
	}
	var total time.Duration
	for i, unit := range spanUnits {
		if groups[i+1] == "" {
			continue
		}
		n, err := strconv.Atoi(groups[i+1])
		if err != nil || n > int(maxSpan/unit) {
			return fmt.Errorf("cannot use %q: the longest time is ten years", s)
		}
		total += time.Duration(n) * unit
	}
	if total > maxSpan {
		return fmt.Errorf("cannot use %q: the longest time is ten years", s)
	}
	*d = span(total)
	return nil
}

// String writes the span as a document does, in days rather than weeks.
func (d span) String() string {
	rest := time.Duration(d)
	var b strings.Builder
	for i, unit := range spanUnits[1:] {
		if n := rest / unit; n > 0 {
			fmt.Fprintf(&b, "%d%c", n, "dhms"[i])
			rest -= n * unit
		}
	}
	if b.Len() == 0 {
		return "0s"
	}
	return b.String()
}

// wall is a time as a clock on the wall shows it, kept as if it were UTC.
type wall struct {
	time.Time
	// day: only the day was written.
	day bool
}

func (w *wall) Read(s string) error {
	for _, layout := range []string{"2006-01-02 15:04", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02T15:04:05", time.DateOnly} {
		t, err := time.Parse(layout, s)
		if err != nil {
			continue
		}
		if t.Year() < minYear || t.Year() > maxYear {
			return fmt.Errorf("cannot use the year of %q: want %d to %d", s, minYear, maxYear)
		}
		*w = wall{Time: t, day: layout == time.DateOnly}
		return nil
	}
	return fmt.Errorf("cannot read %q as a local time: want YYYY-MM-DD HH:MM, such as 2026-01-05 02:00; its zone is the document's", s)
}

// instant is a point in time, written with its offset.
type instant struct{ time.Time }

func (i *instant) Read(s string) error {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return fmt.Errorf("cannot read %q as a time: want one with its offset, such as 2026-11-21T12:00:00Z", s)
	}
	if t.Year() < minYear || t.Year() > maxYear {
		return fmt.Errorf("cannot use the year of %q: want %d to %d", s, minYear, maxYear)
	}
	*i = instant{t.UTC().Truncate(time.Second)}
	return nil
}

// zone is a time zone by its name in the IANA database.
type zone struct{ *time.Location }

func (z *zone) Read(s string) error {
	location, err := time.LoadLocation(s)
	if err != nil || s == "" || s == "Local" {
		return fmt.Errorf("cannot find the time zone %q: want a name such as Europe/Berlin or UTC", s)
	}
	*z = zone{location}
	return nil
}

// label names a document, a rule or a ring.
type label = strictyaml.Name

// line is text for people.
type line = strictyaml.Line

// class is a way back.
type class hotstick.Reversibility

func (c *class) Read(s string) error {
	switch r := hotstick.Reversibility(s); r {
	case hotstick.ReversibleLive, hotstick.ReversibleDowngrade, hotstick.ReversibleReboot:
		*c = class(r)
		return nil
	}
	return fmt.Errorf("cannot use %q as a reversibility: want live, downgrade or reboot", s)
}

// drift is what happens where somebody else took a level away; empty means report.
type drift string

const driftReapply drift = "reapply"

func (d *drift) Read(s string) error {
	if s != "report" && drift(s) != driftReapply {
		return fmt.Errorf("cannot use %q: want report or reapply", s)
	}
	*d = drift(s)
	return nil
}
