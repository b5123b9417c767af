package server

import (
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/identity"
)

// How wrong tokens and passwords slow down whoever shows them. Nobody is ever
// locked out: the wait ends after a minute at most, and what was wrong is forgotten
// after a quarter of an hour.
const (
	freeGuesses  = 5
	firstWait    = time.Second
	longestWait  = time.Minute
	forgetAfter  = 15 * time.Minute
	maxGuessers  = 20_000
	maxFamiliars = 20_000
)

// guesses slows down, by address and by person, whoever shows tokens and passwords
// that are none. A password counts when its check begins, so that many at once are no
// way around it; one that was right is taken back.
type guesses struct {
	tries *recent[tries]
	// familiar has each person with the addresses from which that person signed in.
	// From there a person waits for the own mistakes only, so that a stranger who
	// guesses cannot keep anybody out.
	familiar *recent[struct{}]
}

type tries struct {
	wrong int
	last  time.Time
}

func newGuesses() *guesses {
	return &guesses{tries: newRecent[tries](maxGuessers), familiar: newRecent[struct{}](maxFamiliars)}
}

// guess is one try that has begun.
type guess struct {
	of      *guesses
	address string
	// person is the key of who is guessed at, pair that of the person at the address.
	person, pair string
}

// begin counts a try of a person's password, or says how long to wait until the next
// one.
func (g *guesses) begin(address string, person hotstick.Person, now time.Time) (guess, time.Duration) {
	if identity.CheckPerson(person) != nil {
		person = "-" // nobody's name
	}
	t := guess{of: g, address: addressRow + address, person: "person " + string(person)}
	t.pair = t.person + " at " + address
	if g.familiar.has(t.pair) {
		t.person = t.pair
	}
	if wait := max(g.wait(t.address, now), g.wait(t.person, now)); wait > 0 {
		return t, wait
	}
	for _, key := range []string{t.address, t.person} {
		g.count(key, now)
	}
	return t, 0
}

// wrong counts a token that is none, or says how long its like are not answered.
func (g *guesses) wrong(address string, now time.Time) time.Duration {
	wait := g.wait(addressRow+address, now)
	if wait == 0 {
		g.count(addressRow+address, now)
	}
	return wait
}

// addressRow begins the keys of addresses.
const addressRow = "address "

func (g *guesses) count(key string, now time.Time) {
	g.tries.with(key, func(v *tries) { v.wrong, v.last = v.wrong+1, now })
}

// wait is how long a key has to wait.
func (g *guesses) wait(key string, now time.Time) (wait time.Duration) {
	if !g.tries.has(key) {
		return 0
	}
	g.tries.with(key, func(v *tries) {
		if now.Sub(v.last) > forgetAfter {
			v.wrong = 0
		}
		if v.wrong < freeGuesses {
			return
		}
		pause := longestWait
		if doubled := v.wrong - freeGuesses; doubled < 6 {
			pause = min(firstWait<<doubled, longestWait)
		}
		wait = pause - now.Sub(v.last)
	})
	return max(wait, 0)
}

// undo takes the try back: nothing was learned from it.
func (t guess) undo() {
	for _, key := range []string{t.address, t.person} {
		t.of.tries.with(key, func(v *tries) { v.wrong = max(v.wrong-1, 0) })
	}
}

// right ends a try that was right: the person's mistakes are forgotten. Those of
// the address are not, for somebody else may be guessing there.
func (t guess) right() {
	t.undo()
	t.of.tries.forget(t.person)
	t.of.familiar.with(t.pair, func(*struct{}) {})
}
