package probe

import (
	"context"
	"fmt"
	"time"

	"github.com/hotstick/hotstick"
)

const (
	// late is how long after its time is over a probe may still say itself that it was.
	late = 500 * time.Millisecond
	// gathering is how long the answers of a round wait for one another, so that they
	// are told together.
	gathering = 50 * time.Millisecond
)

// Rounds asks probes at their paces. Each is asked in a goroutine of its own, and not
// again before it is back; one that is not back in time is told as not healthy, again
// with each round, until it is.
type Rounds struct {
	uptime   func() time.Duration
	told     func(ctx context.Context, readings []hotstick.Reading)
	watching chan bool
	awake    chan struct{}
	back     chan returned

	// What follows belongs to Run's goroutine.

	probes  []*asked
	watched bool
	news    []hotstick.Reading
	// flush is when the news are told at the latest; zero if there are none.
	flush time.Time
}

// asked is a probe with what its rounds know of it.
type asked struct {
	Probe
	due time.Time
	// away: it was asked at since and is not back.
	away  bool
	since time.Time
	// asked is the boot's age at since.
	asked time.Duration
	// missed: its time was over before it was back.
	missed bool
	// again is how soon it is asked again although nothing is under way, because it was
	// not healthy; zero if it was.
	again time.Duration
}

// returned is what a probe that is back says.
type returned struct {
	probe  *asked
	answer Answer
}

// NewRounds prepares the rounds of some probes. Uptime is the boot's age. Told takes their readings, which come
// together as far as they can, and returns soon after the context ends.
func NewRounds(probes []Probe, uptime func() time.Duration, told func(ctx context.Context, readings []hotstick.Reading)) *Rounds {
	r := &Rounds{uptime: uptime, told: told, watching: make(chan bool, 1), awake: make(chan struct{}, 1), back: make(chan returned, len(probes))}
	for _, p := range probes {
		r.probes = append(r.probes, &asked{Probe: p})
	}
	return r
}

// Watch says whether an attempt is under way. When one begins every probe is asked at
// once. It must not be called at once by several goroutines.
func (r *Rounds) Watch(watched bool) {
	select {
	case <-r.watching: // what was said before was not heard yet
	default:
	}
	r.watching <- watched
}

// Awake says that the processor is awake anyway: what is nearly due is asked now.
func (r *Rounds) Awake() {
	select {
	case r.awake <- struct{}{}:
	default:
	}
}

// Run asks until the context ends. It does not wait for probes that hang.
func (r *Rounds) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		awake := false
		select {
		case <-ctx.Done():
			return
		case watched := <-r.watching:
			r.watch(watched)
		case <-r.awake:
			awake = true
		case b := <-r.back:
			r.arrive(b)
		case <-timer.C:
		}
		now := time.Now()
		r.miss(now)
		r.ask(ctx, now, awake)
		r.tell(ctx, now)
		timer.Reset(time.Until(r.next()))
	}
}

// watch takes note that an attempt began or ended. One that ended may have healed what
// was ill.
func (r *Rounds) watch(watched bool) {
	now := time.Now()
	for _, p := range r.probes {
		switch {
		case watched && !r.watched:
			p.due = now
		case r.watched && !watched && p.again > 0:
			p.again = p.pace(true)
			p.due = now.Add(p.again)
		}
	}
	r.watched = watched
}

// slack is how much sooner or later than its time a probe may be asked, so that it goes
// with others.
func (r *Rounds) slack(p *asked) time.Duration {
	if r.watched {
		return 0
	}
	return r.pace(p) / 4
}

// pace is the time between two questions to a probe as things are.
func (r *Rounds) pace(p *asked) time.Duration {
	if p.again > 0 && !r.watched {
		return p.again
	}
	return p.pace(r.watched)
}

// ask asks the probes that are due. Where one must be asked, or the processor is awake
// anyway, those that are nearly due go with it.
func (r *Rounds) ask(ctx context.Context, now time.Time, awake bool) {
	for _, p := range r.probes {
		awake = awake || !now.Before(p.due.Add(r.slack(p)))
	}
	if !awake {
		return
	}
	for _, p := range r.probes {
		if now.Before(p.due.Add(-r.slack(p))) {
			continue
		}
		p.due = now.Add(r.pace(p))
		switch {
		case !p.away:
			p.away, p.missed, p.since, p.asked = true, false, now, r.uptime()
			go p.ask(ctx, r.watched, r.back)
		case p.missed:
			r.add(p.silent(now), now)
		}
	}
}

// miss gives up on the probes whose time is over.
func (r *Rounds) miss(now time.Time) {
	for _, p := range r.probes {
		if p.away && !p.missed && !now.Before(p.since.Add(p.timeout()+late)) {
			p.missed = true
			r.ill(p, now)
			r.add(p.silent(now), now)
		}
	}
}

// ill sets how soon a probe that was not healthy is asked again. Nothing is begun on a host
// that is ill, so one that is asked late is kept out late: the pauses begin short and double.
func (r *Rounds) ill(p *asked, now time.Time) {
	p.again = min(max(2*p.again, p.pace(true)), p.pace(false))
	if soon := now.Add(r.pace(p)); soon.Before(p.due) {
		p.due = soon
	}
}

// arrive takes the answer of a probe that is back. One that comes too late is not told:
// it speaks of a moment long ago.
func (r *Rounds) arrive(b returned) {
	now, missed := time.Now(), b.probe.missed
	b.probe.away, b.probe.missed = false, false
	if missed {
		return
	}
	if b.answer.Healthy {
		b.probe.again = 0
	} else {
		r.ill(b.probe, now)
	}
	r.add(b.probe.reading(b.answer, now), now)
}

func (r *Rounds) add(reading hotstick.Reading, now time.Time) {
	if len(r.news) == 0 {
		r.flush = now.Add(gathering)
	}
	r.news = append(r.news, reading)
}

// tell tells the news once everybody who was asked is back, or has been waited for.
func (r *Rounds) tell(ctx context.Context, now time.Time) {
	waiting := false
	for _, p := range r.probes {
		waiting = waiting || p.away && !p.missed
	}
	if len(r.news) > 0 && (!waiting || !now.Before(r.flush)) {
		news := r.news
		r.news = nil
		r.told(ctx, news)
	}
}

// next is when something is to be done at the latest.
func (r *Rounds) next() time.Time {
	next := time.Now().Add(PaceRest)
	if len(r.news) > 0 && r.flush.Before(next) {
		next = r.flush
	}
	for _, p := range r.probes {
		at := p.due.Add(r.slack(p))
		if over := p.since.Add(p.timeout() + late); p.away && !p.missed && over.Before(at) {
			at = over
		}
		if at.Before(next) {
			next = at
		}
	}
	return next
}

// ask asks once. A probe that panics is not healthy, and takes nobody with it.
func (p *asked) ask(ctx context.Context, watched bool, back chan<- returned) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout())
	defer cancel()
	b := returned{probe: p}
	defer func() {
		if v := recover(); v != nil {
			b.answer = Answer{Detail: fmt.Sprintf("cannot run the probe: it panicked: %v", v)}
		}
		back <- b // there is room for one of each probe
	}()
	b.answer = p.Asker.Ask(ctx, watched)
}

// silent is the reading of a probe that does not come back.
func (p *asked) silent(now time.Time) hotstick.Reading {
	return p.reading(Answer{Detail: fmt.Sprintf("no answer within %s", max(p.timeout(), now.Sub(p.since)).Truncate(time.Second/10))}, now)
}

// reading is what is told of an answer. The loader refuses a call with a longer detail.
func (p *asked) reading(a Answer, now time.Time) hotstick.Reading {
	out := &capped{}
	_, _ = out.Write([]byte(a.Detail)) // it never fails
	return hotstick.Reading{Probe: p.Name, Healthy: a.Healthy, Detail: out.text(), Measure: a.Measure, At: now.UTC().Truncate(time.Second),
		AskedMillis: p.asked.Milliseconds()}
}
