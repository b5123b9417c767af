package rehearse

import (
	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/gate"
	"github.com/hotstick/hotstick/internal/decide/rollout"
)

// fleet is what all runs share: the hosts as the rollout first sees them, and the
// domains they are in.
type fleet struct {
	hosts []rollout.Host
	index map[hotstick.HostID]int32
	kinds []kind
	// modules are what each host's loader calls the patch.
	modules []string
	// zones are what is cut off as a whole.
	zones kind
}

// kind is one kind of failure domain.
type kind struct {
	name   string
	values []string
	// of gives each host's domain, as an index of values.
	of []int32
	// sizes counts the hosts of each domain.
	sizes []int
}

func survey(r Request) fleet {
	f := fleet{index: make(map[hotstick.HostID]int32, len(r.Hosts))}
	forever := r.Plan.NotAfter.Add(2 * Aftermath)
	names := map[hotstick.KernelBuild]string{}
	for _, l := range r.Plan.Lanes {
		names[l.Build] = l.Module
	}
	for i, h := range r.Hosts {
		f.index[h.Host] = int32(i)
		f.modules = append(f.modules, names[h.Build])
		// A host that is up counts as heard of for ever, so that no time is spent on
		// check-ins that say nothing.
		f.hosts = append(f.hosts, rollout.Host{Listed: h, State: hotstick.Waiting, Updated: r.Start,
			Posture: rollout.Posture{LastSeen: forever, Announced: true}})
	}
	for _, b := range r.Plan.Budgets {
		k := domainsOf(r.Hosts, func(h hotstick.PlanHost) string {
			if b.Domain == hotstick.FleetDomain {
				return "all"
			}
			return h.Domains[b.Domain]
		})
		k.name = b.Domain
		f.kinds = append(f.kinds, k)
	}
	f.zones = domainsOf(r.Hosts, func(h hotstick.PlanHost) string { return gate.Domain(h.Domains) })
	return f
}

// domainsOf parts the hosts by what they share.
func domainsOf(hosts []hotstick.PlanHost, share func(hotstick.PlanHost) string) kind {
	k := kind{of: make([]int32, len(hosts))}
	seen := map[string]int32{}
	for i, h := range hosts {
		value := share(h)
		at, known := seen[value]
		if !known {
			at = int32(len(k.values))
			seen[value] = at
			k.values = append(k.values, value)
			k.sizes = append(k.sizes, 0)
		}
		k.of[i] = at
		k.sizes[at]++
	}
	return k
}

// sum makes a scenario's outcome from its runs.
func (f fleet) sum(s Scenario, runs []run) Outcome {
	o := Outcome{Scenario: s, Runs: len(runs), Ends: Ends{}}
	var durations, crashed, reached []float64
	for _, r := range runs {
		switch r.end {
		case Completed:
			o.Ends.Completed++
		case Halted:
			o.Ends.Halted++
		default:
			o.Ends.Held++
		}
		durations = append(durations, r.took.Seconds())
		crashed = append(crashed, float64(r.crashed))
		reached = append(reached, float64(r.reached))
	}
	o.Seconds = spreadOf(durations)
	o.Crashed = spreadOf(crashed)
	o.Reached = spreadOf(reached).over(float64(len(f.hosts)))
	o.CrashedShare = o.Crashed.over(float64(len(f.hosts)))
	for i := range f.kinds {
		o.Blast = append(o.Blast, f.blast(i, runs))
	}
	o.Stops = stops(runs)
	return o
}

// blast is the widest that any run reached in one domain of a kind.
func (f fleet) blast(i int, runs []run) Blast {
	k := f.kinds[i]
	b := Blast{Domain: k.name}
	for _, r := range runs {
		if w := r.widest[i]; w.hosts > b.Hosts {
			b.Hosts, b.Value, b.Of = w.hosts, k.values[w.domain], k.sizes[w.domain]
		}
	}
	return b
}
