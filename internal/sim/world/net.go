package world

import (
	"math/rand/v2"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/trace"
	"github.com/hotstick/hotstick/internal/wire"
)

// cable is a host's way to the servers. Each field says until when it is broken
// in that way.
type cable struct {
	lossy, slow, twice time.Duration
	// up and back cut one direction each.
	up, back time.Duration
	lies     time.Duration
	// odd: the host's programs are of another version.
	odd time.Duration
}

// cut reports whether nothing goes both ways.
func (c *cable) cut(now time.Duration) bool { return c.up > now || c.back > now }

// delay is how long a message takes. Delays differ, so messages overtake each
// other.
func (c *cable) delay(r *rand.Rand) time.Duration {
	return 5*time.Millisecond + time.Duration(r.Int64N(int64(60*time.Millisecond)))
}

// checkIn carries a check-in to a server and the answer back.
func (w *World) checkIn(n *node, req *wire.SyncRequest, number int) {
	s := w.servers[n.random.IntN(len(w.servers))]
	there, back := n.cable.delay(n.random), n.cable.delay(n.random)
	again := n.cable.delay(n.random)
	lost, lostBack := n.random.IntN(100), n.random.IntN(100)
	if n.cable.slow > w.now {
		there += time.Duration(n.random.Int64N(int64(20 * time.Second)))
		w.some("message delayed")
	}
	sent, sentAt := copyOf(req), w.now
	if n.cable.odd > w.now {
		sent.Protocol++
		w.some("version skew")
	}
	switch {
	case n.cable.up > w.now:
		w.some("cut on the way there")
		return
	case n.cable.lossy > w.now && lost < 30:
		w.some("message dropped")
		return
	}
	deliver := func(answer bool) func() {
		return func() {
			if !s.up {
				if answer {
					w.after(back, func() { n.arrive(number, nil, errRefused) })
				}
				return
			}
			w.tap.answering = n.id
			resp, err := s.checkIn(sent, sentAt)
			w.tap.answering = ""
			switch {
			case !answer:
			case n.cable.back > w.now:
				w.some("cut on the way back")
			case n.cable.lossy > w.now && lostBack < 30:
				w.some("answer dropped")
			default:
				w.after(back, func() { n.arrive(number, resp, err) })
			}
		}
	}
	w.after(there, deliver(true))
	if n.cable.twice > w.now {
		w.some("message duplicated")
		w.after(there+again*20, deliver(false))
	}
}

// copyOf is a request as it comes off the wire: nothing is shared with the sender.
func copyOf(req *wire.SyncRequest) wire.SyncRequest {
	c := *req
	if req.Facts != nil {
		facts := *req.Facts
		c.Facts = &facts
	}
	c.Reports = append([]hotstick.Report(nil), req.Reports...)
	c.Patches = append([]hotstick.LoadedPatch(nil), req.Patches...)
	c.Readings = append([]hotstick.Reading(nil), req.Readings...)
	return c
}

func (w *World) anyServer() bool {
	for _, s := range w.servers {
		if s.up {
			return true
		}
	}
	return false
}

func learnedCatalog(version int64, expires time.Duration) trace.Event {
	return trace.Event{Kind: trace.KindLearned, To: "catalog", Generation: uint64(version), Uptime: expires.Milliseconds()}
}
