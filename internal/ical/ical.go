// Package ical writes days as an iCalendar (RFC 5545), for whoever plans in a calendar and
// not in a console. It is pure: the same days are the same bytes.
//
// Every event is of whole days, without alarms and without taking up time. Lines end with
// CRLF and are folded after 75 bytes, never within a character. Texts are escaped, and what
// cannot be printed is replaced: a line end, a control character or one that turns the
// direction of reading around does not get into the calendar, whoever named the host.
package ical

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Calendar is a list of days with a name.
type Calendar struct {
	// Name is shown by most programs.
	Name string
	// Made is when its events were true.
	Made   time.Time
	Events []Event
}

// Event is one day.
type Event struct {
	// Key says what the event is of, whatever its day: an event that moved replaces itself in
	// the calendars that it was taken into. It is unique within a calendar, and not shown.
	Key string
	// Day is in UTC.
	Day time.Time
	// Summary is one line; Description may be several.
	Summary, Description string
	// Categories are words to filter by.
	Categories []string
}

// MediaType is what such bytes are served as.
const MediaType = "text/calendar; charset=utf-8"

// maxLine is how long a line may be, in bytes, without its end.
const maxLine = 75

// Bytes is the calendar, with its events by day.
func (c Calendar) Bytes() []byte {
	var w writer
	w.line("BEGIN", "VCALENDAR")
	w.line("VERSION", "2.0")
	w.line("PRODID", "-//Hotstick//Hotstick//EN")
	w.line("CALSCALE", "GREGORIAN")
	w.line("X-WR-CALNAME", escape(c.Name))
	events := slices.Clone(c.Events)
	slices.SortStableFunc(events, func(a, b Event) int { return cmp.Or(a.Day.Compare(b.Day), strings.Compare(a.Key, b.Key)) })
	for _, e := range events {
		w.event(e, c.Made)
	}
	w.line("END", "VCALENDAR")
	return w.out.Bytes()
}

type writer struct{ out bytes.Buffer }

func (w *writer) event(e Event, made time.Time) {
	const date = "20060102"
	w.line("BEGIN", "VEVENT")
	w.line("UID", uid(e.Key))
	w.line("DTSTAMP", made.UTC().Format("20060102T150405Z"))
	w.line("DTSTART;VALUE=DATE", e.Day.UTC().Format(date))
	w.line("DTEND;VALUE=DATE", e.Day.UTC().AddDate(0, 0, 1).Format(date)) // the end is not part of it
	w.line("TRANSP", "TRANSPARENT")
	w.line("SUMMARY", escape(e.Summary))
	if e.Description != "" {
		w.line("DESCRIPTION", escape(e.Description))
	}
	if len(e.Categories) > 0 {
		words := make([]string, len(e.Categories))
		for i, c := range e.Categories {
			words[i] = escape(c)
		}
		w.line("CATEGORIES", strings.Join(words, ","))
	}
	w.line("END", "VEVENT")
}

// uid is the same for the same key. The key itself may be of a host's making.
func uid(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:16]) + "@hotstick"
}

// line writes a property, folded. The value is escaped already.
func (w *writer) line(name, value string) {
	rest, room := name+":"+value, maxLine
	for len(rest) > room {
		at := room
		for !utf8.RuneStart(rest[at]) {
			at--
		}
		w.out.WriteString(rest[:at] + "\r\n ")
		rest, room = rest[at:], maxLine-1 // the blank counts
	}
	w.out.WriteString(rest + "\r\n")
}

// escape writes a text as RFC 5545 has it (3.3.11).
func escape(text string) string {
	var b strings.Builder
	for _, r := range strings.ReplaceAll(text, "\r\n", "\n") {
		switch {
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\\' || r == ';' || r == ',':
			b.WriteByte('\\')
			b.WriteRune(r)
		case !unicode.IsPrint(r):
			b.WriteRune(utf8.RuneError)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
