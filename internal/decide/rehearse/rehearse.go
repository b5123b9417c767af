// Package rehearse plays a plan on a simulated copy of its hosts, before anybody
// starts it: how long it takes, how wide it reaches at its widest, and how many
// hosts a bad patch would crash before a gate stops it.
//
// The decisions are the real ones: every run opens a [rollout.Rollout] and asks it
// for its next step, with a clock that jumps from event to event. What is made up
// are the hosts. A [Model] says how soon they check in, how long they take and how
// often they go down without our help; a [Scenario] says what the patch does to
// them. Both are plain numbers that are shown beside the result.
//
// # What a simulated host does
//
//   - It takes its grant at its next check-in, loads the patch, moves its tasks,
//     and stays on probation for as long as the plan says; then it is confirmed.
//   - A host that the patch kills goes down at a random time after the load
//     (exponential, with the scenario's mean), boots again, and reports what a
//     loader reports: a crash during an attempt quarantines it, and a crash after the
//     attempt does where a trace names the patch; otherwise it counts in the rates.
//   - A few go down for causes of their own, whatever the patch: on probation, and as
//     long after it as the rates look.
//   - Hosts of a domain that is cut off go on by themselves and tell later.
//   - A host that is ordered back goes back at its next check-in.
//
// Everything is pure: the same request gives the same result. Virtual time passes
// through windows, delays and bakes; manual waves are opened at once.
package rehearse

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/gate"
)

// Limits of one rehearsal, for whoever asks on behalf of others.
const (
	// MaxRuns bounds the runs of one scenario.
	MaxRuns = 10_000
	// Aftermath is for how long after a rollout's end crashes are still counted.
	Aftermath = 24 * time.Hour
)

// Request is what is to be played.
type Request struct {
	Plan hotstick.Plan
	ID   hotstick.PlanID
	// Hosts is the plan's host list, in its order.
	Hosts []hotstick.PlanHost
	// Start is when the plan is started; windows and the plan's life count from
	// real time.
	Start time.Time
	// Scenarios are played Runs times each; nil means [Scenarios].
	Scenarios []Scenario
	Runs      int
	// Seed makes the chances; the same seed gives the same result.
	Seed  uint64
	Model Model
	// Progress is told after each run how many of all are done; nil for nobody.
	// It returns false to stop early.
	Progress func(done, of int) bool
}

// Model says how the simulated hosts behave, whatever the patch. Times but CheckIn
// are medians of what hosts take.
type Model struct {
	// CheckInSeconds is the longest time until a host of a running rollout checks in.
	CheckInSeconds int
	// TransitionMillis is from the load until all tasks run the new code, RevertMillis
	// from an order to its end.
	TransitionMillis int
	RevertMillis     int
	// RebootSeconds is from a crash until the host tells of it.
	RebootSeconds int
	// BackgroundPPM of the hosts go down on probation for causes of their own, and as
	// many in each such time after it.
	BackgroundPPM int
	// TracePPM of the crashes that the patch causes leave a trace that names it.
	TracePPM int
}

// DefaultModel is a fleet of ordinary servers, half of which keep the trace of a
// crash over a reboot.
func DefaultModel() Model {
	return Model{CheckInSeconds: 30, TransitionMillis: 500, RevertMillis: 2000, RebootSeconds: 180,
		BackgroundPPM: gate.DefaultBackgroundPPM, TracePPM: 500_000}
}

// Scenario is what happens to the hosts.
type Scenario struct {
	Name string
	// Text says what the patch does.
	Text string
	// KillPPM of the hosts go down with the patch, at a random time after the load,
	// DelaySeconds on average.
	KillPPM      int
	DelaySeconds int
	// OutageSeconds is for how long one zone is cut off, once a third of the hosts have
	// started; 0 for none.
	OutageSeconds int
}

// Scenarios are those that every plan should survive.
func Scenarios() []Scenario {
	return []Scenario{
		{Name: "good", Text: "is good"},
		{Name: "killer", Text: "kills every host in seconds", KillPPM: 1_000_000, DelaySeconds: 12},
		{Name: "slow-killer", Text: "kills every host, after half an hour on average", KillPPM: 1_000_000, DelaySeconds: 1800},
		{Name: "very-slow-killer", Text: "kills every host, after four hours on average", KillPPM: 1_000_000, DelaySeconds: 4 * 3600},
		{Name: "10%-killer", Text: "kills every tenth host in seconds", KillPPM: 100_000, DelaySeconds: 12},
		{Name: "zone-outage", Text: "is good, while one zone is cut off for 20 minutes", OutageSeconds: 1200},
	}
}

// ScenarioNamed returns one of [Scenarios].
func ScenarioNamed(name string) (Scenario, bool) {
	for _, s := range Scenarios() {
		if s.Name == name {
			return s, true
		}
	}
	return Scenario{}, false
}

// Run plays every scenario and sums up. It fails if the request makes no sense.
func Run(r Request) (Result, error) {
	if r.Scenarios == nil {
		r.Scenarios = Scenarios()
	}
	if err := r.check(); err != nil {
		return Result{}, err
	}
	fleet := survey(r)
	result := Result{Plan: r.ID, Name: r.Plan.Name, Hosts: len(r.Hosts), Waves: len(r.Plan.Waves), Lanes: len(r.Plan.Lanes),
		Runs: r.Runs, Seed: r.Seed, Start: r.Start, Model: r.Model}
	done := 0
	for i, s := range r.Scenarios {
		var runs []run
		for n := range r.Runs {
			chance := rand.New(rand.NewPCG(r.Seed, uint64(i)<<32|uint64(n)))
			played, err := play(r, fleet, s, chance)
			if err != nil {
				return Result{}, err
			}
			runs = append(runs, played)
			done++
			if r.Progress != nil && !r.Progress(done, r.Runs*len(r.Scenarios)) {
				return Result{}, fmt.Errorf("cannot finish the rehearsal: it was stopped after %d runs", done)
			}
		}
		result.Scenarios = append(result.Scenarios, fleet.sum(s, runs))
	}
	return result, nil
}

func (r Request) check() error {
	if err := r.Plan.Validate(); err != nil {
		return err
	}
	if len(r.Hosts) != r.Plan.HostCount {
		return fmt.Errorf("cannot rehearse a plan of %d hosts with a list of %d", r.Plan.HostCount, len(r.Hosts))
	}
	for _, h := range r.Hosts {
		if h.Wave < 0 || h.Wave >= len(r.Plan.Waves) {
			return fmt.Errorf("cannot rehearse: host %s is in wave %d of %d", h.Host, h.Wave, len(r.Plan.Waves))
		}
	}
	if r.Runs < 1 || r.Runs > MaxRuns {
		return fmt.Errorf("cannot rehearse with %d runs of each scenario: want 1 to %d", r.Runs, MaxRuns)
	}
	if m := r.Model; min(m.CheckInSeconds, m.TransitionMillis, m.RevertMillis, m.RebootSeconds) < 1 {
		return fmt.Errorf("cannot rehearse with hosts that take no time")
	}
	if !r.Start.Before(r.Plan.NotAfter) {
		return fmt.Errorf("cannot rehearse a plan whose life is over before it starts")
	}
	return nil
}
