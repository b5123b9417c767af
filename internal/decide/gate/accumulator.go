package gate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
)

// Reading is what one host of the wave says of the patch now.
type Reading struct {
	Host   hotstick.HostID
	Name   string
	State  hotstick.HostState
	Reason *hotstick.Reason
	// Fingerprint groups crashes and load failures of one kind (see [Fingerprint]);
	// empty where nothing tells the kind, such as for a crash without a trace.
	Fingerprint string
	// Domain is what the host shares with others that may go down together whatever
	// the patch, such as its zone (see [Domain]); empty if nothing is known.
	Domain string
	// At is when the host reached the state, by the server's clock.
	At time.Time
	// Crashed is when a confirmed host was heard to have gone down since; zero if it
	// was not. Only [RateTest] counts that.
	Crashed time.Time
	// Seen is the host's newest check-in; at least At.
	Seen time.Time
	// Dismissed: an operator has looked at what State says. It holds nothing any more
	// and nobody waits for the host, but every test goes on counting it.
	Dismissed bool
	// Transition is how long the kernel took to move all tasks; zero if unknown.
	Transition time.Duration
}

// Accumulator is a gate's state, as a value: older ones stay as they were.
type Accumulator struct {
	// Needed counts the hosts that the wave lists.
	Needed int
	// Decided counts those passed over by a decision or dismissed, Absent those passed over
	// for what they are at the moment, such as silent, Returned those that were ordered
	// back, and Blocked those that a stalled transition sent back, or that lost the level to
	// somebody's hand: nobody waits for them, but absent and blocked ones are missed.
	Decided, Absent, Returned, Blocked int
	// absences counts the absent and the blocked by their cause, in order of it.
	absences []absence
	// Dismissed counts those of Decided of which it is known how they ended.
	Dismissed int
	Confirmed int
	Open      int
	// Moving counts those of Open that have started.
	Moving   int
	Failures int
	// Started counts all that were ever armed, and Refused those that failed before.
	Started, Refused int
	// LastConfirmed is when the newest host was confirmed; the bake counts from it.
	// It never moves back: a bake may be longer than asked for, not shorter.
	LastConfirmed time.Time
	// newest and newer are the two newest check-ins that are known for sure.
	newest, newer time.Time
	// timed transitions are known, and long of them took longer than the limit.
	timed, long int
	evidence    evidence
	settings    settings
}

// New returns the gate of a wave of needed hosts.
func New(needed int, s hotstick.GateSettings) Accumulator {
	return Accumulator{Needed: needed, settings: settings(s)}
}

// Observe folds one host's reading into the gate's state. Each host is given
// once; a newer reading of the same host follows a [Forget] of the older. The
// order of hosts does not matter.
func Observe(acc Accumulator, r Reading) Accumulator {
	if r.State == hotstick.Confirmed && r.At.After(acc.LastConfirmed) {
		acc.LastConfirmed = r.At
	}
	acc.see(r.seen())
	return fold(acc, r, 1)
}

// Forget takes back what Observe of the same reading added. What it cannot know
// any more it takes for the worse: the bake stays as long, and the newest
// check-in becomes the next one that is known, or none.
func Forget(acc Accumulator, r Reading) Accumulator {
	acc.unsee(r.seen())
	return fold(acc, r, -1)
}

func fold(acc Accumulator, r Reading, n int) Accumulator {
	if started(r.State) {
		acc.Started += n
		acc.time(r.Transition, n)
	}
	if r.State == hotstick.Failed {
		acc.Refused += n
	}
	k, bad := r.blames()
	if bad {
		acc = acc.blame(k, r, n)
	}
	switch {
	case r.Dismissed:
		acc.Decided += n
		acc.Dismissed += n
	case r.State == hotstick.Skipped && decided(code(r)):
		acc.Decided += n
	case r.State == hotstick.Skipped:
		acc.Absent += n
		acc.absences = miss(acc.absences, code(r), n)
	case r.State == hotstick.Confirmed:
		acc.Confirmed += n
	case r.State == hotstick.Reverting || r.State == hotstick.Reverted:
		if r.State == hotstick.Reverting {
			acc.Open += n
		}
		switch {
		case !bad:
			acc.Returned += n
		case k == blocked:
			acc = acc.miss(r, n)
		}
	case k == blocked && bad:
		acc = acc.miss(r, n)
	case !bad:
		acc.Open += n
		if r.State.HoldsSlot() {
			acc.Moving += n
		}
	}
	return acc
}

// blames says how a reading speaks against the patch, if it does.
func (r Reading) blames() (k kind, bad bool) {
	switch r.State {
	case hotstick.Reverting, hotstick.Reverted:
		switch code(r) {
		case hotstick.ReasonRevertOrdered, hotstick.ReasonRecalled, hotstick.ReasonOperator, hotstick.ReasonSwitchedOff:
			return k, false
		case hotstick.ReasonTransitionStalled, hotstick.ReasonRemovedOutside:
			return blocked, true
		case hotstick.ReasonAgentSilent:
			return refused, true
		}
		return proved, true
	case hotstick.Quarantined, hotstick.Lost:
		if code(r) == hotstick.ReasonCrashNamed {
			return proved, true
		}
		return lost, true
	case hotstick.Failed:
		if code(r) == hotstick.ReasonRemovedOutside {
			return blocked, true
		}
		return refused, true
	}
	return k, false
}

// Weight says how much a reading speaks against the patch: 0 is not at all, 1 that the
// host refused it, 2 that it went down or back with it.
func Weight(r Reading) int {
	k, bad := r.blames()
	switch {
	case r.Dismissed:
		return 0
	case !r.Crashed.IsZero() || bad && (k == proved || k == lost):
		return 2
	case bad && k == refused:
		return 1
	}
	return 0
}

// started reports whether a host in this state has, or may have, had the patch in
// its kernel.
func started(s hotstick.HostState) bool {
	switch s {
	case hotstick.Armed, hotstick.Applying, hotstick.Probation, hotstick.Confirmed,
		hotstick.Reverting, hotstick.Reverted, hotstick.Quarantined, hotstick.Lost:
		return true
	}
	return false
}

// decided reports whether a host that was passed over for this cause is not missed: a
// person on the server said so, or the patch has nothing to do there. All that a host is
// or says of itself leaves its reading missing.
func decided(c hotstick.ReasonCode) bool {
	switch c {
	case hotstick.ReasonOperator, hotstick.ReasonExcluded, hotstick.ReasonWrittenOff, hotstick.ReasonRevertOrdered,
		hotstick.ReasonRecalled, hotstick.ReasonAlreadyInEffect, hotstick.ReasonStandingBy:
		return true
	}
	return false
}

// absence is a cause for which hosts are missed, and how many.
type absence struct {
	code hotstick.ReasonCode
	n    int
}

// miss returns the absences with n more of a cause; the old ones stay as they were.
func miss(all []absence, c hotstick.ReasonCode, n int) []absence {
	next := slices.Clone(all)
	i, known := slices.BinarySearchFunc(next, c, func(a absence, c hotstick.ReasonCode) int { return cmp.Compare(a.code, c) })
	if !known {
		return slices.Insert(next, i, absence{c, n})
	}
	if next[i].n += n; next[i].n == 0 {
		return slices.Delete(next, i, i+1)
	}
	return next
}

// miss counts a blocked host, or takes it back.
func (acc Accumulator) miss(r Reading, n int) Accumulator {
	acc.Blocked += n
	acc.absences = miss(acc.absences, code(r), n)
	return acc
}

// missing says which readings are missing, and why.
func (acc Accumulator) missing() string {
	text := ""
	for _, a := range acc.absences {
		text += fmt.Sprintf(", %d %s", a.n, a.code)
	}
	if text == "" {
		return ""
	}
	return "; missing are" + strings.TrimPrefix(text, ",")
}

// overBlocked reports whether more hosts are blocked than a wave may go on with.
func (acc Accumulator) overBlocked() bool {
	return acc.Blocked >= 2 && acc.Blocked*BlockedShare > acc.Blocked+acc.Confirmed
}

func (acc Accumulator) blame(k kind, r Reading, n int) Accumulator {
	if k != blocked {
		acc.Failures += n
	}
	if n > 0 {
		acc.evidence = acc.evidence.with(k, r)
	} else {
		acc.evidence = acc.evidence.without(k, r)
	}
	return acc
}

// enough is how many hosts must be confirmed before the gate may pass.
func (acc Accumulator) enough() int {
	listed := acc.Needed - acc.Decided - acc.Returned
	present := min(listed-acc.Absent-acc.Blocked, acc.settings.minReadings())
	return max(1, present, min((listed+1)/2, acc.settings.minReadings()))
}

func (acc *Accumulator) time(transition time.Duration, n int) {
	if transition <= 0 {
		return
	}
	acc.timed += n
	if transition > acc.settings.slow() {
		acc.long += n
	}
}

// costly: the 90th percentile of the transitions is above the limit. One odd host
// among others says nothing.
func (acc Accumulator) costly() bool {
	return acc.long*10 > acc.timed && (acc.long > 1 || acc.long == acc.timed)
}

// see notes a check-in. Two are kept, so that forgetting the newest host does not
// make a wave look unheard of.
func (acc *Accumulator) see(t time.Time) {
	if t.After(acc.newest) {
		acc.newest, acc.newer = t, acc.newest
	} else if t.After(acc.newer) {
		acc.newer = t
	}
}

func (acc *Accumulator) unsee(t time.Time) {
	switch {
	case t.Equal(acc.newest):
		acc.newest, acc.newer = acc.newer, time.Time{}
	case t.Equal(acc.newer):
		acc.newer = time.Time{}
	}
}

func (r Reading) seen() time.Time {
	if r.Seen.Before(r.At) {
		return r.At
	}
	return r.Seen
}

func code(r Reading) hotstick.ReasonCode {
	if r.Reason == nil {
		return ""
	}
	return r.Reason.Code
}
