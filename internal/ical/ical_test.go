package ical_test

import (
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/hotstick/hotstick/internal/ical"
)

var made = time.Date(2026, 11, 21, 13, 0, 0, 0, time.FixedZone("", 3600))

func TestACalendar(t *testing.T) {
	c := ical.Calendar{Name: "Reboots, ours", Made: made, Events: []ical.Event{
		{Key: "b", Day: time.Date(2028, 2, 29, 0, 0, 0, 0, time.UTC), Summary: "Second", Categories: []string{"canonical", "a,b"}},
		{Key: "a", Day: time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC), Summary: "First; of two", Description: "db-1\ndb-2\\x\r\n" + strings.Repeat("ü", 40)},
	}}
	want := strings.Join([]string{
		"BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Hotstick//Hotstick//EN", "CALSCALE:GREGORIAN", `X-WR-CALNAME:Reboots\, ours`,
		"BEGIN:VEVENT", "UID:ca978112ca1bbdcafac231b39a23dc4d@hotstick", "DTSTAMP:20261121T120000Z", "DTSTART;VALUE=DATE:20261231", "DTEND;VALUE=DATE:20270101", "TRANSP:TRANSPARENT",
		`SUMMARY:First\; of two`, `DESCRIPTION:db-1\ndb-2\\x\n` + strings.Repeat("ü", 24), " " + strings.Repeat("ü", 16), "END:VEVENT",
		"BEGIN:VEVENT", "UID:3e23e8160039594a33894f6564e1b134@hotstick", "DTSTAMP:20261121T120000Z", "DTSTART;VALUE=DATE:20280229", "DTEND;VALUE=DATE:20280301", "TRANSP:TRANSPARENT",
		"SUMMARY:Second", `CATEGORIES:canonical,a\,b`, "END:VEVENT",
		"END:VCALENDAR", "",
	}, "\r\n")
	if got := string(c.Bytes()); got != want {
		t.Errorf("wrote\n%s\nwant\n%s", got, want)
	}
	c.Events[0], c.Events[1] = c.Events[1], c.Events[0]
	if string(c.Bytes()) != want {
		t.Error("the order of the events shows")
	}
	c.Events[0].Day = c.Events[0].Day.AddDate(0, 0, 1)
	if moved := string(c.Bytes()); !strings.Contains(moved, "ca978112ca1bbdcafac231b39a23dc4d") {
		t.Errorf("an event that moved is another one:\n%s", moved)
	}
}

func TestAHostsNameAddsNoLine(t *testing.T) {
	for _, name := range hostile {
		check(t, name)
	}
}

var hostile = []string{"db-1\r\nEND:VEVENT\r\nBEGIN:VALARM", "db-1\nATTACH:http://x", "db-1\rX", "a\u2028b\u2029c\u0085d", "\xff\xfe\r", "a\x00b", "\u202edb-1",
	`\`, `\n`, "a;b,c:d\"e", "", strings.Repeat("ü", 500), strings.Repeat("a", 67) + "\\", strings.Repeat("𝒳", 100), "\n"}

// check reads a calendar back by RFC 5545's own rules, with a text wherever one can stand.
func check(t *testing.T, text string) {
	t.Helper()
	e := ical.Event{Key: text, Day: made, Summary: text, Description: text, Categories: []string{text, "x"}}
	raw := string(ical.Calendar{Name: text, Made: made, Events: []ical.Event{e, {Key: text + "2", Day: made}}}.Bytes())
	if !utf8.ValidString(raw) || strings.ContainsAny(strings.ReplaceAll(raw, "\r\n", ""), "\r\n\u2028\u2029\u0085\x00\u202e") {
		t.Errorf("%q: an end of a line, or what is none, stands in\n%q", text, raw)
	}
	for line := range strings.SplitSeq(raw, "\r\n") {
		if len(line) > 75 || !utf8.ValidString(line) {
			t.Errorf("%q: the line %q has %d bytes", text, line, len(line))
		}
	}
	var names []string
	values := map[string]string{}
	for line := range strings.SplitSeq(strings.TrimSuffix(strings.ReplaceAll(raw, "\r\n ", ""), "\r\n"), "\r\n") {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			t.Errorf("%q: %q is no property", text, line)
		}
		names = append(names, name)
		if _, there := values[name]; !there {
			values[name] = value
		}
	}
	events := "BEGIN UID DTSTAMP DTSTART;VALUE=DATE DTEND;VALUE=DATE TRANSP SUMMARY "
	first := events + "DESCRIPTION CATEGORIES END "
	if text == "" {
		first = events + "CATEGORIES END "
	}
	second := events + "END "
	got := strings.Join(names, " ")
	const head = "BEGIN VERSION PRODID CALSCALE X-WR-CALNAME "
	if got != head+first+second+"END" && got != head+second+first+"END" {
		t.Errorf("%q: the properties are %s", text, got)
	}
	if read := unescape(values["X-WR-CALNAME"]); read != shown(text) {
		t.Errorf("%q reads back as %q, want %q", text, read, shown(text))
	}
}

// unescape is RFC 5545's reading of a text.
func unescape(s string) string {
	return strings.NewReplacer(`\\`, `\`, `\;`, ";", `\,`, ",", `\n`, "\n", `\N`, "\n").Replace(s)
}

// shown is what of a text is left.
func shown(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || strconv.IsPrint(r) {
			return r
		}
		return utf8.RuneError
	}, strings.ReplaceAll(s, "\r\n", "\n"))
}

func FuzzCalendar(f *testing.F) {
	for _, s := range hostile {
		f.Add(s)
	}
	f.Fuzz(check)
}
