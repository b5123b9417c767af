package sqlite

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

// A lineage is read and written with every check-in, where JSON would cost more than
// all the rest. Its fields stand one after the other, each as its length in bytes, a
// colon and its bytes: Returns, Since, Speaker and Cloned (JSON), then five and a time
// for each life, Now first. Times are microseconds, or empty.

func packLineage(l store.Lineage) (string, error) {
	l = l.Clone()
	if l.Now == (store.Life{}) && l.Past == nil && l.Returns == 0 && l.Since.IsZero() && l.Speaker == 0 && l.Cloned == nil {
		return "", nil
	}
	cloned, err := text(l.Cloned, l.Cloned == nil)
	if err != nil {
		return "", err
	}
	b := make([]byte, 0, 256*(len(l.Past)+1))
	add := func(fields ...string) {
		for _, f := range fields {
			b = append(strconv.AppendInt(b, int64(len(f)), 10), ':')
			b = append(b, f...)
		}
	}
	add(strconv.Itoa(l.Returns), micros(l.Since), strconv.Itoa(l.Speaker), cloned)
	for i := range len(l.Past) + 1 {
		p := &l.Now
		if i > 0 {
			p = &l.Past[i-1]
		}
		add(p.Boot, string(p.Key), p.Machine, p.Hardware, strconv.FormatUint(p.Seq, 10), micros(p.Seen))
	}
	return string(b), nil
}

func micros(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return strconv.FormatInt(t.UnixMicro(), 10)
}

// unpacking reads the fields of a packed lineage. After the first fault all are
// empty.
type unpacking struct {
	text string
	err  error
}

func (u *unpacking) field() string {
	length, rest, ok := strings.Cut(u.text, ":")
	n, err := strconv.Atoi(length)
	if u.err != nil || !ok || err != nil || n < 0 || n > len(rest) {
		u.fault()
		return ""
	}
	u.text = rest[n:]
	return rest[:n]
}

func (u *unpacking) fault() {
	if u.err == nil {
		u.err = fmt.Errorf("cannot decode a host's lineage")
	}
}

func (u *unpacking) number() uint64 {
	n, err := strconv.ParseUint(u.field(), 10, 64)
	if err != nil {
		u.fault()
	}
	return n
}

func (u *unpacking) time() time.Time {
	f := u.field()
	if f == "" {
		return time.Time{}
	}
	n, err := strconv.ParseInt(f, 10, 64)
	if err != nil {
		u.fault()
	}
	return when(n)
}

func (u *unpacking) life() store.Life {
	return store.Life{Boot: u.field(), Key: hotstick.Digest(u.field()), Machine: u.field(), Hardware: u.field(), Seq: u.number(), Seen: u.time()}
}

func unpackLineage(packed string) (l store.Lineage, err error) {
	if packed == "" {
		return l, nil
	}
	u := &unpacking{text: packed}
	l.Returns, l.Since, l.Speaker = int(u.number()), u.time(), int(u.number())
	if cloned := u.field(); cloned != "" {
		if err := json.Unmarshal([]byte(cloned), &l.Cloned); err != nil {
			u.fault()
		}
	}
	l.Now = u.life()
	if u.text != "" {
		l.Past = make([]store.Life, 0, 4) // as inventory keeps
	}
	for u.err == nil && u.text != "" {
		l.Past = append(l.Past, u.life())
	}
	return l, u.err
}
