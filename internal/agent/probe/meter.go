package probe

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
)

// Meter measures one number of the host; higher is worse.
type Meter interface {
	// Measure reads the number, or errUnseen if it needs another look to tell.
	Measure(ctx context.Context) (float64, error)
}

// errUnseen: the number is one of a span of time, and its end has not come.
var errUnseen = errors.New("cannot tell yet")

// measured is a probe of a number that a judge judges.
type measured struct {
	meter Meter
	judge *Judge
	unit  string
	// uptime is an age on a clock that never jumps.
	uptime func() time.Duration
}

// Ask implements [Asker].
func (m *measured) Ask(ctx context.Context, watched bool) Answer {
	value, err := m.meter.Measure(ctx)
	switch {
	case errors.Is(err, errUnseen):
		return Answer{Healthy: true}
	case err != nil:
		return Answer{Detail: clean(err)}
	}
	judge := m.judge.Rest
	if watched {
		judge = m.judge.Watch
	}
	v := judge(m.uptime(), value)
	told := hotstick.Measure{Value: value, Unit: m.unit, Usual: v.Usual, Limit: v.Limit}.Round()
	a := Answer{Healthy: v.Healthy, Measure: &told}
	if !v.Healthy {
		a.Detail = sentence(told)
	}
	return a
}

// sentence says what is too much.
func sentence(m hotstick.Measure) string {
	s := m.Text(m.Value)
	if m.Limit != nil {
		s += ", the limit is " + m.Text(*m.Limit)
	}
	if m.Usual != nil {
		s += ", usual is " + m.Text(*m.Usual)
	}
	return s
}

// rate turns a counter that rises, or a level, into its change over the last span, a
// second. The zero value is ready.
type rate struct {
	// marks are in the order of time; the first is the newest that is a span old, or all
	// are younger.
	marks []mark
}

type mark struct {
	at             time.Duration
	counter, other float64
}

const (
	// span is over how long a change is taken, and spanLeast what says enough.
	span      = time.Minute
	spanLeast = 20 * time.Second
	// maxMarks bounds the memory of a rate.
	maxMarks = 64
)

// over returns the change of both numbers, and of time in seconds, since about a span
// ago. It reports false if that is not long enough ago.
func (r *rate) over(now mark) (counter, other, seconds float64, ok bool) {
	for len(r.marks) > 1 && (now.at-r.marks[1].at >= span || len(r.marks) >= maxMarks) {
		r.marks = slices.Delete(r.marks, 0, 1)
	}
	if len(r.marks) == 0 || now.at-r.marks[len(r.marks)-1].at >= time.Second/2 {
		r.marks = append(r.marks, now)
	}
	first := r.marks[0]
	seconds = (now.at - first.at).Seconds()
	if now.at-first.at < spanLeast {
		return 0, 0, 0, false
	}
	return now.counter - first.counter, now.other - first.other, seconds, true
}
