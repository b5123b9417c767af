package checker

import "github.com/hotstick/hotstick/internal/trace"

// Rule is one invariant.
type Rule struct {
	// ID is its number in the reference, such as S3.
	ID   string
	Name string
	// Text says the rule in a sentence.
	Text string
	// Unchecked says why nothing checks it yet; empty if it is checked.
	Unchecked string
	// check sees an event with the state before it. It reports whether there was
	// anything to look at, and what is broken; empty if nothing is.
	check func(f *fleet, e *trace.Event) (looked bool, text string)
}

// Rules returns all of them: trust, blast radius, kernel, state and time, and
// liveness.
func Rules() []Rule {
	var all []Rule
	for _, group := range [][]Rule{trustRules(), blastRules(), waveRules(), mixedRules(), touchRules(), kernelRules(), stateRules(), liveRules()} {
		all = append(all, group...)
	}
	return all
}
