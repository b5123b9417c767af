package main

import (
	"fmt"
	"slices"
	"time"
)

// rules are the times that a screen may take.
type rules struct {
	// heartbeat is how often a host with nothing to do checks in.
	heartbeat time.Duration
	// stale is how old a report may be before a screen must call it stale.
	stale time.Duration
	// gap is how far apart two looks at a kernel may be, and blink how far if they differ:
	// a third state may have passed between those. What lies between two that are farther
	// apart is not known, so nothing is judged by it.
	gap, blink time.Duration
}

// allowance is how far a screen may lag behind a kernel: two heartbeats.
func (r rules) allowance() time.Duration { return 2 * r.heartbeat }

// drawing is how long a browser may take to read and to draw what it was told of, on a
// machine that runs two guests beside it.
const drawing = time.Second

// lag is how far this face may lag behind a kernel.
func (r rules) lag(face string) time.Duration {
	if face == "console" {
		return r.allowance() + drawing
	}
	return r.allowance()
}

// patch is one entry of /sys/kernel/livepatch.
type patch struct {
	module              string
	enabled, transition bool
	// order is its place in the stack, the highest on top; 0 where the kernel does not
	// tell.
	order int
}

// look is one look at a kernel over the serial line. Times are the harness's own, from
// the start of the run.
type look struct {
	from, to time.Duration
	boot     string
	patches  []patch
}

// mute is a time in which a host can report nothing: it was down, or its agent was
// stopped. until is 0 while it lasts, and boot is that in which a host that was down came
// back.
type mute struct {
	from, until time.Duration
	boot        string
}

// truth is everything that was seen of one kernel, in the order of time.
type truth struct {
	looks []look
	mutes []mute
	beats []beat
}

// claim is what one face said of one host.
type claim struct {
	from, to   time.Duration
	face, host string
	// state is the face's word, and level what it says is in effect; empty for none.
	// saysLevel: the face tells the level at all.
	state, level string
	saysLevel    bool
}

// Words of the faces that the judge knows. All others speak of a plan, and of them only
// the level is judged.
const (
	wordApplied       = "applied"
	wordUnpatched     = "unpatched"
	wordStale         = "stale"
	wordUnknown       = "unknown"
	wordTransitioning = "transitioning"
)

// outcome is what the judge says of a claim.
type outcome int

const (
	matches outcome = iota
	// unjudged: the kernel was not looked at closely enough meanwhile.
	unjudged
	// starved: it seems wrong, but the guest got no processor meanwhile.
	starved
	mismatch
)

// judge holds claims against kernels. levels names the level of each module of the
// catalog; all other modules are foreign.
type judge struct {
	rules
	levels map[string]string
	hosts  map[string]*truth
}

// effect is what a kernel runs: the level of ours that is in effect on every task with
// nothing foreign above it, none, or neither.
func (j judge) effect(l look) (level string, certain bool) {
	top, foreign := -1, -1
	for _, p := range l.patches {
		name, ours := j.levels[p.module]
		switch {
		case p.transition:
			return "", false
		case !p.enabled:
		case !ours:
			foreign = max(foreign, p.order)
		case p.order > top:
			top, level = p.order, name
		}
	}
	return level, level == "" || foreign < top
}

// check judges one claim about one host: some moment that the face may still speak of
// must have been as it says.
func (j judge) check(c claim) (outcome, string) {
	t := j.hosts[c.host]
	if t == nil {
		return mismatch, fmt.Sprintf("%s speaks of a host that there is not: %s", c.face, c.host)
	}
	if t.silent(c, j.stale+j.lag(c.face)) {
		if c.state == wordStale || c.state == wordUnknown {
			return matches, ""
		}
		return mismatch, c.says() + " of a host that has been silent for longer than a report may be old"
	}
	if c.state == wordStale || c.state == wordUnknown || c.state == wordTransitioning && c.level == "" {
		return matches, "" // it does not claim to know
	}
	from := t.reach(c.from-j.lag(c.face), j.lag(c.face))
	for i, l := range t.looks {
		begin, end := l.from, l.to
		if i > 0 {
			begin = t.looks[i-1].to
		}
		if i+1 < len(t.looks) {
			end = t.looks[i+1].from
		}
		if end < from || begin > c.to {
			continue
		}
		if j.fits(c, l) {
			return matches, ""
		}
	}
	if t.gappy(from, c.to, j.rules) {
		return unjudged, ""
	}
	if t.starved(from, c.to) {
		return starved, ""
	}
	return mismatch, c.says() + " and at no moment that it may still speak of was that so"
}

// fits reports whether a claim is true of a look.
func (j judge) fits(c claim, l look) bool {
	level, certain := j.effect(l)
	switch c.state {
	case wordApplied:
		return certain && level != "" && (!c.saysLevel || level == c.level)
	case wordUnpatched:
		return certain && level == ""
	}
	// A word about a plan: its level, if it names one, was in effect.
	return !c.saysLevel || c.level == "" || level == c.level
}

func (c claim) says() string {
	return fmt.Sprintf("%s says %q with the level %q of %s at %.1f s", c.face, c.state, c.level, c.host, c.to.Seconds())
}

// silent reports whether the host could report nothing for so long before a claim that
// its last report must be called stale.
func (t *truth) silent(c claim, limit time.Duration) bool {
	return slices.ContainsFunc(t.mutes, func(m mute) bool {
		return m.from+limit < c.from && (m.until == 0 || m.until >= c.to)
	})
}

// reach moves the beginning of what a claim may speak of to before any time in which
// the host could not report.
func (t *truth) reach(from, allowance time.Duration) time.Duration {
	for _, m := range slices.Backward(t.mutes) {
		if m.from-allowance < from && (m.until == 0 || m.until >= from) {
			from = m.from - allowance
		}
	}
	return from
}

// gappy reports whether the kernel was not looked at for too long in a time. A time in
// which the host was mute is no gap, unless its kernel is another afterwards: nothing new
// was reported of it.
func (t *truth) gappy(from, to time.Duration, r rules) bool {
	last := from
	for i, l := range t.looks {
		if l.from < from {
			continue
		}
		if i > 0 && t.looks[i-1].to < to && l.from-t.looks[i-1].to > r.blink && !l.same(t.looks[i-1]) {
			return true
		}
		if l.from > to {
			break
		}
		if t.unseen(last, l.from, r.gap) {
			return true
		}
		last = l.to
	}
	return t.unseen(last, to, r.gap)
}

// unseen reports whether a time without a look is too long.
func (t *truth) unseen(from, to, gap time.Duration) bool {
	return to-from > gap && !slices.ContainsFunc(t.mutes, func(m mute) bool { return m.from <= to && (m.until == 0 || m.until >= from) })
}

// same reports whether two looks saw the same.
func (l look) same(m look) bool { return l.boot == m.boot && slices.Equal(l.patches, m.patches) }

// judge judges whatever a face said.
func (j judge) judge(s said) (outcome, string) {
	if s.counts {
		return j.count(s.claim, s.number)
	}
	return j.check(s.claim)
}

// count judges a number of hosts in a state, which is all that the metrics tell: so
// many hosts must each be able to be called that.
func (j judge) count(c claim, n int) (outcome, string) {
	able, doubt, hungry := 0, false, false
	for name := range j.hosts {
		one := c
		one.host = name
		switch o, _ := j.check(one); o {
		case matches:
			able++
		case unjudged:
			able, doubt = able+1, true
		case starved:
			hungry = true
		}
	}
	switch {
	case n > able && hungry:
		return starved, ""
	case n > able:
		return mismatch, fmt.Sprintf("%s counts %d hosts as %q at %.1f s, and %d can be", c.face, n, c.state, c.to.Seconds(), able)
	case doubt:
		return unjudged, ""
	}
	return matches, ""
}
