package main

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/hotstick/hotstick/internal/guest"
)

// A guest shares the machine with another one, a server, a browser and whatever else runs
// there. When it gets too little of it its agent cannot report in time, and no screen can
// know better. So each guest sends beats to the harness by a program that has
// nothing to do with Hotstick. They tell how late anything on this guest was.

// beatPace is the pause between two beats, and lateBeat how much later than that a beat
// may come on a guest that gets its share of the machine. What was said while one came
// later can still be right, but proves nothing where it seems wrong.
const (
	beatPace = time.Second
	lateBeat = time.Second / 2
)

// beats is the service of a guest that sends beats.
func (r *run) beats(name string) guest.Service {
	script := fmt.Sprintf("while :; do wget -q -O /dev/null http://%s/%s/beat/$(cat /proc/sys/kernel/random/boot_id); sleep %d; done", r.images, name, int(beatPace.Seconds()))
	return guest.Service{Name: "beats", Argv: []string{"/bin/sh", "-c", script}, UID: guest.UserID}
}

// takeBeat notes a beat of the guest with that number.
func (r *run) takeBeat(i int) http.HandlerFunc {
	return func(_ http.ResponseWriter, req *http.Request) {
		r.watchers[i].beat(req.PathValue("boot"))
	}
}

// beat is one beat: when it came, and in which boot it was sent.
type beat struct {
	at   time.Duration
	boot string
}

// untilItBeats lets a host that was down be mute until its next kernel has sent a beat: a
// kernel that answers has not started its services yet.
func (t truth) untilItBeats() truth {
	for i, m := range t.mutes {
		if m.boot == "" {
			continue
		}
		first := slices.IndexFunc(t.beats, func(b beat) bool { return b.at >= m.from && b.boot == m.boot })
		if first < 0 {
			t.mutes[i].until = 0
		} else {
			t.mutes[i].until = max(m.until, t.beats[first].at)
		}
	}
	return t
}

// starved reports whether a beat came too late in a time.
func (t *truth) starved(from, to time.Duration) bool {
	at, _ := slices.BinarySearchFunc(t.beats, from, func(b beat, from time.Duration) int { return cmp.Compare(b.at, from) })
	for i := max(at, 1); i < len(t.beats) && t.beats[i-1].at <= to; i++ {
		if t.tardy(i) {
			return true
		}
	}
	return false
}

// counted is how many beats came, and how many of them late.
func (t *truth) counted() (all, late int) {
	for i := 1; i < len(t.beats); i++ {
		if t.tardy(i) {
			late++
		}
	}
	return len(t.beats), late
}

// tardy reports whether a beat came late after the one before, of the same boot.
func (t *truth) tardy(i int) bool {
	last, b := t.beats[i-1], t.beats[i]
	return last.boot == b.boot && b.at-last.at > beatPace+lateBeat
}
