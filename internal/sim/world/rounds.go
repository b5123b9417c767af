package world

import (
	"context"
	"time"
)

// roundPace is how soon after a change the next round comes at the earliest.
const roundPace = 200 * time.Millisecond

// round plans a round of decisions; the earliest plan holds.
func (s *server) round(in time.Duration) {
	at := s.w.now + in
	if !s.up || s.due != 0 && s.due <= at {
		return
	}
	s.due = at
	life := s.life
	s.w.at(at, func() {
		if s.life == life && s.due == at {
			s.due = 0
			s.round(max(roundPace, s.control.Round(context.Background())))
		}
	})
}

// wake: something was committed that may have to be decided on. A store tells all
// its servers.
func (s *server) wake() {
	for _, other := range s.w.servers {
		other.round(roundPace)
	}
}
