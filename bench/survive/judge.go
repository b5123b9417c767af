package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
)

// Limits of what a host may do with a bad patch.
const (
	// grace is how much later than its deadline a patch may be out of effect.
	grace = 10 * time.Second
	// stallLimit is how soon the server must know of a transition that does not end.
	stallLimit = time.Minute
)

// wanted is how a scenario must end.
type wanted struct {
	// reboots that the patch causes: 0 or 1.
	reboots int
	// ends are the states that the attempt may end in, by the ledger and the server.
	end hotstick.HostState
	// because are the reasons that the server may show for it; empty: any, or none.
	because []hotstick.ReasonCode
	// inEffect: the patch must be in effect at the end.
	inEffect bool
	// keeper is the command of a task that keeps a transition until the harness frees
	// it; empty: none does. The way back may take until then, and the server must name it.
	keeper string
}

// seen is what was seen of one attempt. All of it comes from outside the product but
// traced, ended, ledger, strikes and shown, which are what the product says.
type seen struct {
	module                string
	transition, probation time.Duration
	console               console
	// lifted is when the harness freed a stalled transition, by the kernel's clock; 0 if
	// it never did.
	lifted time.Duration
	// inEffect: sysfs says so at the end.
	inEffect bool
	// unusable says what a person on the host could not do any more; empty if all works.
	unusable string
	// heard: the server heard of the host after all was over.
	heard bool
	// traced are the loads in the loader's trace, tracedForce those with force. traced is
	// -1 where the trace cannot be whole, for the disk that holds it was full.
	traced, tracedForce int
	// ended is where the ledger says that the attempt ended; struck: it has a strike.
	ended  hotstick.HostState
	struck bool
	// shown and why are what the server says of the attempt.
	shown hotstick.HostState
	why   hotstick.ReasonCode
	// stallSeen is how long after the transition began the server named who keeps it;
	// negative if never.
	stallSeen time.Duration
}

// verdict is what an attempt came to.
type verdict struct {
	Reboots   int `json:"reboots"`
	Reapplies int `json:"reapplies"`
	// RevertSeconds is how long the patch was in effect, or on the way there, until it
	// was out again, by the kernel's clock; 0 where it was not reverted.
	RevertSeconds float64 `json:"revert_seconds,omitempty"`
	// StallSeconds is how long after the begin of a transition that stalls the server named
	// the task that keeps it; 0 if none stalled.
	StallSeconds float64  `json:"stall_seconds,omitempty"`
	Faults       []string `json:"faults,omitempty"`
}

// judge holds what was seen against what must be.
func judge(w wanted, s seen) verdict {
	v := verdict{Reboots: max(0, s.console.boots-1)}
	fault := func(format string, args ...any) { v.Faults = append(v.Faults, fmt.Sprintf(format, args...)) }
	loads := s.console.of(s.module)
	v.Reapplies = max(0, len(loads)-1)
	switch {
	case len(loads) == 0:
		fault("the kernel was never asked for %s", s.module)
		return v
	case v.Reboots > w.reboots:
		fault("the host rebooted %d times, at most %d are the patch's", v.Reboots, w.reboots)
	case v.Reboots < w.reboots:
		fault("the patch did not bring the host down: the scenario proves nothing")
	}
	if v.Reapplies > 0 {
		fault("the kernel was asked for it %d times", len(loads))
	}
	if s.console.forced || s.tracedForce > 0 {
		fault("force was written")
	}
	if s.traced >= 0 && s.traced != len(loads) {
		fault("the loader's trace has %d loads, the kernel's log %d", s.traced, len(loads))
	}
	if s.inEffect != w.inEffect {
		fault("in effect at the end: %v, want %v", s.inEffect, w.inEffect)
	}
	v.reverted(w, s, loads[0], fault)
	v.told(w, s, fault)
	return v
}

// reverted judges the way back of a host that did not go down and does not keep the
// patch: by its deadline, and if somebody kept it, soon after that one was gone.
func (v *verdict) reverted(w wanted, s seen, l load, fault func(string, ...any)) {
	if w.reboots > 0 || w.inEffect {
		return
	}
	deadline := l.enabled + s.transition + grace
	if l.done > 0 {
		deadline = l.done + s.probation + grace
	}
	if w.keeper != "" && s.lifted > 0 {
		deadline = max(deadline, s.lifted+grace)
	}
	switch {
	case l.back == 0:
		fault("it was never out of effect again")
		return
	case l.back > deadline:
		fault("it was out of effect %.1f s after its deadline", (l.back - deadline + grace).Seconds())
	}
	from := l.enabled
	if l.done > 0 {
		from = l.done
	}
	v.RevertSeconds = (l.back - from).Seconds()
}

// told judges what the product says of it.
func (v *verdict) told(w wanted, s seen, fault func(string, ...any)) {
	if s.ended != w.end {
		fault("the ledger says that the attempt ended as %q, want %q", s.ended, w.end)
	}
	if s.struck != (w.reboots > 0) {
		fault("the ledger has a strike: %v", s.struck)
	}
	if s.shown != w.end {
		fault("the server shows %q, want %q", s.shown, w.end)
	}
	if len(w.because) > 0 && !slices.Contains(w.because, s.why) {
		fault("the server's reason is %q, want %v", s.why, w.because)
	}
	if s.unusable != "" {
		fault("the host is not usable: %s", strings.TrimSpace(s.unusable))
	}
	if !s.heard {
		fault("the server does not hear of the host any more")
	}
	if w.keeper == "" {
		return
	}
	switch {
	case s.stallSeen < 0:
		fault("the server never said that %s keeps the transition", w.keeper)
	case s.stallSeen > stallLimit:
		fault("the server said who keeps the transition after %.0f s", s.stallSeen.Seconds())
	default:
		v.StallSeconds = s.stallSeen.Seconds()
	}
}
