package rehearse

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
)

// Result is what a rehearsal found, ready for a table and for package api.
type Result struct {
	Plan      hotstick.PlanID
	Name      string
	Hosts     int
	Waves     int
	Lanes     int
	Runs      int
	Seed      uint64
	Start     time.Time
	Model     Model
	Scenarios []Outcome
}

// Outcome is one scenario over all its runs.
type Outcome struct {
	Scenario Scenario
	Runs     int
	Ends     Ends
	// Seconds is how long a run went on, until the plan was completed, halted, or
	// came to a hold from which only people lead on.
	Seconds Spread
	// Crashed counts the hosts that went down with the patch or while it was on
	// probation, until a day after the end; CrashedShare is the same in percent of the
	// plan's hosts.
	Crashed      Spread
	CrashedShare Spread
	// Reached is how many hosts, in percent, had the patch when the run was over.
	Reached Spread
	// Blast is, for each kind of domain, the most hosts of one domain that were
	// disturbed at once.
	Blast []Blast
	// Stops says where runs that did not complete were stopped, in the order of the
	// waves.
	Stops []Stop
}

// End is how a run ended.
type End string

// The ends of a run.
const (
	Completed End = "completed"
	Halted    End = "halted"
	Held      End = "held"
)

// Ends counts runs by their end.
type Ends struct {
	Completed int
	Halted    int
	Held      int
}

// Spread sums up one number over all runs.
type Spread struct {
	Mean   float64
	Median float64
	P95    float64
	P99    float64
	Max    float64
}

// Blast is the widest reach in one kind of domain: Hosts of one domain that has
// Of, disturbed at once.
type Blast struct {
	Domain string
	Value  string
	Hosts  int
	Of     int
}

// Stop is one place at which runs were stopped: the furthest wave that had
// started, and why.
type Stop struct {
	Wave  int
	Name  string
	End   End
	Code  hotstick.ReasonCode
	Cause hotstick.ReasonCode
	Runs  int
	// Seconds after the start, hosts with the patch in their kernel at that moment,
	// and hosts that had crashed by then.
	Seconds Spread
	Patched Spread
	Crashed Spread
}

// run is what one run left behind.
type run struct {
	end     End
	took    time.Duration
	crashed int
	reached int
	widest  []reach
	stop    stop
}

type reach struct {
	hosts  int
	domain int32
}

// stop is where a run was stopped.
type stop struct {
	wave             int
	name             string
	reason           hotstick.Reason
	patched, crashed int
}

func stops(runs []run) []Stop {
	type place struct {
		wave        int
		end         End
		code, cause hotstick.ReasonCode
	}
	at := map[place][]run{}
	for _, r := range runs {
		if r.end != Completed {
			p := place{r.stop.wave, r.end, r.stop.reason.Code, r.stop.reason.Cause}
			at[p] = append(at[p], r)
		}
	}
	out := []Stop{}
	for p, rs := range at {
		s := Stop{Wave: p.wave, Name: rs[0].stop.name, End: p.end, Code: p.code, Cause: p.cause, Runs: len(rs)}
		var seconds, patched, crashed []float64
		for _, r := range rs {
			seconds = append(seconds, r.took.Seconds())
			patched = append(patched, float64(r.stop.patched))
			crashed = append(crashed, float64(r.stop.crashed))
		}
		s.Seconds, s.Patched, s.Crashed = spreadOf(seconds), spreadOf(patched), spreadOf(crashed)
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b Stop) int {
		return cmp.Or(cmp.Compare(a.Wave, b.Wave), cmp.Compare(a.End, b.End), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Cause, b.Cause))
	})
	return out
}

func spreadOf(xs []float64) Spread {
	if len(xs) == 0 {
		return Spread{}
	}
	slices.Sort(xs)
	sum := 0.0
	for _, x := range xs {
		sum += x
	}
	at := func(q float64) float64 { return xs[max(0, int(math.Ceil(q*float64(len(xs))))-1)] }
	return Spread{Mean: sum / float64(len(xs)), Median: at(0.5), P95: at(0.95), P99: at(0.99), Max: xs[len(xs)-1]}
}

// over is the spread in percent of a whole.
func (s Spread) over(whole float64) Spread {
	return Spread{100 * s.Mean / whole, 100 * s.Median / whole, 100 * s.P95 / whole, 100 * s.P99 / whole, 100 * s.Max / whole}
}
