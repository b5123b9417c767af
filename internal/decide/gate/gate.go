// Package gate turns readings into a verdict: may the next wave open?
//
// A gate stands behind every wave, per lane. Its state is a plain value: the
// loop feeds it readings with [Observe] and asks with [Judge]; both are pure.
// The rules, in this order:
//
//  1. A crash whose trace names the patch fails the gate at once: hard evidence.
//  2. A host that took the patch back out because its own probes, its kernel log
//     or its taint said so fails the gate.
//  3. Two hosts lost with one fingerprint fail it; one lost host holds its lane,
//     for one crash alone may have another cause.
//  4. Two hosts that failed the load alike fail it; one holds its lane.
//  5. Until every host of the wave is terminal, and at least one is confirmed,
//     the gate holds: no data is never taken for health.
//  6. Then the bake must pass without a failure.
//
// Confidence is told honestly: with n healthy hosts and no failure, a crash
// rate below 1-0.05^(1/n) could have been missed ([Verdict.Limit]).
package gate

import (
	"math"
	"time"

	"github.com/hotstick/hotstick"
)

// Outcome is what a gate says. The set is closed.
type Outcome string

const (
	// Pass: the next wave may open.
	Pass Outcome = "pass"
	// Hold: not yet; the reason says for what.
	Hold Outcome = "hold"
	// Slow: go on, at the pace of one host at a time.
	Slow Outcome = "slow"
	// Fail: the patch is bad; halt and revert.
	Fail Outcome = "fail"
)

// Reading is what one host of the wave says of the patch now.
type Reading struct {
	Host   hotstick.HostID
	Name   string
	State  hotstick.HostState
	Reason *hotstick.Reason
	// Fingerprint groups crashes and load failures of one kind.
	Fingerprint string
	// At is when the host reached the state, by the server's clock.
	At time.Time
}

// Accumulator is a gate's state: counts and the newest times, as a value.
type Accumulator struct {
	Needed    int
	Confirmed int
	Open      int
	// Moving counts those of Open that have started.
	Moving   int
	Failures int
	// LastConfirmed is when the newest host was confirmed; the bake counts from it.
	LastConfirmed time.Time
	hard          *hotstick.Reason
	lost          map[string]int
	refused       map[string]int
	held          *hotstick.Reason
}

// New returns the gate of a wave of needed hosts.
func New(needed int) Accumulator { return Accumulator{Needed: needed} }

// Observe folds one host's reading into the gate's state. Each host is given
// once; the loop starts from [New] at each decision.
func Observe(acc Accumulator, r Reading) Accumulator {
	switch r.State {
	case hotstick.Confirmed:
		acc.Confirmed++
		if r.At.After(acc.LastConfirmed) {
			acc.LastConfirmed = r.At
		}
	case hotstick.Reverting, hotstick.Reverted:
		acc = observeRevert(acc, r)
		if r.State == hotstick.Reverting {
			acc.Open++
		}
	case hotstick.Quarantined, hotstick.Lost:
		acc = observeLoss(acc, r)
	case hotstick.Failed:
		acc = observeRefusal(acc, r)
	case hotstick.Skipped:
		acc.Needed--
	default:
		acc.Open++
		if r.State.HoldsSlot() {
			acc.Moving++
		}
	}
	return acc
}

// observeRevert counts a host that went back. An ordered revert says nothing of
// the patch; a stalled transition is the host's trouble and holds its lane.
func observeRevert(acc Accumulator, r Reading) Accumulator {
	switch code(r) {
	case hotstick.ReasonRevertOrdered, hotstick.ReasonOperator:
		return acc
	case hotstick.ReasonTransitionStalled, hotstick.ReasonAgentSilent:
		return observeRefusal(acc, r)
	}
	acc.Failures++
	acc.hard = first(acc.hard, gateReason(r))
	return acc
}

func observeLoss(acc Accumulator, r Reading) Accumulator {
	acc.Failures++
	if code(r) == hotstick.ReasonCrashNamed {
		acc.hard = first(acc.hard, gateReason(r))
		return acc
	}
	acc.lost = count(acc.lost, r.Fingerprint)
	if acc.lost[r.Fingerprint] >= 2 {
		acc.hard = first(acc.hard, gateReason(r))
	}
	acc.held = first(acc.held, &hotstick.Reason{Code: hotstick.ReasonCanaryLost, Subject: r.Name, Cause: code(r), Detail: evidence(r)})
	return acc
}

func observeRefusal(acc Accumulator, r Reading) Accumulator {
	acc.Failures++
	key := string(code(r)) + "\x00" + r.Fingerprint
	acc.refused = count(acc.refused, key)
	if acc.refused[key] >= 2 {
		acc.hard = first(acc.hard, gateReason(r))
	}
	acc.held = first(acc.held, &hotstick.Reason{Code: hotstick.ReasonLaneHeld, Subject: r.Name, Cause: code(r), Detail: evidence(r)})
	return acc
}

// Verdict is a gate's answer with its evidence.
type Verdict struct {
	Outcome   Outcome
	Reason    hotstick.Reason
	Confirmed int
	Needed    int
	Failures  int
	// EarliestAt is when the gate may pass at the earliest, if only time is missing.
	EarliestAt *time.Time
	// Limit is the upper 95 % bound of the crash rate that this evidence allows.
	Limit float64
}

// Judge gives the verdict at now, for a wave that must bake as long.
func Judge(acc Accumulator, bake time.Duration, now time.Time) Verdict {
	v := Verdict{Confirmed: acc.Confirmed, Needed: acc.Needed, Failures: acc.Failures, Limit: Bound(acc.Confirmed)}
	switch {
	case acc.hard != nil:
		v.Outcome, v.Reason = Fail, *acc.hard
	case acc.held != nil:
		v.Outcome, v.Reason = Hold, *acc.held
	case acc.Needed <= 0:
		v.Outcome, v.Reason = Pass, hotstick.Reason{Code: hotstick.ReasonOperator}
	case acc.Moving > 0:
		v.Outcome, v.Reason = Hold, hotstick.Reason{Code: hotstick.ReasonUnderWay}
	case acc.Open > 0 || acc.Confirmed == 0 || acc.Confirmed < acc.Needed:
		v.Outcome, v.Reason = Hold, hotstick.Reason{Code: hotstick.ReasonNoReadings}
	default:
		end := acc.LastConfirmed.Add(bake)
		v.EarliestAt = &end
		v.Outcome, v.Reason = Pass, hotstick.Reason{Code: hotstick.ReasonBake}
		if now.Before(end) {
			v.Outcome, v.Reason = Hold, hotstick.Reason{Code: hotstick.ReasonBake, Until: &end}
		}
	}
	return v
}

// Bound is the largest crash rate that n healthy hosts and no crash leave
// possible at 95 % confidence: 1-0.05^(1/n), and 1 without any host.
func Bound(n int) float64 {
	if n <= 0 {
		return 1
	}
	return 1 - math.Pow(0.05, 1/float64(n))
}

func gateReason(r Reading) *hotstick.Reason {
	return &hotstick.Reason{Code: hotstick.ReasonGateFailed, Subject: r.Name, Cause: code(r), Detail: evidence(r)}
}

// evidence is what the host's reason speaks of, with its detail.
func evidence(r Reading) string {
	switch {
	case r.Reason == nil:
		return string(r.State)
	case r.Reason.Subject == "" || r.Reason.Detail == r.Reason.Subject:
		return r.Reason.Detail
	case r.Reason.Detail == "":
		return r.Reason.Subject
	}
	return r.Reason.Subject + ": " + r.Reason.Detail
}

func code(r Reading) hotstick.ReasonCode {
	if r.Reason == nil {
		return ""
	}
	return r.Reason.Code
}

func first(have, next *hotstick.Reason) *hotstick.Reason {
	if have != nil {
		return have
	}
	return next
}

// count returns a copy with one more of key: accumulators are values, so an
// older one must not change behind its owner's back.
func count(m map[string]int, key string) map[string]int {
	next := make(map[string]int, len(m)+1)
	for k, v := range m {
		next[k] = v
	}
	next[key]++
	return next
}
