package klog

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Record is one line of the kernel log.
type Record struct {
	// Seq is the kernel's own number; 0 where the source does not tell it.
	Seq uint64
	// Uptime is the age of the boot when the line was logged.
	Uptime time.Duration
	// Text is the line without its prefix; opaque.
	Text string
}

// maxLine bounds one line of the log; the kernel's own limit is about a
// kilobyte.
const maxLine = 8 << 10

// ParseRecord reads one record of /dev/kmsg:
//
//	6,339,5140900,-;NET: Registered PF_INET6 protocol family
//
// The fields are priority (facility times 8 plus level), sequence number,
// microseconds since boot and flags; more may follow and are passed over. Lines
// that begin with a space carry device properties and are passed over too. It
// reports false for a record that is malformed or was not written by the kernel.
func ParseRecord(raw string) (Record, bool) {
	prefix, body, ok := strings.Cut(raw, ";")
	fields := strings.Split(prefix, ",")
	if !ok || len(fields) < 4 || len(raw) > maxLine {
		return Record{}, false
	}
	priority, err1 := strconv.ParseUint(fields[0], 10, 32)
	seq, err2 := strconv.ParseUint(fields[1], 10, 64)
	micros, err3 := strconv.ParseUint(fields[2], 10, 53)
	if err1 != nil || err2 != nil || err3 != nil || priority >= 8 {
		return Record{}, false
	}
	body, _, _ = strings.Cut(body, "\n")
	return Record{Seq: seq, Uptime: time.Duration(micros) * time.Microsecond, Text: clean(unescape(body))}, true
}

// unescape undoes the \xNN that /dev/kmsg writes for bytes that are not
// printable, so that lines compare equal whatever their source is.
func unescape(s string) string {
	if !strings.Contains(s, `\x`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) && s[i+1] == 'x' {
			if n, err := strconv.ParseUint(s[i+2:i+4], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// clean makes a line fit for JSON and for one line of a screen.
func clean(s string) string {
	s = strings.ToValidUTF8(s, "\ufffd")
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f {
			return '\ufffd'
		}
		return r
	}, strings.TrimRight(s, " \r\n"))
}

// textPrefix is what a console or pstore writes before a line: the level, the
// seconds since boot, and with PRINTK_CALLER the task or processor.
var textPrefix = regexp.MustCompile(`^(?:<(\d{1,3})>)?\[ *(\d{1,10})\.(\d{6})\](?:\[ *[TC]\d+\])? ?`)

// ParseText reads lines with the prefix of a console or of pstore, such as
//
//	<4>[   61.318024] Call Trace:
//
// Lines without one, such as pstore's own heading, are passed over, and so are
// those whose level shows that a process wrote them.
func ParseText(text string) []Record {
	var records []Record
	for l := range strings.Lines(text) {
		if len(l) > maxLine {
			continue
		}
		m := textPrefix.FindStringSubmatch(l)
		if m == nil || m[1] != "" && len(m[1]) > 1 || m[1] > "7" {
			continue
		}
		seconds, err1 := strconv.ParseInt(m[2], 10, 64)
		micros, err2 := strconv.ParseInt(m[3], 10, 64)
		if err1 != nil || err2 != nil || seconds > 1<<32 {
			continue
		}
		at := time.Duration(seconds)*time.Second + time.Duration(micros)*time.Microsecond
		records = append(records, Record{Uptime: at, Text: clean(l[len(m[0]):])})
	}
	return records
}
