package gate_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/gate"
	"pgregory.net/rapid"
)

var causes = []hotstick.ReasonCode{"", hotstick.ReasonCrash, hotstick.ReasonCrashNamed, hotstick.ReasonSilentAfter,
	hotstick.ReasonProbeFailed, hotstick.ReasonTransitionStalled, hotstick.ReasonRevertOrdered,
	hotstick.ReasonKernelRefused, hotstick.ReasonHostSilent, hotstick.ReasonHeldOnHost, hotstick.ReasonOperator}

// drawReading makes any reading a host may give, in any state for any cause.
func drawReading(t *rapid.T, label string) gate.Reading {
	r := gate.Reading{
		Host:        hotstick.HostID(fmt.Sprint("h", rapid.IntRange(0, 50).Draw(t, label+" host"))),
		State:       rapid.SampledFrom(hotstick.HostStates()).Draw(t, label+" state"),
		Dismissed:   rapid.Bool().Draw(t, label+" dismissed"),
		Fingerprint: rapid.SampledFrom([]string{"", "rcu", "ext4"}).Draw(t, label+" fingerprint"),
		Domain:      rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, label+" domain"),
		At:          t0.Add(time.Duration(rapid.IntRange(0, 100).Draw(t, label+" at")) * time.Second),
		Transition:  time.Duration(rapid.IntRange(0, 40).Draw(t, label+" transition")) * time.Second,
	}
	if r.Name = string(r.Host); rapid.Bool().Draw(t, label+" crashed") {
		r.Crashed = r.At.Add(time.Minute)
	}
	if code := rapid.SampledFrom(causes).Draw(t, label+" cause"); code != "" {
		r.Reason = &hotstick.Reason{Code: code}
	}
	return r
}

func drawReadings(t *rapid.T) []gate.Reading {
	var out []gate.Reading
	for i := range rapid.IntRange(0, 40).Draw(t, "hosts") {
		out = append(out, drawReading(t, fmt.Sprint(i)))
	}
	return out
}

func observe(rs []gate.Reading, s hotstick.GateSettings) gate.Accumulator {
	acc := gate.New(len(rs), s)
	for _, r := range rs {
		acc = gate.Observe(acc, r)
	}
	return acc
}

// few lets small waves reach every rule.
var few = hotstick.GateSettings{MinReadings: 5}

// rank orders outcomes from the strictest.
var rank = map[gate.Outcome]int{gate.Fail: 0, gate.Hold: 1, gate.Slow: 2, gate.Pass: 3}

var looks = []time.Duration{0, time.Minute, 10 * time.Minute, time.Hour}

func TestForgettingTakesBackWhatWasObserved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rs := drawReadings(t)
		odd := drawReading(t, "odd")
		before := observe(rs, few)
		after := gate.Forget(gate.Observe(before, odd), odd)
		for _, age := range looks {
			want, got := gate.Judge(before, time.Minute, t0.Add(age)), gate.Judge(after, time.Minute, t0.Add(age))
			if rank[got.Outcome] > rank[want.Outcome] {
				t.Fatalf("forgetting made a gate bolder: %s because of %s, before %s because of %s",
					got.Outcome, got.Reason.Code, want.Outcome, want.Reason.Code)
			}
			timed := got.Reason.Code == hotstick.ReasonBake || got.Reason.Code == hotstick.ReasonStaleReadings
			if got.EarliestAt, want.EarliestAt = nil, nil; !timed && !reflect.DeepEqual(got, want) {
				t.Fatalf("forgetting left something behind:\n%+v\n%+v", got, want)
			}
		}
		rates := gate.NewRateTest(hotstick.GateSettings{}, probation)
		if got := rates.Observe(odd).Forget(odd); got.Started != 0 || got.Lost != 0 || got.Confirmed != 0 || got.Crashed != 0 || got.Events() != 0 {
			t.Fatalf("the rates kept %+v", got)
		}
	})
}

func TestTheOrderOfReadingsDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rs := drawReadings(t)
		first := observe(rs, few)
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 3))
		r.Shuffle(len(rs), func(i, j int) { rs[i], rs[j] = rs[j], rs[i] })
		second := observe(rs, few)
		for _, age := range looks {
			a, b := gate.Judge(first, time.Minute, t0.Add(age)), gate.Judge(second, time.Minute, t0.Add(age))
			if !reflect.DeepEqual(a, b) {
				t.Fatalf("one set of readings gave two verdicts:\n%+v\n%+v", a, b)
			}
		}
	})
}

// Nothing that other hosts say makes up for hard evidence, and nobody opens a
// wave of which no host is healthy, unless all were passed over by decision.
func TestVerdictsRestOnTheirEvidence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rs := drawReadings(t)
		healthy, passedOver, hard := 0, 0, false
		for _, r := range rs {
			switch {
			case r.State == hotstick.Confirmed:
				healthy++
			case r.State == hotstick.Skipped:
				passedOver++
			}
			down := r.State == hotstick.Quarantined || r.State == hotstick.Lost
			hard = hard || down && r.Reason != nil && r.Reason.Code == hotstick.ReasonCrashNamed
		}
		v := gate.Judge(observe(rs, few), 0, t0.Add(2*time.Minute))
		if hard && v.Outcome != gate.Fail {
			t.Fatalf("judged %s in spite of a crash that names the patch", v.Outcome)
		}
		if v.Opens() && healthy == 0 && (passedOver == 0 || passedOver < len(rs)) {
			t.Fatalf("opened without a healthy host, because of %s", v.Reason.Code)
		}
		if v.Limit < gate.Bound(healthy) {
			t.Fatalf("claimed a limit of %g with %d healthy hosts", v.Limit, healthy)
		}
	})
}

func BenchmarkObserve(b *testing.B) {
	const hosts = 100_000
	r := gate.Reading{Host: "h", Name: "h", State: hotstick.Confirmed, At: t0, Seen: t0, Transition: 200 * time.Millisecond}
	for b.Loop() {
		acc := gate.New(hosts, hotstick.GateSettings{})
		for range hosts {
			acc = gate.Observe(acc, r)
		}
		if !gate.Judge(acc, 0, t0).Opens() {
			b.Fatal("a healthy wave did not open")
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/hosts, "ns/host")
}
