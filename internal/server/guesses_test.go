package server

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
)

// guesser plays tries against a clock.
type guesser struct {
	testing.TB
	*guesses
	now time.Time
}

func newGuesser(t testing.TB) *guesser {
	return &guesser{TB: t, guesses: newGuesses(), now: time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)}
}

// wrong shows a wrong password, and waits before where it must.
func (g *guesser) wrong(address string, person hotstick.Person) time.Duration {
	_, wait := g.begin(address, person, g.now)
	if wait > 0 {
		g.now = g.now.Add(wait)
		if _, again := g.begin(address, person, g.now); again > 0 {
			g.Errorf("after the wait of %s another of %s", wait, again)
		}
	}
	return wait
}

func (g *guesser) waits(address string, person hotstick.Person) time.Duration {
	t, wait := g.begin(address, person, g.now)
	if wait == 0 {
		t.undo()
		uncount(g.addresses, address)
	}
	return wait
}

func TestWrongPasswordsSlowDownAndNeverLockOut(t *testing.T) {
	g := newGuesser(t)
	var waits []time.Duration
	for range freeGuesses + 9 {
		waits = append(waits, g.wrong("192.0.2.1", "alice"))
	}
	want := "[0s 0s 0s 0s 0s 1s 2s 4s 8s 16s 32s 1m0s 1m0s 1m0s]"
	if got := fmt.Sprint(waits); got != want {
		t.Errorf("the waits are %s, want %s", got, want)
	}
	if wait := g.waits("198.51.100.7", "alice"); wait != longestWait {
		t.Errorf("from another address the wait for alice is %s", wait)
	}
	if wait := g.waits("192.0.2.1", "bob"); wait != longestWait {
		t.Errorf("from the same address the wait for bob is %s", wait)
	}
	if wait := g.waits("198.51.100.7", "bob"); wait != 0 {
		t.Errorf("somebody else elsewhere waits %s", wait)
	}
	g.now = g.now.Add(forgetAfter + time.Second)
	if wait := g.wrong("192.0.2.1", "alice"); wait != 0 || g.waits("192.0.2.1", "alice") != 0 {
		t.Errorf("a quarter of an hour later the wait is %s", wait)
	}
}

func TestAStrangerWhoGuessesCannotKeepAPersonOut(t *testing.T) {
	g := newGuesser(t)
	if try, wait := g.begin("192.0.2.1", "alice", g.now); wait == 0 {
		try.right()
	}
	for range 100 {
		g.wrong("203.0.113.9", "alice")
	}
	if wait := g.waits("192.0.2.1", "alice"); wait != 0 {
		t.Errorf("alice waits %s at her desk", wait)
	}
	for range freeGuesses {
		g.wrong("192.0.2.1", "alice")
	}
	if wait := g.waits("192.0.2.1", "alice"); wait == 0 {
		t.Error("alice's own mistakes cost her nothing")
	}
}

func TestManyGuessesAtOnceAreNoWayAround(t *testing.T) {
	g := newGuesser(t)
	begun := 0
	for range 100 {
		if _, wait := g.begin("192.0.2.1", "alice", g.now); wait == 0 {
			begun++
		}
	}
	if begun != freeGuesses {
		t.Errorf("%d tries began at once, want %d", begun, freeGuesses)
	}
}

func TestSigningInToAnAccountOfOnesOwnForgivesNoGuesses(t *testing.T) {
	g := newGuesser(t)
	for i := range freeGuesses {
		g.wrong("203.0.113.9", hotstick.Person(fmt.Sprint("victim-", i)))
		if try, wait := g.begin("203.0.113.9", "mallory", g.now); wait == 0 {
			try.right()
		}
	}
	if wait := g.waits("203.0.113.9", "victim-9"); wait == 0 {
		t.Error("the address may go on guessing")
	}
}

func TestAFloodOfNamesDoesNotFillTheMemory(t *testing.T) {
	g := newGuesser(t)
	for i := range 3 * maxGuessers {
		_, _ = g.begin(fmt.Sprint("192.0.2.", i), hotstick.Person(fmt.Sprint("p", i)), g.now)
		if i%1000 == 0 {
			g.wrong("203.0.113.9", "alice")
		}
	}
	if n := len(g.addresses.rows); n != maxGuessers || g.addresses.order.Len() != n {
		t.Errorf("%d addresses are kept", n)
	}
	if n := len(g.persons.rows); n > maxGuessed || g.persons.order.Len() != n {
		t.Errorf("%d persons are kept", n)
	}
	if wait := g.waits("203.0.113.9", "alice"); wait == 0 {
		t.Error("the flood made the server forget who guesses all the time")
	}
}

// mustTire guesses at a person until strangers wait as long as they ever do.
func (g *guesser) mustTire(person hotstick.Person) {
	g.Helper()
	for range freeGuesses + 7 {
		g.wrong("203.0.113.9", person)
	}
	if wait := g.waits("198.51.100.1", person); wait != longestWait {
		g.Fatalf("the wait is %s", wait)
	}
}

func TestAFloodOfAddressesDoesNotMakeTheServerForgetWhoIsGuessedAt(t *testing.T) {
	g := newGuesser(t)
	g.mustTire("admin")
	for i := range maxGuessers + 1 {
		_ = g.guesses.wrong(fmt.Sprintf("2001:db8:%x::/48", i), g.now)
	}
	if wait := g.waits("198.51.100.2", "admin"); wait != longestWait {
		t.Errorf("after a flood of addresses the wait is %s", wait)
	}
}

func TestAFloodOfNamesAtABusyServerDoesNotMakeItForgetWhoIsGuessedAt(t *testing.T) {
	g := newGuesser(t)
	g.mustTire("admin")
	for i := range maxGuessed + 1 {
		if try, wait := g.begin(fmt.Sprintf("2001:db8:%x::/48", i), hotstick.Person(fmt.Sprint("p", i)), g.now); wait == 0 {
			try.undo() // the server was busy
		}
	}
	if n := len(g.persons.rows); n != 1 {
		t.Errorf("%d persons are remembered", n)
	}
	if wait := g.waits("198.51.100.2", "admin"); wait != longestWait {
		t.Errorf("after a flood of names the wait is %s", wait)
	}
}

func TestWhoKeepsTheServerBusyIsSlowedDown(t *testing.T) {
	g := newGuesser(t)
	for i := range freeGuesses {
		if try, wait := g.begin("203.0.113.9", hotstick.Person(fmt.Sprint("p", i)), g.now); wait == 0 {
			try.undo()
		}
	}
	if _, wait := g.begin("203.0.113.9", "another", g.now); wait == 0 {
		t.Error("an address has the server work for nothing for ever")
	}
}

func TestWhoHasASiteOfAddressesGuessesAsFromOne(t *testing.T) {
	at := func(text string) context.Context {
		return context.WithValue(t.Context(), addressKey{}, netip.MustParseAddr(text))
	}
	if a, b := siteOf(at("2001:db8:7:1::1")), siteOf(at("2001:db8:7:ffff::2")); a != b {
		t.Errorf("one site is %s and %s", a, b)
	}
	if a, b := siteOf(at("2001:db8:7::1")), siteOf(at("2001:db8:8::1")); a == b {
		t.Errorf("two sites are one, %s", a)
	}
	if a, b := siteOf(at("192.0.2.1")), siteOf(at("192.0.2.2")); a == b {
		t.Errorf("two addresses are one, %s", a)
	}
}
