package rollout

import (
	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/planted"
)

// Observe says what a loader's report makes of a host's line in the plan: the
// new state, and whether anything changes. A report of an older attempt, or one
// that repeats or contradicts the table of states, changes nothing; the caller
// still stores that it was received.
func Observe(h Host, r hotstick.Report) (hotstick.HostState, bool) {
	if r.Attempt != h.Attempt && !planted.Bug("other-attempt-counts") {
		return h.State, false
	}
	if r.State == h.State || !h.State.CanBecome(r.State) {
		return h.State, false
	}
	// A loader never sends these; they are the server's own words.
	switch r.State {
	case hotstick.Waiting, hotstick.Admitted, hotstick.Lost, hotstick.Skipped:
		return h.State, false
	}
	return r.State, true
}

// Crashed reports whether a report says that a host went down uncleanly after it was
// confirmed, which the caller notes beside its line: it stays confirmed, and nothing is
// struck. Only the first such report counts.
func Crashed(h Host, r hotstick.Report) bool {
	return r.State == hotstick.Confirmed && h.State == hotstick.Confirmed && r.Attempt == h.Attempt &&
		causeOf(r.Reason) == hotstick.ReasonCrash && h.Reason == nil
}
