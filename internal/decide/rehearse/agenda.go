package rehearse

import "time"

// event is something that happens to a host at a time, in nanoseconds of the
// epoch. Events of one time happen in the order in which they were planned.
type event struct {
	at   int64
	seq  uint32
	host int32
	turn int32
	what what
}

func (e event) before(f event) bool {
	if e.at != f.at {
		return e.at < f.at
	}
	return e.seq < f.seq
}

// agenda is a heap of events.
type agenda struct {
	events []event
	seq    uint32
}

// at plans what happens to a host after a while, if it stays on its course.
func (w *world) at(after time.Duration, what what, host int32) {
	w.queue.push(event{at: w.now.Add(after).UnixNano(), host: host, turn: w.hosts[host].turn, what: what})
}

func (a *agenda) push(e event) {
	a.seq++
	e.seq = a.seq
	a.events = append(a.events, e)
	for i := len(a.events) - 1; i > 0; {
		up := (i - 1) / 2
		if !a.events[i].before(a.events[up]) {
			return
		}
		a.events[i], a.events[up] = a.events[up], a.events[i]
		i = up
	}
}

// next is when the next event happens.
func (a *agenda) next() (time.Time, bool) {
	if len(a.events) == 0 {
		return time.Time{}, false
	}
	return time.Unix(0, a.events[0].at).UTC(), true
}

// pop takes the next event that is due.
func (a *agenda) pop(now time.Time) (event, bool) {
	if len(a.events) == 0 || a.events[0].at > now.UnixNano() {
		return event{}, false
	}
	first, last := a.events[0], len(a.events)-1
	a.events[0] = a.events[last]
	a.events = a.events[:last]
	for i := 0; ; {
		least := i
		for _, down := range [...]int{2*i + 1, 2*i + 2} {
			if down < last && a.events[down].before(a.events[least]) {
				least = down
			}
		}
		if least == i {
			return first, true
		}
		a.events[i], a.events[least] = a.events[least], a.events[i]
		i = least
	}
}
