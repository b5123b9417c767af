package probe

import (
	"math"
	"slices"
	"time"
)

// Limits say which values of one measure are healthy; higher is worse. How they work
// together stands at [Judge].
type Limits struct {
	// Floor is a value that never matters, however unusual it is.
	Floor float64
	// Rise and Times say how far above the usual value a healthy one may be: by so
	// much, and by so many times.
	Rise, Times float64
	// Ceiling is not healthy whatever came before; 0 is none.
	Ceiling float64
	// Only, if it is above 0, is the limit that the host's owner set. It alone counts.
	Only float64
	// Smooth is how many values at rest fill the time of a window; 0 is 1.
	Smooth int
	// Window is over how many askings a watched host is judged, at most [MaxWindow]: it
	// is not healthy once more than half of them were above the limit. 0 is MaxWindow.
	Window int
}

// Sizes of a judge's memory.
const (
	// MaxWindow is the longest [Limits.Window].
	MaxWindow = 256
	// Recent values make what is usual; fewer than Enough make nothing.
	Recent = 30
	Enough = 10
	// Hours are remembered by their second highest value: a day, and the one that runs.
	Hours = 25
	// sigmas is how many standard deviations above the usual value are healthy.
	sigmas = 6
	// margin is by how much an attempt's worst may be above that of the day before.
	margin = 1.25
	// restBad is how many values in a row must be above the limit at rest.
	restBad = 3
)

// Judge says whether a value is healthy on this host. It is pure and remembers little
// more than 2 KiB, however long it lives. Times are ages on a clock that never jumps.
//
// At rest it learns: from the last [Recent] values what is usual (their median, and as
// spread 1.4826 times their median deviation), from the last 24 hours the worst that
// lasted for half of a window and came more than once (the highest of the hours' second
// highest values). At rest only Ceiling counts, or what is usual where that is higher, and
// three values in a row must be above it.
//
// Once the host is watched nothing is learnt any more. The limit is the highest of
// Floor, the usual value plus Rise, times Times, plus six spreads, and a quarter above the
// worst of the day; or Ceiling if that is lower and the day was below it. With fewer than [Enough]
// values only Ceiling counts. More than half of a window must be above the limit, so
// that a spike reverts nothing.
type Judge struct {
	limits Limits
	recent [Recent]float64
	seen   int
	hours  [Hours]hour

	// bad tells of the last values whether they were above the limit, and above counts
	// those that were; n counts all. They are of one pace.
	bad      [MaxWindow]bool
	n, above int
	watched  bool
	// usual and limit are nil while they are unknown, or there is none.
	usual, limit *float64
}

// hour holds the two highest values of an hour.
type hour struct {
	number          int
	highest, second float64
	filled          bool
}

// Verdict is what a judge says of a value.
type Verdict struct {
	Healthy bool
	// Usual is nil until enough was seen, and Limit is nil where every value is healthy.
	Usual, Limit *float64
}

// NewJudge makes a judge that has seen nothing.
func NewJudge(l Limits) *Judge {
	if l.Window < 1 || l.Window > MaxWindow {
		l.Window = MaxWindow
	}
	return &Judge{limits: l}
}

// Rest judges a value at rest, and learns from it.
func (j *Judge) Rest(at time.Duration, value float64) Verdict {
	if j.watched {
		j.watched, j.n, j.above, j.bad = false, 0, 0, [MaxWindow]bool{}
	}
	usual, spread, known := j.centre()
	j.usual, j.limit = nil, ceiling(j.limits)
	if known {
		j.usual = &usual
		if j.limit != nil && j.limits.Only == 0 {
			*j.limit = max(*j.limit, usual+sigmas*spread)
		}
	}
	j.learn(at, value)
	return j.say(value, restBad, restBad)
}

// Watch judges a value while an attempt is under way.
func (j *Judge) Watch(at time.Duration, value float64) Verdict {
	if !j.watched {
		j.watched, j.n, j.above, j.bad = true, 0, 0, [MaxWindow]bool{}
		j.freeze(at)
	}
	return j.say(value, j.limits.Window, j.limits.Window/2+1)
}

// freeze settles what is usual, and the limit, before an attempt.
func (j *Judge) freeze(at time.Duration) {
	usual, spread, known := j.centre()
	j.usual, j.limit = nil, ceiling(j.limits)
	if !known {
		return
	}
	j.usual = &usual
	if j.limits.Only > 0 {
		return
	}
	worst := j.worst(at)
	limit := max(j.limits.Floor, usual+j.limits.Rise, usual*j.limits.Times, usual+sigmas*spread, margin*worst)
	if c := j.limits.Ceiling; c > 0 && worst < c {
		limit = min(limit, c)
	}
	j.limit = &limit
}

// ceiling is the limit that counts without any history.
func ceiling(l Limits) *float64 {
	c := l.Ceiling
	if l.Only > 0 {
		c = l.Only
	}
	if c <= 0 {
		return nil
	}
	return &c
}

// learn takes a value into the memory.
func (j *Judge) learn(at time.Duration, value float64) {
	j.recent[j.seen%Recent] = value
	j.seen++
	value = j.lasting()
	number := int(at / time.Hour)
	h := &j.hours[number%Hours]
	if !h.filled || h.number != number {
		*h = hour{number: number, highest: value, second: math.Inf(-1), filled: true}
		return
	}
	h.second = max(h.second, min(h.highest, value))
	h.highest = max(h.highest, value)
}

// lasting is what more than half of the newest values of a window's time reach.
func (j *Judge) lasting() float64 {
	n := min(max(1, j.limits.Smooth), j.seen, Recent)
	newest := make([]float64, 0, Recent)
	for i := range n {
		newest = append(newest, j.recent[(j.seen-1-i)%Recent])
	}
	slices.Sort(newest)
	return newest[(n-1)/2]
}

// worst is the highest value of the last day that was not alone in its hour.
func (j *Judge) worst(at time.Duration) float64 {
	worst := math.Inf(-1)
	for _, h := range j.hours {
		if h.filled && int(at/time.Hour)-h.number < Hours {
			worst = max(worst, h.second)
		}
	}
	return worst
}

// centre is the median of the recent values and their spread, if there are enough.
func (j *Judge) centre() (usual, spread float64, known bool) {
	if j.seen < Enough {
		return 0, 0, false
	}
	sorted := slices.Sorted(slices.Values(j.recent[:min(j.seen, Recent)]))
	usual = sorted[len(sorted)/2]
	for i, v := range sorted {
		sorted[i] = math.Abs(v - usual)
	}
	slices.Sort(sorted)
	return usual, 1.4826 * sorted[len(sorted)/2], true
}

// say judges the newest value with those before it.
func (j *Judge) say(value float64, window, most int) Verdict {
	slot := &j.bad[j.n%window]
	if *slot {
		j.above--
	}
	*slot = j.limit != nil && value > *j.limit
	if *slot {
		j.above++
	}
	j.n++
	return Verdict{Healthy: j.above < most, Usual: j.usual, Limit: j.limit}
}
