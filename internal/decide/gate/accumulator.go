package gate

import (
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
	// because they are silent, and Returned those that were ordered back: nobody
	// waits for them.
	Decided, Absent, Returned int
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
	case r.State == hotstick.Skipped && code(r) != hotstick.ReasonHostSilent:
		acc.Decided += n
	case r.State == hotstick.Skipped:
		acc.Absent += n
	case r.State == hotstick.Confirmed:
		acc.Confirmed += n
	case r.State == hotstick.Reverting || r.State == hotstick.Reverted:
		if r.State == hotstick.Reverting {
			acc.Open += n
		}
		if !bad {
			acc.Returned += n
		}
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
		case hotstick.ReasonTransitionStalled, hotstick.ReasonAgentSilent:
			return refused, true
		}
		return proved, true
	case hotstick.Quarantined, hotstick.Lost:
		if code(r) == hotstick.ReasonCrashNamed {
			return proved, true
		}
		return lost, true
	case hotstick.Failed:
		return refused, true
	}
	return k, false
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

func (acc Accumulator) blame(k kind, r Reading, n int) Accumulator {
	acc.Failures += n
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
	present := min(listed-acc.Absent, acc.settings.minReadings())
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
