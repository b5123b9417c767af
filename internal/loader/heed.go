package loader

import (
	"fmt"
	"slices"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/loader/ledger"
)

// heed is which of the agent's probes speak against an attempt. The set is closed. What
// the kernel itself says always counts.
type heed int

const (
	// heedAll: each that is not healthy.
	heedAll heed = iota
	// heedLapsed: each that is not healthy and has been since the boot.
	heedLapsed
	// heedNone: none.
	heedNone
)

// heeded says which probes count in a phase. It is pure. A live patch changes the kernel
// under services that run, so there everything counts at once. A host that reboots is
// emptied first, and its services come up again after: a probe that sees them gone says
// what was ordered. Over tells whether probation is; whoever has not come up by then
// does not come up with this kernel.
func heeded(phase hotstick.HostState, reboots, over bool) heed {
	switch {
	case !reboots:
		return heedAll
	case phase == hotstick.Applying:
		return heedNone
	case phase == hotstick.Probation && !over:
		return heedLapsed
	}
	return heedAll
}

// String is for tables of tests.
func (h heed) String() string {
	return [...]string{"all", "lapsed", "none"}[h]
}

// counts reports whether a probe that is not healthy speaks against the attempt.
func (h *health) counts(which heed, name string, a ledger.Attempt) bool {
	switch which {
	case heedAll:
		return true
	case heedLapsed:
		return h.green[name] || slices.Contains(a.Green, name)
	case heedNone:
		return false
	}
	panic(fmt.Sprintf("there is no such heed: %d", which))
}
