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
	// maxGuessed is how many persons' rows are kept. Only a password that was hashed
	// leaves one behind, and of those there are not so many in forgetAfter: no flood of
	// names makes the server forget how often a person was guessed at.
	maxGuessed = 100_000
)

// guesses slows down, by address and by person, whoever shows tokens and passwords
// that are none. A password counts when its check begins, so that many at once are no
// way around it; one that was right is taken back. Addresses are a stranger's for
// nothing, so they have a table of their own: what fills it takes no person's row.
type guesses struct {
	addresses, persons *recent[tries]
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
	return &guesses{addresses: newRecent[tries](maxGuessers), persons: newRecent[tries](maxGuessed), familiar: newRecent[struct{}](maxFamiliars)}
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
	t := guess{of: g, address: address, person: string(person)}
	t.pair = t.person + " at " + address
	if g.familiar.has(t.pair) {
		t.person = t.pair
	}
	if wait := max(wait(g.addresses, t.address, now), wait(g.persons, t.person, now)); wait > 0 {
		return t, wait
	}
	count(g.addresses, t.address, now)
	count(g.persons, t.person, now)
	return t, 0
}

// wrong counts a token that is none, or says how long its like are not answered.
func (g *guesses) wrong(address string, now time.Time) time.Duration {
	wait := wait(g.addresses, address, now)
	if wait == 0 {
		count(g.addresses, address, now)
	}
	return wait
}

func count(table *recent[tries], key string, now time.Time) {
	table.with(key, func(v *tries) { v.wrong, v.last = v.wrong+1, now })
}

// wait is how long a key has to wait.
func wait(table *recent[tries], key string, now time.Time) (wait time.Duration) {
	if !table.has(key) {
		return 0
	}
	table.with(key, func(v *tries) {
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

// undo takes the try back, for nothing was learned of the person. The address is not
// given it back: it made the server work, and may do so once a minute like any other.
func (t guess) undo() { uncount(t.of.persons, t.person) }

// uncount takes one back, and leaves no row where none was.
func uncount(table *recent[tries], key string) {
	table.settle(key, func(v *tries) (done bool) {
		v.wrong--
		return v.wrong <= 0
	})
}

// right ends a try that was right: the person's mistakes are forgotten. Those of
// the address are not, for somebody else may be guessing there.
func (t guess) right() {
	uncount(t.of.addresses, t.address)
	t.of.persons.forget(t.person)
	t.of.familiar.with(t.pair, func(*struct{}) {})
}
