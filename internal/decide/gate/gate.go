// Package gate turns readings into a verdict: may the next wave open?
//
// A gate stands behind every wave, per lane. Its state is a plain value: the
// loop feeds it readings with [Observe], takes them back with [Forget] when a
// host says something newer, and asks with [Judge]. All are pure, and cost the
// same however many hosts were seen before.
//
// # The rules, in this order
//
//  1. A crash whose trace names the patch fails the gate at once: hard evidence.
//  2. A host that took the patch back out because its own probes, its kernel log
//     or its taint said so fails the gate.
//  3. Two hosts lost with one crash fingerprint fail it. A crash without a trace,
//     and silence, have no fingerprint: they are left to the rates (see below).
//  4. Hosts that failed the load alike fail it if there are two and they are more than
//     [RefusedPPM] explains. A host whose transition stalled, and that went back cleanly,
//     is blocked: no word for the patch and none against it. So is one on which somebody
//     outside took the level away, on probation or after it. It is missed among the
//     confirmed, and where two or more, and more than one in [BlockedShare] of those that
//     came to an end, are blocked, the lane holds for a person.
//  5. One host lost, or one that failed, holds its lane: one alone may have another
//     cause. The lane goes on only if the wave has MinReadings confirmed hosts beside
//     it (the plan's own number, which its approvers signed), and if a killer explains
//     the losses of this very wave less than ten times better than the background
//     does. So a lost canary always holds its lane, while one crash among some 130
//     hosts or more does not stop a wide wave for ever. A host that an operator
//     dismissed holds nothing, but the next one that is lost finds it counted.
//  6. Until every host of the wave is terminal, and at least one is confirmed, the
//     gate holds: no data is never taken for health. Hosts that were ordered back
//     are no failure and no evidence. Hosts that a person on the server passed over, or
//     that run the level already, are not missed. All others that were passed over are
//     absent: silent, ill, held or switched off by somebody on the host, under another
//     master, kept from a level that crashed elsewhere.
//  7. Enough hosts must be confirmed: MinReadings of them, and in smaller waves all
//     that are left. A wave of which most were absent or blocked also needs half of those
//     it lists, or MinReadings if that is less: [Verdict].Enough. Where nobody of a wave
//     is left to give a reading, it is for the rollout to ask for as many elsewhere.
//  8. The bake must pass, counted from the newest confirmed host.
//  9. Some host of the wave must have been heard of within FreshSeconds.
//  10. Where more than a tenth of the transitions, and at least two or all of them,
//     took longer than SlowTransitionMillis, the gate says slow: it opens, and the
//     rollout halves its budgets, never below one.
//
// # Rates
//
// [RateTest] counts over the whole plan: of n hosts that started, k were lost. It
// fails when k is more than the fleet's background explains, by a test that may be
// looked at after every report: the likelihood ratio of a mixture of killers
// (killing 0.2 % to 50 % of their hosts) against the background. For a good patch
// its chance of ever reaching 1/a is at most a, however often one looks (Ville's
// inequality). A host counts in n from the moment it is armed, not once its
// outcome is known: crashes come sooner than confirmations, and counting both at
// their ends would bias the test against every wide wave. Losses without a
// fingerprint in one domain, such as a zone, within five minutes are one event: a
// switch or a power feed takes many hosts at once, while a killer takes hosts
// everywhere. From the second event on only: one alone never fails a plan.
//
// A host that goes down within [Watched] after it was confirmed counts as well, beside
// those that were confirmed, by a test of its own: its background is that of the
// probation, as many times as it is longer. The mean of both tests decides. So slow
// killers are found without a trace, and a host that goes down days later says nothing.
//
// [Series] compares one number, such as a probe's answer time, of hosts with the
// patch and of hosts without it, by a test of the same kind.
//
// # The defaults, and why
//
//   - [DefaultMinReadings] 30: with 30 healthy hosts a killer of every tenth host
//     would have shown with 95 %.
//   - [DefaultFreshSeconds] 900: three times the silence after which a host counts
//     as lost.
//   - [DefaultBackgroundPPM] 100: one host in 10,000 goes down for another cause
//     while it is on probation. Fleets with worse hardware say so in their policy.
//   - [DefaultFalseAlarmPPM] 10,000: one good rollout in a hundred may be halted
//     wrongly; half of that is spent on the rates, half on all series together.
//   - [DefaultSlowMillis] 15,000: transitions take well under a second; a fifth of
//     the 75 s after which one is reversed is a sign of load.
//
// # The honest limit
//
// With n healthy hosts and no failure, a crash rate below 1-0.05^(1/n) could have
// been missed: [Verdict].Limit says so beside every verdict.
package gate

import (
	"fmt"
	"math"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/planted"
)

// What a gate asks for where a plan's settings say nothing.
const (
	DefaultMinReadings   = 30
	DefaultFreshSeconds  = 900
	DefaultBackgroundPPM = 100
	DefaultFalseAlarmPPM = 10_000
	DefaultSlowMillis    = 15_000
	// RefusedPPM is the share of hosts that fail a load whatever the patch: full disks,
	// modules of others.
	RefusedPPM = 10_000
	// BlockedShare: one in so many may be kept by a stalled transition, or by somebody's
	// hand, before a person has to look.
	BlockedShare = 10
)

// Outcome is what a gate says. The set is closed.
type Outcome string

const (
	// Pass: the next wave may open.
	Pass Outcome = "pass"
	// Hold: not yet; the reason says for what.
	Hold Outcome = "hold"
	// Slow: the next wave may open, with halved budgets.
	Slow Outcome = "slow"
	// Fail: the patch is bad; halt and revert.
	Fail Outcome = "fail"
)

// Verdict is a gate's answer with its evidence.
type Verdict struct {
	Outcome Outcome
	Reason  hotstick.Reason
	// Confirmed of the Needed hosts are healthy; Failures were lost, went back or
	// never loaded. Enough is how many must be confirmed before the gate may pass.
	Confirmed int
	Needed    int
	Enough    int
	Failures  int
	// Costly: transitions take longer than the limit, so budgets are halved,
	// whatever the outcome.
	Costly bool
	// EarliestAt is when the gate may pass at the earliest, if only time is missing.
	EarliestAt *time.Time
	// Limit is the upper 95 % bound of the crash rate that Confirmed healthy hosts
	// leave possible.
	Limit float64
}

// unread says that there are no readings, and whether any can still come.
func (acc Accumulator) unread() hotstick.Reason {
	r := hotstick.Reason{Code: hotstick.ReasonNoReadings}
	if acc.Open == 0 && acc.Needed > 0 {
		r.Detail = "each of its hosts went back or was passed over" + acc.missing()
	}
	return r
}

// passedOver is why no host of the wave has anything to say.
func (acc Accumulator) passedOver() hotstick.Reason {
	if len(acc.absences) == 0 {
		return hotstick.Reason{Code: hotstick.ReasonOperator}
	}
	return hotstick.Reason{Code: acc.absences[0].code, Detail: fmt.Sprintf("%d of %d", acc.Absent, acc.Needed)}
}

// Opens reports whether the next wave may open.
func (v Verdict) Opens() bool { return v.Outcome == Pass || v.Outcome == Slow }

// Judge gives the verdict at now, for a wave that must bake as long.
func Judge(acc Accumulator, bake time.Duration, now time.Time) Verdict {
	v := Verdict{
		Confirmed: acc.Confirmed, Needed: acc.Needed - acc.Decided, Enough: acc.enough(), Failures: acc.Failures,
		Costly: acc.costly(), Limit: Bound(acc.Confirmed),
	}
	end := acc.LastConfirmed.Add(bake)
	hard, held := acc.evidence.weigh(acc)
	switch {
	case hard != nil:
		v.Outcome, v.Reason = Fail, *hard
	case held != nil:
		v.Outcome, v.Reason = Hold, *held
	case acc.Needed > 0 && acc.Needed == acc.Decided+acc.Absent && acc.Dismissed == 0:
		v.Outcome, v.Reason = Pass, acc.passedOver()
	case acc.Moving > 0:
		v.Outcome, v.Reason = Hold, hotstick.Reason{Code: hotstick.ReasonUnderWay}
	case acc.Confirmed == 0 && planted.Bug("no-data-passes"):
		v.Outcome, v.Reason = Pass, hotstick.Reason{Code: hotstick.ReasonBake}
	case acc.Open > 0 || acc.Confirmed == 0:
		v.Outcome, v.Reason = Hold, acc.unread()
	case acc.Confirmed < v.Enough:
		v.Outcome, v.Reason = Hold, hotstick.Reason{Code: hotstick.ReasonTooFewReadings,
			Detail: fmt.Sprintf("%d of %d", acc.Confirmed, v.Enough) + acc.missing()}
	case now.Before(end):
		v.EarliestAt = &end
		v.Outcome, v.Reason = Hold, hotstick.Reason{Code: hotstick.ReasonBake, Until: &end}
	case now.Sub(acc.newest) > acc.settings.fresh():
		v.Outcome, v.Reason = Hold, hotstick.Reason{Code: hotstick.ReasonStaleReadings}
	case v.Costly:
		v.Outcome, v.Reason = Slow, hotstick.Reason{Code: hotstick.ReasonSlow,
			Detail: fmt.Sprintf("%d of %d transitions took longer than %s", acc.long, acc.timed, acc.settings.slow())}
	default:
		v.EarliestAt = &end
		v.Outcome, v.Reason = Pass, hotstick.Reason{Code: hotstick.ReasonBake}
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

// settings are a plan's, with the defaults filled in where they are read.
type settings hotstick.GateSettings

func (s settings) minReadings() int { return orDefault(s.MinReadings, DefaultMinReadings) }

func (s settings) fresh() time.Duration {
	return time.Duration(orDefault(s.FreshSeconds, DefaultFreshSeconds)) * time.Second
}

func (s settings) slow() time.Duration {
	return time.Duration(orDefault(s.SlowTransitionMillis, DefaultSlowMillis)) * time.Millisecond
}

// background is the share of hosts lost whatever the patch.
func (s settings) background() float64 {
	return float64(orDefault(s.BackgroundPPM, DefaultBackgroundPPM)) / 1e6
}

// alarm is the chance of a false halt that each kind of test may spend: the rates
// one half, all series together the other.
func (s settings) alarm() float64 {
	return float64(orDefault(s.FalseAlarmPPM, DefaultFalseAlarmPPM)) / 2e6
}

func orDefault(n, otherwise int) int {
	if n > 0 {
		return n
	}
	return otherwise
}
